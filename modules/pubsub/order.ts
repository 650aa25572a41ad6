/** The order that items are asked for in. XEP-0413 */

import { attr, childrenOf, type Element } from '../../server/xml/element.ts'
import { pubsubError } from './errors.ts'

export const NS_ORDER_BY = 'urn:xmpp:order-by:1'

/** §5: the order, and where it may be asked for. */
export const ORDER_FEATURES: readonly string[] = [
  NS_ORDER_BY,
  `${NS_ORDER_BY}@http://jabber.org/protocol/pubsub`,
  `${NS_ORDER_BY}@http://jabber.org/protocol/disco#items`,
]

/** By the first publication under an item's id, or by the last; the newest first, or last. XEP-0413 §3 */
export interface Order {
  readonly by: 'creation' | 'modification'
  readonly isDescending: boolean
}

/** XEP-0060 §6.5: the order of publication, in which an item published anew is the newest. */
export const PUBLICATION_ORDER: Order = { by: 'modification', isDescending: false }

/**
 * The order that `<order/>` in the request names; the order of publication without one. No two items are equal in
 * either order, so that a second `<order/>` is never asked (XEP-0413 §6); versions of one item, which are in archives, stand in
 * the order of publication.
 * @throws StanzaError feature-not-implemented for another order, bad-request for one that is none
 */
export function parseOrder(parent: Element): Order {
  const orders = childrenOf(parent, 'order', NS_ORDER_BY).map(orderOf)
  return orders[0] ?? PUBLICATION_ORDER
}

function orderOf(order: Element): Order {
  const by = attr(order, 'by')
  const descending = attr(order, 'desc') ?? 'false'
  if (by === undefined) throw pubsubError('malformed', 'an <order/> names what to order by')
  if (!/^(?:true|false|1|0)$/.test(descending)) throw pubsubError('malformed', 'desc is neither true nor false')
  if (by !== 'creation' && by !== 'modification')
    throw pubsubError('orderUnsupported', `items are ordered by creation or modification, not by ${by}`)
  return { by, isDescending: descending === 'true' || descending === '1' }
}
