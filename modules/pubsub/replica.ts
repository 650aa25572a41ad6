/**
 * The main thread's copy of nodes, affiliations and subscriptions. The storage worker decides; what it committed is
 * applied here in commit order, so the copy is always one state that the database had. DESIGN decision 13.
 */

import {
  type Ancestor,
  affiliationIn,
  isTemporary,
  type NodeView,
  type Subscriber,
  subscriberOf,
  subscriptionsAt,
} from './node-view.ts'
import type { RelationshipKind } from './relationship-fields.ts'
import { superiorsOf } from './relationships.ts'
import type { Affiliation, Standing } from './rules.ts'
import { ServiceNodes } from './service-nodes.ts'
import {
  type Actor,
  type AffiliationRecord,
  type AffiliationsModified,
  type ItemPublished,
  type NodeConfigured,
  type NodeRecord,
  type NodeRef,
  type Related,
  type Relinked,
  ROOT_ID,
  SHARED_SERVICE,
  type Snapshot,
  type SubscriptionRecord,
  type SubscriptionsModified,
} from './store.ts'

interface Node {
  record: NodeRecord
  readonly affiliations: Map<string, Affiliation>
  // Shared and empty until something is put in.
  subscribers: Map<string, Subscriber>
  pending: Map<string, SubscriptionRecord>
  parents: Set<Node>
  children: Set<Node>
  readonly target: Node | undefined
  beside: { summary: Node | undefined; readonly attachments: Map<string, Node> } | undefined
  relation: { readonly kind: RelationshipKind; readonly to: Node } | undefined
  related: Set<Node> | undefined
}

/**
 * For what a node lacks: nearly all lack most. Of 100,000 nodes, empty ones of their own took 67 MB.
 * Nothing is ever put into these.
 */
const NO_SUBSCRIBERS: Node['subscribers'] = new Map()
const NO_REQUESTS: Node['pending'] = new Map()
const NO_SET: Set<Node> = new Set()

/** Which of an account's nodes: those of a service, one of them, or all there are. */
export type Where = { readonly service: string; readonly nodeId: string | undefined } | 'everywhere'

/** How a subscription changed: made without `before`, ended without `after`. */
export interface SubscriptionChanged {
  readonly before: SubscriptionRecord | undefined
  readonly after: SubscriptionRecord | undefined
}

export class Replica {
  #lastSeq = 0
  readonly #services = new Map<string, ServiceNodes<Node>>()
  /** bareJid -> nodes where it has a subscription or an affiliation. */
  readonly #accounts = new Map<string, Set<Node>>()
  /** bareJid -> the full JIDs that it subscribed by somewhere; most accounts have none. */
  readonly #resources = new Map<string, Set<string>>()
  /** bareJid -> nodes where items of its go when it goes offline, as far as it published there since the start. */
  readonly #leaving = new Map<string, Set<Node>>()

  /** Found when they are asked for, and anew when the graph has changed. */
  #ancestors = new WeakMap<NodeView, readonly Ancestor[]>()
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
  #get({ service, nodeId }: NodeRef): Node | undefined {
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

