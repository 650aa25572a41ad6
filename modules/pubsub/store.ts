/** The verbs of pubsub's store, with what goes in and out of them. Importable in the storage worker. */

import type { AccountName, Operation } from '../../server/module/api.ts'
import type { Relation } from '../roster/index.ts'
import type { Attached } from './attachment-counts.ts'
import type { ConfigChanges, LinkChanges, NodeConfig, PlaceChanges } from './node-config.ts'
import type { Preconditions } from './preconditions.ts'
import type { CollectedPage, ItemPage, PagedItem, ReadArchived, ReadCollected, ReadItems, ReadPage } from './reads.ts'
import type {
  Actor,
  AffiliationRecord,
  ElsewhereKey,
  ItemKey,
  ItemName,
  ItemRecord,
  LinkRecord,
  ManagedSubscription,
  NodeRecord,
  NodeRef,
  Position,
  RelationRecord,
  Snapshot,
  SubscriptionKey,
  SubscriptionRecord,
} from './records.ts'
import type { RelationshipChanges } from './relationship-fields.ts'
import type { Affiliation } from './rules.ts'
import type { OptionChanges } from './subscription-options.ts'

/** What may change an archive. */
export interface Archiving {
  /** How much of a node's past is kept: versions and places; 0: none. */
  readonly archiveMax: number
}

export interface CreateNode extends NodeRef {
  readonly creator: string
  readonly config: NodeConfig
  readonly nodesMax: number
}

/** The node for a publish, and its place. */
export interface CreateMissing extends CreateNode, LinkBounds {
  readonly actor: Actor
  readonly place: PlaceChanges
  readonly depthMax: number
}

export interface NodeMade {
  readonly node: NodeRecord
  readonly relinked: Relinked
  /** Undefined: nothing was said of it. */
  readonly related: Related | undefined
}

export interface EnsureNode extends NodeRef {
  readonly creator: string
  readonly config: NodeConfig
}

export interface ConfigureNode extends NodeRef, Archiving {
  readonly actor: Actor
  readonly changes: ConfigChanges
  readonly itemsMax: number
}

/** Items pruned at once at most; what is left goes with the next publishes. */
export const PRUNE_BATCH = 1_000

/** What a verb dropped from the oldest end of archives, for room or age. XEP-0313 §3.2 */
export interface Unarchived {
  readonly unarchived: number
}

export interface NodeConfigured extends Unarchived {
  readonly node: NodeRecord
  /** Subscriptions that the new access model ended, and pending ones that it approved. */
  readonly ended: readonly SubscriptionRecord[]
  readonly approved: readonly SubscriptionRecord[]
  /** The same as `ended`, at its attachment nodes and its summary. */
  readonly endedBeside: readonly SubscriptionRecord[]
  readonly pruned: readonly ItemKey[]
  /** It became a collection, or keeps no items any more, and those that it had went. */
  readonly isPurged: boolean
}

