/** The rules of a node as tables: each cell of XEP-0060 §4.1 and §4.5, and the publish models. */

import { describe, expect, test } from 'vitest'
import { defaultConfig, type NodeConfig } from '../../../modules/pubsub/node-config.ts'
import {
  AFFILIATIONS,
  type Affiliation,
  fitsNode,
  mayChangeAffiliation,
  mayManage,
  mayPublish,
  mayRetract,
  mayRetrieve,
  maySee,
  mayStaySubscribed,
  maySubscribe,
  type Standing,
  type Verdict,
} from '../../../modules/pubsub/rules.ts'

const config = (changes: Partial<NodeConfig> = {}): NodeConfig => ({
  ...defaultConfig({ itemsMax: 100, childrenMax: 100, payloadMaxBytes: 100 }),
  ...changes,
})
const as = (affiliation: Affiliation, isSubscribed = false, isAdmin = false): Standing => ({
  affiliation,
  isSubscribed,
  isAdmin,
})
const open = config()
const whitelist = config({ accessModel: 'whitelist' })

/** Verdicts in the order of AFFILIATIONS: owner, publisher, publish-only, member, none, outcast. */
type Row = readonly [name: string, verdict: (standing: Standing) => Verdict, expected: readonly Verdict[]]
const yes = undefined
const TABLE: readonly Row[] = [
  ['subscribe, open', (s) => maySubscribe(open, s), [yes, yes, 'publishOnly', yes, yes, 'outcast']],
  ['subscribe, whitelist', (s) => maySubscribe(whitelist, s), [yes, yes, 'publishOnly', yes, 'closedNode', 'outcast']],
  ['retrieve, open', (s) => mayRetrieve(open, s), [yes, yes, 'publishOnly', yes, yes, 'outcast']],
  [
    'retrieve, whitelist', // §6.5.1: subscribed entities only; §12.12: owners and publishers always
    (s) => mayRetrieve(whitelist, s),
    [yes, yes, 'publishOnly', 'subscriptionRequired', 'closedNode', 'outcast'],
  ],
  [
    'retrieve, whitelist, subscribed',
    (s) => mayRetrieve(whitelist, { ...s, isSubscribed: true }),
    [yes, yes, 'publishOnly', yes, 'closedNode', 'outcast'],
  ],
  [
    'publish, publishers',
    (s) => mayPublish(open, s),
    [yes, yes, yes, 'mayNotPublish', 'mayNotPublish', 'mayNotPublish'],
  ],
  [
    'publish, publishers, subscribed',
    (s) => mayPublish(open, { ...s, isSubscribed: true }),
    [yes, yes, yes, 'mayNotPublish', 'mayNotPublish', 'mayNotPublish'],
  ],
  [
    'publish, subscribers',
    (s) => mayPublish(config({ publishModel: 'subscribers' }), s),
    [yes, yes, yes, 'mayNotPublish', 'mayNotPublish', 'mayNotPublish'],
  ],
  [
    'publish, subscribers, subscribed',
    (s) => mayPublish(config({ publishModel: 'subscribers' }), { ...s, isSubscribed: true }),
    [yes, yes, yes, yes, yes, 'mayNotPublish'],
  ],
  ['publish, open', (s) => mayPublish(config({ publishModel: 'open' }), s), [yes, yes, yes, yes, yes, 'mayNotPublish']],
  [
    'retract an own item',
    (s) => mayRetract(open, s, true),
    [yes, yes, yes, 'mayNotRetract', 'mayNotRetract', 'mayNotRetract'],
  ],
  [
    "retract another's item",
    (s) => mayRetract(open, s, false),
    [yes, 'mayNotRetract', 'mayNotRetract', 'mayNotRetract', 'mayNotRetract', 'mayNotRetract'],
  ],
  ['configure, delete, purge', mayManage, [yes, 'notOwner', 'notOwner', 'notOwner', 'notOwner', 'notOwner']],
]

