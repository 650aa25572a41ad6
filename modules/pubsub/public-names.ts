/** The names of the lists of public subscriptions: nodes that the service itself makes and fills. XEP-0465 §4.2, §4.4. */

import { isKept } from './attachment-names.ts'
import { type NodeRef, SHARED_SERVICE } from './records.ts'

export const NS_PPS = 'urn:xmpp:pps:0'
/** At an account: the nodes that it is publicly subscribed to. */
export const SUBSCRIPTIONS_LIST = 'urn:xmpp:pps:subscriptions:0'
/** Before a NodeID: who is publicly subscribed to that node. */
export const SUBSCRIBERS_PREFIX = 'urn:xmpp:pps:subscribers:0/'

/** Is a node of this name a list, or would it be one? */
export function isPublicList(nodeId: string): boolean {
  return nodeId.startsWith('urn:xmpp:pps:') && (nodeId === SUBSCRIPTIONS_LIST || nodeId.startsWith(SUBSCRIBERS_PREFIX))
}

/** The list of who is subscribed to a node. */
export function subscribersListOf({ service, nodeId }: NodeRef): NodeRef {
  return { service, nodeId: `${SUBSCRIBERS_PREFIX}${nodeId}` }
}

/** What a list tells of: an account, or a node; undefined where there is no such list. */
export function subjectOf({ service, nodeId }: NodeRef): { readonly account: string } | NodeRef | undefined {
  if (nodeId === SUBSCRIPTIONS_LIST) return service === SHARED_SERVICE ? undefined : { account: service }
  const target = nodeId.slice(SUBSCRIBERS_PREFIX.length)
  // There is no list of the subscribers of a list, nor of what is attached: that there is such a node tells of its item.
  return target === '' || isPublicList(target) || isKept(target) ? undefined : { service, nodeId: target }
}
