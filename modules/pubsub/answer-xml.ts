/** Typed outcomes of XEP-0060 as elements: answers and events. XEP-0060 §17. */

import { type DataForm, renderForm } from '../../server/stanza/forms.ts'
import { type Page, renderRsm } from '../../server/stanza/rsm.ts'
import { type Element, el, RawXml } from '../../server/xml/element.ts'
import { escapeAttribute, serialize } from '../../server/xml/serialize.ts'
import { type AffiliationRecord, type ItemRecord, ROOT_ID, type SubscriptionRecord } from './records.ts'
import { NS_PUBSUB, NS_PUBSUB_EVENT, NS_PUBSUB_OWNER } from './xml.ts'

/** `<pubsub/>` around an answer. */
function pubsub(...children: readonly (Element | undefined)[]): Element {
  return el('pubsub', { xmlns: NS_PUBSUB }, ...children)
}

function pubsubOwner(...children: readonly (Element | undefined)[]): Element {
  return el('pubsub', { xmlns: NS_PUBSUB_OWNER }, ...children)
}

/** §6.1.2, §6.2.2; `options` where they were asked for with it (§6.3.7). */
export function renderSubscription(subscription: SubscriptionRecord, isEnded: boolean, options?: DataForm): Element {
  return pubsub(subscriptionElement(subscription, isEnded), options && el('options', {}, renderForm(options)))
}

/** The root has no name. XEP-0248 §8.1. */
function named(nodeId: string): string | undefined {
  return nodeId === ROOT_ID ? undefined : nodeId
}

function subscriptionElement({ nodeId, jid, subid, state }: SubscriptionRecord, isEnded = false): Element {
  return el('subscription', { node: named(nodeId), jid, subid, subscription: isEnded ? 'none' : state })
}

/** §6.3.3. */
export function renderOptions({ nodeId, jid, subid }: SubscriptionRecord, form: DataForm): Element {
  return pubsub(el('options', { node: named(nodeId), jid, subid }, renderForm(form)))
}

/** §6.4.2. */
export function renderDefaultOptions(nodeId: string | undefined, form: DataForm): Element {
  return pubsub(el('default', { node: nodeId }, renderForm(form)))
}

/** §5.6. */
export function renderSubscriptions(
  nodeId: string | undefined,
  list: readonly SubscriptionRecord[],
  page?: Page<unknown>,
): Element {
  const entries = list.map((subscription) => subscriptionElement(subscription))
  return pubsub(el('subscriptions', { node: nodeId }, ...entries), page && renderRsm(page))
}

/** §5.7. */
export function renderAffiliations(
  nodeId: string | undefined,
  list: readonly AffiliationRecord[],
  page?: Page<unknown>,
): Element {
  const entries = list.map(({ nodeId: node, affiliation }) => el('affiliation', { node, affiliation }))
  return pubsub(el('affiliations', { node: nodeId }, ...entries), page && renderRsm(page))
}

/** §8.8.1.2, §8.8.2.4. */
export function renderOwnerSubscriptions(
  nodeId: string,
  list: readonly { readonly jid: string; readonly subid?: string; readonly state: SubscriptionState }[],
  page?: Page<unknown>,
): Element {
  const entries = list.map(({ jid, subid, state }) => el('subscription', { jid, subid, subscription: state }))
  return pubsubOwner(el('subscriptions', { node: nodeId }, ...entries), page && renderRsm(page))
}

/** What an entity is told whose affiliation changed. §8.9.4. */
export function renderAffiliationChange({ nodeId, bareJid, affiliation }: AffiliationRecord): Element {
  return pubsub(el('affiliations', { node: nodeId }, el('affiliation', { jid: bareJid, affiliation })))
}

/** §8.9.1.2, §8.9.2.4. */
export function renderOwnerAffiliations(
  nodeId: string,
  list: readonly AffiliationRecord[],
  page?: Page<unknown>,
): Element {
  const entries = list.map(({ bareJid, affiliation }) => el('affiliation', { jid: bareJid, affiliation }))
  return pubsubOwner(el('affiliations', { node: nodeId }, ...entries), page && renderRsm(page))
}

/** Whom an item names as its publisher, given who published it. §7.1.2.3, §12.17 */
export type PublisherShown = (publisher: string) => string | undefined

/**
 * §6.5.3, §6.5.4; `page` undefined when the answer is whole and nobody asked for a page. Written as text at once: a page
 * is fifty payloads that are text already.
 */
export function renderItems(
  nodeId: string,
  list: readonly ItemRecord[],
  publisherOf: PublisherShown,
  page: Page<unknown> | undefined,
): Element {
  return renderItemsXml(itemsXml({ nodeId, list, publisherOf }), page)
}

/** Items of one node. */
export interface NodeItems {
  readonly nodeId: string
  readonly list: readonly ItemRecord[]
  readonly publisherOf: PublisherShown
}

