/**
 * Keeps subscriptions to an account's nodes as its roster has it: whoever it lets read no longer loses them and is told,
 * and who gains access gets the last item. XEP-0060 §4.5, §12.1, §12.14; XEP-0163 §5.2. Why here: audience.ts.
 */

import type { Relation } from '../roster/index.ts'
import { type PubsubParts, run } from './context.ts'
import { sendPersonalItems } from './last-item.ts'
import { applyEnded } from './leases.ts'
import type { NodeConfig } from './node-config.ts'
import { type NodeView, subscriptionsAt } from './node-view.ts'
import { SHARED_SERVICE } from './records.ts'
import { asksRoster, mayRead } from './rules.ts'

/** Ends what the roster does not allow, of everyone at the node or of one account. */
export async function reviewAccess(parts: PubsubParts, node: NodeView, bareJid?: string): Promise<void> {
  const { service, config } = node.record
  if (service === SHARED_SERVICE || !asksRoster(config)) return
  await parts.audience.ready(service)
  const keys = subscriptionsAt(node)
    .filter(
      (each) => (bareJid === undefined || each.bareJid === bareJid) && !parts.audience.mayRead(node, each.bareJid),
    )
    .map(({ nodeId, jid, subid }) => ({ service, nodeId, jid, subid }))
  if (keys.length > 0) await run(parts, parts.store.endUnrelated, keys, (result) => applyEnded(parts, result))
}

/** The same, for who has something else to do: an answer to give, the next result to apply. */
export function reviewSoon(parts: PubsubParts, node: NodeView, bareJid?: string): void {
  reviewAccess(parts, node, bareJid).catch((error: unknown) => {
    parts.log.warn({ what: 'access_not_reviewed', node: node.record.nodeId, error: String(error) })
  })
}

/** At start: what the last run did not come to. */
export async function reviewAll(parts: PubsubParts): Promise<void> {
  for (const node of parts.replica.personal()) if (node.subscribers.size > 0) await reviewAccess(parts, node)
}

/** The node is for others than it was: who may read from now on gets the last item. §12.1 */
export function accessChanged(parts: PubsubParts, node: NodeView, before: NodeConfig): void {
  reviewSoon(parts, node)
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
