/** What the use cases share: who asks, and the parts they work with. */

import type { AccountView, Logger, ModuleContext, Operation, Storage } from '../../server/module/api.ts'
import { type Jid, parseJid } from '../../server/stanza/jid.ts'
import { opaqueString } from '../../server/stanza/precis.ts'
import type { Offline } from '../offline/index.ts'
import { renderEvent } from './answer-xml.ts'
import type { Audience } from './audience.ts'
import type { Claims } from './claims.ts'
import type { PubsubConfig } from './config.ts'
import type { Counts } from './counts.ts'
import type { Cursors } from './cursors.ts'
import type { Deletions } from './deletions.ts'
import type { Elsewhere } from './elsewhere.ts'
import { asPubsubError, pubsubError } from './errors.ts'
import type { Awaiting } from './last-item.ts'
import { type ConfigBounds, configResult } from './node-config.ts'
import type { NodeView } from './node-view.ts'
import type { Notifier } from './notify.ts'
import { type Actor, type ItemKey, type NodeRef, SHARED_SERVICE, type SubscriptionRecord } from './records.ts'
import type { Replica } from './replica.ts'
import { type Archiving, PRUNE_BATCH, type PubsubStore } from './store.ts'

export interface PubsubParts {
  readonly domain: string
  /** The service's own, which names of attachment nodes are made with. */
  readonly serviceAddress: string
  readonly store: PubsubStore
  readonly storage: Storage
  readonly accounts: AccountView
  readonly replica: Replica
  readonly elsewhere: Elsewhere
  readonly notifier: Notifier
  readonly claims: Claims
  readonly audience: Audience
  /** What was kept for who was absent. */
  readonly offline: Offline
  readonly awaiting: Awaiting
  readonly deletions: Deletions
  readonly counts: Counts
  readonly log: Logger
  readonly emit: ModuleContext['emit']
  config(): Readonly<PubsubConfig>
  /** From the start of the server on, when their key has been read. */
  cursors(): Cursors
}

/** Who asks, which service, and at which of its addresses. */
export interface Asker {
  readonly jid: Jid
  /** As in NodeRef. */
  readonly service: string
  readonly address: string
  readonly actor: Actor
}

export function askerOf(accounts: AccountView, jid: Jid, address: string, service = SHARED_SERVICE): Asker {
  return { jid, service, address, actor: { bareJid: jid.bare, isAdmin: accounts.roles(jid.bare).has('admin') } }
}

/**
 * Runs an operation; `applied` sees the result at commit, in commit order.
 * @throws StanzaError of the table when the operation refuses (as a rejection)
 */
export function run<A, R>(
  parts: PubsubParts,
  operation: Operation<A, R>,
  args: NoInfer<A>,
  applied?: (result: R) => void,
): Promise<R> {
  return parts.storage.run(operation, args, applied).catch(rejectAsPubsub)
}

function rejectAsPubsub(error: unknown): never {
  throw asPubsubError(error)
}

/** What a node may be like at a service, and how many there may be. */
export function boundsOf(
  config: Readonly<PubsubConfig>,
  service: string,
): ConfigBounds & { readonly nodesMax: number } {
  const { nodesMax, itemsMax, accountNodesMax, accountItemsMax, payloadMaxBytes, childrenMax } = config
  if (service === SHARED_SERVICE) return { nodesMax, itemsMax, payloadMaxBytes, childrenMax }
  return { nodesMax: accountNodesMax, itemsMax: accountItemsMax, payloadMaxBytes, childrenMax, isAccount: true }
}

/** What every request is told that may change an archive. */
export function archivingOf(parts: PubsubParts): Archiving {
  return { archiveMax: parts.config().archiveMaxItems }
}

/** Is there such a node for what is submitted now? Where that cannot be told it is made, should it be missing. */
export function isThere({ replica, deletions }: PubsubParts, ref: NodeRef): boolean {
  return replica.get(ref) !== undefined && !deletions.isUnderWay(ref.service)
}

/** May the entity make nodes here? */
export function mayCreate(parts: PubsubParts, { actor, service }: Asker): boolean {
  if (service !== SHARED_SERVICE) return actor.bareJid === service // XEP-0163 §3.2
  return parts.config().create === 'anyone' || parts.accounts.roles(actor.bareJid).size > 0
}

/**
 * @throws StanzaError bad-request for a NodeID that two clients might not write alike: one that Resourceprep, by now the
 *         profile OpaqueString, forbids or changes. XEP-0060 §4.6.2; RFC 7622 §3.4
 */
export function checkNewId(nodeId: string): void {
  if (opaqueString(nodeId) !== nodeId) throw pubsubError('malformed', 'a NodeID is as the resource of a JID is')
}

/** The node, from memory. @throws StanzaError item-not-found */
export function nodeView(parts: PubsubParts, { service, nodeId }: NodeRef): NodeView {
  const node = parts.replica.get({ service, nodeId })
  if (!node) throw pubsubError('nodeNotFound', `no node ${nodeId}`)
  return node
}

/** Tells entities that their subscription ended without their doing. XEP-0060 §8.8.4, §12.14. */
export function notifyEnded(parts: PubsubParts, node: NodeView, ended: readonly SubscriptionRecord[]): void {
  for (const subscription of ended) {
    const { nodeId, jid, subid } = subscription
    parts.notifier.toOne(node, subscription, { kind: 'subscription', nodeId, jid, subid, state: 'none' })
  }
}

