/** Notifications that come back: who cannot be reached for good loses the subscription. XEP-0060 §13.4. */

import type { InboundStanza } from '../../server/module/api.ts'
import { StanzaError } from '../../server/stanza/errors.ts'
import { attr, childElements, childOf, type Element } from '../../server/xml/element.ts'
import { NS_CLIENT } from '../../server/xml/namespaces.ts'
import { type PubsubParts, run, tellOwners } from './context.ts'
import { type NodeRef, SHARED_SERVICE } from './store.ts'
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
  const nodeIds = new Set(childElements(event).flatMap((child) => attr(child, 'node') ?? []))
  // XEP-0248 §5.3.1: or of the collections that it came by
  for (const nodeId of new Set([...nodeIds, ...collectionsOf(stanza)])) {
    const node = { service, nodeId }
    const subscriptions = parts.replica.get(node)?.subscribers.get(from.full)?.subscriptions ?? []
    await Promise.all(subscriptions.map(({ subid }) => end(parts, node, from.full, subid)))
  }
}

async function end(parts: PubsubParts, ref: NodeRef, jid: string, subid: string): Promise<void> {
  await run(parts, parts.store.unsubscribe, { ...ref, jid, subid }, (ended) => {
    parts.replica.unsubscribed(ended)
    parts.log.info({ what: 'subscription_bounced', node: ref.nodeId, subscriber: jid })
    const node = parts.replica.get(ref)
    if (node) tellOwners(parts, node, ended, 'none')
  })
}
