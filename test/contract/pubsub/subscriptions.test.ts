/** PubsubStore's contract: subscriptions, their options and approval, and affiliations. */

import { describe, expect, test } from 'vitest'
import { defaultConfig } from '../../../modules/pubsub/node-config.ts'
import { type Actor, SHARED_SERVICE } from '../../../modules/pubsub/records.ts'
import { sqliteStore as store } from '../../../modules/pubsub/store.sqlite.ts'
import { DEFAULT_OPTIONS, type OptionChanges } from '../../../modules/pubsub/subscription-options.ts'
import {
  affiliate,
  alice,
  at,
  BOUNDS,
  bob,
  create,
  NO_PAST,
  n,
  opened,
  publish,
  refused,
  root,
  snapshot,
  subscribe,
  usePubsubStore,
} from './fixture.ts'

usePubsubStore()

describe('subscriptions', () => {
  test('are one per JID; asked again they move to that address', async () => {
    await create()
    const { subscription, isNew } = await subscribe(bob)
    expect(isNew).toBe(true)
    expect(subscription).toMatchObject({ jid: 'bob@test', address: 'pubsub.test', state: 'subscribed' })
    expect(await subscribe(bob, 'bob@test', { address: 'test', isPublic: true })).toMatchObject({ isNew: false })
    await opened.reopen()
    const { subscriptions } = await snapshot()
    const publicSince = expect.any(Number)
    expect(subscriptions).toEqual([{ ...subscription, address: 'test', isPublic: true, publicSince }])
    const again = await subscribe(bob, 'bob@test', { address: 'test' })
    expect(again).toEqual({ subscription: { ...subscription, address: 'test' }, isNew: false })
    expect((await snapshot()).subscriptions).toEqual([again.subscription])
  })

  test('are public since they were last made so, or approved', async () => {
    await create('n', { accessModel: 'authorize' })
    const isPublic = { isPublic: true }
    expect((await subscribe(bob, 'bob@test', isPublic)).subscription.publicSince).toBeUndefined()
    const answer = { ...n, actor: alice, jid: 'bob@test', subid: undefined, isAllowed: true }
    const { publicSince = 0 } = (await opened.storage.run(store.answerRequest, answer)).subscription
    expect(publicSince).toBeGreaterThan(0)
    const asked = { ...isPublic, address: 'test' }
    expect((await subscribe(bob, 'bob@test', asked)).subscription.publicSince).toBe(publicSince)
    await opened.reopen()
    expect((await snapshot()).subscriptions).toMatchObject([{ publicSince }])
    expect((await subscribe(bob)).subscription.publicSince).toBeUndefined()
    expect((await subscribe(bob, 'bob@test', isPublic)).subscription.publicSince).toBeGreaterThanOrEqual(publicSince)
  })

  test('elsewhere are public since they were last made so, or approved', async () => {
    const one = { service: 'far.test', nodeId: 'n', jid: 'zoe@test', subid: 's', isPublic: true } as const
    const keep = (state: 'pending' | 'subscribed', isPublic = true) =>
      opened.storage.run(store.keepElsewhere, { ...one, state, isPublic })
    expect((await keep('pending')).publicSince).toBeUndefined()
    const { publicSince = 0 } = await keep('subscribed')
    expect(publicSince).toBeGreaterThan(0)
    expect(await keep('subscribed')).toEqual({ ...one, state: 'subscribed', publicSince })
    expect((await keep('subscribed', false)).publicSince).toBeUndefined()
    expect((await keep('subscribed')).publicSince).toBeGreaterThanOrEqual(publicSince)
    await opened.storage.run(store.dropElsewhere, one)
  })

  test('to the list of the subscribers of a node end with the node; such lists are not counted as nodes', async () => {
    await create()
    const list = { service: SHARED_SERVICE, nodeId: 'urn:xmpp:pps:subscribers:0/n' }
    await opened.storage.run(store.ensureNode, { ...list, creator: 'test', config: defaultConfig(BOUNDS) })
    await subscribe(bob, 'bob@test', list)
    const second = { ...at('m'), creator: 'alice@test', config: defaultConfig(BOUNDS), nodesMax: 2 }
    await opened.storage.run(store.createNode, second)
    await opened.storage.run(store.deleteNode, { ...NO_PAST, ...n, actor: alice })
    const { nodes, subscriptions } = await snapshot()
    expect([nodes.map(({ nodeId }) => nodeId), subscriptions]).toEqual([['m'], []])
  })

  test('at services of others are kept as they are told, over a restart, until they are left', async () => {
    const at = { service: 'rain.example', jid: 'bob@test' }
    const one = { ...at, nodeId: 'n', subid: 's1', state: 'pending', isPublic: true } as const
    const others = [
      { ...at, nodeId: 'n', subid: undefined, state: 'subscribed', isPublic: false },
      { ...at, nodeId: 'm', subid: 's1', state: 'unconfigured', isPublic: false },
      { ...at, jid: 'carol@test', nodeId: 'n', subid: 's1', state: 'subscribed', isPublic: false },
    ] as const
    for (const each of [one, ...others]) await opened.storage.run(store.keepElsewhere, each)
    const told = { ...one, state: 'subscribed', isPublic: false } as const
    await opened.storage.run(store.keepElsewhere, told)
    await opened.reopen()
    const all = () => opened.storage.run(store.allElsewhere, undefined)
    expect(new Set(await all())).toEqual(new Set([told, ...others]))
    await opened.storage.run(store.dropElsewhere, { ...at, nodeId: 'n', subid: '' })
    expect(new Set(await all())).toEqual(new Set([told, others[1], others[2]]))
    await opened.storage.run(store.dropElsewhere, { ...at, nodeId: 'n', subid: undefined })
    expect(new Set(await all())).toEqual(new Set([others[1], others[2]]))
    for (const bareJid of ['bob@test', 'carol@test']) await opened.storage.run(store.forgetAccount, { bareJid })
    expect(await all()).toEqual([])
  })

  test('are bounded per account and per node', async () => {
    await create()
    await subscribe(bob, 'bob@test/1')
    await subscribe(bob, 'bob@test/2')
    await expect(subscribe(bob, 'bob@test/3')).rejects.toMatchObject(refused('tooManySubscriptions'))
    await subscribe(alice)
    await expect(subscribe(root)).rejects.toMatchObject(refused('tooManySubscriptions'))
    const unsubscribe = { ...n, jid: 'bob@test/1', subid: undefined }
    expect(await opened.storage.run(store.unsubscribe, unsubscribe)).toMatchObject({ jid: 'bob@test/1' })
    await expect(opened.storage.run(store.unsubscribe, unsubscribe)).rejects.toMatchObject(refused('notSubscribed'))
    await subscribe(root)
  })

  test('follow access model and affiliation', async () => {
    await create()
    await subscribe(bob)
    await affiliate([{ bareJid: 'alice@test', affiliation: 'owner' }])
    await subscribe(alice)
    const closed = { ...NO_PAST, ...n, actor: alice, changes: { accessModel: 'whitelist' as const }, itemsMax: 9 }
    const { ended } = await opened.storage.run(store.configureNode, closed)
    expect(ended.map(({ jid }) => jid)).toEqual(['bob@test'])
    await expect(subscribe(bob)).rejects.toMatchObject(refused('closedNode'))
    await affiliate([{ bareJid: 'bob@test', affiliation: 'member' }])
    await subscribe(bob)
    const banned = await affiliate([{ bareJid: 'bob@test', affiliation: 'outcast' }])
    expect(banned.ended.map(({ jid }) => jid)).toEqual(['bob@test'])
    await expect(subscribe(bob)).rejects.toMatchObject(refused('outcast'))
  })

  test('are managed by owners; what cannot be is named with what it is', async () => {
    await create()
    await affiliate([{ bareJid: 'carol@test', affiliation: 'outcast' }])
    const entry = (bareJid: string, state: 'subscribed' | 'none' | undefined) => ({
      jid: bareJid,
      bareJid,
      address: 'pubsub.test',
      subid: undefined,
      newSubid: bareJid,
      state,
    })
    const modify = (actor: Actor, changes: ReturnType<typeof entry>[]) =>
      opened.storage.run(store.modifySubscriptions, { ...n, actor, changes, perNodeMax: 1 })
    await expect(modify(bob, [])).rejects.toMatchObject(refused('notOwner'))
    const first = await modify(alice, [
      entry('bob@test', 'subscribed'),
      entry('carol@test', 'subscribed'),
      entry('dora@test', 'subscribed'),
      entry('erin@test', undefined),
    ])
    expect(first.made.map(({ jid }) => jid)).toEqual(['bob@test'])
    expect(first.refused).toEqual([
      { jid: 'carol@test', state: 'none' },
      { jid: 'dora@test', state: 'none' },
      { jid: 'erin@test', state: 'none' },
    ])
    const second = await modify(alice, [entry('bob@test', 'none'), entry('dora@test', 'subscribed')])
    expect(second).toMatchObject({ ended: [{ jid: 'bob@test' }], made: [{ jid: 'dora@test' }], refused: [] })
  })
})

