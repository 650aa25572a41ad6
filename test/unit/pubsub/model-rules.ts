/** XEP-0060 as the model has it, at rest: what a node is, and who may do what there. */

import type { Affiliation } from './model-outcome.ts'

export const ACTORS = ['alice', 'bob', 'carol', 'root'] as const
export type Actor = (typeof ACTORS)[number]

export interface Config {
  node_type: 'leaf' | 'collection'
  /** The collection it is made in; empty: the root. */
  collection: string
  access_model: 'open' | 'authorize' | 'whitelist'
  publish_model: 'publishers' | 'subscribers' | 'open'
  persist_items: boolean
  max_items: number
  publish_node_full: 'retract-oldest' | 'discard-oldest' | 'reject'
  notify_retract: boolean
  itemreply: 'publisher' | 'none'
  send_last_published_item: 'never' | 'on_sub'
}

export type Request =
  | { readonly kind: 'create'; readonly node: string; readonly config: Config }
  | { readonly kind: 'delete' | 'purge' | 'subscribe' | 'unsubscribe' | 'items'; readonly node: string }
  /** All items, one to a page. */
  | {
      readonly kind: 'pages'
      readonly node: string
      readonly by: 'creation' | 'modification'
      readonly isDown: boolean
    }
  | { readonly kind: 'subscriptions' | 'affiliations' }
  | { readonly kind: 'subscribers' | 'affiliates'; readonly node: string }
  | { readonly kind: 'deliver'; readonly node: string; readonly isOn: boolean }
  | { readonly kind: 'digest'; readonly node: string; readonly isOn: boolean }
  | { readonly kind: 'offline' }
  | { readonly kind: 'follow'; readonly node: string; readonly what: Follow; readonly depth: number | 'all' }
  | { readonly kind: 'associate' | 'dissociate'; readonly node: string; readonly child: string }
  /** Undefined: not said; empty: none. */
  | {
      readonly kind: 'relate'
      readonly node: string
      readonly link: string | undefined
      readonly parent: string | undefined
    }
  | { readonly kind: 'publish'; readonly node: string; readonly id: string }
  | { readonly kind: 'retract'; readonly node: string; readonly id: string; readonly notify: boolean }
  | { readonly kind: 'affiliate'; readonly node: string; readonly jid: Actor; readonly affiliation: Affiliation }
  | { readonly kind: 'access'; readonly node: string; readonly model: Config['access_model'] }
  | { readonly kind: 'answer'; readonly node: string; readonly jid: Actor; readonly isAllowed: boolean }

export type Follow = 'items' | 'nodes' | 'all'

export interface Node {
  readonly name: string
  readonly config: Config
  readonly affiliations: Map<Actor, Affiliation>
  readonly subscriptions: Map<Actor, Subscription>
  readonly parents: Set<Node>
  /** XEP-0496. */
  step: { readonly kind: 'link' | 'parent'; readonly to: Node } | undefined
  items: Item[]
}

export interface Item {
  readonly id: string
  readonly publisher: Actor
  /** When it was published, and when for the first time: growing over all nodes. */
  readonly at: number
  readonly created: number
}

/** `isOne`: it came by one subscription; by several, the message says for which it is. */
export interface Held {
  readonly node: Node
  readonly what: string
  readonly via: string
  readonly isOne: boolean
}

export interface Subscription {
  state: 'subscribed' | 'pending'
  deliver: boolean
  what: Follow
  depth: number | 'all'
  digest: boolean
  /** What a digest holds, oldest first. */
  held: Held[]
  began: number
}

/** What the service gives a node that a publish makes, as far as the model knows. */
export const DEFAULTS: Config = {
  node_type: 'leaf',
  collection: '',
  access_model: 'open',
  publish_model: 'publishers',
  persist_items: true,
  max_items: 1_000,
  publish_node_full: 'retract-oldest',
  notify_retract: false,
  itemreply: 'none',
  send_last_published_item: 'on_sub',
}

export function rootNode(): Node {
  const config: Config = { ...DEFAULTS, node_type: 'collection', persist_items: false }
  const nothing = { affiliations: new Map(), subscriptions: new Map(), parents: new Set<Node>() }
  return { name: '', config, step: undefined, items: [], ...nothing }
}

