/** The copy in memory follows what was committed: who is subscribed, who is affiliated, which nodes there are. */

import { beforeEach, expect, test } from 'vitest'
import { defaultConfig } from '../../../modules/pubsub/node-config.ts'
import { allBeside, type NodeView } from '../../../modules/pubsub/node-view.ts'
import { type NodeRecord, SHARED_SERVICE, type SubscriptionRecord } from '../../../modules/pubsub/records.ts'
import { Replica } from '../../../modules/pubsub/replica.ts'
import { DEFAULT_OPTIONS } from '../../../modules/pubsub/subscription-options.ts'

const config = defaultConfig({ itemsMax: 10, childrenMax: 10, payloadMaxBytes: 10 })
const at = (nodeId: string, service = SHARED_SERVICE) => ({ service, nodeId })
const node = (nodeId: string, service?: string): NodeRecord => ({
  ...at(nodeId, service),
  creator: 'alice@test',
  createdAt: 1,
  config,
  seenType: undefined,
})
const subscription = (nodeId: string, jid: string, subid = '1'): SubscriptionRecord => ({
  ...at(nodeId),
  jid,
  bareJid: jid.split('/')[0] ?? '',
  address: 'pubsub.test',
  subid,
  state: 'subscribed',
  isPublic: false,
  options: DEFAULT_OPTIONS,
})
const bob = { bareJid: 'bob@test', isAdmin: false }

let replica: Replica
beforeEach(() => {
  replica = new Replica()
  replica.load({
    lastSeq: 0,
    links: [],
    relations: [],
    nodes: [node('b'), node('a')],
    affiliations: [
      { ...at('a'), bareJid: 'alice@test', affiliation: 'owner' },
      { ...at('a'), bareJid: 'bob@test', affiliation: 'member' },
    ],
    subscriptions: [subscription('b', 'bob@test/1'), subscription('b', 'bob@test/2'), subscription('a', 'bob@test')],
  })
})

function view(nodeId: string): NodeView {
  const found = replica.get(at(nodeId))
  if (!found) throw new Error(`no node ${nodeId}`)
  return found
}
const jids = (nodeId?: string) =>
  replica.accounts.subscriptionsOf('bob@test', { service: SHARED_SERVICE, nodeId }).map(({ jid }) => jid)

test('what was loaded is found by node and by account', () => {
  expect(replica.sortedNodeIds(SHARED_SERVICE)).toEqual(['a', 'b'])
  const standing = (nodeId: string) => {
    const { affiliation, isSubscribed, isAdmin } = replica.standing(view(nodeId), bob)
    return { affiliation, isSubscribed, isAdmin }
  }
  expect(standing('a')).toEqual({ affiliation: 'member', isSubscribed: true, isAdmin: false })
  expect(standing('b')).toEqual({ affiliation: 'none', isSubscribed: true, isAdmin: false })
  expect(replica.accounts.isSubscribed('alice@test', view('b'))).toBe(false)
  expect(jids()).toEqual(['bob@test', 'bob@test/1', 'bob@test/2'])
  expect(jids('b')).toEqual(['bob@test/1', 'bob@test/2'])
  expect(jids('c')).toEqual([])
  expect(replica.accounts.affiliationsOf('bob@test', 'everywhere')).toEqual([
    { ...at('a'), bareJid: 'bob@test', affiliation: 'member' },
  ])
})

test('a subscription ends for its JID only, the last one for the account', () => {
  replica.unsubscribed(subscription('b', 'bob@test/1'))
  expect(replica.accounts.isSubscribed('bob@test', view('b'))).toBe(true)
  replica.unsubscribed(subscription('b', 'bob@test/2'))
  expect(replica.accounts.isSubscribed('bob@test', view('b'))).toBe(false)
  expect(jids()).toEqual(['bob@test'])
})

test('a resource is known as long as it is subscribed anywhere', () => {
  replica.subscribed(subscription('a', 'bob@test/1'))
  replica.unsubscribed(subscription('b', 'bob@test/1'))
  expect(jids()).toEqual(['bob@test', 'bob@test/1', 'bob@test/2'])
  replica.deleted(at('a'))
  expect(jids()).toEqual(['bob@test/2'])
  replica.subscribed({ ...subscription('b', 'bob@test/3'), state: 'pending' })
  expect(jids('b')).toEqual(['bob@test/2', 'bob@test/3'])
  replica.unsubscribed(subscription('b', 'bob@test/2'))
  replica.unsubscribed({ ...subscription('b', 'bob@test/3'), state: 'pending' })
  expect(jids()).toEqual([])
})