export interface OwnerRequest extends NodeRef {
  readonly actor: Actor
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

export interface PurgeNode extends OwnerRequest, Archiving {}

export interface DeleteNode extends OwnerRequest, Archiving {
  readonly redirect?: Redirect
}

export interface NodesDeleted extends Unarchived {
  /** The node that was asked for, then those below it. */
  readonly nodes: readonly NodeRef[]
}

export interface PublishItem extends NodeRef, Archiving {
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

export interface ItemPublished extends NodeRef, Unarchived {
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
export interface PublishAttachment extends NodeRef, Archiving {
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

/** What the change of an attachment made of the summary; undefined: nothing that shows. */
export type SummaryChange =
  | { readonly kind: 'published'; readonly item: ItemPublished; readonly payload: string }
  | ({ readonly kind: 'retracted' } & NodeRef & ItemKey)
  | undefined
export interface AttachmentPublished extends Unarchived {
  readonly created: readonly NodeRecord[]
  readonly item: ItemPublished
  readonly summary: SummaryChange
}

export interface RetractAttachment extends NodeRef, Archiving {
  readonly actor: Actor
  readonly about: ItemName
  readonly itemId: string
  /** As in PublishAttachment. */
  readonly creator: string
}

export interface AttachmentRetracted extends NodeRef, Unarchived {
  readonly gone: ItemKey
  readonly summary: SummaryChange
}

/** Items whose time is over. */
export interface ItemsExpired extends NodeRef, Unarchived {
  readonly expired: readonly ItemKey[]
}

/** Part of the items at a node whose items go with who published them: those of one account, or all. */
export interface PurgeAbsent extends NodeRef, Archiving {
  /** Bare JID; undefined: nobody is online. */
  readonly publisher: string | undefined
  /** Where the last part ended. */
  readonly from: { readonly seq: number; readonly before: number } | undefined
}

export interface AbsentPurged extends NodeRef, Unarchived {
  readonly gone: readonly ItemKey[]
  /** Nothing is left at the node. */
  readonly isEmpty: boolean
  /** Undefined: all is done. */
  readonly next: PurgeAbsent['from']
}

export interface RetractItem extends NodeRef, Archiving {
  readonly actor: Actor
  readonly itemId: string
  /** Of a claimed node: `own` items only; `any`: the server itself; undefined: by affiliation. */
  readonly authorized: 'own' | 'any' | undefined
}

export type ItemRetracted = ItemKey & NodeRef & Unarchived

export type NodePurged = NodeRef & Unarchived

export interface TrimArchive extends NodeRef, Archiving {}

export interface ExpireItems extends NodeRef, Archiving {}

export interface ArchiveTrimmed extends Unarchived {
  readonly isDone: boolean
}

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
  readonly refused: readonly RefusedSubscription[]
}

/** An entry that was not changed, with what it is. */
export interface RefusedSubscription {
  readonly jid: string
  /** As the request named it; it may be none of this JID's. */
  readonly subid?: string
  readonly state: 'subscribed' | 'pending' | 'none'
}

/** Hexadecimal. */
export interface CursorKey {
  readonly key: string
}

export interface EndUnread extends SubscriptionKey {
  /** Whose it is, as the owner's roster has it: access.ts. */
  readonly actor: Actor
}

export interface AccountForgotten extends AccountName {
  /** Collections that it may put no nodes into any more. */
  readonly unlisted: readonly NodeRecord[]
}

/** The store's verbs. Each refuses by the keys of `errors.ts`; a missing node is `nodeNotFound` everywhere. */
export interface PubsubStore {
  /** @throws Refusal nodeExists, tooManyNodes */
  readonly createNode: Operation<CreateNode, NodeRecord>
  /** As createNode, relink and relate; undefined: it was there. @throws Refusal tooManyNodes, and what those two refuse */
  readonly createMissing: Operation<CreateMissing, NodeMade | undefined>
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
  readonly purgeNode: Operation<PurgeNode, NodePurged>
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
  /** Nodes that have more of a past than that, as when less was to be kept since the last start. */
  readonly longArchives: Operation<Archiving, readonly NodeRef[]>
  /** Drops what is too much from the oldest end, at most PRUNE_BATCH. */
  readonly trimArchive: Operation<TrimArchive, ArchiveTrimmed>
  /** Removes items whose time is over, and as much of the past, at most PRUNE_BATCH each; a node that is no more has none. */
  readonly expireItems: Operation<ExpireItems, ItemsExpired>
  /** Looks at PRUNE_BATCH items at most; at a node that is no more, or not so configured, at none. */
  readonly purgeAbsent: Operation<PurgeAbsent, AbsentPurged>
  /** @throws Refusal as maySubscribe, pendingSubscription, tooManySubscriptions */
  readonly subscribe: Operation<Subscribe, Subscribed>
  /** @throws Refusal notSubscribed, subidRequired, invalidSubid */
  readonly unsubscribe: Operation<SubscriptionKey, SubscriptionRecord>
  /** @throws Refusal noSuchSubscriber, subidRequired, invalidSubid */
  readonly setOptions: Operation<SetOptions, SubscriptionRecord>
  /** @throws Refusal notOwner, noRequest */
  readonly answerRequest: Operation<AnswerRequest, RequestAnswered>
  /** Ends leases that are over, at most SWEEP_BATCH. */
  readonly endLeases: Operation<undefined, SubscriptionsEnded>
  /** Ends those of these that last as long as their subscriber is online. */
  readonly endTemporary: Operation<readonly SubscriptionKey[], SubscriptionsEnded>
  /** Ends those of these whose subscribers may not read any more, at lists of subscribers and by parents too. §12.14 */
  readonly endUnread: Operation<readonly EndUnread[], SubscriptionsEnded>
  /** @throws Refusal notOwner */
  readonly modifyAffiliations: Operation<ModifyAffiliations, AffiliationsModified>
  /** @throws Refusal notOwner */
  readonly modifySubscriptions: Operation<ModifySubscriptions, SubscriptionsModified>
  /** Drops the nodes, subscriptions and affiliations of an account that is no more; what it published stays. */
  readonly forgetAccount: Operation<AccountName, AccountForgotten>

  /** Subscriptions of accounts at services that are not this server's own. */
  readonly allElsewhere: Operation<undefined, readonly ManagedSubscription[]>
  readonly keepElsewhere: Operation<ManagedSubscription, ManagedSubscription>
  readonly dropElsewhere: Operation<ElsewhereKey, ElsewhereKey>

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
