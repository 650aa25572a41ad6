/** What pubsub keeps: its records, and the verbs of its store. Importable in the storage worker. */

import type { Operation } from '../../server/module/api.ts'
import type { Relation } from '../roster/index.ts'
import type { Attached } from './attachment-counts.ts'
import type { Target } from './attachment-names.ts'
import type { ConfigChanges, LinkChanges, NodeConfig, Preconditions } from './node-config.ts'
import type { Order } from './order.ts'
import type { RelationshipChanges, RelationshipKind } from './relationship-fields.ts'
import type { Affiliation } from './rules.ts'
import type { OptionChanges, SubscriptionOptions } from './subscription-options.ts'

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
  readonly options: SubscriptionOptions
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
}

/** Those of an account at a node of another's service; without an id, all. */
export interface ElsewhereKey extends Pick<ManagedSubscription, 'service' | 'nodeId' | 'jid'> {
  /** Empty: one that its service gave none. */
  readonly subid: string | undefined
}

/** One subscription of a JID; without an id, its only one. */
export interface SubscriptionKey extends NodeRef {
  readonly jid: string
  readonly subid: string | undefined
}

export interface AffiliationRecord extends NodeRef {
  readonly bareJid: string
  readonly affiliation: Affiliation
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

/** An item of a page. */
export interface PagedItem extends ItemRecord {
  readonly position: Position
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

/** Who asks, as far as the store needs to know. */
export interface Actor {
  readonly bareJid: string
  readonly isAdmin: boolean
  /** As the owner's roster had it when the request was made; access.ts says why that is enough. */
  readonly relation?: Relation | undefined
}

/** Items an asker may see: all, or those without a scope and with one of these. */
export type Visible = 'all' | readonly string[]

export interface CreateNode extends NodeRef {
  readonly creator: string
  readonly config: NodeConfig
  readonly nodesMax: number
}
export interface EnsureNode extends NodeRef {
  readonly creator: string
  readonly config: NodeConfig
}
export interface ConfigureNode extends NodeRef {
  readonly actor: Actor
  readonly changes: ConfigChanges
  readonly itemsMax: number
}
/** Items pruned at once at most; what is left goes with the next publishes. */
export const PRUNE_BATCH = 1_000

export interface NodeConfigured {
  readonly node: NodeRecord
  /** Subscriptions that the new access model ended, and pending ones that it approved. */
  readonly ended: readonly SubscriptionRecord[]
  readonly approved: readonly SubscriptionRecord[]
  /** The same as `ended`, at its attachment nodes and its summary. */
  readonly endedBeside: readonly SubscriptionRecord[]
  readonly pruned: readonly ItemKey[]
  /** It became a collection, and its items went. */
  readonly isPurged: boolean
}
export interface OwnerRequest extends NodeRef {
  readonly actor: Actor
}

/** That one node is in another, which is a collection of the same service. XEP-0248. */
export interface LinkRecord {
  readonly service: string
  /** NodeIDs. */
  readonly parent: string
  readonly child: string
}
export interface LinkBounds {
  readonly childrenMax: number
  readonly parentsMax: number
}
/** Gives a node this place; what is not named stays. */
export interface Relink extends OwnerRequest, LinkBounds {
  readonly links: LinkChanges
}
export interface Associate extends LinkRecord, LinkBounds {
  readonly actor: Actor
}
export interface Dissociate extends LinkRecord {
  readonly actor: Actor
}
export interface Relinked {
  readonly added: readonly LinkRecord[]
  readonly removed: readonly LinkRecord[]
}

/** That a node belongs to another of its service. A linking node's parent is that of the node that it links to. XEP-0496 */
export interface RelationRecord extends NodeRef {
  readonly kind: RelationshipKind
  /** NodeID. */
  readonly target: string
}
/** Gives a node these relationships; what is not named stays. */
export interface Relate extends OwnerRequest {
  readonly changes: RelationshipChanges
  readonly depthMax: number
}
export interface Related extends NodeRef {
  /** Undefined: it belongs to none. */
  readonly relation: RelationRecord | undefined
}
/** Where a node is from now on. XEP-0060 §8.4 */
export interface Redirect {
  readonly uri: string
  /** How many of them a service remembers. */
  readonly keptMax: number
}
export interface DeleteNode extends OwnerRequest {
  readonly redirect?: Redirect
}
export interface NodesDeleted {
  /** The node that was asked for, then those below it. */
  readonly nodes: readonly NodeRef[]
}

export interface PublishItem extends NodeRef {
  readonly actor: Actor
  /** The publisher's own, or one that the service made; undefined when the request has no item. */
  readonly itemId: string | undefined
  readonly payload: string | undefined
  readonly payloadNs: string | undefined
  readonly preconditions: Preconditions
  /** The claimer or the server itself has authorised it; affiliations and publish model do not count. */
  readonly isAuthorized: boolean
  /** Of the item; else what Tx.shared[SHARED_SCOPE] holds. */
  readonly scope: string | undefined
  readonly itemsMax: number
  readonly payloadMaxBytes: number
}
export interface ItemPublished extends NodeRef {
  readonly itemId: string | undefined
  readonly publisher: string
  readonly publishedAt: number
  readonly scope: string | undefined
  /** The node's new seenType when this payload was its first. */
  readonly seenType: string | undefined
  /** Undefined: the item is not kept. */
  readonly position: Position | undefined
  readonly pruned: readonly ItemKey[]
  readonly expired: readonly ItemKey[]
}
/** To an attachment node. The other nodes' publishes do not come by here. */
export interface PublishAttachment extends NodeRef {
  readonly actor: Actor
  readonly about: ItemName
  readonly payload: string
  readonly attached: Attached
  /** Whoever the nodes are of that have to be made: the service's own address. */
  readonly creator: string
  /** Of those nodes; who may read and publish is what the target says. */
  readonly attachmentsConfig: NodeConfig
  readonly summaryConfig: NodeConfig
  readonly attachmentsMax: number
  readonly attachedItemsMax: number
  readonly reactionsMax: number
}
/** An item by the name of its node. */
export interface ItemName {
  readonly nodeId: string
  readonly itemId: string
}
/** What the change of an attachment made of the summary; undefined: nothing that shows. */
export type SummaryChange =
  | { readonly kind: 'published'; readonly item: ItemPublished; readonly payload: string }
  | ({ readonly kind: 'retracted' } & NodeRef & ItemKey)
  | undefined
export interface AttachmentPublished {
  readonly created: readonly NodeRecord[]
  readonly item: ItemPublished
  readonly summary: SummaryChange
}
export interface RetractAttachment extends NodeRef {
  readonly actor: Actor
  readonly about: ItemName
  readonly itemId: string
  /** As in PublishAttachment. */
  readonly creator: string
}
export interface AttachmentRetracted extends NodeRef {
  readonly gone: ItemKey
  readonly summary: SummaryChange
}

/** Items whose time is over. */
export interface ItemsExpired extends NodeRef {
  readonly expired: readonly ItemKey[]
}

/** Part of the items at a node whose items go with who published them: those of one account, or all. */
export interface PurgeAbsent extends NodeRef {
  /** Bare JID; undefined: nobody is online. */
  readonly publisher: string | undefined
  /** Where the last part ended. */
  readonly from: { readonly seq: number; readonly before: number } | undefined
}
export interface AbsentPurged extends NodeRef {
  readonly gone: readonly ItemKey[]
  /** Nothing is left at the node. */
  readonly isEmpty: boolean
  /** Undefined: all is done. */
  readonly next: PurgeAbsent['from']
}

export interface RetractItem extends NodeRef {
  readonly actor: Actor
  readonly itemId: string
  /** Of a claimed node: `own` items only; `any`: the server itself; undefined: by affiliation. */
  readonly authorized: 'own' | 'any' | undefined
}
export type ItemRetracted = ItemKey & NodeRef

export interface Subscribe extends NodeRef {
  readonly actor: Actor
  readonly jid: string
  readonly address: string
  /** For a new subscription. */
  readonly subid: string
  /** Undefined: none were asked for, and any subscription that is there will do. */
  readonly options: OptionChanges | undefined
  readonly isPublic: boolean
  readonly leaseMaxMs: number
  /** The claimer has authorised it. */
  readonly isAuthorized: boolean
  readonly perNodeMax: number
  readonly perAccountMax: number
}
export interface Subscribed {
  readonly subscription: SubscriptionRecord
  readonly isNew: boolean
}
export interface SetOptions extends SubscriptionKey {
  readonly changes: OptionChanges
  readonly leaseMaxMs: number
}
/** An owner's answer to a subscription request. §8.6. */
export interface AnswerRequest extends OwnerRequest {
  readonly jid: string
  readonly subid: string | undefined
  readonly isAllowed: boolean
}
export interface RequestAnswered {
  readonly subscription: SubscriptionRecord
  readonly isAllowed: boolean
}
/** Subscriptions ended at once at most by the sweep; the rest go with the next one. */
export const SWEEP_BATCH = 1_000

export interface SubscriptionsEnded {
  readonly ended: readonly SubscriptionRecord[]
}

export interface ModifyAffiliations extends OwnerRequest {
  readonly changes: readonly AffiliationChange[]
  readonly perNodeMax: number
}
export interface AffiliationChange {
  readonly bareJid: string
  /** Undefined: one that there is not. */
  readonly affiliation: Affiliation | undefined
}
export interface AffiliationsModified extends NodeRef {
  readonly changed: readonly AffiliationRecord[]
  /** Entries that were not changed, with what they are. */
  readonly refused: readonly AffiliationRecord[]
  readonly ended: readonly SubscriptionRecord[]
  /** The same as `ended`, at its attachment nodes and its summary. */
  readonly endedBeside: readonly SubscriptionRecord[]
  /** Pending subscriptions that the new affiliation approved. §8.7.4 */
  readonly approved: readonly SubscriptionRecord[]
}

export interface ModifySubscriptions extends OwnerRequest {
  readonly changes: readonly SubscriptionChange[]
  readonly perNodeMax: number
}
export interface SubscriptionChange {
  readonly jid: string
  readonly bareJid: string
  /** As in Actor. */
  readonly relation?: Relation | undefined
  readonly address: string
  /** Which of several; for a new subscription: its id. */
  readonly subid: string | undefined
  readonly newSubid: string
  /** Undefined: a state that no subscription can be set to. */
  readonly state: 'subscribed' | 'none' | undefined
}
export interface SubscriptionsModified extends NodeRef {
  /** New ones, and pending ones that were approved. */
  readonly made: readonly SubscriptionRecord[]
  readonly ended: readonly SubscriptionRecord[]
  readonly refused: readonly { readonly jid: string; readonly state: 'subscribed' | 'pending' | 'none' }[]
}

/** Hexadecimal. */
export interface CursorKey {
  readonly key: string
}

export interface AccountForgotten {
  readonly bareJid: string
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

/** What a page begins at: an item by its id, or a position, which outlives its item. */
export type Place = { readonly itemId: string } | Position

/** A part of the order; what is undefined is no bound. XEP-0313 §4.1 */
export interface Within {
  /** Between these, which are kept themselves. */
  readonly after: Position | undefined
  readonly before: Position | undefined
  /** UTC milliseconds, both included. */
  readonly fromMs: number | undefined
  readonly toMs: number | undefined
}

/** Where a page begins. XEP-0059 §2.2 to §2.5. */
export type PageStart =
  | { readonly at: 'start' }
  | { readonly at: 'end' }
  | { readonly at: 'after'; readonly place: Place }
  | { readonly at: 'before'; readonly place: Place }
  | { readonly at: 'index'; readonly index: number }

export interface ReadPage extends NodeRef {
  readonly visible: Visible
  readonly start: PageStart
  readonly order: Order
  /** As an archive: a part only, and a page begins at what is kept. No times by creation. */
  readonly within?: Within
  /** Items published later are left out of the order of publication: nobody has been told of them yet. */
  readonly lastSeq: number
  /** The farthest from an end that an index may be: it is counted item by item. */
  readonly indexMax: number
  /** 0 asks for the count only. */
  readonly max: number
  /** Payload characters at most; one item is returned whatever its size. */
  readonly maxChars: number
  readonly withPayloads: boolean
}
export interface ItemPage {
  /** In the order asked for. */
  readonly items: readonly PagedItem[]
  /** Undefined of a part. */
  readonly count: number | undefined
  /** Position of the first; undefined where counting would be dear. */
  readonly index: number | undefined
  /** Of a part: is there more of it, the way it was read? */
  readonly hasMore: boolean
}
/** Of several nodes of a service in one order. */
export interface ReadCollected
  extends Pick<ReadPage, 'start' | 'order' | 'lastSeq' | 'max' | 'maxChars' | 'withPayloads'> {
  readonly service: string
  readonly nodeIds: readonly string[]
}
export interface CollectedItem extends PagedItem {
  readonly nodeId: string
}
export interface CollectedPage extends ItemPage {
  readonly items: readonly CollectedItem[]
}
export interface ReadItems extends NodeRef {
  readonly visible: Visible
  readonly itemIds: readonly string[]
  readonly maxChars: number
}

/** Items by their places in the order of publication. */
export interface ReadArchived extends NodeRef {
  readonly visible: Visible
  readonly seqs: readonly number[]
  readonly maxChars: number
}

/** The store's verbs. Each refuses by the keys of `errors.ts`; a missing node is `nodeNotFound` everywhere. */
export interface PubsubStore {
  /** @throws Refusal nodeExists, tooManyNodes */
  readonly createNode: Operation<CreateNode, NodeRecord>
  /** As createNode; undefined: it was there. @throws Refusal tooManyNodes */
  readonly createMissing: Operation<CreateNode, NodeRecord | undefined>
  /** Makes the node, or gives it this configuration. */
  readonly ensureNode: Operation<EnsureNode, NodeRecord>
  /** @throws Refusal notOwner, nodeTypeFixed */
  readonly configureNode: Operation<ConfigureNode, NodeConfigured>
  /** @throws Refusal notOwner, mayNotAssociate, notACollection, cycle, tooManyAssociated */
  readonly relink: Operation<Relink, Relinked>
  /** @throws Refusal mayNotAssociate, notACollection, cycle, tooManyAssociated */
  readonly associate: Operation<Associate, Relinked>
  /** @throws Refusal mayNotAssociate, notAssociated */
  readonly dissociate: Operation<Dissociate, Relinked>
  /** @throws Refusal notOwner, mayNotRelate, relationshipCycle, parentFixed, relationshipsTooDeep */
  readonly relate: Operation<Relate, Related>
  /** With all that belong to it, and the lists of their public subscribers. @throws Refusal notOwner */
  readonly deleteNode: Operation<DeleteNode, NodesDeleted>
  /** @throws Refusal notOwner, notPersistent */
  readonly purgeNode: Operation<OwnerRequest, OwnerRequest>
  /** @throws Refusal mayNotPublish, itemRequired and the rest of fitsNode, preconditionNotMet, nodeFull */
  readonly publishItem: Operation<PublishItem, ItemPublished>
  /** @throws Refusal mayNotRetract, notPersistent, itemNotFound */
  readonly retractItem: Operation<RetractItem, ItemRetracted>
  /**
   * With the nodes that it takes, and the summary.
   * @throws Refusal nodeNotFound and itemNotFound of the target, mayNotPublish, those of mayRetrieve, nodeExists,
   *         tooManyNodes, nodeFull, tooManyReactions, payloadTooBig
   */
  readonly publishAttachment: Operation<PublishAttachment, AttachmentPublished>
  /** With the summary. @throws Refusal nodeNotFound, those of mayRead, mayNotRetract, itemNotFound */
  readonly retractAttachment: Operation<RetractAttachment, AttachmentRetracted>
  /** Removes items whose time is over, at most PRUNE_BATCH; a node that is no more has none. */
  readonly expireItems: Operation<NodeRef, ItemsExpired>
  /** Looks at PRUNE_BATCH items at most; at a node that is no more, or not so configured, at none. */
  readonly purgeAbsent: Operation<PurgeAbsent, AbsentPurged>
  /** @throws Refusal as maySubscribe, pendingSubscription, tooManySubscriptions */
  readonly subscribe: Operation<Subscribe, Subscribed>
  /** @throws Refusal notSubscribed, subidRequired, invalidSubid */
  readonly unsubscribe: Operation<SubscriptionKey, SubscriptionRecord>
  /** @throws Refusal notSubscribed, subidRequired, invalidSubid */
  readonly setOptions: Operation<SetOptions, SubscriptionRecord>
  /** @throws Refusal notOwner, noRequest */
  readonly answerRequest: Operation<AnswerRequest, RequestAnswered>
  /** Ends leases that are over, at most SWEEP_BATCH. */
  readonly endLeases: Operation<undefined, SubscriptionsEnded>
  /** Ends those of these that last as long as their subscriber is online. */
  readonly endTemporary: Operation<readonly SubscriptionKey[], SubscriptionsEnded>
  /** Ends those of these that only the roster of the node's owner allowed: it does so no more. §4.5 */
  readonly endUnrelated: Operation<readonly SubscriptionKey[], SubscriptionsEnded>
  /** @throws Refusal notOwner */
  readonly modifyAffiliations: Operation<ModifyAffiliations, AffiliationsModified>
  /** @throws Refusal notOwner */
  readonly modifySubscriptions: Operation<ModifySubscriptions, SubscriptionsModified>
  /** Drops the nodes, subscriptions and affiliations of an account that is no more. */
  readonly forgetAccount: Operation<AccountForgotten, AccountForgotten>

