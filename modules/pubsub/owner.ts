/** Create, configure, delete, purge, manage subscriptions and affiliations. XEP-0060 §8. */

import { randomUUID } from 'node:crypto'
import { parseJid } from '../../server/stanza/jid.ts'
import type { Element } from '../../server/xml/element.ts'
import { accessChanged, reviewBelow, reviewSoon, tellNewReader } from './access.ts'
import {
  renderAffiliationChange,
  renderConfig,
  renderCreated,
  renderDefault,
  renderOwnerAffiliations,
  renderOwnerSubscriptions,
} from './answer-xml.ts'
import { applyCreated, applyOrphaned, applyRelinked, placed, refuseClaimed } from './collections.ts'
import {
  type Asker,
  archivingOf,
  boundsOf,
  checkNewId,
  dropAllAttachments,
  dropSummary,
  mayCreate,
  nodeView,
  notifyEnded,
  notifyMade,
  notifyPruned,
  type PubsubParts,
  run,
  tellConfigured,
  tellRemoved,
} from './context.ts'
import { pubsubError, withPayload } from './errors.ts'
import { sendToNewcomer } from './last-item.ts'
import { applyEnded } from './leases.ts'
import { listPage } from './list-page.ts'
import { configForm, defaultConfig } from './node-config.ts'
import { type NodeView, subscriptionsAt } from './node-view.ts'
import { listEnded } from './public-changes.ts'
import { type NodeRef, SHARED_SERVICE, type SubscriptionRecord } from './records.ts'
import { relationshipsOf } from './relationships.ts'
import type { EntityRequest, OwnerRequest } from './requests.ts'
import { mayManage } from './rules.ts'
import type { NodeConfigured, NodesDeleted, SubscriptionChange } from './store.ts'
import { newSubid } from './subscriber.ts'

type Request<K extends OwnerRequest['kind']> = Extract<OwnerRequest, { kind: K }>

/** §8.1: whoever may create becomes the owner. */
export async function create(
  parts: PubsubParts,
  asker: Asker,
  request: Extract<EntityRequest, { kind: 'create' }>,
): Promise<Element> {
  const { service } = asker
  const nodeId = request.nodeId ?? randomUUID()
  parts.claims.refuseOwner({ service, nodeId })
  const { nodesMax, ...bounds } = boundsOf(parts.config(), service)
  const { changes, ...place } = request.submitted
  const { actor } = asker
  if (!mayCreate(parts, asker)) throw pubsubError('mayNotCreate', 'you may not create nodes here')
  checkNewId(nodeId)
  const config = { ...defaultConfig(bounds), ...changes }
  const node = { service, nodeId, creator: actor.bareJid, config, nodesMax }
  refuseClaimed(parts, service, place)
  await placed(parts, parts.store.createNode, node, { service, nodeId, actor, ...place }, (made, relinked, related) =>
    applyCreated(parts, { node: made, relinked, related }),
  )
  return renderCreated(nodeId)
}

/** The node, for its owners. @throws StanzaError not-allowed, item-not-found, forbidden */
function ownNode(parts: PubsubParts, asker: Asker, nodeId: string): NodeView {
  const ref = { service: asker.service, nodeId }
  parts.claims.refuseOwner(ref)
  const node = nodeView(parts, ref)
  const refusal = mayManage(parts.replica.standing(node, asker.actor))
  if (refusal) throw pubsubError(refusal)
  return node
}

/** §8.2.1. */
export function getConfig(parts: PubsubParts, asker: Asker, { nodeId }: Request<'getConfig'>): Element {
  const node = ownNode(parts, asker, nodeId)
  const { record, parents, children } = node
  const idsOf = (nodes: ReadonlySet<NodeView>) => [...nodes].map((node) => node.record.nodeId)
  const links = { parents: idsOf(parents), children: idsOf(children) }
  const place = { links, relationships: relationshipsOf(node) }
  return renderConfig(nodeId, configForm(record.config, place, parts.audience.groups(asker.service)))
}

