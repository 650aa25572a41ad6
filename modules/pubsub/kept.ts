/** Notifications that were kept for an absent subscriber, looked at again before they are delivered. XEP-0160 §2. */

import type { SessionHandle } from '../../server/module/api.ts'
import { parseJid } from '../../server/stanza/jid.ts'
import { attr, childElements, childOf } from '../../server/xml/element.ts'
import { parseWritten } from '../../server/xml/parser.ts'
import type { KeptMessage } from '../offline/index.ts'
import { askerOf, type PubsubParts } from './context.ts'
import { mayReadList } from './public-access.ts'
import { isPublicList } from './public-names.ts'
import { type NodeRef, SHARED_SERVICE } from './records.ts'
import { mayGetThrough, mayRetrieve } from './rules.ts'
import { collectionsOf, NS_PUBSUB_EVENT } from './xml.ts'

/**
 * May its receiver still see it? Items, and that they are gone, only who could read them now; what concerns the node
 * as a whole or the receiver's own standing, always.
 */
export function reviewKept(parts: PubsubParts, kept: KeptMessage, session: SessionHandle): boolean {
  const event = eventOf(kept)
  if (!event) return true
  const { node, itemIds } = event
  if (!mayStillSee(parts, kept, event)) {
    parts.log.debug({ what: 'kept_notification_withheld', node: node.nodeId })
    return false
  }
  parts.awaiting.delivered(session, node, itemIds, kept)
  return true
}

function mayStillSee(
  parts: PubsubParts,
  { owner, group, scope }: KeptMessage,
  { node: ref, collections }: KeptEvent,
): boolean {
  if (parts.claims.of(ref)) {
    // Without its group the scope is lost too: only who sees all may see it.
    return group === undefined ? parts.claims.visible(owner, ref) === 'all' : parts.claims.maySee(owner, ref, scope)
  }
  if (isPublicList(ref.nodeId)) return !parts.audience.ready(ref.service) && mayReadList(parts, ref, owner)
  const node = parts.replica.get(ref)
  // Nobody took the right away from it: the node is gone.
  if (!node) return true
  // The roster is read on this thread; should that ever take a turn of the loop, nobody is let see what it may forbid.
  if (ref.service !== SHARED_SERVICE) {
    if (parts.audience.ready(ref.service)) return false
    if (!node.target) return parts.audience.mayRead(node, owner)
    const relation = parts.audience.relation(ref.service, owner)
    return mayGetThrough(node.record.config, parts.replica.standing(node, { bareJid: owner, isAdmin: false, relation }))
  }
  const { actor } = askerOf(parts.accounts, parseJid(owner), parts.domain)
  const standing = parts.replica.standing(node, actor)
  // XEP-0248, XEP-0470: by a collection, and of what is attached, it comes to who is not subscribed to the node itself.
  if ((collections.length > 0 || node.target) && mayGetThrough(node.record.config, standing)) return true
  return mayRetrieve(node.record.config, standing) === undefined
}

interface KeptEvent {
  readonly node: NodeRef
  readonly itemIds: readonly string[]
  /** What it came by. */
  readonly collections: readonly string[]
}

/** The node and the items published; undefined when it does not tell of items. */
function eventOf({ sender, xml }: KeptMessage): KeptEvent | undefined {
  const message = parseWritten(xml)
  const event = childOf(message, 'event', NS_PUBSUB_EVENT)
  const items = event && childOf(event, 'items', NS_PUBSUB_EVENT)
  const nodeId = items && attr(items, 'node')
  if (!items || nodeId === undefined) return undefined
  const published = childElements(items).filter((child) => child.is('item'))
  const service = sender.includes('@') ? sender : SHARED_SERVICE
  const itemIds = published.flatMap((item) => attr(item, 'id') ?? [])
  return { node: { service, nodeId }, itemIds, collections: collectionsOf(message) }
}