  /** Subscriptions of accounts at services that are not this server's own. */
  readonly allElsewhere: Operation<undefined, readonly ManagedSubscription[]>
  readonly keepElsewhere: Operation<ManagedSubscription, ManagedSubscription>
  readonly dropElsewhere: Operation<ElsewhereKey, ElsewhereKey>
  readonly forgetElsewhere: Operation<AccountForgotten, AccountForgotten>

  /** The key that cursors are made with; undefined before the first start. */
  readonly readKey: Operation<undefined, CursorKey | undefined>
  /** The same: this one where there is none yet. */
  readonly ensureKey: Operation<CursorKey, CursorKey>
  readonly readSnapshot: Operation<undefined, Snapshot>
  /** @throws Refusal pageNotFound, pageByIndex, orderUnsupported */
  readonly readPage: Operation<ReadPage, ItemPage>
  /** Of those of the nodes that there are. @throws Refusal pageNotFound, pageByIndex */
  readonly readCollected: Operation<ReadCollected, CollectedPage>
  /** In the order of publication. @throws Refusal pageNotFound when one is not there, tooManyItems */
  readonly readArchived: Operation<ReadArchived, readonly PagedItem[]>
  /** Those of the ids that exist and are visible, in the order asked. @throws Refusal tooManyItems */
  readonly readItems: Operation<ReadItems, readonly ItemRecord[]>
}
