/** Subscriptions that end by themselves: at a time, or when the subscriber goes offline. XEP-0060 §13.5, §13.19. */

import { notifyEnded, type PubsubParts, run } from './context.ts'
import { type SubscriptionRecord, type SubscriptionsEnded, SWEEP_BATCH } from './store.ts'

/** Ends the leases that are over. Events stop at the lease's end all the same: delivery looks at the time too. */
export async function endLeases(parts: PubsubParts, signal: AbortSignal): Promise<void> {
  let ended = SWEEP_BATCH
  while (ended === SWEEP_BATCH && !signal.aborted) {
    const result = await run(parts, parts.store.endLeases, undefined, (each) => applyEnded(parts, each))
    ended = result.ended.length
  }
}

/** A resource went offline; `isLast`: and no other of the account is online. */
export async function endTemporaryOf(parts: PubsubParts, bareJid: string, fullJid: string, isLast: boolean) {
  const own = parts.replica.subscriptionsOf(bareJid, undefined)
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
    .filter(({ options }) => options.expire === 'presence')
    .map(({ nodeId, jid, subid }) => ({ nodeId, jid, subid }))
  if (keys.length > 0) await run(parts, parts.store.endTemporary, keys, (result) => applyEnded(parts, result))
}

function applyEnded(parts: PubsubParts, { ended }: SubscriptionsEnded): void {
  for (const subscription of ended) {
    const node = parts.replica.get(subscription.nodeId)
    parts.replica.unsubscribed(subscription)
    if (node) notifyEnded(parts, node, [subscription])
  }
  if (ended.length > 0) parts.log.debug({ what: 'subscriptions_expired', subscriptions: ended.length })
}