/** Tells entities that they are subscribed, by somebody else's doing or with somebody's leave. §8.6, §8.8.4. */
export function notifyMade(parts: PubsubParts, node: NodeView, made: readonly SubscriptionRecord[]): void {
  for (const subscription of made) {
    const { nodeId, jid, subid } = subscription
    parts.notifier.toOne(node, subscription, { kind: 'subscription', nodeId, jid, subid, state: 'subscribed' })
  }
}

/** Tells the owners of a subscription that began or ended, where they want to know. §16.4.4 (notify_sub). */
export function tellOwners(
  parts: PubsubParts,
  node: NodeView,
  { nodeId, jid, subid, address }: SubscriptionRecord,
  state: 'subscribed' | 'none',
): void {
  if (!node.record.config.notifySub) return
  const event = renderEvent({ kind: 'subscription', nodeId, jid, subid, state })
  for (const [bareJid, affiliation] of node.affiliations)
    if (affiliation === 'owner') parts.notifier.toAccount(address, parseJid(bareJid), event)
}

/** A node is configured otherwise: its subscribers are told. §8.2.5.3: the form only where payloads are delivered. */
export function tellConfigured({ notifier }: PubsubParts, node: NodeView): void {
  const { nodeId, config } = node.record
  const form = config.deliverPayloads ? configResult(config) : undefined
  notifier.toAll(node, { kind: 'configuration', nodeId, form })
}

/** What a service is called in addresses; the first is the one that names are made with. */
export function addressesOf({ serviceAddress, domain }: PubsubParts, service: string): readonly [string, ...string[]] {
  return service === SHARED_SERVICE ? [serviceAddress, domain] : [service]
}

/** At commit: a node is no more, and its subscribers are told. */
export function dropNode({ replica, notifier }: PubsubParts, node: NodeView): void {
  const { nodeId, config } = node.record
  replica.deleted(node.record)
  if (config.notifyDelete) notifier.toAll(node, { kind: 'delete', nodeId, redirect: undefined })
}

/** At commit: items are gone, and with them what was attached to them and what the summary told of it. XEP-0470 */
export function dropAttachments(parts: PubsubParts, { beside }: NodeView, gone: readonly ItemKey[]): void {
  if (!beside) return
  const attached = gone.filter(({ itemId }) => beside.attachments.has(itemId))
  for (const { itemId } of attached) {
    const node = beside.attachments.get(itemId)
    if (node) dropNode(parts, node)
  }
  if (beside.summary && attached.length > 0) parts.notifier.retracted(beside.summary, attached)
}

/** The same, of all items at once. */
export function dropAllAttachments(parts: PubsubParts, { beside }: NodeView): void {
  if (!beside) return
  for (const node of [...beside.attachments.values()]) dropNode(parts, node)
  if (beside.summary) parts.notifier.toAll(beside.summary, { kind: 'purge', nodeId: beside.summary.record.nodeId })
}

/** At commit: nothing is attached to an item any more, whose attachment node this is or was. */
export function dropSummary({ notifier }: PubsubParts, { target, record }: NodeView): void {
  const itemId = record.target?.itemId
  if (target?.beside?.summary && itemId !== undefined)
    notifier.retracted(target.beside.summary, [{ itemId, scope: undefined }])
}

/** Items whose time is over: logged, and told when the node tells of retractions. */
export function notifyExpired(parts: PubsubParts, node: NodeView, expired: readonly ItemKey[]): void {
  if (expired.length === 0) return
  dropAttachments(parts, node, expired)
  parts.counts.expired += expired.length
  parts.log.debug({ what: 'items_expired', node: node.record.nodeId, items: expired.length })
  if (node.record.config.notifyRetract) parts.notifier.retracted(node, expired)
}

/** Removes the items whose time is over: before anybody reads, and by the sweep. */
export async function freshen(parts: PubsubParts, { record }: NodeView): Promise<void> {
  if (record.config.itemExpireSeconds === 'max') return
  let gone = PRUNE_BATCH
  while (gone === PRUNE_BATCH) {
    const { service, nodeId } = record
    const result = await run(parts, parts.store.expireItems, { service, nodeId, ...archivingOf(parts) }, (each) => {
      parts.counts.unarchived += each.unarchived
      const node = parts.replica.get(each)
      if (node) notifyExpired(parts, node, each.expired)
    })
    gone = Math.max(result.expired.length, result.unarchived)
  }
}

/** Items that went because the node is full: logged, and told when the node tells of retractions. §7.1.2.5. */
export function notifyPruned(parts: PubsubParts, node: NodeView, pruned: readonly ItemKey[]): void {
  if (pruned.length === 0) return
  dropAttachments(parts, node, pruned)
  parts.counts.pruned += pruned.length
  parts.log.debug({ what: 'items_pruned', node: node.record.nodeId, items: pruned.length })
  const { notifyRetract, publishNodeFull } = node.record.config
  if (notifyRetract && publishNodeFull !== 'discard-oldest') parts.notifier.retracted(node, pruned)
}

/** Tells other modules what an account's node no longer has. */
export function tellRemoved(parts: PubsubParts, { service: account, nodeId }: NodeRef): void {
  if (account !== SHARED_SERVICE) parts.emit('pubsub.personal-removed', { account, nodeId })
}
