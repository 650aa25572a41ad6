/** A node as the main thread's copy shows it, and what is read off it. */

import { type Jid, parseJid } from '../../server/stanza/jid.ts'
import type { NodeRecord, SubscriptionRecord } from './records.ts'
import type { RelationshipKind } from './relationship-fields.ts'
import { type Affiliation, affiliationAt } from './rules.ts'
import { endOf } from './subscription-options.ts'

/** A JID that gets events; one event, however many subscriptions it has. XEP-0060 §6.1.6. */
export interface Subscriber {
  readonly jid: string
  readonly bareJid: string
  readonly to: Jid
  /** Where its oldest subscription was made. */
  readonly address: string
  /** Oldest first, none of them pending. */
  readonly subscriptions: readonly [SubscriptionRecord, ...SubscriptionRecord[]]
  /** There are several, so notifications of items say which they are for. §6.1.6 */
  readonly tellsIds: boolean
  /** Its one subscription takes every event at any time: nothing to ask at delivery. */
  readonly isPlain: boolean
}

export interface NodeView {
  readonly record: NodeRecord
  readonly affiliations: ReadonlyMap<string, Affiliation>
  /** By subscribed JID. */
  readonly subscribers: ReadonlyMap<string, Subscriber>
  /** Waiting for an owner's answer, by the JID that asked: one at a time. XEP-0060 §6.1.3.7. */
  readonly pending: ReadonlyMap<string, SubscriptionRecord>
  /** Collections that the node is in; none: it stands at the root. XEP-0248. */
  readonly parents: ReadonlySet<NodeView>
  /** Of a collection. */
  readonly children: ReadonlySet<NodeView>
  /** Of an attachment node or a summary: what it is about. Its affiliations are those of that node. XEP-0470 */
  readonly target: NodeView | undefined
  /** What is about this node: undefined for most. */
  readonly beside: Beside | undefined
  /** The one step up to what it belongs to; a linking node's parent is that of its target. XEP-0496. */
  readonly relation: Relation | undefined
  /** What belongs to it by one step; undefined: nothing ever did. */
  readonly related: ReadonlySet<NodeView> | undefined
}

export interface Relation {
  readonly kind: RelationshipKind
  readonly to: NodeView
}

/** The nodes that stand beside another one. XEP-0470 */
export interface Beside {
  readonly summary: NodeView | undefined
  /** Attachment nodes, by the items that they are about. */
  readonly attachments: ReadonlyMap<string, NodeView>
}

/** All that stands beside a node. */
export function allBeside({ beside }: NodeView): NodeView[] {
  return beside ? [...beside.attachments.values(), ...(beside.summary ? [beside.summary] : [])] : []
}

/** A collection above a node, and how many steps there are in between. */
export interface Ancestor {
  readonly node: NodeView
  readonly distance: number
}

export function affiliationIn({ record, affiliations }: NodeView, bareJid: string): Affiliation {
  return affiliationAt(record.service, bareJid, affiliations.get(bareJid) ?? 'none')
}

/** Does it end when its subscriber goes offline? XEP-0060 §12.5 */
export function isTemporary(node: NodeView, { options }: SubscriptionRecord): boolean {
  return options.expire === 'presence' || node.record.config.tempSub
}

/** Whom items name as their publisher at this node. XEP-0060 §7.1.2.3, §12.17 */
export function publisherShown(node: NodeView): (publisher: string) => string | undefined {
  switch (node.record.config.itemReply) {
    case 'publisher':
      return (publisher) => publisher
    case 'owner': {
      const owner = firstOwner(node)
      return () => owner
    }
    case 'none':
      return () => undefined
  }
}

function firstOwner({ record, affiliations }: NodeView): string | undefined {
  if (affiliations.get(record.creator) === 'owner') return record.creator
  for (const [bareJid, affiliation] of affiliations) if (affiliation === 'owner') return bareJid
  return undefined
}

/** All that are not pending. */
export function subscriptionsAt(node: NodeView): SubscriptionRecord[] {
  return [...node.subscribers.values()].flatMap(({ subscriptions }) => subscriptions)
}

/** A JID with its subscriptions, oldest first. */
export function subscriberOf(first: SubscriptionRecord, others: readonly SubscriptionRecord[] = []): Subscriber {
  const { jid, bareJid, address, options } = first
  const { deliver, showValues, digest, includeBody } = options
  const isPlain =
    others.length === 0 && deliver && showValues.length === 0 && endOf(options) === undefined && !digest && !includeBody
  const tellsIds = others.length > 0
  return { jid, bareJid, to: parseJid(jid), address, subscriptions: [first, ...others], tellsIds, isPlain }
}