describe.each(TABLE)('%s', (_name, verdict, expected) => {
  test.each(AFFILIATIONS.map((affiliation, at) => [affiliation, expected[at]] as const))(
    '%s: %s',
    (affiliation, want) => {
      expect(verdict(as(affiliation))).toBe(want)
    },
  )
  test('the administrator has the rights of an owner', () => {
    for (const affiliation of AFFILIATIONS) expect(verdict(as(affiliation, false, true))).toBeUndefined()
  })
})

test('a node without subscriptions refuses new ones and keeps those there are', () => {
  const closed = config({ subscribe: false })
  expect(maySubscribe(closed, as('owner'))).toBe('subscribingDisabled')
  expect(mayStaySubscribed(closed, as('none', true))).toBe(true)
})

test('who may not read a node loses the subscription', () => {
  const stays = (node: NodeConfig) =>
    AFFILIATIONS.filter((affiliation) => mayStaySubscribed(node, as(affiliation, true)))
  expect(stays(open)).toEqual(['owner', 'publisher', 'member', 'none'])
  expect(stays(whitelist)).toEqual(['owner', 'publisher', 'member'])
})

test('a closed node is listed for those who have something to do with it', () => {
  const sees = (node: NodeConfig) => AFFILIATIONS.filter((affiliation) => maySee(node, as(affiliation)))
  expect(sees(open)).toEqual(['owner', 'publisher', 'publish-only', 'member', 'none'])
  expect(sees(whitelist)).toEqual(['owner', 'publisher', 'publish-only', 'member'])
  expect(maySee(whitelist, as('none', false, true))).toBe(true)
})

describe('what a publish carries against the node (§4.3, §7.1.3.7)', () => {
  const item = { hasItem: true, payloadNs: 'urn:p', payload: '<p>àa</p>' }
  const empty = { hasItem: true, payloadNs: undefined, payload: undefined }
  const nothing = { hasItem: false, payloadNs: undefined, payload: undefined }
  const cases = [
    ['persistent, payload', {}, [yes, 'payloadRequired', 'itemRequired']],
    ['persistent, notification', { deliverPayloads: false }, [yes, yes, 'itemRequired']],
    ['transient, payload', { persistItems: false }, [yes, 'payloadRequired', 'payloadRequired']],
    [
      'transient, notification',
      { persistItems: false, deliverPayloads: false },
      ['itemForbidden', 'itemForbidden', yes],
    ],
  ] as const
  test.each(cases)('%s', (_name, changes, expected) => {
    expect([item, empty, nothing].map((publication) => fitsNode(config(changes), publication, 100))).toEqual(expected)
  })

  test('the configured namespace and the smaller of two bounds', () => {
    expect(fitsNode(config({ type: 'urn:q' }), item, 100)).toBe('invalidPayload')
    expect(fitsNode(config({ type: 'urn:p' }), item, 100)).toBeUndefined()
    expect(fitsNode(config({ maxPayloadBytes: 9 }), item, 100)).toBe('payloadTooBig')
    expect(fitsNode(config(), item, 9)).toBe('payloadTooBig')
    expect(fitsNode(config({ maxPayloadBytes: 10 }), item, 10)).toBeUndefined()
  })
})

test('affiliations change by the chart of §4.1', () => {
  const to = (from: Affiliation, isLastOwner = false) =>
    AFFILIATIONS.filter((affiliation) => mayChangeAffiliation(from, affiliation, isLastOwner))
  expect(to('owner')).toEqual(['owner', 'none'])
  expect(to('owner', true)).toEqual(['owner'])
  expect(to('publisher')).toEqual(['owner', 'publisher', 'publish-only', 'none', 'outcast'])
  expect(to('publish-only')).toEqual(['owner', 'publisher', 'publish-only', 'none', 'outcast'])
  for (const from of ['member', 'none', 'outcast'] as const) expect(to(from)).toEqual([...AFFILIATIONS])
})
