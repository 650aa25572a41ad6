/** PubsubStore's contract: nodes and collections. */

import { describe, expect, test } from 'vitest'
import { defaultConfig, type LinkChanges, type NodeConfig } from '../../../modules/pubsub/node-config.ts'
import { type Actor, SHARED_SERVICE } from '../../../modules/pubsub/records.ts'
import { sqliteStore as store } from '../../../modules/pubsub/store.sqlite.ts'
import { LEAF_OPTIONS } from '../../support/pubsub-config.ts'
import {
  affiliateAt,
  alice,
  at,
  BOUNDS,
  bob,
  create,
  ids,
  NO_PAST,
  n,
  opened,
  page,
  publish,
  refused,
  root,
  snapshot,
  subscribe,
  usePubsubStore,
} from './fixture.ts'

usePubsubStore()

test('the key of cursors is made once, and kept over a restart', async () => {
  const made = await opened.storage.run(store.ensureKey, { key: 'aa' })
  expect(await opened.storage.run(store.ensureKey, { key: 'bb' })).toEqual(made)
  await opened.reopen()
  expect(await opened.storage.run(store.readKey, undefined)).toEqual(made)
})

describe('nodes', () => {
  test('are created once, up to the bound, with their creator as owner', async () => {
    await create()
    await expect(create()).rejects.toMatchObject(refused('nodeExists'))
    await create('m')
    for (const nodeId of ['o', 'p', 'q']) await create(nodeId)
    await expect(create('r')).rejects.toMatchObject(refused('tooManyNodes'))
    const { affiliations } = await snapshot()
    expect(affiliations).toContainEqual({ ...n, bareJid: 'alice@test', affiliation: 'owner' })
  })

  test('always tell, whatever else is said of it', async () => {
    const { config } = await create('n', {
      alwaysNotify: true,
      notifyRetract: false,
      publishNodeFull: 'discard-oldest',
    })
    expect(config).toMatchObject({ notifyConfig: true, notifyRetract: true, publishNodeFull: 'retract-oldest' })
    const quiet = { notifyRetract: false, presenceBasedDelivery: true }
    const args = { ...NO_PAST, ...n, actor: alice, changes: quiet, itemsMax: 9 }
    const kept = await opened.storage.run(store.configureNode, args)
    expect(kept.node.config).toMatchObject({ notifyRetract: true, presenceBasedDelivery: false })
    const free = await opened.storage.run(store.configureNode, {
      ...NO_PAST,
      ...args,
      changes: { ...quiet, alwaysNotify: false },
    })
    expect(free.node.config).toMatchObject({ notifyConfig: true, ...quiet })
  })

  test('keep every option over a restart', async () => {
    const config: NodeConfig = {
      ...LEAF_OPTIONS,
      childrenPolicy: 'whitelist',
      childrenWhitelist: 'c@test\nd@test',
      childrenMax: 7,
      // It would decide some of the others.
      alwaysNotify: false,
    }
    const made = await create('n', config)
    expect(made.config).toEqual(config)
    await opened.reopen()
    expect((await snapshot()).nodes).toEqual([made])
  })

  test('are read with the configuration of each, whatever that of the node made before is, or was', async () => {
    const titles = ['one', 'one', 'two', 'two', 'one']
    const made = []
    for (const [index, title] of titles.entries()) {
      const maxItems = index === 3 ? 7 : 8
      made.push(await create(`n${index}`, { title, maxItems, language: index > 3 ? 'de' : '' }))
    }
    expect((await snapshot()).nodes).toEqual(made)
    for (const gone of [1, 3]) {
      await opened.storage.run(store.deleteNode, { ...NO_PAST, ...at(`n${gone}`), actor: root })
      made.splice(gone === 1 ? 1 : 2, 1)
      expect((await snapshot()).nodes).toEqual(made)
    }
    expect(made.map(({ nodeId }) => nodeId)).toEqual(['n0', 'n2', 'n4'])
  })

  test('are configured by owners and the administrator only; an option not named stays', async () => {
    await create('n', { title: 'before' })
    const configure = (actor: Actor, changes: Partial<NodeConfig>) =>
      opened.storage.run(store.configureNode, { ...NO_PAST, ...n, actor, changes, itemsMax: 100 })
    await expect(configure(bob, { title: 'x' })).rejects.toMatchObject(refused('notOwner'))
    expect((await configure(root, { maxItems: 3 })).node.config).toMatchObject({ title: 'before', maxItems: 3 })
    expect((await configure(alice, { maxItems: 'max' })).node.config.maxItems).toBe('max')
  })

  test('take their items, subscriptions and affiliations with them', async () => {
    await create()
    await publish('1')
    await subscribe(bob)
    await expect(opened.storage.run(store.deleteNode, { ...NO_PAST, ...n, actor: bob })).rejects.toMatchObject(
      refused('notOwner'),
    )
    await opened.storage.run(store.deleteNode, { ...NO_PAST, ...n, actor: alice })
    await expect(page()).rejects.toMatchObject(refused('nodeNotFound'))
    expect(await snapshot()).toEqual({
      links: [],
      relations: [],
      nodes: [],
      affiliations: [],
      subscriptions: [],
      lastSeq: expect.any(Number),
    })
    await create()
    expect(await page()).toMatchObject({ items: [], count: 0 })
  })

  test('of one name may be at every service, each with its own bound, items and members', async () => {
    await create()
    const hers = at('n', 'alice@test')
    const node = { ...hers, creator: 'alice@test', config: defaultConfig(BOUNDS), nodesMax: 1 }
    await opened.storage.run(store.createNode, node)
    await expect(opened.storage.run(store.createNode, node)).rejects.toMatchObject(refused('nodeExists'))
    const another = { ...node, ...at('m', 'alice@test') }
    await expect(opened.storage.run(store.createNode, another)).rejects.toMatchObject(refused('tooManyNodes'))
    await publish('1')
    expect(await publish('2', hers)).toMatchObject(hers)
    await subscribe(bob, 'bob@test', hers)
    expect([await ids(), await ids(hers)]).toEqual([['1'], ['2']])
    await opened.reopen()
    const { nodes, affiliations, subscriptions } = await snapshot()
    expect(nodes).toMatchObject([n, hers])
    expect(affiliations).toMatchObject([n, hers])
    expect(subscriptions).toMatchObject([hers])
    await opened.storage.run(store.deleteNode, { ...NO_PAST, ...n, actor: alice })
    expect(await ids(hers)).toEqual(['2'])
  })

  test('of an account are its own, go with it, and let read whom its roster does', async () => {
    const hers = at('n', 'alice@test')
    const config = { ...defaultConfig({ ...BOUNDS, isAccount: true }), rosterGroupsAllowed: 'Friends' }
    await opened.storage.run(store.createNode, { ...hers, creator: 'alice@test', config, nodesMax: 9 })
    const changes = [
      { bareJid: 'bob@test', affiliation: 'owner' as const },
      { bareJid: 'alice@test', affiliation: 'none' as const },
    ]
    const affiliated = await opened.storage.run(store.modifyAffiliations, {
      ...hers,
      actor: alice,
      changes,
      perNodeMax: 9,
    })
    expect(affiliated).toMatchObject({ changed: [], refused: [{ affiliation: 'none' }, { affiliation: 'owner' }] })
    const friend = (relation?: { seesPresence: boolean; groups: string[] }) => ({ ...bob, relation })
    await expect(subscribe(friend(), 'bob@test', hers)).rejects.toMatchObject(refused('presenceSubscriptionRequired'))
    const { subscription } = await subscribe(friend({ seesPresence: true, groups: [] }), 'bob@test', hers)
    const toRoster = { ...NO_PAST, ...hers, actor: alice, changes: { accessModel: 'roster' as const }, itemsMax: 9 }
    expect((await opened.storage.run(store.configureNode, toRoster)).ended).toEqual([])
    const stranger = friend({ seesPresence: true, groups: ['Servants'] })
    await expect(subscribe(stranger, 'bob@test/r', hers)).rejects.toMatchObject(refused('notInRosterGroup'))
    const { subid } = subscription
    const key = { ...hers, jid: 'bob@test', subid, actor: friend({ seesPresence: false, groups: [] }) }
    const friends = { ...key, actor: friend({ seesPresence: true, groups: ['Friends'] }) }
    expect((await opened.storage.run(store.endUnread, [{ ...key, subid: 'x' }, friends])).ended).toEqual([])
    expect((await opened.storage.run(store.endUnread, [key, key])).ended).toEqual([subscription])
    await subscribe(friend({ seesPresence: true, groups: ['Friends'] }), 'bob@test', hers)
    await affiliateAt(hers, 'member')
    const [member] = (await snapshot()).subscriptions
    // Who has an affiliation reads by that.
    const again = { ...key, subid: member?.subid }
    expect((await opened.storage.run(store.endUnread, [again])).ended).toEqual([])
    await create()
    await opened.storage.run(store.forgetAccount, { bareJid: 'alice@test' })
    expect((await snapshot()).nodes).toMatchObject([n])
    expect((await snapshot()).subscriptions).toEqual([])
  })

  test('of the server are made once and configured after', async () => {
    const node = { ...at('/x'), creator: 'test', config: defaultConfig(BOUNDS) }
    await opened.storage.run(store.ensureNode, node)
    const again = await opened.storage.run(store.ensureNode, { ...node, config: { ...node.config, title: 'new' } })
    expect(again.config.title).toBe('new')
    const { nodes, affiliations } = await snapshot()
    expect(nodes).toEqual([again])
    expect(affiliations).toEqual([])
  })
})

