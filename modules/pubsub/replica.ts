/**
 * The main thread's copy of nodes, affiliations and subscriptions. The storage worker decides; what it committed is
 * applied here in commit order, so the copy is always one state that the database had. DESIGN decision 13.
 */

import { AccountNodes, type AccountNodesView } from './account-nodes.ts'
import { Ancestry } from './ancestry.ts'
import { type Ancestor, affiliationIn, isTemporary, type NodeView, subscriptionsAt } from './node-view.ts'
import {
  type Actor,
  type AffiliationRecord,
  type NodeRecord,
  type NodeRef,
  ROOT_ID,
  SHARED_SERVICE,
  type Snapshot,
  type SubscriptionRecord,
} from './records.ts'
import { superiorsOf } from './relationships.ts'
import {
  linkNodes,
  newNode,
  putSubscription,
  type ReplicaNode,
  removeBeside,
  removeSubscription,
} from './replica-node.ts'
import type { Affiliation, Standing } from './rules.ts'
import { ServiceNodes } from './service-nodes.ts'
import type {
  AffiliationsModified,
  ItemPublished,
  NodeConfigured,
  Related,
  Relinked,
  SubscriptionsModified,
} from './store.ts'

/** How a subscription changed: made without `before`, ended without `after`. */
export interface SubscriptionChanged {
  readonly before: SubscriptionRecord | undefined
  readonly after: SubscriptionRecord | undefined
}

export class Replica {
  #lastSeq = 0
  readonly #services = new Map<string, ServiceNodes<ReplicaNode>>()
  readonly #accounts = new AccountNodes()
  readonly #ancestry = new Ancestry((service) => this.rootOf(service))
  #watch: (change: SubscriptionChanged) => void = () => {}

  /** Of the newest item that subscribers were told of. */
  get lastSeq(): number {
    return this.#lastSeq
  }

  load(snapshot: Snapshot): void {
    this.#lastSeq = snapshot.lastSeq
    for (const record of snapshot.nodes) this.#put(record)
    this.relinked({ added: snapshot.links, removed: [] })
    for (const relation of snapshot.relations) this.related({ ...relation, relation })
    for (const affiliation of snapshot.affiliations) this.#affiliate(affiliation)
    for (const subscription of snapshot.subscriptions) this.#subscribe(subscription)
  }

  /** Calls `fn` after each change of a subscription, whatever the reason; one watcher. */
  watch(fn: (change: SubscriptionChanged) => void): void {
    this.#watch = fn
  }

  get(ref: NodeRef): NodeView | undefined {
    return this.#get(ref)
  }