describe('subscriptions with options', () => {
  const options = (changes: OptionChanges) => ({ options: changes })
  const key = (subid?: string) => ({ ...n, jid: 'bob@test', subid })
  const all = async () => (await snapshot()).subscriptions

  test('other options make another one; the same ones, or none, find the one that is there', async () => {
    await create()
    const first = (await subscribe(bob)).subscription
    const second = (await subscribe(bob, 'bob@test', options({ deliver: false }))).subscription
    expect(second.subid).not.toBe(first.subid)
    expect(await subscribe(bob)).toMatchObject({ isNew: false, subscription: { subid: first.subid } })
    expect(await subscribe(bob, 'bob@test', options({ deliver: false }))).toMatchObject({
      isNew: false,
      subscription: { subid: second.subid },
    })
    await expect(opened.storage.run(store.unsubscribe, key())).rejects.toMatchObject(refused('subidRequired'))
    await expect(opened.storage.run(store.unsubscribe, key('x'))).rejects.toMatchObject(refused('invalidSubid'))
    await opened.reopen()
    expect(await all()).toEqual([first, second])
    await opened.storage.run(store.unsubscribe, key(first.subid))
    expect(await opened.storage.run(store.unsubscribe, key())).toEqual(second)
  })

  test('are changed one by one, and what is not named stays', async () => {
    await create()
    await subscribe(bob, 'bob@test', options({ showValues: ['chat'] }))
    const change = { ...key(), changes: { deliver: false }, leaseMaxMs: 1000 }
    const expected = { ...DEFAULT_OPTIONS, deliver: false, showValues: ['chat'] }
    expect((await opened.storage.run(store.setOptions, change)).options).toEqual(expected)
    await opened.reopen()
    expect(await all()).toMatchObject([{ options: expected }])
  })

  test('have a body only where payloads can be put in words', async () => {
    await create()
    const includeBody = { ...key(), changes: { includeBody: true }, leaseMaxMs: 1000 }
    await subscribe(bob)
    await opened.storage.run(store.setOptions, includeBody) // nobody knows yet
    await publish('1')
    await expect(opened.storage.run(store.setOptions, includeBody)).rejects.toMatchObject(refused('invalidOptions'))
    await expect(subscribe(bob, 'bob@test/x', options({ includeBody: true }))).rejects.toMatchObject(
      refused('invalidOptions'),
    )
    const type = 'http://www.w3.org/2005/Atom'
    await opened.storage.run(store.configureNode, { ...NO_PAST, ...n, actor: alice, changes: { type }, itemsMax: 9 })
    expect((await opened.storage.run(store.setOptions, includeBody)).options).toMatchObject({ includeBody: true })
  })

  test('end with their lease, which is cut to what the service allows', async () => {
    await create()
    const before = Date.now()
    const { subscription } = await subscribe(bob, 'bob@test', options({ expire: Number.MAX_SAFE_INTEGER }))
    expect(subscription.options.expire).toBeGreaterThanOrEqual(before + 60_000)
    expect(subscription.options.expire).toBeLessThanOrEqual(Date.now() + 60_000)
    expect(await opened.storage.run(store.endLeases, undefined)).toEqual({ ended: [] })
    const over = { ...key(), changes: { expire: 1 }, leaseMaxMs: 60_000 }
    await expect(opened.storage.run(store.setOptions, over)).rejects.toMatchObject(refused('invalidOptions'))
    await expect(subscribe(bob, 'bob@test/x', options({ expire: 1 }))).rejects.toMatchObject(refused('invalidOptions'))
    const brief = { ...key(), changes: { expire: Number.MAX_SAFE_INTEGER }, leaseMaxMs: 0 }
    await opened.storage.run(store.setOptions, brief)
    expect(await opened.storage.run(store.endLeases, undefined)).toMatchObject({ ended: [{ jid: 'bob@test' }] })
    expect(await all()).toEqual([])
  })

  test('end with presence only where they, or their node, are so', async () => {
    await create()
    const lasting = (await subscribe(bob)).subscription
    const brief = (await subscribe(bob, 'bob@test', options({ expire: 'presence' }))).subscription
    const keys = [key(lasting.subid), key(brief.subid), { ...key('x'), ...at('m') }]
    expect(await opened.storage.run(store.endTemporary, keys)).toEqual({ ended: [brief] })
    await opened.storage.run(store.configureNode, {
      ...NO_PAST,
      ...n,
      actor: alice,
      changes: { tempSub: true },
      itemsMax: 9,
    })
    expect(await opened.storage.run(store.endTemporary, keys)).toEqual({ ended: [lasting] })
  })
})

