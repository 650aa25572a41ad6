/** Notifications that come back: who cannot be reached for good loses the subscription. XEP-0060 §12.4. */

import type { InboundStanza } from '../../server/module/api.ts'
import { StanzaError } from '../../server/stanza/errors.ts'
import { attr, childElements, childOf, type Element } from '../../server/xml/element.ts'
import { NS_CLIENT } from '../../server/xml/namespaces.ts'
import { type PubsubParts, run, tellOwners } from './context.ts'
import { SHARED_SERVICE, type SubscriptionRecord } from './records.ts'
import { collectionsOf } from './xml.ts'

/**
 * A message with an `<event/>`. Only the subscriber itself, or the server on its behalf, returns it, so that nobody
 * ends a subscription of somebody else. What may pass by itself (types auth and wait, and what asks for a change) is
 * left alone.
 */
export async function bounced(
  parts: PubsubParts,
  { from, stanza }: InboundStanza,
  event: Element,
  service = SHARED_SERVICE,
): Promise<void> {
  if (attr(stanza, 'type') !== 'error')
    throw new StanzaError('cancel', 'service-unavailable', 'no events are taken here')
  const { type, condition } = StanzaError.fromElement(childOf(stanza, 'error', NS_CLIENT))
  if (type !== 'cancel' && condition !== 'gone') return
  // XEP-0248 §5.3.1: of the node, or of the collections that it came by
  const named = childElements(event).flatMap((child) => attr(child, 'node') ?? [])
  const nodes = [...new Set([...named, ...collectionsOf(stanza)])].map((nodeId) => ({ service, nodeId }))
  const subscriptions = nodes.flatMap(
    (node) => parts.replica.get(node)?.subscribers.get(from.full)?.subscriptions ?? [],
  )
  // All are submitted before anything is waited for.
  await Promise.all(subscriptions.map((subscription) => end(parts, subscription)))
}

async function end(parts: PubsubParts, { service, nodeId, jid, subid }: SubscriptionRecord): Promise<void> {
  await run(parts, parts.store.unsubscribe, { service, nodeId, jid, subid }, (ended) => {
    parts.replica.unsubscribed(ended)
    parts.log.info({ what: 'subscription_bounced', node: nodeId, subscriber: jid })
    const node = parts.replica.get(ended)
    if (node) tellOwners(parts, node, ended, 'none')
  })
}