  // Two look-ups by strings that are there already, not one by a text made of both: a publish comes by here.
  #get({ service, nodeId }: NodeRef): ReplicaNode | undefined {
    return this.#services.get(service)?.get(nodeId)
  }

  /** How many nodes there are, at all services. */
  get size(): number {
    let nodes = 0
    for (const service of this.#services.values()) nodes += service.size
    return nodes
  }

  /** All NodeIDs of a service in the order of their code units, which disco pages by. */
  sortedNodeIds(service: string): readonly string[] {
    return this.#services.get(service)?.sortedIds ?? []
  }

  /** Of these, those that a list of the service's nodes may hold; others are found by names of what they are about. */
  listedNodeIds(service: string): readonly string[] {
    return this.#services.get(service)?.listedIds ?? []
  }

  /** The same, by `creationKey`. */
  listedByCreation(service: string): readonly string[] {
    return this.#services.get(service)?.listedByCreation ?? []
  }

  /** Nodes of a service that not everybody is shown when the nodes are listed. */
  restrictedNodes(service: string): ReadonlySet<NodeView> {
    return this.#services.get(service)?.restricted ?? NO_NODES
  }

  /** What accounts have at the nodes. */
  get accounts(): AccountNodesView {
    return this.#accounts
  }

  /** All collections above a node, nearest first; by the shortest way where there are several. */
  ancestors(node: NodeView): readonly Ancestor[] {
    return this.#ancestry.of(node)
  }

  /** The collection of all of a service that are in no other; undefined until there is one. XEP-0248 §8.1. */
  rootOf(service: string): NodeView | undefined {
    return this.#services.get(service)?.get(ROOT_ID)
  }

  /** What the entity is at this node and at its parents. */
  standing(node: NodeView, actor: Actor): Standing {
    const ruling = node.target ?? node
    const at = (each: NodeView, parents?: Standing['parents']) =>
      new KnownStanding(this.#accounts, each, actor, parents)
    return at(ruling, superiorsOf(ruling, at))
  }

  /** A service's NodeIDs where somebody waits for an owner's answer, in the order of their code units. */
  nodesWithPending(service: string): string[] {
    return this.sortedNodeIds(service).filter((nodeId) => (this.#get({ service, nodeId })?.pending.size ?? 0) > 0)
  }

  /** Nodes whose items expire. */
  expiring(): NodeRef[] {
    return this.#where(({ record }) => record.config.itemExpireSeconds !== 'max').map(({ record }) => record)
  }

  /** Nodes where items go when who published them goes offline. */
  purgedOffline(): NodeRef[] {
    return this.#where(({ record }) => record.config.purgeOffline).map(({ record }) => record)
  }

  #where(fits: (node: ReplicaNode) => boolean): ReplicaNode[] {
    const found: ReplicaNode[] = []
    for (const nodes of this.#services.values()) {
      for (const node of nodes.values()) if (fits(node)) found.push(node)
    }
    return found
  }

  /** Nodes that somebody is subscribed to, or wants to be. */
  followed(): NodeView[] {
    return this.#where(({ subscribers, pending }) => subscribers.size + pending.size > 0)
  }

  hasService(service: string): boolean {
    return this.#services.has(service)
  }

  /** Accounts that have nodes. */
  owners(): string[] {
    return [...this.#services.keys()].filter((service) => service !== SHARED_SERVICE)
  }

  /** All subscriptions that a subscriber's absence ends. XEP-0060 §12.5. */
  temporary(): SubscriptionRecord[] {
    const subscribed = this.#where(({ subscribers }) => subscribers.size > 0)
    return subscribed.flatMap((node) => subscriptionsAt(node).filter((each) => isTemporary(node, each)))
  }

  // What was committed, applied.

  created(record: NodeRecord): void {
    this.#put(record)
    const { service, nodeId, creator } = record
    this.#affiliate({ service, nodeId, bareJid: creator, affiliation: 'owner' })
  }

  ensured(record: NodeRecord): void {
    const node = this.#get(record)
    if (node) this.#reconfigured(node, record)
    else this.#put(record)
  }

  #reconfigured(node: ReplicaNode, record: NodeRecord): void {
    node.record = record
    this.#review(node)
  }

  #review(node: ReplicaNode): void {
    this.#services.get(node.record.service)?.review(node)
  }

  configured({ node: record, ended, approved }: NodeConfigured): void {
    const node = this.#get(record)
    if (node) this.#reconfigured(node, record)
    const { accessModel, publishModel, rosterGroupsAllowed } = record.config
    for (const each of node?.beside ? [node.beside.summary, ...node.beside.attachments.values()] : [])
      if (each) {
        const config = { ...each.record.config, accessModel, publishModel, rosterGroupsAllowed }
        each.record = { ...each.record, config }
      }
    for (const subscription of approved) this.subscribed(subscription)
    for (const subscription of ended) this.unsubscribed(subscription)
  }

  relinked({ added, removed }: Relinked): void {
    for (const { service, parent, child } of removed) {
      const [upper, lower] = [this.#get({ service, nodeId: parent }), this.#get({ service, nodeId: child })]
      if (lower) upper?.children.delete(lower)
      if (upper) lower?.parents.delete(upper)
      if (lower) this.#review(lower)
    }
    for (const { service, parent, child } of added) {
      const [upper, lower] = [this.#get({ service, nodeId: parent }), this.#get({ service, nodeId: child })]
      if (!upper || !lower) continue
      linkNodes(upper, lower)
      this.#review(lower)
    }
    if (added.length > 0 || removed.length > 0) this.#ancestry.graphChanged()
  }

  related({ relation, ...ref }: Related): void {
    const node = this.#get(ref)
    if (!node) return
    node.relation?.to.related?.delete(node)
    const to = relation && this.#get({ service: ref.service, nodeId: relation.target })
    node.relation = to && { kind: relation.kind, to }
    this.#review(node)
    if (!to) return
    to.related ??= new Set()
    to.related.add(node)
  }

  /** Removes the node and hands back what it was, for the last notification. */
  deleted(ref: NodeRef): NodeView | undefined {
    const node = this.#get(ref)
    const service = this.#services.get(ref.service)
    if (!node || !service) return undefined
    service.remove(node)
    if (service.size === 0) this.#services.delete(ref.service)
    for (const parent of node.parents) parent.children.delete(node)
    for (const child of node.children) {
      child.parents.delete(node)
      this.#review(child)
    }
    if (node.children.size > 0 || ref.nodeId === ROOT_ID) this.#ancestry.graphChanged()
    // What decided who may use it still does, for the last notification.
    node.relation?.to.related?.delete(node)
    removeBeside(node)
    const ended = [...subscriptionsAt(node), ...node.pending.values()]
    this.#accounts.deleted(node, ended)
    for (const before of ended) this.#watch({ before, after: undefined })
    return node
  }

  /** Hands back the node, which is there unless it was deleted meanwhile. */
  published(result: ItemPublished): NodeView | undefined {
    const { seenType, publisher, position } = result
    if (position) this.#lastSeq = position.seq
    const node = this.#get(result)
    if (node && seenType !== undefined) node.record = { ...node.record, seenType }
    if (node?.record.config.purgeOffline) this.#accounts.mayLeave(publisher, node)
    return node
  }

  /** Made, approved, moved or given other options. */
  subscribed(subscription: SubscriptionRecord): void {
    const before = this.#known(subscription)
    this.#subscribe(subscription)
    this.#watch({ before, after: subscription })
  }

  #known({ jid, subid, ...ref }: SubscriptionRecord): SubscriptionRecord | undefined {
    const node = this.#get(ref)
    const request = node?.pending.get(jid)
    if (request?.subid === subid) return request
    return node?.subscribers.get(jid)?.subscriptions.find((each) => each.subid === subid)
  }

  unsubscribed(subscription: SubscriptionRecord): void {
    const node = this.#get(subscription)
    const before = this.#known(subscription)
    if (!node || !before) return
    removeSubscription(node, subscription)
    this.#accounts.unsubscribed(subscription, node)
    this.#watch({ before, after: undefined })
  }

  affiliationsModified({ changed, ended, approved }: AffiliationsModified): void {
    for (const affiliation of changed) this.#affiliate(affiliation)
    for (const subscription of approved) this.subscribed(subscription)
    for (const subscription of ended) this.unsubscribed(subscription)
  }

  subscriptionsModified({ made, ended }: SubscriptionsModified): void {
    for (const subscription of made) this.subscribed(subscription)
    for (const subscription of ended) this.unsubscribed(subscription)
  }

  accountForgotten(bareJid: string): void {
    const ended = this.#accounts.subscriptionsOf(bareJid, 'everywhere')
    this.#accounts.forget(bareJid)
    for (const before of ended) this.#watch({ before, after: undefined })
  }

  #put(record: NodeRecord): void {
    let service = this.#services.get(record.service)
    if (!service) {
      service = new ServiceNodes()
      this.#services.set(record.service, service)
    }
    service.add(newNode(record, record.target && service.get(record.target.nodeId)))
    if (record.nodeId === ROOT_ID) this.#ancestry.graphChanged()
  }

  #subscribe(subscription: SubscriptionRecord): void {
    const node = this.#get(subscription)
    if (!node) return
    putSubscription(node, subscription)
    this.#accounts.subscribed(subscription, node)
  }

  #affiliate(record: AffiliationRecord): void {
    const { bareJid, affiliation } = record
    const node = this.#get(record)
    if (!node) return
    if (affiliation === 'none') {
      node.affiliations.delete(bareJid)
      this.#accounts.unaffiliated(bareJid, node)
    } else {
      node.affiliations.set(bareJid, affiliation)
      this.#accounts.affiliated(bareJid, node)
    }
  }
}

/** Whether the entity is subscribed is found only where a rule asks: for a list of nodes, none does. */
class KnownStanding implements Standing {
  readonly affiliation: Affiliation
  readonly isAdmin: boolean
  readonly relation: Actor['relation']
  readonly parents: Standing['parents']
  readonly #accounts: AccountNodesView
  readonly #node: NodeView
  readonly #bareJid: string

  constructor(
    accounts: AccountNodesView,
    node: NodeView,
    { bareJid, isAdmin, relation }: Actor,
    parents: Standing['parents'],
  ) {
    this.affiliation = affiliationIn(node, bareJid)
    this.isAdmin = isAdmin
    this.relation = relation
    this.parents = parents
    this.#accounts = accounts
    this.#node = node
    this.#bareJid = bareJid
  }

  get isSubscribed(): boolean {
    return this.#accounts.isSubscribed(this.#bareJid, this.#node)
  }
}

const NO_NODES: ReadonlySet<NodeView> = new Set()
