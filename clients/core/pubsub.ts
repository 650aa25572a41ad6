/** Publishing, subscribing, reading items and events. XEP-0060 1.30 §6.1, §6.5, §7.1, §12; RSM of §6.5.4. */

import { type Page, type RsmRequest, renderRsmRequest } from '../../server/stanza/rsm.ts'
import { attr, childElements, childOf, childrenOf, type Element, el } from '../../server/xml/element.ts'
import { NS_DELAY } from '../../server/xml/namespaces.ts'
import type { IqPort } from './disco.ts'
import type { IqOptions } from './iq.ts'
import { pageOf } from './rsm.ts'

export const NS_PUBSUB = 'http://jabber.org/protocol/pubsub'
export const NS_PUBSUB_EVENT = 'http://jabber.org/protocol/pubsub#event'

export interface PubsubItem {
  readonly id: string
  /** As the service stamped it; undefined when it does not tell. */
  readonly publisher: string | undefined
  readonly payload: Element | undefined
}

/** Items published to or retracted from one node. */
export interface PubsubEvent {
  readonly from: string
  readonly nodeId: string
  readonly items: readonly PubsubItem[]
  readonly retracted: readonly string[]
  /** Kept for us while we were away. */
  readonly isDelayed: boolean
}

/** Resolves with the item's id, which the service makes when none is given. */
export async function publish(
  port: IqPort,
  to: string,
  nodeId: string,
  item: { readonly id?: string | undefined; readonly payload: Element },
  options?: IqOptions,
): Promise<string | undefined> {
  const payload = el('publish', { node: nodeId }, el('item', { id: item.id }, item.payload))
  const answer = await port.request('set', to, el('pubsub', { xmlns: NS_PUBSUB }, payload), options)
  const published = answer && childOf(answer, 'publish', NS_PUBSUB)
  const stored = published && childOf(published, 'item', NS_PUBSUB)
  return (stored && attr(stored, 'id')) ?? item.id
}

type SetSubscription = (port: IqPort, to: string, nodeId: string, bareJid: string, options?: IqOptions) => Promise<void>

const setSubscription =
  (what: 'subscribe' | 'unsubscribe'): SetSubscription =>
  async (port, to, nodeId, bareJid, options) => {
    await port.request('set', to, el('pubsub', { xmlns: NS_PUBSUB }, el(what, { node: nodeId, jid: bareJid })), options)
  }

/** Subscribes this bare JID. Subscribing again changes nothing. XEP-0060 §6.1. */
export const subscribe = setSubscription('subscribe')
/** XEP-0060 §6.2. */
export const unsubscribe = setSubscription('unsubscribe')

/** One page of a node's items. */
export async function itemsPage(
  port: IqPort,
  to: string,
  nodeId: string,
  request: RsmRequest,
  options?: IqOptions,
): Promise<Page<PubsubItem>> {
  const query = el('pubsub', { xmlns: NS_PUBSUB }, el('items', { node: nodeId }), renderRsmRequest(request))
  const answer = await port.request('get', to, query, options)
  const items = answer && childOf(answer, 'items', NS_PUBSUB)
  if (!answer || !items) return { items: [], count: undefined, first: undefined, last: undefined }
  return pageOf(answer, childrenOf(items, 'item', NS_PUBSUB).map(parseItem))
}

/**
 * Reads an event message.
 * @returns undefined when it holds no items event, or is an error
 */
export function parseEvent(message: Element): PubsubEvent | undefined {
  const event = attr(message, 'type') === 'error' ? undefined : childOf(message, 'event', NS_PUBSUB_EVENT)
  const items = event && childOf(event, 'items', NS_PUBSUB_EVENT)
  const nodeId = items && attr(items, 'node')
  const from = attr(message, 'from')
  if (!items || nodeId === undefined || from === undefined) return undefined
  return {
    from,
    nodeId,
    items: childrenOf(items, 'item', NS_PUBSUB_EVENT).map(parseItem),
    retracted: childrenOf(items, 'retract', NS_PUBSUB_EVENT).flatMap((retract) => attr(retract, 'id') ?? []),
    isDelayed: childOf(message, 'delay', NS_DELAY) !== undefined,
  }
}

/** The subscriptions that events are taken from: one from any other address is not believed. SACM-XMPP §2. */
export class EventRoutes {
  readonly #routes = new Map<string, (event: PubsubEvent) => void>()

  /** Takes events of the node from this address only; replaces an earlier handler. */
  add(address: string, nodeId: string, handler: (event: PubsubEvent) => void): void {
    this.#routes.set(key(address, nodeId), handler)
  }

  remove(address: string, nodeId: string): void {
    this.#routes.delete(key(address, nodeId))
  }

  /** Hands the message to its handler; false when it is not an event that we subscribed to. */
  dispatch(message: Element): boolean {
    const event = parseEvent(message)
    const handler = event && this.#routes.get(key(event.from, event.nodeId))
    if (!event || !handler) return false
    handler(event)
    return true
  }
}

/** An address holds no newline, so the pair is unambiguous. */
function key(address: string, nodeId: string): string {
  return `${address}\n${nodeId}`
}

function parseItem(item: Element): PubsubItem {
  return { id: attr(item, 'id') ?? '', publisher: attr(item, 'publisher'), payload: childElements(item)[0] }
}