/** §8.3; XEP-0248 §7.3. */
export function getDefault(parts: PubsubParts, { service, actor }: Asker, request: Request<'getDefault'>): Element {
  const config = { ...defaultConfig(boundsOf(parts.config(), service)), nodeType: request.nodeType }
  // A stranger is not told the groups of a roster, nor whether there is one.
  const groups = service === actor.bareJid ? parts.audience.groups(service) : []
  return renderDefault(configForm(config, undefined, service === SHARED_SERVICE ? undefined : groups))
}

/** §8.2.4. */
export async function configure(parts: PubsubParts, asker: Asker, request: Request<'configure'>): Promise<undefined> {
  const { nodeId, submitted } = request
  const { changes = {}, links = {}, relationships = {} } = submitted ?? {}
  const place = { links, relationships }
  const { service, actor } = asker
  parts.claims.refuseOwner({ service, nodeId })
  refuseClaimed(parts, service, place)
  const { itemsMax } = boundsOf(parts.config(), service)
  const args = { service, nodeId, actor, changes, itemsMax, ...archivingOf(parts) }
  await placed(
    parts,
    parts.store.configureNode,
    args,
    { service, nodeId, actor, ...place },
    (result, relinked, related) => {
      if (related) parts.replica.related(related)
      applyConfigured(parts, result, submitted !== undefined)
      const node = related && parts.replica.get(related)
      if (node) {
        reviewSoon(parts, node)
        reviewBelow(parts, node)
      }
      applyRelinked(parts, relinked)
    },
  )
}

function applyConfigured(parts: PubsubParts, result: NodeConfigured, isChange: boolean): void {
  const before = parts.replica.get(result.node)?.record.config
  parts.replica.configured(result)
  parts.counts.unarchived += result.unarchived
  const { nodeId, config } = result.node
  const node = parts.replica.get(result.node)
  if (!node) return
  notifyEnded(parts, node, result.ended)
  applyEnded(parts, { ended: result.endedBeside })
  applyApproved(parts, node, result.approved)
  if (isChange && config.notifyConfig) tellConfigured(parts, node)
  if (result.isPurged) dropAllAttachments(parts, node)
  if (result.isPurged) tellRemoved(parts, result.node)
  if (result.isPurged && config.notifyRetract) parts.notifier.toAll(node, { kind: 'purge', nodeId })
  notifyPruned(parts, node, result.pruned)
  if (before) accessChanged(parts, node, before)
}

/** Subscriptions that began by an owner's doing. */
function applyApproved(parts: PubsubParts, node: NodeView, made: readonly SubscriptionRecord[]): void {
  notifyMade(parts, node, made)
  for (const subscription of made) sendToNewcomer(parts, node, subscription)
}

/** §8.4. */
export async function deleteNode(parts: PubsubParts, asker: Asker, request: Request<'delete'>): Promise<undefined> {
  const { nodeId, redirect } = request
  const { service, actor } = asker
  parts.claims.refuseOwner({ service, nodeId })
  const { redirectsMax: keptMax } = parts.config()
  const moved = redirect !== undefined && { redirect: { uri: redirect, keptMax } }
  const deleted = { service, nodeId, actor, ...archivingOf(parts), ...moved }
  const applied = ({ nodes, unarchived }: NodesDeleted) => {
    parts.counts.unarchived += unarchived
    const node = parts.replica.get({ service, nodeId })
    for (const gone of nodes) applyDeleted(parts, gone, gone.nodeId === nodeId ? redirect : undefined)
    if (node) dropSummary(parts, node)
  }
  await parts.deletions.during(service, () => run(parts, parts.store.deleteNode, deleted, applied))
}

function applyDeleted(parts: PubsubParts, gone: NodeRef, redirect: string | undefined): void {
  const node = parts.replica.deleted(gone)
  tellRemoved(parts, gone)
  if (node?.record.config.notifyDelete) {
    const event = { kind: 'delete', nodeId: gone.nodeId, redirect } as const
    parts.notifier.toAll(node, event)
    for (const request of node.pending.values()) parts.notifier.toOne(node, request, event)
  }
  if (node) applyOrphaned(parts, node)
  listEnded(parts, gone)
}

