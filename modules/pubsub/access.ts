/**
 * Keeps subscriptions as the roles of the server, the roster of a node's owner, the node's parents and the node that it is
 * about have it: whoever these let read no longer loses them and is told, and who gains access gets the last item.
 * XEP-0060 §4.5, §12.1, §12.14; XEP-0163 §5.2; XEP-0465 §4.2; XEP-0496 §4.4. Why here: audience.ts.
 */

import type { Relation } from '../roster/index.ts'
import { type PubsubParts, run } from './context.ts'
import { sendPersonalItems } from './last-item.ts'
import { applyEnded } from './leases.ts'
import type { NodeConfig } from './node-config.ts'
import { type NodeView, subscriptionsAt } from './node-view.ts'
import { mayReadList } from './public-access.ts'
import { isPublicList, subscribersListOf } from './public-names.ts'
import { type Actor, SHARED_SERVICE } from './records.ts'
import type { SubscriptionChanged } from './replica.ts'
import { asksRoster, mayGetThrough, mayRead, mayStaySubscribed } from './rules.ts'

/** Ends the subscriptions of those who may not read there any more: of everyone at the node, or of one account. */
export async function reviewAccess(parts: PubsubParts, node: NodeView, bareJid?: string): Promise<void> {
  const { service, nodeId } = node.record
  if (parts.claims.of(node.record)) return
  const ready = parts.audience.ready(service)
  if (ready) await ready
  const there =
    bareJid === undefined
      ? [...subscriptionsAt(node), ...node.pending.values()]
      : parts.replica.accounts.subscriptionsOf(bareJid, { service, nodeId })
  const keys = there.flatMap(({ jid, subid, bareJid: subscriber }) => {
    const actor = actorAt(parts, service, subscriber)
    return mayStay(parts, node, actor) ? [] : [{ service, nodeId, jid, subid, actor }]
  })
  if (keys.length > 0) await run(parts, parts.store.endUnread, keys, (result) => applyEnded(parts, result))
}

function actorAt({ audience, accounts }: PubsubParts, service: string, bareJid: string): Actor {
  const isAdmin = service === SHARED_SERVICE && accounts.roles(bareJid).has('admin')
  return { bareJid, isAdmin, relation: audience.relation(service, bareJid) }
}

/** What delivery asks too; a subscription that gets nothing for good is none. */
function mayStay(parts: PubsubParts, node: NodeView, actor: Actor): boolean {
  const { nodeId, config } = node.record
  if (isPublicList(nodeId)) return mayReadList(parts, node.record, actor.bareJid)
  const standing = parts.replica.standing(node, actor)
  return node.target ? mayGetThrough(config, standing) : mayStaySubscribed(config, standing)
}

/** Does something else than the node itself say who may stay subscribed? Then the store has not judged it already. */
function asksOthers({ record, relation }: NodeView): boolean {
  const isPersonal = record.service !== SHARED_SERVICE
  return (isPersonal && asksRoster(record.config)) || relation !== undefined || isPublicList(record.nodeId)
}

/** The same, for who has something else to do: an answer to give, the next result to apply. */
export function reviewSoon(parts: PubsubParts, node: NodeView, bareJid?: string): void {
  if (!asksOthers(node)) return
  reviewAccess(parts, node, bareJid).catch((error: unknown) => {
    parts.log.warn({ what: 'access_not_reviewed', node: node.record.nodeId, error: String(error) })
  })
}

/** The same at all that hangs on the node: the nodes that belong to it, what is about them, and the lists of who follows them. */
export function reviewBelow(parts: PubsubParts, node: NodeView, bareJid?: string): void {
  const branch = new Set([node])
  // A set is walked to its end, what is added on the way too.
  for (const each of branch) for (const below of each.related ?? []) branch.add(below)
  for (const each of branch) {
    const list = parts.replica.get(subscribersListOf(each.record))
    if (list) reviewSoon(parts, list, bareJid)
    if (each !== node && each.subscribers.size + each.pending.size > 0) reviewSoon(parts, each, bareJid)
  }
}

/** At start: what the last run did not come to. */
export async function reviewAll(parts: PubsubParts): Promise<void> {
  for (const node of parts.replica.followed())
    if (asksOthers(node) || node.record.config.accessModel !== 'open') await reviewAccess(parts, node)
}

/** An account's roles changed: an administrator reads what others do not. */
export async function reviewAccount(parts: PubsubParts, bareJid: string): Promise<void> {
  if (parts.accounts.roles(bareJid).has('admin')) return
  for (const node of parts.replica.accounts.affiliatedNodes(bareJid, SHARED_SERVICE))
    await reviewAccess(parts, node, bareJid)
}

/** The node is for others than it was: who may read from now on gets the last item. §12.1 */
export function accessChanged(parts: PubsubParts, node: NodeView, before: NodeConfig): void {
  reviewSoon(parts, node)
  const { accessModel, rosterGroupsAllowed } = node.record.config
  if (accessModel !== before.accessModel || rosterGroupsAllowed !== before.rosterGroupsAllowed) reviewBelow(parts, node)
  const { audience } = parts
  for (const bareJid of audience.interested(node)) {
    if (!audience.isImplied(node, bareJid, before)) tellNewReader(parts, node, bareJid)
  }
}

/** The last item, should the account be subscribed without having asked, which it was not. §12.1 */
export function tellNewReader(parts: PubsubParts, node: NodeView, bareJid: string): void {
  if (!parts.audience.isImplied(node, bareJid)) return
  sendPersonalItems(parts, bareJid, [node]).catch((error: unknown) => {
    parts.log.warn({ what: 'last_item_not_sent', node: node.record.nodeId, error: String(error) })
  })
}

/** An account's roster says something else of a contact. */
export async function rosterChanged(
  parts: PubsubParts,
  { owner, contact, before }: { readonly owner: string; readonly contact: string; readonly before: Relation },
): Promise<void> {
  const ready = parts.audience.ready(owner)
  if (ready) await ready
  const nodes = parts.replica
    .sortedNodeIds(owner)
    .flatMap((nodeId) => parts.replica.get({ service: owner, nodeId }) ?? [])
  const gained = nodes.filter((node) => {
    const couldRead = before.seesPresence && mayReadAs(parts, node, contact, before)
    return !couldRead && parts.audience.isImplied(node, contact)
  })
  await Promise.all([
    sendPersonalItems(parts, contact, gained),
    ...nodes.map((node) => reviewAccess(parts, node, contact)),
  ])
}

function mayReadAs(parts: PubsubParts, node: NodeView, bareJid: string, relation: Relation): boolean {
  const standing = parts.replica.standing(node, { bareJid, isAdmin: false, relation })
  return mayRead(node.record.config, standing) === undefined
}

/** Who is subscribed no more reads no more what is for subscribers alone. */
export function subscriptionEnded(parts: PubsubParts, { before, after }: SubscriptionChanged): void {
  const node = before && !after && parts.replica.get(before)
  if (node) reviewBelow(parts, node, before.bareJid)
}