/** Every collection above a node, and how far: the shortest way counts. */
export function above(node: Node): Map<Node, number> {
  const found = new Map<Node, number>()
  let level = [node]
  for (let distance = 1; level.length > 0; distance++) {
    level = level.flatMap(({ parents }) => [...parents]).filter((parent) => !found.has(parent))
    for (const parent of level) found.set(parent, distance)
  }
  return found
}

/** A collection shows nobody more than the node would. XEP-0248 §10.1 */
export function mayKnow(node: Node, actor: Actor, subject: 'items' | 'nodes'): boolean {
  if (whyKeptOut(node, actor)) return false
  if (isOwner(node, actor)) return true
  const kind = standing(node, actor)
  const { access_model } = node.config
  if (kind !== 'none') return kind !== 'outcast' && (subject === 'nodes' || kind !== 'publish-only')
  if (access_model === 'whitelist') return false
  const isSubscribed = node.subscriptions.get(actor)?.state === 'subscribed'
  return access_model === 'open' || subject === 'nodes' || isSubscribed
}

/** The nodes that decide with this one: the parents above it, and above what it links to. XEP-0496 §4.4 */
export function superiors(node: Node): Node[] {
  const found: Node[] = []
  for (let { step } = node; step; { step } = step.to) if (step.kind === 'parent') found.push(step.to)
  return found
}

export function whyKeptOut(node: Node, actor: Actor): string | undefined {
  for (const parent of superiors(node)) {
    const refusal = whyNotReadAlone(parent, actor)
    if (refusal) return refusal
    if (needsApproval(parent, actor)) return 'not-authorized/not-subscribed'
  }
  return undefined
}

export function needsApproval(node: Node, actor: Actor): boolean {
  if (node.config.access_model !== 'authorize' || isOwner(node, actor) || standing(node, actor) !== 'none') return false
  return node.subscriptions.get(actor)?.state !== 'subscribed'
}

/** Accounts with a role, under the default options of the service. */
export function mayCreate(actor: Actor): boolean {
  return actor === 'alice' || actor === 'root'
}

export function standing(node: Node, actor: Actor): Affiliation {
  return node.affiliations.get(actor) ?? 'none'
}

/** The administrator is everybody's owner. */
export function isOwner(node: Node, actor: Actor): boolean {
  return actor === 'root' || standing(node, actor) === 'owner'
}

export function mayPublish(node: Node, actor: Actor): boolean {
  return [node, ...superiors(node)].every((each) => mayPublishAlone(each, actor))
}

export function mayPublishAlone(node: Node, actor: Actor): boolean {
  const kind = standing(node, actor)
  if (isOwner(node, actor) || kind === 'publisher' || kind === 'publish-only') return true
  if (kind === 'outcast' || node.config.publish_model === 'publishers') return false
  return node.config.publish_model === 'open' || node.subscriptions.get(actor)?.state === 'subscribed'
}

export function whyNotRead(node: Node, actor: Actor): string | undefined {
  return whyKeptOut(node, actor) ?? whyNotReadAlone(node, actor)
}

export function whyNotReadAlone(node: Node, actor: Actor): string | undefined {
  if (isOwner(node, actor)) return undefined
  const kind = standing(node, actor)
  if (kind === 'outcast' || kind === 'publish-only') return 'forbidden'
  return kind === 'none' && node.config.access_model === 'whitelist' ? 'not-allowed/closed-node' : undefined
}

/** May the account ask the leaf for items? XEP-0060 §6.5 */
export function whyNotRetrieve(node: Node, actor: Actor): string | undefined {
  const refusal = whyNotRead(node, actor)
  if (refusal) return refusal
  const mustSubscribe =
    node.config.access_model !== 'open' && !isOwner(node, actor) && standing(node, actor) !== 'publisher'
  const isSubscribed = node.subscriptions.get(actor)?.state === 'subscribed'
  return mustSubscribe && !isSubscribed ? 'not-authorized/not-subscribed' : undefined
}
