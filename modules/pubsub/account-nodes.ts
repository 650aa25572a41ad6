/** Where accounts have something: their subscriptions and affiliations, found without walking all nodes. */

import type { NodeView } from './node-view.ts'
import type { AffiliationRecord, NodeRef, SubscriptionRecord } from './records.ts'
import type { ReplicaNode } from './replica-node.ts'

/** Which of an account's nodes: those of a service, one of them, or all there are. */
export type Where = { readonly service: string; readonly nodeId: string | undefined } | 'everywhere'

/** What is asked of it; the rest is the replica's to call. */
export type AccountNodesView = Pick<
  AccountNodes,
  'affiliatedNodes' | 'isSubscribed' | 'subscriptionsOf' | 'ownSubscriptions' | 'ownsAny' | 'affiliationsOf' | 'leftBy'
>

export class AccountNodes {
  /** bareJid -> nodes where it has a subscription or an affiliation. */
  readonly #nodes = new Map<string, Set<ReplicaNode>>()
  /** bareJid -> the full JIDs that it subscribed by somewhere; most accounts have none. */
  readonly #resources = new Map<string, Set<string>>()
  /** bareJid -> nodes where items of its go when it goes offline, as far as it published there since the start. */
  readonly #leaving = new Map<string, Set<ReplicaNode>>()

  /** Nodes of a service where an account has an affiliation or a subscription. */
  affiliatedNodes(bareJid: string, service: string): NodeView[] {
    return [...(this.#nodes.get(bareJid) ?? [])].filter(({ record }) => record.service === service)
  }

  isSubscribed(bareJid: string, node: NodeView): boolean {
    // Most entities subscribe by bare JID.
    if (node.subscribers.has(bareJid)) return true
    for (const jid of this.#resources.get(bareJid) ?? []) if (node.subscribers.has(jid)) return true
    return false
  }

  /** An account's subscriptions, at one node, at all of a service or everywhere, pending ones too. XEP-0060 §5.6. */
  subscriptionsOf(bareJid: string, at: Where): SubscriptionRecord[] {
    // A node's subscribers may be many.
    const jids = this.#jidsOf(bareJid)
    return this.#nodesOf(bareJid, at).flatMap((node) => [
      ...jids.flatMap((jid) => node.subscribers.get(jid)?.subscriptions ?? []),
      ...jids.flatMap((jid) => node.pending.get(jid) ?? []),
    ])
  }

  /** Those of the bare JID itself, wherever they are; pending ones too. */
  *ownSubscriptions(bareJid: string): Iterable<SubscriptionRecord> {
    for (const { subscribers, pending } of this.#nodes.get(bareJid) ?? []) {
      yield* subscribers.get(bareJid)?.subscriptions ?? []
      const request = pending.get(bareJid)
      if (request) yield request
    }
  }

  ownsAny(bareJid: string, service: string): boolean {
    return this.#nodesOf(bareJid, { service, nodeId: undefined }).some(
      (node) => node.affiliations.get(bareJid) === 'owner',
    )
  }

  /** An account's affiliations, at one node or at all of a service. XEP-0060 §5.7. */
  affiliationsOf(bareJid: string, at: Where): AffiliationRecord[] {
    return this.#nodesOf(bareJid, at).flatMap((node) => {
      const { service, nodeId } = node.record
      // What one is at a target one is there alone.
      const affiliation = node.target ? undefined : node.affiliations.get(bareJid)
      return affiliation ? [{ service, nodeId, bareJid, affiliation }] : []
    })
  }

  /** Of the nodes whose items go with who published them, where it may have published: asked for as it leaves. */
  leftBy(bareJid: string): NodeRef[] {
    const known = [...(this.#leaving.get(bareJid) ?? []), ...(this.#nodes.get(bareJid) ?? [])]
    this.#leaving.delete(bareJid)
    return [...new Set(known)].map(({ record }) => record).filter(({ config }) => config.purgeOffline)
  }

  mayLeave(bareJid: string, node: ReplicaNode): void {
    addTo(this.#leaving, bareJid, node)
  }

  affiliated(bareJid: string, node: ReplicaNode): void {
    addTo(this.#nodes, bareJid, node)
  }

  subscribed({ jid, bareJid }: SubscriptionRecord, node: ReplicaNode): void {
    addTo(this.#nodes, bareJid, node)
    if (jid !== bareJid) addTo(this.#resources, bareJid, jid)
  }

  /** The account has no affiliation there any more; its link to the node stays while it has something there. */
  unaffiliated(bareJid: string, node: ReplicaNode): void {
    if ((!node.target && node.affiliations.has(bareJid)) || this.isSubscribed(bareJid, node)) return
    if (this.#jidsOf(bareJid).some((jid) => node.pending.has(jid))) return
    this.#unlink(bareJid, node)
  }

  /** The same for a subscription, which perhaps was the last by its full JID. */
  unsubscribed(subscription: SubscriptionRecord, node: ReplicaNode): void {
    this.unaffiliated(subscription.bareJid, node)
    this.#unname(subscription)
  }

  /** The node is no more. */
  deleted(node: ReplicaNode, ended: readonly SubscriptionRecord[]): void {
    for (const bareJid of node.affiliations.keys()) this.#unlink(bareJid, node)
    for (const { bareJid } of ended) this.#unlink(bareJid, node)
    for (const subscription of ended) this.#unname(subscription)
  }

  /** Takes all that the account has from the nodes. */
  forget(bareJid: string): void {
    for (const node of this.#nodesOf(bareJid, 'everywhere')) {
      node.affiliations.delete(bareJid)
      for (const jid of this.#jidsOf(bareJid)) {
        node.subscribers.delete(jid)
        node.pending.delete(jid)
      }
    }
    this.#nodes.delete(bareJid)
    this.#resources.delete(bareJid)
  }

  #nodesOf(bareJid: string, at: Where): ReplicaNode[] {
    const known = [...(this.#nodes.get(bareJid) ?? [])]
    const meant = known.filter(({ record: { service, nodeId } }) => {
      return at === 'everywhere' || (service === at.service && (at.nodeId === undefined || nodeId === at.nodeId))
    })
    return meant.sort((a, b) => (a.record.nodeId < b.record.nodeId ? -1 : 1))
  }

  /** By which it may be subscribed. */
  #jidsOf(bareJid: string): string[] {
    return [bareJid, ...(this.#resources.get(bareJid) ?? [])]
  }

  #unlink(bareJid: string, node: ReplicaNode): void {
    const nodes = this.#nodes.get(bareJid)
    nodes?.delete(node)
    if (nodes?.size === 0) this.#nodes.delete(bareJid)
  }

  #unname({ jid, bareJid }: SubscriptionRecord): void {
    const resources = this.#resources.get(bareJid)
    if (!resources?.has(jid)) return
    for (const node of this.#nodes.get(bareJid) ?? []) if (node.subscribers.has(jid) || node.pending.has(jid)) return
    resources.delete(jid)
    if (resources.size === 0) this.#resources.delete(bareJid)
  }
}

function addTo<T>(sets: Map<string, Set<T>>, key: string, value: T): void {
  const set = sets.get(key)
  if (set) set.add(value)
  else sets.set(key, new Set([value]))
}