test('an affiliation goes and the subscriptions it allowed with it', () => {
  replica.affiliationsModified({
    ...at('a'),
    changed: [{ ...at('a'), bareJid: 'bob@test', affiliation: 'none' }],
    refused: [],
    ended: [subscription('a', 'bob@test')],
    endedBeside: [],
    approved: [],
  })
  expect(replica.accounts.affiliationsOf('bob@test', at('a'))).toEqual([])
  expect(jids('a')).toEqual([])
})

test('a deleted node is handed back whole, and is gone for every account', () => {
  const gone = replica.deleted(at('b'))
  expect([...(gone?.subscribers.keys() ?? [])]).toEqual(['bob@test/1', 'bob@test/2'])
  expect(replica.get(at('b'))).toBeUndefined()
  expect(replica.sortedNodeIds(SHARED_SERVICE)).toEqual(['a'])
  expect(jids()).toEqual(['bob@test'])
  replica.created(node('b'))
  expect(view('b').subscribers.size).toBe(0)
  expect(view('b').affiliations.get('alice@test')).toBe('owner')
})

test('nodes of one name at two services are two', () => {
  const hers = at('a', 'alice@test')
  replica.created(node('a', 'alice@test'))
  replica.subscribed({ ...subscription('a', 'bob@test'), ...hers, address: 'alice@test' })
  expect(replica.sortedNodeIds('alice@test')).toEqual(['a'])
  expect(replica.accounts.subscriptionsOf('bob@test', hers)).toHaveLength(1)
  expect(replica.accounts.subscriptionsOf('bob@test', 'everywhere')).toHaveLength(4)
  expect(replica.accounts.ownsAny('alice@test', 'alice@test')).toBe(true)
  replica.unsubscribed(subscription('a', 'bob@test'))
  expect(replica.accounts.subscriptionsOf('bob@test', hers)).toHaveLength(1)
  replica.deleted(hers)
  expect([replica.sortedNodeIds('alice@test'), jids()]).toEqual([[], ['bob@test/1', 'bob@test/2']])
  expect(view('a').affiliations.get('bob@test')).toBe('member')
})

test('an account that is no more leaves nothing behind', () => {
  replica.accountForgotten('bob@test')
  expect(jids()).toEqual([])
  expect(view('b').subscribers.size).toBe(0)
  expect(view('a').affiliations.has('bob@test')).toBe(false)
})

test('collections above a node, nearest first and once each, as the graph changes', () => {
  const link = (parent: string, child: string) => ({ service: SHARED_SERVICE, parent, child })
  const above = (nodeId: string) =>
    replica.ancestors(view(nodeId)).map(({ node, distance }) => `${node.record.nodeId}${distance}`)
  for (const nodeId of ['c', 'd']) replica.created(node(nodeId))
  expect(above('a')).toEqual([])
  replica.relinked({ added: [link('b', 'a'), link('c', 'b'), link('d', 'c'), link('c', 'a')], removed: [] })
  expect(above('a')).toEqual(['b1', 'c1', 'd2'])
  replica.relinked({ added: [], removed: [link('c', 'a')] })
  expect(above('a')).toEqual(['b1', 'c2', 'd3'])
  replica.deleted(at('c'))
  expect(above('a')).toEqual(['b1'])
  expect([...view('b').children].map(({ record }) => record.nodeId)).toEqual(['a'])
  expect(view('b').parents.size).toBe(0)
})