/** XEP-0248 §6.2.2: an `<items/>` per node. */
export function renderCollected(nodes: readonly NodeItems[], page: Page<unknown> | undefined): Element {
  return renderItemsXml(nodes.map(itemsXml).join(''), page)
}

function itemsXml({ nodeId, list, publisherOf }: NodeItems): string {
  let entries = ''
  for (const { itemId, publisher, payload } of list) {
    const shown = publisherOf(publisher)
    entries += `<item id="${escapeAttribute(itemId)}"`
    if (shown !== undefined) entries += ` publisher="${escapeAttribute(shown)}"`
    entries += payload === undefined ? '/>' : `>${payload}</item>`
  }
  const node = nodeId === ROOT_ID ? '' : ` node="${escapeAttribute(nodeId)}"`
  return entries === '' ? `<items${node}/>` : `<items${node}>${entries}</items>`
}

function renderItemsXml(items: string, page: Page<unknown> | undefined): Element {
  const set = page ? serialize(renderRsm(page), NS_PUBSUB) : ''
  return new RawXml(`<pubsub xmlns="${NS_PUBSUB}">${items}${set}</pubsub>`)
}

/** §7.1.2. Written as text at once: no answer is given more often, and nobody looks into it. */
export function renderPublished(nodeId: string, itemId: string | undefined): Element {
  const publish = `publish node="${escapeAttribute(nodeId)}"`
  const item = itemId === undefined ? '/>' : `><item id="${escapeAttribute(itemId)}"/></publish>`
  return new RawXml(`<pubsub xmlns="${NS_PUBSUB}"><${publish}${item}</pubsub>`)
}

/** §8.1.1. */
export function renderCreated(nodeId: string): Element {
  return pubsub(el('create', { node: nodeId }))
}

/** §8.2.2. */
export function renderConfig(nodeId: string, form: DataForm): Element {
  return pubsubOwner(el('configure', { node: nodeId }, renderForm(form)))
}

/** §8.3.3. */
export function renderDefault(form: DataForm): Element {
  return pubsubOwner(el('default', {}, renderForm(form)))
}

/** What subscribers are told. XEP-0060 §17.3. */
export type PubsubEvent =
  | { readonly kind: 'items'; readonly nodeId: string; readonly items: readonly EventItem[] }
  | { readonly kind: 'retract'; readonly nodeId: string; readonly itemIds: readonly string[] }
  | { readonly kind: 'purge'; readonly nodeId: string }
  /** XEP-0248 §5.3.1.2. */
  | { readonly kind: 'create'; readonly nodeId: string }
  /** The node is a collection. XEP-0248 §5.3.2. */
  | { readonly kind: 'associate' | 'dissociate'; readonly nodeId: string; readonly child: string }
  | { readonly kind: 'delete'; readonly nodeId: string; readonly redirect: string | undefined }
  | { readonly kind: 'configuration'; readonly nodeId: string; readonly form: DataForm | undefined }
  | {
      readonly kind: 'subscription'
      readonly nodeId: string
      readonly jid: string
      readonly subid: string
      readonly state: SubscriptionState
    }

export interface EventItem {
  /** Undefined: an event of a node that has neither items nor payloads. §4.3. */
  readonly itemId: string | undefined
  readonly publisher: string | undefined
  readonly payload: string | undefined
}

/** XEP-0060 §4.2. */
export type SubscriptionState = SubscriptionRecord['state'] | 'none'

/** `<event/>`. */
export function renderEvent(event: PubsubEvent): Element {
  return el('event', { xmlns: NS_PUBSUB_EVENT }, eventElement(event))
}

function eventElement(event: PubsubEvent): Element {
  const node = named(event.nodeId)
  switch (event.kind) {
    case 'items':
      return el('items', { node }, ...event.items.map(eventItem))
    case 'retract':
      return el('items', { node }, ...event.itemIds.map((id) => el('retract', { id })))
    case 'purge':
      return el('purge', { node })
    case 'create':
      return el('create', { node })
    case 'associate':
    case 'dissociate':
      return el('collection', { node }, el(event.kind, { node: event.child }))
    case 'delete':
      return el('delete', { node }, event.redirect === undefined ? undefined : el('redirect', { uri: event.redirect }))
    case 'configuration':
      return el('configuration', { node }, event.form && renderForm(event.form))
    case 'subscription':
      return el('subscription', { node, jid: event.jid, subid: event.subid, subscription: event.state })
  }
}

/** §7.1.2.1; a payload of a transient node has its item even without an id. */
function eventItem({ itemId, publisher, payload }: EventItem): Element | undefined {
  const content = payload === undefined ? undefined : new RawXml(payload)
  return itemId === undefined && !content ? undefined : el('item', { id: itemId, publisher }, content)
}
