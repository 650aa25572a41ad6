/**
 * The last item of a node, for who subscribes (XEP-0060 §6.1.7) and who comes online (§4.3).
 *
 * Reading it takes a while, and meanwhile two other roads bring items: what was kept while its receiver was absent, and
 * what is published just now. So the last item waits for what was kept, is left out when it was among that, and when
 * the node told of anything newer: no item comes twice, and none after a newer one.
 */

import type { SessionHandle } from '../../server/module/api.ts'
import type { Jid } from '../../server/stanza/jid.ts'
import type { KeptMessage } from '../offline/index.ts'
import { freshen, type PubsubParts } from './context.ts'
import { PUBLICATION_ORDER } from './order.ts'
import { type NodeView, subscriberOf } from './replica.ts'
import type { ItemRecord, NodeRef, SubscriptionRecord } from './store.ts'

/** What came to one receiver while its last items were on their way. */
interface Arrivals {
  /** Who came online; undefined for a new subscription. */
  readonly session: SessionHandle | undefined
  /** Nodes that told of an item. */
  readonly live: Set<string>
  /** When each was kept that was delivered since: UTC milliseconds. */
  readonly kept: Map<string, number>
}

/** Receivers to whom last items are on their way; few at any time. */
export class Awaiting {
  readonly #open = new Set<Arrivals>()

  begin(session?: SessionHandle): Arrivals {
    const arrivals = { session, live: new Set<string>(), kept: new Map<string, number>() }
    this.#open.add(arrivals)
    return arrivals
  }

  end(arrivals: Arrivals): void {
    this.#open.delete(arrivals)
  }

  /** Subscribers have been told of an item. */
  published(node: NodeRef): void {
    for (const { live } of this.#open) live.add(keyOf(node))
  }

  /** A notification of these items is handed to a session. */
  delivered(session: SessionHandle, node: NodeRef, itemIds: readonly string[], { storedAt }: KeptMessage): void {
    for (const arrivals of this.#open)
      if (arrivals.session === session) for (const itemId of itemIds) arrivals.kept.set(keyOf(node, itemId), storedAt)
  }
}

function keyOf({ service, nodeId }: NodeRef, ...itemId: string[]): string {
  return JSON.stringify([service, nodeId, ...itemId])
}

function isKnown({ live, kept }: Arrivals, node: NodeRef, { itemId, publishedAt }: ItemRecord): boolean {
  if (live.has(keyOf(node))) return true
  // Published again under its id since then, it is another item.
  const storedAt = kept.get(keyOf(node, itemId))
  return storedAt !== undefined && storedAt >= publishedAt
}

/** A subscription that began just now, with or without an owner's help: the last item, where the node is so configured. */
export function sendToNewcomer(parts: PubsubParts, node: NodeView, subscription: SubscriptionRecord): void {
  if (node.record.config.sendLastItem === 'never' || !node.record.config.persistItems) return
  const arrivals = parts.awaiting.begin()
  // §6.1.7: after the answer to the request, which goes out in this turn of the loop.
  setImmediate(() => {
    void sendLastItem(parts, arrivals, subscription).finally(() => parts.awaiting.end(arrivals))
  })
}

/** Somebody came online: the last item of each node that tells it then, to that resource alone. §4.3 */
export async function sendLastItems(parts: PubsubParts, session: SessionHandle): Promise<void> {
  const { bareJid, fullJid } = session
  const subscriptions = parts.replica
    .subscriptionsOf(bareJid, 'everywhere')
    .filter((each) => (each.jid === bareJid || each.jid === fullJid.full) && isWanted(parts.replica.get(each)))
  if (subscriptions.length === 0) return
  const arrivals = parts.awaiting.begin(session)
  try {
    await parts.offline.delivered(bareJid)
    for (const subscription of subscriptions) await sendLastItem(parts, arrivals, subscription, fullJid)
  } finally {
    parts.awaiting.end(arrivals)
  }
}

function isWanted(node: NodeView | undefined): boolean {
  if (!node) return false
  const { sendLastItem: when, persistItems, deliverNotifications } = node.record.config
  return when === 'on_sub_and_presence' && persistItems && deliverNotifications
}

async function sendLastItem(
  parts: PubsubParts,
  arrivals: Arrivals,
  subscription: SubscriptionRecord,
  to?: Jid,
): Promise<void> {
  try {
    await readAndSend(parts, arrivals, subscription, to)
  } catch (error) {
    parts.log.warn({ what: 'last_item_not_sent', node: subscription.nodeId, error: String(error) })
  }
}

async function readAndSend(
  parts: PubsubParts,
  arrivals: Arrivals,
  subscription: SubscriptionRecord,
  to: Jid | undefined,
): Promise<void> {
  const { service, nodeId, jid, bareJid, subid } = subscription
  const visible = parts.claims.visible(bareJid, subscription)
  const before = parts.replica.get(subscription)
  if (visible.length === 0 || !before) return
  await freshen(parts, before)
  const end = { at: 'end' } as const
  const page = {
    start: end,
    order: PUBLICATION_ORDER,
    lastSeq: Number.MAX_SAFE_INTEGER,
    indexMax: 0,
    max: 1,
    maxChars: 0,
  }
  const last = { service, nodeId, visible, ...page, withPayloads: true }
  const [item] = (await parts.storage.run(parts.store.readPage, last)).items
  // What is read may be on disk and not told of yet.
  await parts.storage.settled(parts.storage.submitted)
  const node = parts.replica.get(subscription)
  const now = node?.subscribers.get(jid)?.subscriptions.find((each) => each.subid === subid)
  if (!node || !now || !item || isKnown(arrivals, subscription, item)) return
  const subscriber = subscriberOf(now)
  parts.notifier.lastItem(node, to ? { ...subscriber, to } : subscriber, item)
}