describe('subscriptions that owners approve', () => {
  const answer = (actor: Actor, isAllowed: boolean) =>
    opened.storage.run(store.answerRequest, { ...n, actor, jid: 'bob@test', subid: undefined, isAllowed })

  test('wait for the first answer, and only for an owner', async () => {
    await create('n', { accessModel: 'authorize' })
    expect(await subscribe(bob)).toMatchObject({ isNew: true, subscription: { state: 'pending' } })
    await expect(subscribe(bob)).rejects.toMatchObject(refused('pendingSubscription'))
    await expect(answer(bob, true)).rejects.toMatchObject(refused('notOwner'))
    expect(await answer(alice, true)).toMatchObject({ isAllowed: true, subscription: { state: 'subscribed' } })
    await expect(answer(alice, false)).rejects.toMatchObject(refused('noRequest'))
    await opened.reopen()
    const { subscriptions } = await snapshot()
    expect(subscriptions).toMatchObject([{ jid: 'bob@test', state: 'subscribed' }])
    expect(await subscribe(alice)).toMatchObject({ subscription: { state: 'subscribed' } })
  })

  test('go when denied; a new affiliation or access model decides those that wait', async () => {
    await create('n', { accessModel: 'authorize' })
    await subscribe(bob)
    expect(await answer(alice, false)).toMatchObject({ isAllowed: false })
    await subscribe(bob)
    const { approved } = await affiliate([{ bareJid: 'bob@test', affiliation: 'publisher' }])
    expect(approved).toMatchObject([{ jid: 'bob@test', state: 'subscribed' }])
    await subscribe(root, 'x@test', { actor: { bareJid: 'x@test', isAdmin: false } })
    const open = { ...NO_PAST, ...n, actor: alice, changes: { accessModel: 'open' as const }, itemsMax: 9 }
    expect(await opened.storage.run(store.configureNode, open)).toMatchObject({
      approved: [{ jid: 'x@test' }],
      ended: [],
    })
  })
})