  /** Nodes of a service where an account has an affiliation or a subscription. */
  affiliatedNodes(bareJid: string, service: string): NodeView[] {
    return [...(this.#accounts.get(bareJid) ?? [])].filter(({ record }) => record.service === service)
  }

  /** All collections above a node, nearest first; by the shortest way where there are several. */
  ancestors(node: NodeView): readonly Ancestor[] {
    const known = this.#ancestors.get(node)
    if (known) return known
    const distances = new Map<NodeView, number>([[node, 0]])
    // A map is walked to its end, what is added on the way too.
    for (const [each, distance] of distances)
      for (const parent of this.#above(each)) if (!distances.has(parent)) distances.set(parent, distance + 1)
    distances.delete(node)
    const found = [...distances].map(([each, distance]) => ({ node: each, distance }))
    this.#ancestors.set(node, found)
    return found
  }

  /** The collection of all of a service that are in no other; undefined until there is one. XEP-0248 §8.1. */
  rootOf(service: string): NodeView | undefined {
    return this.#services.get(service)?.get(ROOT_ID)
  }

  #above(node: NodeView): Iterable<NodeView> {
    if (node.parents.size > 0) return node.parents
    if (node.target) return []
    const root = this.rootOf(node.record.service)
    return root && node !== root ? [root] : []
  }

  *#all(): Iterable<Node> {
    for (const nodes of this.#services.values()) yield* nodes.values()
  }

  /** What the entity is at this node and at its parents. */
  standing(node: NodeView, actor: Actor): Standing {
    const ruling = node.target ?? node
    const at = (each: NodeView, parents?: Standing['parents']) => new KnownStanding(this, each, actor, parents)
    return at(ruling, superiorsOf(ruling, at))
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

  /** By which it may be subscribed. */
  #jidsOf(bareJid: string): string[] {
    return [bareJid, ...(this.#resources.get(bareJid) ?? [])]
  }

  /** Those of the bare JID itself, wherever they are; pending ones too. */
  *ownSubscriptions(bareJid: string): Iterable<SubscriptionRecord> {
    for (const { subscribers, pending } of this.#accounts.get(bareJid) ?? []) {
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

  /** A service's NodeIDs where somebody waits for an owner's answer, in the order of their code units. */
  nodesWithPending(service: string): string[] {
    return this.sortedNodeIds(service).filter((nodeId) => (this.#get({ service, nodeId })?.pending.size ?? 0) > 0)
  }

  /** Nodes whose items expire. */
  expiring(): NodeRef[] {
    return this.#where(({ config }) => config.itemExpireSeconds !== 'max')
  }

  /** Nodes where items go when who published them goes offline. */
  purgedOffline(): NodeRef[] {
    return this.#where(({ config }) => config.purgeOffline)
  }

  #where(fits: (record: NodeRecord) => boolean): NodeRecord[] {
    const found: NodeRecord[] = []
    for (const { record } of this.#all()) if (fits(record)) found.push(record)
    return found
  }

  /** Of these, where an account may have published: it is asked for as it leaves. */
  leftBy(bareJid: string): NodeRef[] {
    const known = [...(this.#leaving.get(bareJid) ?? []), ...(this.#accounts.get(bareJid) ?? [])]
    this.#leaving.delete(bareJid)
    return [...new Set(known)].map(({ record }) => record).filter(({ config }) => config.purgeOffline)
  }

  /** The nodes of accounts. */
  personal(): NodeView[] {
    return [...this.#all()].filter(({ record }) => record.service !== SHARED_SERVICE)
  }

  hasService(service: string): boolean {
    return this.#services.has(service)
  }

  /** Accounts that have nodes. */
  owners(): string[] {
    return [...this.#services.keys()].filter((service) => service !== SHARED_SERVICE)
  }

  /** All subscriptions that a subscriber's absence ends. XEP-0060 §13.5. */
  temporary(): SubscriptionRecord[] {
    return [...this.#all()].flatMap((node) => subscriptionsAt(node).filter((each) => isTemporary(node, each)))
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

  #nodesOf(bareJid: string, at: Where): Node[] {
    const known = [...(this.#accounts.get(bareJid) ?? [])]
    const meant = known.filter(({ record: { service, nodeId } }) => {
      return at === 'everywhere' || (service === at.service && (at.nodeId === undefined || nodeId === at.nodeId))
    })
    return meant.sort((a, b) => (a.record.nodeId < b.record.nodeId ? -1 : 1))
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

  #reconfigured(node: Node, record: NodeRecord): void {
    node.record = record
    this.#review(node)
  }

  #review(node: Node): void {
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
      ownSet(upper, 'children').add(lower)
      ownSet(lower, 'parents').add(upper)
      this.#review(lower)
    }
    if (added.length > 0 || removed.length > 0) this.#ancestors = new WeakMap()
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
    if (node.children.size > 0 || ref.nodeId === ROOT_ID) this.#ancestors = new WeakMap()
    // What decided who may use it still does, for the last notification.
    node.relation?.to.related?.delete(node)
    const { target, record } = node
    if (target?.beside?.summary === node) target.beside.summary = undefined
    else if (record.target?.itemId !== undefined) target?.beside?.attachments.delete(record.target.itemId)
    for (const bareJid of node.affiliations.keys()) this.#unlink(bareJid, node)
    for (const { bareJid } of node.subscribers.values()) this.#unlink(bareJid, node)
    for (const { bareJid } of node.pending.values()) this.#unlink(bareJid, node)
    for (const before of [...subscriptionsAt(node), ...node.pending.values()]) {
      this.#unname(before)
      this.#watch({ before, after: undefined })
    }
    return node
  }

  /** Hands back the node, which is there unless it was deleted meanwhile. */
  published(result: ItemPublished): NodeView | undefined {
    const { seenType, publisher, position } = result
    if (position) this.#lastSeq = position.seq
    const node = this.#get(result)
    if (node && seenType !== undefined) node.record = { ...node.record, seenType }
    if (node?.record.config.purgeOffline) this.#mayLeave(publisher, node)
    return node
  }

  #mayLeave(bareJid: string, node: Node): void {
    const nodes = this.#leaving.get(bareJid)
    if (nodes) nodes.add(node)
    else this.#leaving.set(bareJid, new Set([node]))
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
    const { jid, bareJid, subid } = subscription
    const node = this.#get(subscription)
    const before = this.#known(subscription)
    if (!node || !before) return
    if (node.pending.get(jid)?.subid === subid) node.pending.delete(jid)
    const left = (node.subscribers.get(jid)?.subscriptions ?? []).filter((each) => each.subid !== subid)
    setSubscriber(node, jid, left)
    this.#relink(node, bareJid)
    this.#unname(subscription)
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
    const ended = this.subscriptionsOf(bareJid, 'everywhere')
    for (const node of this.#nodesOf(bareJid, 'everywhere')) {
      node.affiliations.delete(bareJid)
      for (const jid of this.#jidsOf(bareJid)) {
        node.subscribers.delete(jid)
        node.pending.delete(jid)
      }
    }
    this.#accounts.delete(bareJid)
    this.#resources.delete(bareJid)
    for (const before of ended) this.#watch({ before, after: undefined })
  }

  #put(record: NodeRecord): void {
    let service = this.#services.get(record.service)
    if (!service) {
      service = new ServiceNodes()
      this.#services.set(record.service, service)
    }
    const target = record.target && service.get(record.target.nodeId)
    const node: Node = {
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
    service.add(node)
    if (record.nodeId === ROOT_ID) this.#ancestors = new WeakMap()
  }

  #subscribe(subscription: SubscriptionRecord): void {
    const { jid, bareJid, subid, state } = subscription
    const node = this.#get(subscription)
    if (!node) return
    if (state === 'pending') {
      if (node.pending === NO_REQUESTS) node.pending = new Map()
      node.pending.set(jid, subscription)
    } else {
      if (node.pending.get(jid)?.subid === subid) node.pending.delete(jid)
      const known: readonly SubscriptionRecord[] = node.subscribers.get(jid)?.subscriptions ?? []
      const at = known.findIndex((each) => each.subid === subid)
      setSubscriber(node, jid, at < 0 ? [...known, subscription] : known.with(at, subscription))
    }
    this.#link(bareJid, node)
    if (jid === bareJid) return
    const resources = this.#resources.get(bareJid)
    if (resources) resources.add(jid)
    else this.#resources.set(bareJid, new Set([jid]))
  }

  /** A subscription is gone; perhaps it was the last by its full JID. */
  #unname({ jid, bareJid }: SubscriptionRecord): void {
    const resources = this.#resources.get(bareJid)
    if (!resources?.has(jid)) return
    for (const node of this.#accounts.get(bareJid) ?? []) if (node.subscribers.has(jid) || node.pending.has(jid)) return
    resources.delete(jid)
    if (resources.size === 0) this.#resources.delete(bareJid)
  }

  #affiliate(record: AffiliationRecord): void {
    const { bareJid, affiliation } = record
    const node = this.#get(record)
    if (!node) return
    if (affiliation === 'none') {
      node.affiliations.delete(bareJid)
      this.#relink(node, bareJid)
    } else {
      node.affiliations.set(bareJid, affiliation)
      this.#link(bareJid, node)
    }
  }

  #link(bareJid: string, node: Node): void {
    const nodes = this.#accounts.get(bareJid)
    if (nodes) nodes.add(node)
    else this.#accounts.set(bareJid, new Set([node]))
  }

  #unlink(bareJid: string, node: Node): void {
    const nodes = this.#accounts.get(bareJid)
    nodes?.delete(node)
    if (nodes?.size === 0) this.#accounts.delete(bareJid)
  }

  /** Keeps the account's link to the node only while it has something there. */
  #relink(node: Node, bareJid: string): void {
    if ((!node.target && node.affiliations.has(bareJid)) || this.isSubscribed(bareJid, node)) return
    if (this.#jidsOf(bareJid).some((jid) => node.pending.has(jid))) return
    this.#unlink(bareJid, node)
  }
}

/** Whether the entity is subscribed is found only where a rule asks: for a list of nodes, none does. */
class KnownStanding implements Standing {
  readonly affiliation: Affiliation
  readonly isAdmin: boolean
  readonly relation: Actor['relation']
  readonly parents: Standing['parents']
  readonly #replica: Replica
  readonly #node: NodeView
  readonly #bareJid: string

  constructor(replica: Replica, node: NodeView, { bareJid, isAdmin, relation }: Actor, parents: Standing['parents']) {
    this.affiliation = affiliationIn(node, bareJid)
    this.isAdmin = isAdmin
    this.relation = relation
    this.parents = parents
    this.#replica = replica
    this.#node = node
    this.#bareJid = bareJid
  }

  get isSubscribed(): boolean {
    return this.#replica.isSubscribed(this.#bareJid, this.#node)
  }
}

const NO_NODES: ReadonlySet<NodeView> = new Set()

function putBeside(target: Node, node: Node): void {
  target.beside ??= { summary: undefined, attachments: new Map() }
  const itemId = node.record.target?.itemId
  if (itemId === undefined) target.beside.summary = node
  else target.beside.attachments.set(itemId, node)
}

function ownSet(node: Node, name: 'parents' | 'children'): Set<Node> {
  if (node[name] === NO_SET) node[name] = new Set()
  return node[name]
}

function setSubscriber(node: Node, jid: string, subscriptions: readonly SubscriptionRecord[]): void {
  const [first, ...others] = subscriptions
  if (!first) {
    node.subscribers.delete(jid)
    return
  }
  if (node.subscribers === NO_SUBSCRIBERS) node.subscribers = new Map()
  node.subscribers.set(jid, subscriberOf(first, others))
}
