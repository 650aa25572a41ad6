/**
 * The last item of a node, for who subscribes (XEP-0060 §6.1.7) and who comes online (§4.3).
 *
 * Reading it takes a while, and meanwhile two other roads bring items: what was kept while its receiver was absent, and
 * what is published just now. So the last item waits for what was kept, is left out when it was among that, and when
 * the node told of anything newer: no item comes twice, and none after a newer one.
 */

import { setImmediate as turnOfLoop } from 'node:timers/promises'
import type { SessionHandle } from '../../server/module/api.ts'
import { type Jid, parseJid } from '../../server/stanza/jid.ts'
import type { KeptMessage } from '../offline/index.ts'
import { askerOf, freshen, type PubsubParts } from './context.ts'
import { type NodeView, subscriberOf } from './node-view.ts'
import { PUBLICATION_ORDER } from './order.ts'
import type { PagedItem, Visible } from './reads.ts'
import { type NodeRef, SHARED_SERVICE, type SubscriptionRecord } from './records.ts'
import { isLetThrough } from './rules.ts'

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
    if (this.#open.size === 0) return
    const key = keyOf(node)
    for (const { live } of this.#open) live.add(key)
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

function isKnown({ live, kept }: Arrivals, node: NodeRef, { itemId, publishedAt }: PagedItem): boolean {
  if (live.has(keyOf(node))) return true
  // Published again under its id since then, it is another item.
  const storedAt = kept.get(keyOf(node, itemId))
  return storedAt !== undefined && storedAt >= publishedAt
}

/** A subscription that began just now, with or without an owner's help: the last item, where the node is so configured. */
export function sendToNewcomer(parts: PubsubParts, node: NodeView, subscription: SubscriptionRecord): void {
  const { sendLastItem: when, persistItems, deliverNotifications } = node.record.config
  if (when === 'never' || !persistItems || !deliverNotifications) return
  const arrivals = parts.awaiting.begin()
  // §6.1.7: after the answer to the request, which goes out in this turn of the loop.
  setImmediate(() => {
    void sendLastItem(parts, arrivals, subscription).finally(() => parts.awaiting.end(arrivals))
  })
}

/** Somebody came online: the last item of each node that tells it then, to that resource alone. §4.3 */
export async function sendLastItems(parts: PubsubParts, session: SessionHandle): Promise<void> {
  const { bareJid, fullJid } = session
  const subscriptions = parts.replica.accounts
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
  const { jid, bareJid, subid } = subscription
  const found = await readLast(parts, arrivals, subscription, bareJid)
  const now = found?.node.subscribers.get(jid)?.subscriptions.find((each) => each.subid === subid)
  if (!found || !now) return
  const subscriber = subscriberOf(now)
  parts.notifier.lastItem(found.node, to ? { ...subscriber, to } : subscriber, found.item)
}

/** Last items to resources of one account at a time between two turns of the loop. */
const ITEMS_PER_TURN = 50

/**
 * The last items of accounts' nodes, to the resources of an account that want them and are subscribed without having
 * asked: to one that came online, or to all when a node became readable. Called at that very moment: from then on what
 * is published comes by itself. XEP-0163 §4.3.4.
 */
export async function sendPersonalItems(
  parts: PubsubParts,
  bareJid: string,
  nodes: readonly NodeView[],
  session?: SessionHandle,
): Promise<void> {
  const wanted = nodes.filter((node) => isWanted(node) && !node.subscribers.has(bareJid))
  if (wanted.length === 0) return
  const arrivals = parts.awaiting.begin(session)
  try {
    if (session) await parts.offline.delivered(bareJid)
    for (const [at, { record }] of wanted.entries()) {
      if (at % ITEMS_PER_TURN === ITEMS_PER_TURN - 1) await turnOfLoop()
      // Which group the account is in, only the owner's roster tells.
      if (record.config.accessModel === 'roster') await parts.audience.ready(record.service)
      const found = await readLast(parts, arrivals, record, bareJid)
      if (!found) continue
      const resources = parts.audience.resources(found.node, bareJid)
      for (const to of session ? resources.filter(({ full }) => full === session.fullJid.full) : resources)
        parts.notifier.lastItemTo(found.node, to, found.item)
    }
  } finally {
    parts.awaiting.end(arrivals)
  }
}

/** The node's last item, when the account may see it and does not know it already. */
async function readLast(
  parts: PubsubParts,
  arrivals: Arrivals,
  ref: NodeRef,
  bareJid: string,
): Promise<{ readonly node: NodeView; readonly item: PagedItem } | undefined> {
  const before = parts.replica.get(ref)
  const visible = before ? visibleTo(parts, before, bareJid) : []
  if (visible.length === 0 || !before) return undefined
  await freshen(parts, before)
  const item = await lastOf(parts, ref, visible)
  // What is read may be on disk and not told of yet.
  await parts.storage.settled(parts.storage.submitted)
  const node = parts.replica.get(ref)
  return node && item && !isKnown(arrivals, ref, item) ? { node, item } : undefined
}

/** The last item of these; undefined: there is none. */
export async function lastOf(parts: PubsubParts, ref: NodeRef, visible: Visible): Promise<PagedItem | undefined> {
  const { service, nodeId } = ref
  const end = { at: 'end' } as const
  const page = {
    start: end,
    order: PUBLICATION_ORDER,
    lastSeq: Number.MAX_SAFE_INTEGER,
    indexMax: 0,
    passedMax: 0,
    max: 1,
    maxChars: 0,
  }
  const last = { service, nodeId, visible, ...page, withPayloads: true }
  const { items } = await parts.storage.run(parts.store.readPage, last)
  return items[0]
}

/** The node's items that the account may see now; an empty list: none. */
function visibleTo(parts: PubsubParts, node: NodeView, bareJid: string): Visible {
  if (node.record.service === SHARED_SERVICE) {
    const { actor } = askerOf(parts.accounts, parseJid(bareJid), parts.domain)
    const isKeptOut = node.relation && !isLetThrough(parts.replica.standing(node, actor))
    return isKeptOut ? [] : parts.claims.visible(bareJid, node.record)
  }
  return parts.audience.mayRead(node, bareJid) ? 'all' : []
}
