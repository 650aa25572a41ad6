/** Who is told what, and that it is written once. XEP-0060 §7.1.2, §7.2.2.1; DESIGN decision 5. */

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { defaultConfig, type NodeConfig } from '../../../modules/pubsub/node-config.ts'
import type { NodeView } from '../../../modules/pubsub/node-view.ts'
import { Notifier } from '../../../modules/pubsub/notify.ts'
import { type NodeRef, SHARED_SERVICE, type SubscriptionRecord } from '../../../modules/pubsub/records.ts'
import { Replica } from '../../../modules/pubsub/replica.ts'
import {
  DEFAULT_OPTIONS,
  type ShowValue,
  type SubscriptionOptions,
} from '../../../modules/pubsub/subscription-options.ts'
import type { RawStanza } from '../../../server/module/api.ts'
import { attr } from '../../../server/xml/element.ts'
import { parseFragment } from '../../../server/xml/parser.ts'
import { noAudience } from '../../support/no-accounts.ts'

interface Sent {
  readonly address: string
  readonly stanza: RawStanza
}

const N: NodeRef = { service: SHARED_SERVICE, nodeId: 'n' }

let sent: Sent[]
let notifier: Notifier
let shows: ShowValue[]
beforeEach(() => {
  sent = []
  shows = []
  notifier = new Notifier({
    send: (address, stanza) => sent.push({ address, stanza }),
    maySee: (bareJid, _node, scope) => scope === undefined || bareJid === `${scope}@test`,
    audience: noAudience(),
    presenceOf: () => shows,
    stanzaId: (_node, position) => `<stanza-id xmlns="urn:xmpp:sid:0" id="${position.seq}"/>`,
    now: () => 1_000,
    inheritance: { of: () => [], ofLink: () => [], mayGet: () => true, letsThrough: () => true },
    bounds: () => ({ digestEventsMax: 4, digestMaxChars: 1_000 }),
  })
})

function subscription(jid: string, subid: string, address: string): SubscriptionRecord {
  const bareJid = jid.split('/')[0] ?? ''
  return { ...N, jid, bareJid, address, subid, state: 'subscribed', isPublic: false, options: DEFAULT_OPTIONS }
}

function nodeWith(config: Partial<NodeConfig>, jids = ['bob@test', "carol@test/o'<&"]): NodeView {
  const replica = new Replica()
  const defaults = defaultConfig({ itemsMax: 10, childrenMax: 10, payloadMaxBytes: 10 })
  replica.load({
    lastSeq: 0,
    links: [],
    relations: [],
    nodes: [{ ...N, creator: 'a@test', createdAt: 0, config: { ...defaults, ...config }, seenType: undefined }],
    affiliations: [],
    subscriptions: jids.map((jid, at) => subscription(jid, String(at), at === 0 ? 'pubsub.test' : 'test')),
  })
  const node = replica.get(N)
  if (!node) throw new Error('no node')
  return node
}

const item = { itemId: '1', publisher: 'alice@test', publishedAt: 0, payload: '<p xmlns="urn:p"/>' }
const contents = () => sent.map(({ stanza }) => stanza.xml.slice(stanza.xml.indexOf('<event')))

test('each subscriber gets the same string in an envelope of its own', () => {
  notifier.published(nodeWith({}), item, undefined)
  expect(sent.map(({ address, stanza }) => [address, stanza.to.full])).toEqual([
    ['pubsub.test', 'bob@test'],
    ['test', "carol@test/o'<&"],
  ])
  expect(new Set(contents()).size).toBe(1)
  for (const { address, stanza } of sent) {
    const message = parseFragment(stanza.xml)
    expect([attr(message, 'from'), attr(message, 'to')]).toEqual([address, stanza.to.full])
    expect(attr(message, 'type')).toBeUndefined()
  }
  expect(new Set(sent.map(({ stanza }) => attr(parseFragment(stanza.xml), 'id'))).size).toBe(2)
  expect(contents()[0]).toContain('<item id="1"><p xmlns="urn:p"/></item>')
})

