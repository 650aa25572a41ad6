/** What any entity may ask: its subscriptions and affiliations. XEP-0060 §5.6, §5.7. */

import type { Element } from '../../server/xml/element.ts'
import { renderAffiliations, renderSubscriptions } from './answer-xml.ts'
import type { Asker, PubsubParts } from './context.ts'

/** §5.6: those of the asker's bare JID, whatever the resource. */
export function subscriptions(parts: PubsubParts, { actor, service }: Asker, nodeId: string | undefined): Element {
  return renderSubscriptions(nodeId, parts.replica.subscriptionsOf(actor.bareJid, { service, nodeId }))
}

/** §5.7. */
export function affiliations(parts: PubsubParts, { actor, service }: Asker, nodeId: string | undefined): Element {
  return renderAffiliations(nodeId, parts.replica.affiliationsOf(actor.bareJid, { service, nodeId }))
}