describe('collections', () => {
  const bounds = { childrenMax: 3, parentsMax: 2 }
  const collection = (nodeId: string, config: Partial<NodeConfig> = {}) =>
    create(nodeId, { nodeType: 'collection', ...config })
  const relink = (nodeId: string, links: LinkChanges, actor = alice) =>
    opened.storage.run(store.relink, { ...at(nodeId), actor, links, ...bounds })
  const pair = (parent: string, child: string) => ({ service: SHARED_SERVICE, parent, child })
  const associate = (parent: string, child: string, actor = alice) =>
    opened.storage.run(store.associate, { ...pair(parent, child), actor, ...bounds })
  const dissociate = (parent: string, child: string, actor = alice) =>
    opened.storage.run(store.dissociate, { ...pair(parent, child), actor })
  const links = async () => (await snapshot()).links
  const configure = (nodeId: string, changes: Partial<NodeConfig>) =>
    opened.storage.run(store.configureNode, { ...NO_PAST, ...at(nodeId), actor: alice, changes, itemsMax: 9 })

  test('hold nodes, from either side, over a restart, and until one of both goes', async () => {
    await collection('a')
    await collection('b')
    await create('n')
    expect(await relink('n', { parents: ['a', 'b'] })).toEqual({ added: [pair('a', 'n'), pair('b', 'n')], removed: [] })
    expect(await relink('b', { children: [] })).toEqual({ added: [], removed: [pair('b', 'n')] })
    expect(await relink('a', { parents: [], children: ['n', 'b'] })).toEqual({ added: [pair('a', 'b')], removed: [] })
    expect(await associate('b', 'n')).toEqual({ added: [pair('b', 'n')], removed: [] })
    expect(await associate('b', 'n')).toEqual({ added: [], removed: [] })
    await opened.reopen()
    expect(await links()).toEqual([pair('a', 'n'), pair('a', 'b'), pair('b', 'n')])
    expect(await dissociate('a', 'n')).toEqual({ added: [], removed: [pair('a', 'n')] })
    await expect(dissociate('a', 'n')).rejects.toMatchObject(refused('notAssociated'))
    await opened.storage.run(store.deleteNode, { ...NO_PAST, ...at('b'), actor: alice })
    expect(await links()).toEqual([])
  })

  test('have no cycle, by whatever way round', async () => {
    for (const nodeId of ['a', 'b', 'c']) await collection(nodeId)
    await associate('a', 'b')
    await associate('b', 'c')
    for (const [parent, child] of [
      ['c', 'a'],
      ['b', 'a'],
      ['a', 'a'],
    ] as const)
      await expect(associate(parent, child)).rejects.toMatchObject(refused('cycle'))
    await expect(relink('a', { parents: ['c'] })).rejects.toMatchObject(refused('cycle'))
    await expect(relink('c', { children: ['a'] })).rejects.toMatchObject(refused('cycle'))
    await associate('a', 'c') // two ways down are no way round
  })

  test('are bounded, as they are configured and as the service allows', async () => {
    await collection('a', { childrenMax: 1 })
    await collection('b')
    await create('n')
    await associate('a', 'n')
    await expect(associate('a', 'b')).rejects.toMatchObject(refused('tooManyAssociated'))
    // What goes makes room.
    expect(await relink('a', { children: ['b'] })).toEqual({ added: [pair('a', 'b')], removed: [pair('a', 'n')] })
    const tight = { ...at('n'), actor: alice, links: { parents: ['b'] }, childrenMax: 3, parentsMax: 0 }
    await expect(opened.storage.run(store.relink, tight)).rejects.toMatchObject(refused('tooManyAssociated'))
  })

  test('take nodes of those alone whom both sides let', async () => {
    await collection('a')
    await opened.storage.run(store.createNode, {
      ...n,
      creator: 'bob@test',
      config: defaultConfig(BOUNDS),
      nodesMax: 3,
    })
    await expect(associate('a', 'n')).rejects.toMatchObject(refused('mayNotAssociate')) // not alice's
    await expect(associate('a', 'n', bob)).rejects.toMatchObject(refused('mayNotAssociate'))
    await configure('a', { childrenPolicy: 'whitelist', childrenWhitelist: 'x@test\nbob@test' })
    await associate('a', 'n', bob)
    await expect(dissociate('a', 'n', { bareJid: 'carol@test', isAdmin: false })).rejects.toMatchObject(
      refused('mayNotAssociate'),
    )
    await dissociate('a', 'n') // by the collection's owner
    await configure('a', { childrenPolicy: 'all' })
    await associate('a', 'n', bob)
    await dissociate('a', 'n', bob)
    await opened.storage.run(store.modifyAffiliations, {
      ...at('a'),
      actor: alice,
      changes: [{ bareJid: 'bob@test', affiliation: 'outcast' }],
      perNodeMax: 3,
    })
    await expect(associate('a', 'n', bob)).rejects.toMatchObject(refused('mayNotAssociate'))
    await associate('a', 'n', root)
  })

  test('are no leaves: no items, no children of a leaf, and no way back', async () => {
    await create('n', { maxItems: 5 })
    await create('m')
    await publish('1')
    await expect(associate('n', 'm')).rejects.toMatchObject(refused('notACollection'))
    await expect(relink('n', { children: ['m'] })).rejects.toMatchObject(refused('notACollection'))
    expect(await configure('n', { nodeType: 'collection' })).toMatchObject({ isPurged: true, pruned: [] })
    expect(await page()).toMatchObject({ count: 0, items: [] })
    await expect(publish('2')).rejects.toMatchObject(refused('noPublishingHere'))
    await expect(configure('n', { nodeType: 'leaf' })).rejects.toMatchObject(refused('nodeTypeFixed'))
    await associate('n', 'm')
    await expect(associate('x', 'm')).rejects.toMatchObject(refused('nodeNotFound'))
  })
})
