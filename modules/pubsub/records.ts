/** What pubsub keeps, and by what it is named. Importable in the storage worker. */

import type { Relation } from '../roster/index.ts'
import type { Target } from './attachment-names.ts'
import type { NodeConfig } from './node-config.ts'
import type { RelationshipKind } from './relationship-fields.ts'
import type { Affiliation } from './rules.ts'
import type { SubscriptionOptions } from './subscription-options.ts'

/** The service at `<domain>` and at `pubsub.<domain>`; every other is the bare JID of the account it is of. */
export const SHARED_SERVICE = ''

/** Which node: the same NodeID may exist at many services. */
export interface NodeRef {
  /** SHARED_SERVICE, or a bare JID. */
  readonly service: string
  readonly nodeId: string
}

/**
 * The NodeID of a service's root: the collection that every node stands in that is in no other. It has no name, and an
 * account's is made when somebody follows it. XEP-0248 §8.1; XEP-0163 §5.
 */
export const ROOT_ID = ''

export interface NodeRecord extends NodeRef {
  /** Bare JID, or the service's domain for a node of the server's own. */
  readonly creator: string
  /** UTC milliseconds. */
  readonly createdAt: number
  readonly config: NodeConfig
  /** Namespace of the first payload, told as the node's type while none is configured. SACM-XMPP §5. */
  readonly seenType: string | undefined
  /** Of an attachment node or a summary: what it is about. Who may do what there is what holds at that node. XEP-0470 */
  readonly target?: Target
}

export interface SubscriptionRecord extends NodeRef {
  /** The subscribed JID, bare or full. */
  readonly jid: string
  readonly bareJid: string
  /** The service address it was made at: its events come from there. SACM-XMPP §1. */
  readonly address: string
  /** Tells the subscriptions of one JID apart. §6.1.6 */
  readonly subid: string
  /** XEP-0060 §4.2; `none` has no record. */
  readonly state: 'subscribed' | 'pending'
  /** Its subscriber wants it known; of a bare JID only. XEP-0465 §4.1 */
  readonly isPublic: boolean
  /** UTC milliseconds: since when everybody may know of it. */
  readonly publicSince?: number | undefined
  readonly options: SubscriptionOptions
}

/** One subscription of a JID; without an id, its only one. */
export interface SubscriptionKey extends NodeRef {
  readonly jid: string
  readonly subid: string | undefined
}

/** A subscription of an account, at whatever service. */
export interface ManagedSubscription {
  /** The service's JID. */
  readonly service: string
  /** Empty: the root. */
  readonly nodeId: string
  /** Of the account, bare. */
  readonly jid: string
  readonly subid: string | undefined
  readonly state: 'subscribed' | 'pending' | 'unconfigured'
  readonly isPublic: boolean
  /** As in SubscriptionRecord; what is asked to be kept has none. */
  readonly publicSince?: number | undefined
}

/** Those of an account at a node of another's service; without an id, all. */
export interface ElsewhereKey extends Pick<ManagedSubscription, 'service' | 'nodeId' | 'jid'> {
  /** Empty: one that its service gave none. */
  readonly subid: string | undefined
}

export interface AffiliationRecord extends NodeRef {
  readonly bareJid: string
  readonly affiliation: Affiliation
}

/** That one node is in another, which is a collection of the same service. XEP-0248. */
export interface LinkRecord {
  readonly service: string
  /** NodeIDs. */
  readonly parent: string
  readonly child: string
}

/** That a node belongs to another of its service. A linking node's parent is that of the node that it links to. XEP-0496 */
export interface RelationRecord extends NodeRef {
  readonly kind: RelationshipKind
  /** NodeID. */
  readonly target: string
}

export interface ItemRecord {
  readonly itemId: string
  /** Bare JID. */
  readonly publisher: string
  /** UTC milliseconds. */
  readonly publishedAt: number
  /** Self-contained XML; undefined when the item is empty, or when only ids were asked for. */
  readonly payload: string | undefined
}

/** Where an item stands, or stood, in the orders of publication and of first publication. Never used again. */
export interface Position {
  readonly seq: number
  readonly creation: number
}

/** An item by what tells it apart: enough to say that it is gone, and to whom. */
export interface ItemKey {
  readonly itemId: string
  readonly scope: string | undefined
}

/** An item by the name of its node. */
export interface ItemName {
  readonly nodeId: string
  readonly itemId: string
}

/** Who asks, as far as the store needs to know. */
export interface Actor {
  readonly bareJid: string
  readonly isAdmin: boolean
  /** As the owner's roster had it when the request was made; access.ts says why that is enough. */
  readonly relation?: Relation | undefined
}

export interface Snapshot {
  readonly nodes: readonly NodeRecord[]
  readonly affiliations: readonly AffiliationRecord[]
  readonly subscriptions: readonly SubscriptionRecord[]
  /** Of the newest item of all. */
  readonly lastSeq: number
  readonly links: readonly LinkRecord[]
  readonly relations: readonly RelationRecord[]
}