test('options of the node: headline, publisher, no payload, nothing at all', () => {
  notifier.published(nodeWith({ notificationType: 'headline', itemReply: 'publisher' }), item, undefined)
  expect(sent[0]?.stanza).toMatchObject({ type: 'headline' })
  expect(sent[0]?.stanza.xml).toContain(' type="headline"')
  expect(contents()[0]).toContain('<item id="1" publisher="alice@test">')
  sent = []
  notifier.published(nodeWith({ deliverPayloads: false }), item, undefined)
  expect(contents()[0]).toContain('<items node="n"><item id="1"/></items>')
  sent = []
  notifier.published(nodeWith({ deliverNotifications: false }), item, undefined)
  notifier.retracted(nodeWith({ deliverNotifications: false }), [{ itemId: '1', scope: undefined }])
  expect(sent).toEqual([])
})

test('an item that is kept is told with its id in the archive', () => {
  notifier.published(nodeWith({}), { ...item, position: { seq: 3, creation: 1 } }, undefined)
  notifier.published(nodeWith({}), item, undefined)
  const told = sent.map(({ stanza }) =>
    stanza.xml.includes('</event><stanza-id xmlns="urn:xmpp:sid:0" id="3"/></message>'),
  )
  expect(told).toEqual([true, true, false, false])
})

test('who may not see an item is not told that it came or went', () => {
  const node = nodeWith({})
  notifier.published(node, item, 'carol')
  expect(sent.map(({ stanza }) => stanza.to.bare)).toEqual(['carol@test'])
  sent = []
  notifier.retracted(node, [
    { itemId: '1', scope: 'carol' },
    { itemId: '2', scope: undefined },
    { itemId: '3', scope: 'carol' },
    { itemId: '4', scope: 'nobody' },
  ])
  const told = sent.map(({ stanza }) => [
    stanza.to.bare,
    [...stanza.xml.matchAll(/retract id="(\d)"/g)].map(([, id]) => id),
  ])
  expect(told).toEqual([
    ['carol@test', ['1', '3']],
    ['bob@test', ['2']],
    ['carol@test', ['2']],
  ])
})

test('the last item says when it was published', () => {
  const node = nodeWith({})
  const subscriber = node.subscribers.get('bob@test')
  if (!subscriber) throw new Error('no subscriber')
  notifier.lastItem(node, subscriber, { ...item, position: { seq: 7, creation: 7 } })
  expect(sent).toHaveLength(1)
  const { xml = '' } = sent[0]?.stanza ?? {}
  expect(xml).toContain('<delay xmlns="urn:xmpp:delay" from="pubsub.test" stamp="1970-01-01T00:00:00Z"/></message>')
  expect(xml).toContain('</event><stanza-id xmlns="urn:xmpp:sid:0" id="7"/><delay')
  expect(() => parseFragment(xml)).not.toThrow()
})

/** A node where bob has one subscription per entry. */
function nodeFor(...options: Partial<SubscriptionOptions>[]): NodeView {
  const replica = new Replica()
  const { record } = nodeWith({}, [])
  const subscriptions = options.map((each, at) => ({
    ...subscription('bob@test', `s${at}`, 'pubsub.test'),
    options: { ...DEFAULT_OPTIONS, ...each },
  }))
  replica.load({ lastSeq: 0, nodes: [record], affiliations: [], subscriptions, links: [], relations: [] })
  const node = replica.get(N)
  if (!node) throw new Error('no node')
  return node
}

test.each([
  ['switched off', { deliver: false }, ['online'], 0],
  ['a lease that runs', { expire: 1_001 }, [], 1],
  ['a lease that is over, though not yet swept', { expire: 1_000 }, [], 0],
  ['presence that is wanted', { showValues: ['dnd', 'chat'] }, ['away', 'chat'], 1],
  ['presence that is not wanted', { showValues: ['chat'] }, ['away'], 0],
  ['offline where presence is asked for', { showValues: ['online'] }, [], 0],
  ['as long as online', { expire: 'presence' }, [], 1],
] as const)('subscription options: %s', (_, options, presence, count) => {
  shows = [...presence]
  notifier.published(nodeFor(options), item, undefined)
  expect(sent).toHaveLength(count)
})

