/** Nodes of accounts: as modules use them, and who gets their events by the roster and by what clients show. */

import { setImmediate as turn } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { reviewAccess, rosterChanged } from '../../../modules/pubsub/access.ts'
import { accountForgotten, tellAccountEnded } from '../../../modules/pubsub/account.ts'
import type { PersonalNodes } from '../../../modules/pubsub/api.ts'
import { Audience } from '../../../modules/pubsub/audience.ts'
import type { PubsubParts } from '../../../modules/pubsub/context.ts'
import { sendPersonalItems } from '../../../modules/pubsub/last-item.ts'
import { personalNodes } from '../../../modules/pubsub/personal.ts'
import { sqliteStore } from '../../../modules/pubsub/store.sqlite.ts'
import { subscribe as askToSubscribe } from '../../../modules/pubsub/subscriber.ts'
import type { Relation } from '../../../modules/roster/index.ts'
import type { Hooks, SessionHandle } from '../../../server/module/api.ts'
import { parseJid } from '../../../server/stanza/jid.ts'
import type { Storage } from '../../../server/storage/storage.ts'
import { el } from '../../../server/xml/element.ts'
import { parseFragment } from '../../../server/xml/parser.ts'
import { serialize } from '../../../server/xml/serialize.ts'
import { openDirectStorage } from '../../support/direct-storage.ts'
import { pubsubParts } from '../../support/pubsub-parts.ts'

const payload = parseFragment('<p xmlns="urn:p"/>')
const STRANGER: Relation = { seesPresence: false, groups: [] }

let storage: Storage
let parts: PubsubParts
let nodes: PersonalNodes
/** alice's roster. */
let roster: Map<string, Relation>
/** What each full JID that is online wants to hear of. */
let online: Map<string, readonly string[]>
let sent: string[]
let accounts: Set<string>
let emitted: Hooks['pubsub.personal-published'][]
/** Her roster is read from disk first. */
let loading: Promise<void> | undefined

beforeEach(() => {
  storage = openDirectStorage()
  roster = new Map()
  online = new Map()
  sent = []
  emitted = []
  accounts = new Set(['alice@test'])
  loading = undefined
  const sessions = new Map<string, SessionHandle>()
  const sessionOf = (full: string): SessionHandle => {
    // What the audience asks of a session, and no more.
    const made = { fullJid: parseJid(full), presence: payload } as SessionHandle
    const session = sessions.get(full) ?? made
    sessions.set(full, session)
    return session
  }
  const ofAccount = (bareJid: string) => [...online.keys()].filter((full) => parseJid(full).bare === bareJid)
  const audience = new Audience({
    rosters: {
      ready: () => loading,
      relation: (owner, contact) => (owner === 'alice@test' ? (roster.get(contact) ?? STRANGER) : STRANGER),
      groups: () => [],
      subscribers: () => [...roster].flatMap(([contact, { seesPresence }]) => (seesPresence ? [contact] : [])),
      subscriptions: () => [],
      read: async () => el('query'),
    },
    clients: {
      of({ fullJid }) {
        const wanted = online.get(fullJid.full) ?? []
        return { identities: [], features: new Set(wanted.map((nodeId) => `${nodeId}+notify`)) }
      },
    },
    sessions: { of: (bareJid) => ofAccount(bareJid).map(sessionOf) },
    isSubscribed: (bareJid, at) => parts.replica.accounts.isSubscribed(bareJid, at),
  })
  parts = pubsubParts(storage, {
    audience,
    emit(_hook, event) {
      // The only hook of these use cases.
      emitted.push(event as Hooks['pubsub.personal-published'])
      return event
    },
    exists: (bareJid) => accounts.has(bareJid),
    send: (address, { to, xml }) => sent.push(`${address} to ${to.full}: ${kindOf(xml)}`),
    maySee: (bareJid, node) => audience.mayRead(node, bareJid),
  })
  nodes = personalNodes(parts)
})
afterEach(() => storage.close())

