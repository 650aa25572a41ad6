/** Tells who follows a list of public subscriptions what came into it and what left it. XEP-0465 §4.2, §4.4. */

import { boundsOf, type PubsubParts } from './context.ts'
import type { ElsewhereChanged } from './elsewhere.ts'
import { listView } from './public-access.ts'
import { placeOf } from './public-archive.ts'
import { elsewhereEntry, isShown, type PublicEntry, subscriberEntry, subscriptionEntry } from './public-lists.ts'
import { SUBSCRIPTIONS_LIST, subscribersListOf } from './public-names.ts'
import type { ManagedSubscription, NodeRef, SubscriptionRecord } from './records.ts'
import type { SubscriptionChanged } from './replica.ts'

/** A subscription changed, for whatever reason; most are not public, and nothing is to be done. */
export function publicChanged(parts: PubsubParts, { before, after }: SubscriptionChanged): void {
  if (!isShown(before) && !isShown(after)) return
  const one = after ?? before
  if (!one) return
  const { bareJid, subid } = one
  const there = parts.replica.get(one)?.subscribers.get(bareJid)?.subscriptions ?? []
  const others = there.filter((each) => isShown(each) && each.subid !== subid)
  const told = (subscription: SubscriptionRecord | undefined) =>
    subscription && isShown(subscription) ? [subscription] : []
  const [was, is] = [
    [...others, ...told(before)],
    [...others, ...told(after)],
  ]
  tell(parts, subscribersListOf(one), was.map(subscriberEntry), is.map(subscriberEntry))
  tellOfAccount(parts, bareJid, was.map(subscriptionEntry), is.map(subscriptionEntry))
}

/** The same of a subscription at a service that is not this server's own. */
export function publicElsewhereChanged(parts: PubsubParts, { before, after }: ElsewhereChanged): void {
  const one = after ?? before
  if (!one || (!isShown(before) && !isShown(after))) return
  const { service, nodeId, jid, subid } = one
  const others = parts.elsewhere
    .at({ service, nodeId, jid, subid: undefined })
    .filter((each) => isShown(each) && each.subid !== subid)
  const told = (each: ManagedSubscription | undefined) => [...others, ...(each && isShown(each) ? [each] : [])]
  tellOfAccount(parts, jid, told(before).map(elsewhereEntry), told(after).map(elsewhereEntry))
}

function tellOfAccount(
  parts: PubsubParts,
  service: string,
  before: readonly PublicEntry[],
  after: readonly PublicEntry[],
): void {
  tell(parts, { service, nodeId: SUBSCRIPTIONS_LIST }, before, after)
}

/** What is in a list of which only these entries may have come or gone. */
function tell(parts: PubsubParts, list: NodeRef, before: readonly PublicEntry[], after: readonly PublicEntry[]): void {
  const view = listView(parts, list, boundsOf(parts.config(), list.service))
  if (!view) return
  const [was, is] = [new Map(before.map((each) => [each.id, each])), new Map(after.map((each) => [each.id, each]))]
  const gone = [...was.keys()].filter((id) => !is.has(id))
  if (gone.length > 0)
    parts.notifier.retracted(
      view,
      gone.map((itemId) => ({ itemId, scope: undefined })),
    )
  for (const entry of is.values()) {
    if (was.has(entry.id)) continue
    const { id: itemId, since: publishedAt } = entry
    const item = { itemId, payload: entry.payload(), publisher: '', publishedAt, position: placeOf(entry) }
    parts.notifier.published(view, item, undefined)
  }
}

/** A node is no more, and with it the list of its subscribers. */
export function listEnded(parts: PubsubParts, node: NodeRef): void {
  const ended = parts.replica.deleted(subscribersListOf(node))
  if (!ended) return
  const event = { kind: 'delete', nodeId: ended.record.nodeId, redirect: undefined } as const
  for (const { subscriptions } of ended.subscribers.values()) parts.notifier.toOne(ended, subscriptions[0], event)
}
