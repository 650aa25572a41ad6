/** A node of the main thread's copy, as the replica writes it; everybody else reads it as a NodeView. */

import { type NodeView, type Subscriber, subscriberOf } from './node-view.ts'
import type { NodeRecord, SubscriptionRecord } from './records.ts'
import type { RelationshipKind } from './relationship-fields.ts'
import type { Affiliation } from './rules.ts'

export interface ReplicaNode extends NodeView {
  record: NodeRecord
  readonly affiliations: Map<string, Affiliation>
  // Shared and empty until something is put in.
  subscribers: Map<string, Subscriber>
  pending: Map<string, SubscriptionRecord>
  parents: Set<ReplicaNode>
  children: Set<ReplicaNode>
  readonly target: ReplicaNode | undefined
  beside: { summary: ReplicaNode | undefined; readonly attachments: Map<string, ReplicaNode> } | undefined
  relation: { readonly kind: RelationshipKind; readonly to: ReplicaNode } | undefined
  related: Set<ReplicaNode> | undefined
}

/**
 * For what a node lacks: nearly all lack most. Of 100,000 nodes, empty ones of their own took 67 MB.
 * Nothing is ever put into these.
 */
const NO_SUBSCRIBERS: ReplicaNode['subscribers'] = new Map()
const NO_REQUESTS: ReplicaNode['pending'] = new Map()
const NO_SET: Set<ReplicaNode> = new Set()

/** @param target  of an attachment node or a summary: the node that it stands beside from now on */
export function newNode(record: NodeRecord, target: ReplicaNode | undefined): ReplicaNode {
  const node: ReplicaNode = {
    record,
    affiliations: target?.affiliations ?? new Map(),
    subscribers: NO_SUBSCRIBERS,
    pending: NO_REQUESTS,
    parents: NO_SET,
    children: NO_SET,
    relation: target && { kind: 'link', to: target },
    related: undefined,
    target,
    beside: undefined,
  }
  if (target) {
    putBeside(target, node)
    target.related ??= new Set()
    target.related.add(node)
  }
  return node
}

function putBeside(target: ReplicaNode, node: ReplicaNode): void {
  target.beside ??= { summary: undefined, attachments: new Map() }
  const itemId = node.record.target?.itemId
  if (itemId === undefined) target.beside.summary = node
  else target.beside.attachments.set(itemId, node)
}

/** Takes a node from what stands beside its target. */
export function removeBeside(node: ReplicaNode): void {
  const { target, record } = node
  if (target?.beside?.summary === node) target.beside.summary = undefined
  else if (record.target?.itemId !== undefined) target?.beside?.attachments.delete(record.target.itemId)
}

export function linkNodes(upper: ReplicaNode, lower: ReplicaNode): void {
  ownSet(upper, 'children').add(lower)
  ownSet(lower, 'parents').add(upper)
}

function ownSet(node: ReplicaNode, name: 'parents' | 'children'): Set<ReplicaNode> {
  if (node[name] === NO_SET) node[name] = new Set()
  return node[name]
}

/** Adds a subscription, or puts it in the place of what it was. */
export function putSubscription(node: ReplicaNode, subscription: SubscriptionRecord): void {
  const { jid, subid, state } = subscription
  if (state === 'pending') {
    if (node.pending === NO_REQUESTS) node.pending = new Map()
    node.pending.set(jid, subscription)
    return
  }
  if (node.pending.get(jid)?.subid === subid) node.pending.delete(jid)
  const known: readonly SubscriptionRecord[] = node.subscribers.get(jid)?.subscriptions ?? []
  const at = known.findIndex((each) => each.subid === subid)
  setSubscriber(node, jid, at < 0 ? [...known, subscription] : known.with(at, subscription))
}

export function removeSubscription(node: ReplicaNode, { jid, subid }: SubscriptionRecord): void {
  if (node.pending.get(jid)?.subid === subid) node.pending.delete(jid)
  const left = (node.subscribers.get(jid)?.subscriptions ?? []).filter((each) => each.subid !== subid)
  setSubscriber(node, jid, left)
}

function setSubscriber(node: ReplicaNode, jid: string, subscriptions: readonly SubscriptionRecord[]): void {
  const [first, ...others] = subscriptions
  if (!first) {
    node.subscribers.delete(jid)
    return
  }
  if (node.subscribers === NO_SUBSCRIBERS) node.subscribers = new Map()
  node.subscribers.set(jid, subscriberOf(first, others))
}