describe('affiliations', () => {
  test('change by the state chart; the last owner stays, the others are done all the same', async () => {
    await create()
    const result = await affiliate([
      { bareJid: 'alice@test', affiliation: 'none' },
      { bareJid: 'bob@test', affiliation: 'publisher' },
    ])
    expect(result.refused).toEqual([{ ...n, bareJid: 'alice@test', affiliation: 'owner' }])
    expect(result.changed).toEqual([{ ...n, bareJid: 'bob@test', affiliation: 'publisher' }])
    await affiliate([{ bareJid: 'bob@test', affiliation: 'owner' }])
    await affiliate([{ bareJid: 'alice@test', affiliation: 'none' }], root)
    await expect(affiliate([])).rejects.toMatchObject(refused('notOwner'))
    // Who has none is not kept as one who has none.
    await opened.reopen()
    expect((await snapshot()).affiliations).toEqual([{ ...n, bareJid: 'bob@test', affiliation: 'owner' }])
  })

  test('are bounded', async () => {
    await create()
    const result = await affiliate(
      ['b', 'c', 'd'].map((name) => ({ bareJid: `${name}@test`, affiliation: 'member' as const })),
    )
    expect(result.refused).toEqual([{ ...n, bareJid: 'd@test', affiliation: 'none' }])
  })

  test('go with the account, its subscriptions too', async () => {
    await create()
    await affiliate([{ bareJid: 'bob@test', affiliation: 'member' }])
    await subscribe(bob, 'bob@test/x')
    await opened.storage.run(store.forgetAccount, { bareJid: 'bob@test' })
    const { affiliations, subscriptions } = await snapshot()
    expect(subscriptions).toEqual([])
    expect(affiliations.map(({ bareJid }) => bareJid)).toEqual(['alice@test'])
    await subscribe(bob, 'bob@test/1')
    await subscribe(bob, 'bob@test/2')
  })
})
