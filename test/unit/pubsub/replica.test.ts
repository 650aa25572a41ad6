/** The copy in memory follows what was committed: who is subscribed, who is affiliated, which nodes there are. */

import { beforeEach, expect, test } from 'vitest'
import { defaultConfig } from '../../../modules/pubsub/node-config.ts'
import { type NodeView, Replica } from '../../../modules/pubsub/replica.ts'
import type { NodeRecord, SubscriptionRecord } from '../../../modules/pubsub/store.ts'
import { DEFAULT_OPTIONS } from '../../../modules/pubsub/subscription-options.ts'

const config = defaultConfig({ itemsMax: 10, payloadMaxBytes: 10 })
const node = (nodeId: string): NodeRecord => ({
  nodeId,
  creator: 'alice@test',
  createdAt: 1,
  config,
  seenType: undefined,
})
const subscription = (nodeId: string, jid: string, subid = '1'): SubscriptionRecord => ({
  nodeId,
  jid,
  bareJid: jid.split('/')[0] ?? '',
  address: 'pubsub.test',
  subid,
  state: 'subscribed',
  options: DEFAULT_OPTIONS,
})
const bob = { bareJid: 'bob@test', isAdmin: false }

let replica: Replica
beforeEach(() => {
  replica = new Replica()
  replica.load({
    nodes: [node('b'), node('a')],
    affiliations: [
      { nodeId: 'a', bareJid: 'alice@test', affiliation: 'owner' },
      { nodeId: 'a', bareJid: 'bob@test', affiliation: 'member' },
    ],
    subscriptions: [subscription('b', 'bob@test/1'), subscription('b', 'bob@test/2'), subscription('a', 'bob@test')],
  })
})

function view(nodeId: string): NodeView {
  const found = replica.get(nodeId)
  if (!found) throw new Error(`no node ${nodeId}`)
  return found
}
const jids = (nodeId?: string) => replica.subscriptionsOf('bob@test', nodeId).map(({ jid }) => jid)

test('what was loaded is found by node and by account', () => {
  expect(replica.sortedNodeIds()).toEqual(['a', 'b'])
  expect(replica.standing(view('a'), bob)).toEqual({ affiliation: 'member', isSubscribed: true, isAdmin: false })
  expect(replica.standing(view('b'), bob)).toEqual({ affiliation: 'none', isSubscribed: true, isAdmin: false })
  expect(replica.isSubscribed('alice@test', view('b'))).toBe(false)
  expect(jids()).toEqual(['bob@test', 'bob@test/1', 'bob@test/2'])
  expect(jids('b')).toEqual(['bob@test/1', 'bob@test/2'])
  expect(jids('c')).toEqual([])
  expect(replica.affiliationsOf('bob@test', undefined)).toEqual([
    { nodeId: 'a', bareJid: 'bob@test', affiliation: 'member' },
  ])
})

test('a subscription ends for its JID only, the last one for the account', () => {
  replica.unsubscribed(subscription('b', 'bob@test/1'))
  expect(replica.isSubscribed('bob@test', view('b'))).toBe(true)
  replica.unsubscribed(subscription('b', 'bob@test/2'))
  expect(replica.isSubscribed('bob@test', view('b'))).toBe(false)
  expect(jids()).toEqual(['bob@test'])
})

test('an affiliation goes and the subscriptions it allowed with it', () => {
  replica.affiliationsModified({
    nodeId: 'a',
    changed: [{ nodeId: 'a', bareJid: 'bob@test', affiliation: 'none' }],
    refused: [],
    ended: [subscription('a', 'bob@test')],
    approved: [],
  })
  expect(replica.affiliationsOf('bob@test', 'a')).toEqual([])
  expect(jids('a')).toEqual([])
})

test('a deleted node is handed back whole, and is gone for every account', () => {
  const gone = replica.deleted('b')
  expect([...(gone?.subscribers.keys() ?? [])]).toEqual(['bob@test/1', 'bob@test/2'])
  expect(replica.get('b')).toBeUndefined()
  expect(replica.sortedNodeIds()).toEqual(['a'])
  expect(jids()).toEqual(['bob@test'])
  replica.created(node('b'))
  expect(view('b').subscribers.size).toBe(0)
  expect(view('b').affiliations.get('alice@test')).toBe('owner')
})

test('an account that is no more leaves nothing behind', () => {
  replica.accountForgotten('bob@test')
  expect(jids()).toEqual([])
  expect(view('b').subscribers.size).toBe(0)
  expect(view('a').affiliations.has('bob@test')).toBe(false)
})

test('the address of a subscription is ready to send to', () => {
  expect(view('b').subscribers.get('bob@test/1')?.to).toMatchObject({ bare: 'bob@test', resource: '1' })
})

test('several subscriptions of a JID are one subscriber; only a single one with nothing to ask is plain', () => {
  const subscriber = () => view('a').subscribers.get('bob@test')
  expect(subscriber()?.isPlain).toBe(true)
  replica.subscribed({ ...subscription('a', 'bob@test', '2'), options: { deliver: false, showValues: [] } })
  expect(subscriber()?.subscriptions.map(({ subid }) => subid)).toEqual(['1', '2'])
  expect(subscriber()?.isPlain).toBe(false)
  replica.unsubscribed(subscription('a', 'bob@test', '1'))
  expect(subscriber()?.subscriptions.map(({ subid }) => subid)).toEqual(['2'])
  expect(subscriber()?.isPlain).toBe(false)
  replica.subscribed(subscription('a', 'bob@test', '2'))
  expect(subscriber()?.isPlain).toBe(true)
})

test('a request that waits is no subscriber, until it is approved', () => {
  const request: SubscriptionRecord = { ...subscription('b', 'carol@test'), state: 'pending' }
  replica.subscribed(request)
  expect(view('b').pending.size).toBe(1)
  expect(replica.isSubscribed('carol@test', view('b'))).toBe(false)
  expect(replica.subscriptionsOf('carol@test', undefined)).toEqual([request])
  expect(replica.nodesWithPending()).toEqual(['b'])
  replica.subscribed({ ...request, state: 'subscribed' })
  expect(view('b').pending.size).toBe(0)
  expect(replica.isSubscribed('carol@test', view('b'))).toBe(true)
  replica.subscribed({ ...request, subid: '9' })
  replica.unsubscribed({ ...request, subid: '9' })
  expect(replica.nodesWithPending()).toEqual([])
  expect(replica.isSubscribed('carol@test', view('b'))).toBe(true)
})