const kindOf = (xml: string): string => /<(item|retract|delete|subscription)[ >]/.exec(xml)?.[1] ?? xml
const node = () => {
  const found = parts.replica.get({ service: 'alice@test', nodeId: 'n' })
  if (!found) throw new Error('no node')
  return found
}
const publish = (itemId: string) => nodes.publish('alice@test', 'n', { itemId, payload })
const subscribe = async (jid: string) => {
  const { bare: bareJid } = parseJid(jid)
  const { subscription } = await storage.run(sqliteStore.subscribe, {
    ...{ service: 'alice@test', nodeId: 'n', jid, address: 'alice@test', subid: jid, options: undefined },
    actor: { bareJid, isAdmin: false, relation: roster.get(bareJid) },
    ...{ leaseMaxMs: 1, isPublic: false, isAuthorized: false, perNodeMax: 9, perAccountMax: 9 },
  })
  parts.replica.subscribed(subscription)
}

describe('for other modules', () => {
  test('are made, published to, read and retracted as the account itself', async () => {
    await nodes.publish('alice@test', 'n', { itemId: '1', payload }, { accessModel: 'open', maxItems: 'max' })
    expect(await publish('2')).toBe('2')
    expect(node().record).toMatchObject({ creator: 'alice@test', config: { accessModel: 'open', maxItems: 'max' } })
    expect(emitted).toMatchObject([{ account: 'alice@test', item: { itemId: '1' } }, { item: { itemId: '2' } }])
    expect(await nodes.item('alice@test', 'n')).toMatchObject({ itemId: '2', payload: '<p xmlns="urn:p"/>' })
    expect(await nodes.item('alice@test', 'n', '1')).toMatchObject({ itemId: '1' })
    await nodes.retract('alice@test', 'n', '2')
    expect(await nodes.item('alice@test', 'n', '2')).toBeUndefined()
    expect(await nodes.item('bob@test', 'n')).toBeUndefined()
    await expect(nodes.retract('alice@test', 'n', '2')).rejects.toMatchObject({ condition: 'item-not-found' })
  })

  test('go with their account', async () => {
    await publish('1')
    roster.set('bob@test', { seesPresence: true, groups: [] })
    await subscribe('bob@test')
    accounts.delete('alice@test')
    await expect(publish('2')).rejects.toMatchObject({ condition: 'item-not-found' })
    sent = []
    tellAccountEnded(parts, 'alice@test')
    accountForgotten(parts, await storage.run(sqliteStore.forgetAccount, { bareJid: 'alice@test' }))
    expect(sent).toEqual(['alice@test to bob@test: delete'])
    expect(parts.replica.owners()).toEqual([])
    expect((await storage.run(sqliteStore.readSnapshot, undefined)).nodes).toEqual([])
  })

  test('have what XEP-0163 has by default', async () => {
    await publish('1')
    await publish('2')
    expect(node().record.config).toMatchObject({ accessModel: 'presence', sendLastItem: 'on_sub_and_presence' })
    expect(await nodes.item('alice@test', 'n', '1')).toBeUndefined()
  })
})