test('what is about a node has its affiliations and its models, and goes out of it', () => {
  const summary = { ...node('summary'), target: { nodeId: 'a', itemId: undefined } }
  const attachments = { ...node('attachments'), target: { nodeId: 'a', itemId: 'i' } }
  for (const record of [summary, attachments]) replica.ensured(record)
  const beside = () => allBeside(view('a')).map(({ record }) => record.nodeId)
  expect(beside()).toEqual(['attachments', 'summary'])
  expect(view('a').beside?.attachments.get('i')).toBe(view('attachments'))
  // To be subscribed here is nothing, to be subscribed there is.
  expect(replica.standing(view('summary'), bob)).toMatchObject({ affiliation: 'member', isSubscribed: true })
  replica.subscribed(subscription('summary', 'carol@test'))
  expect(replica.standing(view('summary'), { ...bob, bareJid: 'carol@test' })).toMatchObject({ isSubscribed: false })
  const outcast = { ...at('a'), bareJid: 'bob@test', affiliation: 'outcast' } as const
  replica.affiliationsModified({
    ...at('a'),
    ...{ changed: [outcast], refused: [], ended: [], endedBeside: [], approved: [] },
  })
  expect(replica.standing(view('attachments'), bob).affiliation).toBe('outcast')
  // What an account is at the target it has there alone.
  replica.subscribed(subscription('summary', 'bob@test'))
  const affiliations = replica.accounts.affiliationsOf('bob@test', 'everywhere')
  expect(affiliations.map(({ nodeId }) => nodeId)).toEqual(['a'])
  replica.unsubscribed(subscription('summary', 'bob@test'))
  const changed = { ...node('a'), config: { ...config, accessModel: 'whitelist', publishModel: 'open' } } as const
  const none = { pruned: [], isPurged: false, unarchived: 0 }
  replica.configured({ node: changed, ended: [], approved: [], endedBeside: [], ...none })
  expect(view('summary').record.config).toMatchObject({ accessModel: 'whitelist', publishModel: 'open' })
  expect(replica.ancestors(view('summary'))).toEqual([])
  replica.deleted(at('attachments'))
  expect(beside()).toEqual(['summary'])
  replica.deleted(at('summary'))
  expect(beside()).toEqual([])
  expect(view('a').related?.size).toBe(0)
})

test('its watcher hears of each change of a subscription, by whatever road, and of nothing that is not one', () => {
  const heard: string[] = []
  const show = (each: SubscriptionRecord | undefined) => (each ? `${each.jid} ${each.state} ${each.isPublic}` : 'none')
  replica.watch(({ before, after }) => heard.push(`${show(before)} -> ${show(after)}`))
  const [own] = [...replica.accounts.ownSubscriptions('bob@test')]
  if (!own) throw new Error('not loaded')
  replica.subscribed({ ...own, isPublic: true })
  replica.subscribed({ ...subscription('b', 'carol@test'), state: 'pending' })
  replica.configured({
    ...{ node: node('b'), pruned: [], endedBeside: [], isPurged: false, unarchived: 0 },
    approved: [subscription('b', 'carol@test')],
    ended: [subscription('b', 'bob@test/1'), subscription('b', 'bob@test/9')],
  })
  replica.deleted(at('b'))
  replica.accountForgotten('bob@test')
  expect(heard).toEqual([
    'bob@test subscribed false -> bob@test subscribed true',
    'none -> carol@test pending false',
    'carol@test pending false -> carol@test subscribed false',
    'bob@test/1 subscribed false -> none',
    'bob@test/2 subscribed false -> none',
    'carol@test subscribed false -> none',
    'bob@test subscribed true -> none',
  ])
})

test('the address of a subscription is ready to send to', () => {
  expect(view('b').subscribers.get('bob@test/1')?.to).toMatchObject({ bare: 'bob@test', resource: '1' })
})

test('several subscriptions of a JID are one subscriber; only a single one with nothing to ask is plain', () => {
  const subscriber = () => view('a').subscribers.get('bob@test')
  expect(subscriber()?.isPlain).toBe(true)
  replica.subscribed({ ...subscription('a', 'bob@test', '2'), options: { ...DEFAULT_OPTIONS, deliver: false } })
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
  expect(replica.accounts.isSubscribed('carol@test', view('b'))).toBe(false)
  expect(replica.accounts.subscriptionsOf('carol@test', 'everywhere')).toEqual([request])
  expect(replica.nodesWithPending(SHARED_SERVICE)).toEqual(['b'])
  replica.subscribed({ ...request, state: 'subscribed' })
  expect(view('b').pending.size).toBe(0)
  expect(replica.accounts.isSubscribed('carol@test', view('b'))).toBe(true)
  replica.subscribed({ ...request, subid: '9' })
  replica.unsubscribed({ ...request, subid: '9' })
  expect(replica.nodesWithPending(SHARED_SERVICE)).toEqual([])
  expect(replica.accounts.isSubscribed('carol@test', view('b'))).toBe(true)
})
