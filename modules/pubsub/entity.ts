/** What any entity may ask: its subscriptions and affiliations. XEP-0060 §5.6, §5.7. */

import type { Element } from '../../server/xml/element.ts'
import { renderAffiliations, renderSubscriptions } from './answer-xml.ts'
import type { Asker, PubsubParts } from './context.ts'
import { listPage } from './list-page.ts'
import type { EntityRequest } from './requests.ts'

type Request<K extends EntityRequest['kind']> = Extract<EntityRequest, { kind: K }>

/** §5.6: those of the asker's bare JID, whatever the resource. */
export function subscriptions(
  parts: PubsubParts,
  { actor, service }: Asker,
  request: Request<'subscriptions'>,
): Element {
  const { nodeId } = request
  const all = parts.replica.accounts.subscriptionsOf(actor.bareJid, { service, nodeId })
  const { list, page } = listPage(parts, all, (each) => `${each.nodeId} ${each.jid} ${each.subid}`, request.page)
  return renderSubscriptions(nodeId, list, page)
}

/** §5.7. */
export function affiliations(parts: PubsubParts, { actor, service }: Asker, request: Request<'affiliations'>): Element {
  const { nodeId } = request
  const all = parts.replica.accounts.affiliationsOf(actor.bareJid, { service, nodeId })
  const { list, page } = listPage(parts, all, (each) => each.nodeId, request.page)
  return renderAffiliations(nodeId, list, page)
}