describe('events', () => {
  beforeEach(async () => {
    await publish('1')
    online.set('alice@test/a', ['n']).set('alice@test/b', []).set('bob@test/r', ['n']).set('bob@test/s', ['m'])
    sent = []
  })

  test('go to whom the roster shows presence, where a client wants them', async () => {
    await publish('2')
    expect(sent).toEqual(['alice@test to alice@test/a: item'])
    roster.set('bob@test', { seesPresence: true, groups: [] })
    sent = []
    await publish('3')
    expect(sent).toEqual(['alice@test to alice@test/a: item', 'alice@test to bob@test/r: item'])
  })

  test('come once to who subscribed too: where it wants them, or else at the address it gave', async () => {
    roster.set('bob@test', { seesPresence: true, groups: [] }).set('carol@test', { seesPresence: true, groups: [] })
    online.set('carol@test/r', [])
    await subscribe('bob@test')
    await subscribe('carol@test')
    await publish('2')
    const expected = ['alice@test/a', 'bob@test/r', 'carol@test'].map((jid) => `alice@test to ${jid}: item`)
    expect(sent.sort()).toEqual(expected)
    await subscribe('carol@test/r')
    online.set('carol@test/r', ['n'])
    sent = []
    await publish('3')
    // By her full JID, and at the bare one as no other resource wants it.
    expect(sent.filter((line) => line.includes('carol@test/r'))).toHaveLength(1)
  })

  test('wait for a roster that has to be read', async () => {
    roster.set('bob@test', { seesPresence: true, groups: [] })
    const { promise, resolve } = Promise.withResolvers<void>()
    loading = promise
    await publish('2')
    expect(sent).toEqual([])
    loading = undefined
    resolve()
    await promise
    expect(sent).toHaveLength(2)
  })

  test('come by themselves, and no last item after them, from when a client shows that it wants them', async () => {
    roster.set('bob@test', { seesPresence: true, groups: [] })
    const { promise, resolve } = Promise.withResolvers<void>()
    const waiting = { ...parts, offline: { review: () => {}, delivered: () => promise } }
    // What the use case asks of a session, and no more.
    const session = { fullJid: parseJid('bob@test/r'), bareJid: 'bob@test' } as SessionHandle
    const told = sendPersonalItems(waiting, 'bob@test', [node()], session)
    await publish('2')
    resolve()
    await told
    expect(sent.filter((line) => line.includes('bob@test'))).toEqual(['alice@test to bob@test/r: item'])
    await sendPersonalItems(parts, 'bob@test', [node()], session)
    expect(sent.filter((line) => line.includes('bob@test'))).toHaveLength(2)
  })

  test('end with the subscription that the roster allowed', async () => {
    roster.set('bob@test', { seesPresence: true, groups: [] })
    online.delete('bob@test/r')
    await subscribe('bob@test')
    await reviewAccess(parts, node())
    expect(node().subscribers.size).toBe(1)
    roster.delete('bob@test')
    // Before it is looked at, the roster of this moment holds already.
    await publish('2')
    expect(sent).toEqual(['alice@test to alice@test/a: item'])
    sent = []
    const before = { seesPresence: true, groups: [] }
    await rosterChanged(parts, { owner: 'alice@test', contact: 'bob@test', before })
    expect(node().subscribers.size).toBe(0)
    expect(sent).toEqual(['alice@test to bob@test: subscription'])
  })

  test('end where the roster changed while the request for them was on its way', async () => {
    online.clear()
    const [jid, actor] = [parseJid('bob@test'), { bareJid: 'bob@test', isAdmin: false }]
    const relation = { seesPresence: true, groups: [] }
    const asker = { jid, service: 'alice@test', address: 'alice@test', actor: { ...actor, relation } }
    const request = { kind: 'subscribe', nodeId: 'n', jid, options: undefined, isPublic: false } as const
    // The roster says something else by now than it did when he asked.
    const answer = serialize(await askToSubscribe(parts, asker, request))
    expect(answer).toContain('subscription="subscribed"')
    await storage.settled(storage.submitted)
    await turn()
    expect(node().subscribers.size).toBe(0)
    expect(sent).toEqual(['alice@test to bob@test: subscription'])
  })

  test('begin with the last item for who may read from now on', async () => {
    roster.set('bob@test', { seesPresence: true, groups: [] })
    await rosterChanged(parts, { owner: 'alice@test', contact: 'bob@test', before: STRANGER })
    expect(sent).toEqual(['alice@test to bob@test/r: item'])
    // Nothing that matters to this node changed.
    await rosterChanged(parts, {
      owner: 'alice@test',
      contact: 'bob@test',
      before: { seesPresence: true, groups: ['x'] },
    })
    expect(sent).toHaveLength(1)
  })
})
