/** Lists of public subscriptions: read, subscribed to, and never written by anybody. XEP-0465 §4.2, §4.4, §5. */

import { pageOfSorted } from '../../server/stanza/rsm.ts'
import { type Element, el } from '../../server/xml/element.ts'
import { renderItems } from './answer-xml.ts'
import { type Asker, boundsOf, nodeView, type PubsubParts, run } from './context.ts'
import { affiliations, subscriptions } from './entity.ts'
import { pubsubError } from './errors.ts'
import { PUBLICATION_ORDER } from './order.ts'
import { listConfig } from './public-access.ts'
import { NS_PPS, subjectOf } from './public-names.ts'
import type { ManagedSubscription, NodeRef, SubscriptionRecord } from './records.ts'
import type { EntityRequest, PubsubRequest } from './requests.ts'
import { mayRetrieve } from './rules.ts'
import { knowsAccount, refuseStranger } from './strangers.ts'
import { getDefaultOptions, getOptions, setOptions, subscribe, unsubscribe } from './subscriber.ts'
import { payloadOf } from './xml.ts'

type Request<K extends EntityRequest['kind']> = Extract<EntityRequest, { kind: K }>
type AtNode = PubsubRequest & { readonly nodeId: string }

/** What a list holds. The id says what the payload does, so it is the same whenever that is. */
export interface PublicEntry {
  readonly id: string
  /** UTC milliseconds: since when it is there. */
  readonly since: number
  /** Written out when it is asked for: of a long list, a page is. */
  payload(): string
}

/** As `perform` of service.ts, at a list. @throws StanzaError forbidden for whatever would make, change or fill it. §5 */
export function performAtList(
  parts: PubsubParts,
  asker: Asker,
  request: AtNode,
): Element | undefined | Promise<Element | undefined> {
  switch (request.kind) {
    case 'items':
      return listItems(parts, asker, request)
    case 'subscribe':
      return subscribeToList(parts, asker, request)
    case 'unsubscribe':
      return ofSubscriber(parts, asker, request) ?? unsubscribe(parts, asker, request)
    case 'getOptions':
      return ofSubscriber(parts, asker, request) ?? getOptions(parts, asker, request)
    case 'setOptions':
      return ofSubscriber(parts, asker, request) ?? setOptions(parts, asker, request)
    case 'getDefaultOptions':
      return getDefaultOptions(parts, asker, { ...request, nodeId: undefined })
    case 'subscriptions':
      return subscriptions(parts, asker, request)
    case 'affiliations':
      return affiliations(parts, asker, request)
    default:
      throw pubsubError('managedNode', `${request.nodeId} is made by the service`)
  }
}

/** Nobody is subscribed to a list that nobody subscribed to yet, nor to one of an account that does not exist. */
function ofSubscriber(
  { replica }: PubsubParts,
  { jid, service }: Asker,
  request: Request<'unsubscribe' | 'getOptions' | 'setOptions'>,
): undefined {
  if (replica.get({ service, nodeId: request.nodeId })) return
  if (request.jid.bare !== jid.bare) throw pubsubError('notYourSubscription')
  throw pubsubError(request.kind === 'unsubscribe' ? 'notSubscribed' : 'noSuchSubscriber')
}

/** §4.2, §4.4. @throws StanzaError as retrieving from the node itself would */
function listItems(parts: PubsubParts, asker: Asker, request: Request<'items'>): Element {
  const { nodeId, itemIds, page, maxItems, order } = request
  if (order.by !== PUBLICATION_ORDER.by || order.isDescending)
    throw pubsubError('orderUnsupported', 'what is public comes by its ids')
  const entries = readable(parts, asker, nodeId)
  const { pageMaxItems } = parts.config()
  if (itemIds.length > pageMaxItems) throw pubsubError('tooManyItems', `at most ${pageMaxItems} ids in one request`)
  if (itemIds.length > 0) return render(nodeId, inOrder(entries, itemIds))
  const max = Math.min(page?.max ?? pageMaxItems, maxItems ?? pageMaxItems, pageMaxItems)
  // XEP-0060 §6.5.7: max_items asks for the last.
  const from = page ?? (maxItems === undefined ? {} : { before: '' })
  const found = pageOfSorted(entries, ({ id }) => id, { ...from, max }, max)
  const isCut = found.items.length < Math.min(maxItems ?? entries.length, entries.length)
  return render(nodeId, found.items, page || isCut ? found : undefined)
}

function inOrder(entries: readonly PublicEntry[], ids: readonly string[]): PublicEntry[] {
  const byId = new Map(entries.map((entry) => [entry.id, entry]))
  return [...new Set(ids)].flatMap((id) => byId.get(id) ?? [])
}

