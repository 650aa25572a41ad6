/** What ends by itself: leases, subscriptions of those who go offline, items. XEP-0060 §12.5, §12.19, §16.4.4 (item_expire, purge_offline). */

import { archivingOf, dropAttachments, freshen, notifyEnded, type PubsubParts, run, tellOwners } from './context.ts'
import { isTemporary } from './node-view.ts'
import type { NodeRef, SubscriptionRecord } from './records.ts'
import { type AbsentPurged, type PurgeAbsent, type SubscriptionsEnded, SWEEP_BATCH } from './store.ts'

/** Looks for what is over: leases, and the items of nodes where they expire. */
export async function sweep(parts: PubsubParts, signal: AbortSignal): Promise<void> {
  await endLeases(parts, signal)
  for (const ref of parts.replica.expiring()) {
    const node = parts.replica.get(ref)
    if (node && !signal.aborted) await freshen(parts, node)
  }
}

/** Ends the leases that are over. Events stop at the lease's end all the same: delivery looks at the time too. */
async function endLeases(parts: PubsubParts, signal: AbortSignal): Promise<void> {
  let ended = SWEEP_BATCH
  while (ended === SWEEP_BATCH && !signal.aborted) {
    const result = await run(parts, parts.store.endLeases, undefined, (each) => applyEnded(parts, each))
    ended = result.ended.length
  }
}

/** A resource went offline; `isLast`: and no other of the account is online. */
export async function endTemporaryOf(parts: PubsubParts, bareJid: string, fullJid: string, isLast: boolean) {
  const own = parts.replica.accounts.subscriptionsOf(bareJid, 'everywhere')
  await endTemporary(
    parts,
    own.filter(({ jid }) => jid === fullJid || (isLast && jid === bareJid)),
  )
}

/** Nobody is online when the server starts. */
export async function endAllTemporary(parts: PubsubParts): Promise<void> {
  await endTemporary(parts, parts.replica.temporary())
}

async function endTemporary(parts: PubsubParts, candidates: readonly SubscriptionRecord[]): Promise<void> {
  const keys = candidates
    .filter((subscription) => {
      const node = parts.replica.get(subscription)
      return node && isTemporary(node, subscription)
    })
    .map(({ service, nodeId, jid, subid }) => ({ service, nodeId, jid, subid }))
  if (keys.length > 0) await run(parts, parts.store.endTemporary, keys, (result) => applyEnded(parts, result))
}

/** An account went offline: items of its go where the node is so configured. XEP-0060 §16.4.4 (purge_offline). */
export async function purgeLeft(parts: PubsubParts, bareJid: string): Promise<void> {
  await Promise.all(parts.replica.accounts.leftBy(bareJid).map((ref) => purgeAbsent(parts, ref, bareJid)))
}

/** Nobody is online when the server starts. */
export async function purgeAllAbsent(parts: PubsubParts): Promise<void> {
  for (const ref of parts.replica.purgedOffline()) await purgeAbsent(parts, ref, undefined)
}

async function purgeAbsent(parts: PubsubParts, { service, nodeId }: NodeRef, publisher: string | undefined) {
  let from: PurgeAbsent['from']
  do {
    const args = { service, nodeId, publisher, from, ...archivingOf(parts) }
    const result = await run(parts, parts.store.purgeAbsent, args, (each) => applyPurged(parts, each))
    from = result.next
  } while (from)
}

function applyPurged(parts: PubsubParts, { service, nodeId, gone, isEmpty, unarchived }: AbsentPurged): void {
  parts.counts.unarchived += unarchived
  const node = parts.replica.get({ service, nodeId })
  if (!node || gone.length === 0) return
  dropAttachments(parts, node, gone)
  parts.counts.orphaned += gone.length
  parts.log.debug({ what: 'items_orphaned', node: nodeId, items: gone.length })
  if (!node.record.config.notifyRetract) return
  if (isEmpty) parts.notifier.toAll(node, { kind: 'purge', nodeId })
  else parts.notifier.retracted(node, gone)
}

/** Subscriptions that ended without their subscriber's doing. */
export function applyEnded(parts: PubsubParts, { ended }: SubscriptionsEnded): void {
  for (const subscription of ended) {
    const node = parts.replica.get(subscription)
    parts.replica.unsubscribed(subscription)
    if (!node) continue
    notifyEnded(parts, node, [subscription])
    tellOwners(parts, node, subscription, 'none')
  }
  if (ended.length > 0) parts.log.debug({ what: 'subscriptions_expired', subscriptions: ended.length })
}