test('several subscriptions of one JID make one message that names those that want it', () => {
  const node = nodeFor({}, { deliver: false }, { showValues: ['chat'] })
  shows = ['chat']
  notifier.published(node, item, undefined)
  expect(sent).toHaveLength(1)
  expect(sent[0]?.stanza.xml).toContain(
    '</event><headers xmlns="http://jabber.org/protocol/shim"><header name="SubID">s0</header><header name="SubID">s2</header></headers></message>',
  )
  sent = []
  notifier.toAll(node, { kind: 'purge', nodeId: 'n' })
  expect(sent[0]?.stanza.xml).not.toContain('headers')
})

describe('digests', () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    vi.useRealTimers()
  })
  const digest = { digest: true, digestFrequencyMs: 500 }
  const ids = () => contents().map((xml) => [...xml.matchAll(/(?:item|retract) id="(\d)"/g)].map(([, id]) => id).join())

  test('go a while after their first event, in order, and begin anew', () => {
    const node = nodeFor(digest)
    notifier.published(node, item, undefined)
    vi.advanceTimersByTime(499)
    notifier.published(node, { ...item, itemId: '2' }, undefined)
    notifier.retracted(node, [{ itemId: '1', scope: undefined }])
    expect(sent).toEqual([])
    vi.advanceTimersByTime(1)
    expect(ids()).toEqual(['1,2', '1'])
    notifier.published(node, { ...item, itemId: '3' }, undefined)
    vi.advanceTimersByTime(499)
    expect(sent).toHaveLength(2)
    vi.advanceTimersByTime(1)
    expect(ids()).toEqual(['1,2', '1', '3'])
    expect(vi.getTimerCount()).toBe(0)
  })

  test.each([
    ['the subscription is changed', (node: NodeView) => notifier.changed(subscriptionOf(node))],
    ['its account goes offline', () => notifier.wentOffline('bob@test')],
    ['the server closes', () => notifier.close()],
    [
      'it is full',
      (node: NodeView) => ['3', '4'].map((itemId) => notifier.published(node, { ...item, itemId }, undefined)),
    ],
  ])('go at once when %s', (_, what) => {
    const node = nodeFor(digest)
    notifier.published(node, item, undefined)
    notifier.published(node, { ...item, itemId: '2' }, undefined)
    what(node)
    expect(ids()[0]).toMatch(/^1,2/)
    expect(sent).toHaveLength(1)
    expect(vi.getTimerCount()).toBe(0)
  })

  test('come before what concerns the node, before the end of the subscription, and before the last item', () => {
    const node = nodeFor(digest)
    notifier.published(node, item, undefined)
    notifier.toAll(node, { kind: 'purge', nodeId: 'n' })
    notifier.published(node, { ...item, itemId: '2' }, undefined)
    const { subid } = subscriptionOf(node)
    notifier.toOne(node, subscriptionOf(node), {
      kind: 'subscription',
      nodeId: 'n',
      jid: 'bob@test',
      subid,
      state: 'none',
    })
    const what = contents().map((xml) => /<(item|purge|subscription) /.exec(xml)?.[1])
    expect(what).toEqual(['item', 'purge', 'item', 'subscription'])
  })

  test('never grow beyond their characters', () => {
    const node = nodeFor(digest)
    const large = { ...item, payload: `<p xmlns="urn:p">${'x'.repeat(700)}</p>` }
    notifier.published(node, large, undefined)
    notifier.published(node, { ...large, itemId: '2' }, undefined)
    expect(ids()).toEqual(['1'])
    notifier.published(node, { ...large, itemId: '3', payload: large.payload.repeat(2) }, undefined)
    expect(ids()).toEqual(['1', '2', '3'])
  })
})

function subscriptionOf(node: NodeView): SubscriptionRecord {
  const subscription = node.subscribers.get('bob@test')?.subscriptions[0]
  if (!subscription) throw new Error('no subscription')
  return subscription
}