function render(nodeId: string, entries: readonly PublicEntry[], page?: Parameters<typeof renderItems>[3]): Element {
  const items = entries.map((entry) => ({ itemId: entry.id, publisher: '', publishedAt: 0, payload: entry.payload() }))
  return renderItems(nodeId, items, () => undefined, page)
}

/** The entries, by their ids, of a list that the asker may read. */
export function readable(parts: PubsubParts, asker: Asker, nodeId: string): readonly PublicEntry[] {
  const { service, actor } = asker
  const subject = subjectOf({ service, nodeId })
  if (!subject) throw pubsubError('nodeNotFound', `no node ${nodeId}`)
  // §8: who does not exist, and who makes nothing public, are the same.
  if ('account' in subject) return entriesOf(parts, subject.account).sort((a, b) => (a.id < b.id ? -1 : 1))
  if (asker.address === service) refuseStranger(parts, asker, subject.nodeId)
  const node = nodeView(parts, subject)
  const claim = parts.claims.of(subject)
  claim?.authorizeSubscribe(asker.jid, subject.nodeId)
  const refusal = claim ? undefined : mayRetrieve(node.record.config, parts.replica.standing(node, actor))
  if (refusal) throw pubsubError(refusal)
  const shown = [...node.subscribers.values()].flatMap(({ subscriptions: all }) => all.filter(isShown))
  return earliest(shown.map(subscriberEntry)).sort((a, b) => (a.id < b.id ? -1 : 1))
}

/** Each once, since the first of those that say so. */
function earliest(entries: readonly PublicEntry[]): PublicEntry[] {
  const found = new Map<string, PublicEntry>()
  for (const entry of entries)
    if (!((found.get(entry.id)?.since ?? Infinity) <= entry.since)) found.set(entry.id, entry)
  return [...found.values()]
}

/** What an account is publicly subscribed to, each once. */
function entriesOf({ replica, elsewhere }: PubsubParts, account: string): PublicEntry[] {
  const here = [...replica.accounts.ownSubscriptions(account)].filter(isShown).map(subscriptionEntry)
  const there = [...elsewhere.of(account)].filter(isShown).map(elsewhereEntry)
  return earliest([...here, ...there])
}

/** A request that waits for its approval is nobody's business yet. */
export function isShown(subscription: (Pick<SubscriptionRecord, 'isPublic'> & { state: string }) | undefined): boolean {
  return subscription?.isPublic === true && subscription.state === 'subscribed'
}

/** §4.4. */
export function subscriberEntry({ bareJid, publicSince: since = 0 }: Subscribed): PublicEntry {
  return { id: bareJid, since, payload: () => payloadOf(el('subscriber', { xmlns: NS_PPS, jid: bareJid })).xml }
}

type Subscribed = Pick<SubscriptionRecord, 'bareJid' | 'publicSince'>

/** §4.2; the root has no name. COMPAT(Libervia 0.9): it reads the service from an attribute of that name. */
export function subscriptionEntry({ address, nodeId, publicSince: since = 0 }: Subscription): PublicEntry {
  const attributes = { xmlns: NS_PPS, node: nodeId || undefined, jid: address, service: address }
  return { id: `${address} ${nodeId}`, since, payload: () => payloadOf(el('subscription', attributes)).xml }
}

type Subscription = Pick<SubscriptionRecord, 'address' | 'nodeId' | 'publicSince'>

export function elsewhereEntry({ service, nodeId, publicSince }: ManagedSubscription): PublicEntry {
  return subscriptionEntry({ address: service, nodeId, publicSince })
}

/** Makes the list's row where it is missing; both are submitted before the first await, in the order of commit. */
async function subscribeToList(parts: PubsubParts, asker: Asker, request: Request<'subscribe'>): Promise<Element> {
  const { service } = asker
  const list: NodeRef = { service, nodeId: request.nodeId }
  const entries = readable(parts, asker, request.nodeId)
  // To who does not know the account, one that makes nothing public is no account.
  if (asker.address === service && entries.length === 0 && !knowsAccount(asker))
    refuseStranger(parts, asker, request.nodeId)
  const made = parts.replica.get(list) ? undefined : makeRow(parts, list)
  const [answer] = await Promise.all([subscribe(parts, asker, request), made])
  return answer
}

async function makeRow(parts: PubsubParts, list: NodeRef): Promise<void> {
  const config = listConfig(boundsOf(parts.config(), list.service))
  const node = { ...list, creator: parts.domain, config }
  await run(parts, parts.store.ensureNode, node, (record) => parts.replica.ensured(record))
}