/** §8.5: one notification, not one per item. */
export async function purge(parts: PubsubParts, asker: Asker, { nodeId }: Request<'purge'>): Promise<undefined> {
  const { service, actor } = asker
  parts.claims.refuseOwner({ service, nodeId })
  await run(parts, parts.store.purgeNode, { service, nodeId, actor, ...archivingOf(parts) }, (purged) => {
    parts.counts.unarchived += purged.unarchived
    const node = parts.replica.get(purged)
    if (node?.record.config.notifyRetract) parts.notifier.toAll(node, { kind: 'purge', nodeId })
    if (node) dropAllAttachments(parts, node)
    if (node) dropSummary(parts, node)
    tellRemoved(parts, purged)
  })
}

/** §8.8.1. */
export function getSubscriptions(parts: PubsubParts, asker: Asker, request: Request<'getSubscriptions'>): Element {
  const { nodeId } = request
  const all = subscriptionsAt(ownNode(parts, asker, nodeId))
  const { list, page } = listPage(parts, all, ({ jid, subid }) => `${jid} ${subid}`, request.page)
  return renderOwnerSubscriptions(nodeId, list, page)
}

/** §8.8.2: what can be done is done, and the answer names the rest. */
export async function setSubscriptions(
  parts: PubsubParts,
  asker: Asker,
  request: Request<'setSubscriptions'>,
): Promise<undefined> {
  const { nodeId } = request
  const { service, actor, address } = asker
  parts.claims.refuseOwner({ service, nodeId })
  const { subscriptionsPerNodeMax: perNodeMax } = parts.config()
  const changes = request.changes.map(({ jid, subid, state }): SubscriptionChange => {
    const known = state === 'subscribed' || state === 'none' ? state : undefined
    const relation = parts.audience.relation(service, jid.bare)
    return { jid: jid.full, bareJid: jid.bare, relation, address, subid, newSubid: newSubid(), state: known }
  })
  const args = { service, nodeId, actor, changes, perNodeMax }
  const { refused } = await run(parts, parts.store.modifySubscriptions, args, (result) => {
    parts.replica.subscriptionsModified(result)
    const node = parts.replica.get(result)
    if (!node) return
    applyApproved(parts, node, result.made)
    notifyEnded(parts, node, result.ended)
  })
  if (refused.length > 0)
    throw withPayload(pubsubError('modificationsRefused'), renderOwnerSubscriptions(nodeId, refused))
}

/** §8.9.1. */
export function getAffiliations(parts: PubsubParts, asker: Asker, request: Request<'getAffiliations'>): Element {
  const { nodeId } = request
  const { service } = asker
  const { affiliations } = ownNode(parts, asker, nodeId)
  const all = [...affiliations].map(([bareJid, affiliation]) => ({ service, nodeId, bareJid, affiliation }))
  const { list, page } = listPage(parts, all, ({ bareJid }) => bareJid, request.page)
  return renderOwnerAffiliations(nodeId, list, page)
}

/** §8.9.2: what can be done is done, and the answer names the rest. */
export async function setAffiliations(
  parts: PubsubParts,
  asker: Asker,
  request: Request<'setAffiliations'>,
): Promise<undefined> {
  const { nodeId, changes } = request
  const { service, actor, address } = asker
  parts.claims.refuseOwner({ service, nodeId })
  const { affiliationsPerNodeMax: perNodeMax } = parts.config()
  const args = { service, nodeId, actor, changes, perNodeMax }
  const { refused } = await run(parts, parts.store.modifyAffiliations, args, (result) => {
    const node = parts.replica.get(result)
    const outside = result.changed.filter(({ bareJid }) => node && !parts.audience.isImplied(node, bareJid))
    parts.replica.affiliationsModified(result)
    if (!node) return
    for (const change of result.changed)
      parts.notifier.toAccount(address, parseJid(change.bareJid), renderAffiliationChange(change)) // §8.9.4
    for (const { bareJid } of result.changed) {
      reviewSoon(parts, node, bareJid)
      reviewBelow(parts, node, bareJid)
    }
    for (const { bareJid } of outside) tellNewReader(parts, node, bareJid)
    notifyEnded(parts, node, result.ended)
    applyEnded(parts, { ended: result.endedBeside })
    applyApproved(parts, node, result.approved)
  })
  if (refused.length > 0)
    throw withPayload(pubsubError('modificationsRefused'), renderOwnerAffiliations(nodeId, refused))
}
