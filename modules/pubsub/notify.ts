/**
 * Tells subscribers. The event is written out once; each delivery is an envelope around that string.
 * XEP-0060 §7.1.2, §7.2.2.1, §8.2.5.3, §8.4.2, §8.5.2, §8.8.4; DESIGN decision 5.
 */

import { randomUUID } from 'node:crypto'
import type { RawStanza } from '../../server/module/api.ts'
import { type Jid, parseJid } from '../../server/stanza/jid.ts'
import { formatDateTime } from '../../server/stanza/time.ts'
import { type Element, el } from '../../server/xml/element.ts'
import { NS_CLIENT, NS_DELAY } from '../../server/xml/namespaces.ts'
import { escapeAttribute, serialize } from '../../server/xml/serialize.ts'
import { type PubsubEvent, renderEvent } from './answer-xml.ts'
import { type NodeView, publisherShown, type Subscriber } from './replica.ts'
import { type ItemKey, type ItemRecord, type NodeRef, SHARED_SERVICE, type SubscriptionRecord } from './store.ts'
import type { ShowValue, SubscriptionOptions } from './subscription-options.ts'
import { NS_SHIM } from './xml.ts'

/** May this account see an item of this scope at the node now? */
export type MaySee = (bareJid: string, node: NodeRef, scope: string | undefined) => boolean

export interface NotifyParts {
  /** Puts a stanza on the road; dropped when nobody is there to take it. */
  readonly send: (address: string, stanza: RawStanza) => void
  readonly maySee: MaySee
  /** What presence the JID shows now, a value per available resource; none: offline. */
  readonly presenceOf: (jid: Jid) => readonly ShowValue[]
  readonly now: () => number
}

export class Notifier {
  readonly #parts: NotifyParts
  /** §13.4: the ids of notifications are unique within the service, over restarts too. */
  readonly #idPrefix = randomUUID().slice(0, 13)
  #count = 0

  constructor(parts: NotifyParts) {
    this.#parts = parts
  }

  /** A published item, to all who may see it. §7.1.2. */
  published(
    node: NodeView,
    item: Omit<ItemRecord, 'itemId'> & { readonly itemId: string | undefined },
    scope: string | undefined,
  ): void {
    const { config, nodeId } = node.record
    if (!config.deliverNotifications) return
    const recipients = this.#whoMaySee(node, scope)
    if (recipients.length > 0) this.#send(node, recipients, itemEvent(node, nodeId, item), { scope })
  }

  /** The last item, to a new subscriber. §6.1.7. */
  lastItem(node: NodeView, subscriber: Subscriber, item: ItemRecord): void {
    const delay = el('delay', { xmlns: NS_DELAY, from: subscriber.address, stamp: formatDateTime(item.publishedAt) })
    this.#send(node, [subscriber], itemEvent(node, node.record.nodeId, item), {
      extension: serialize(delay, NS_CLIENT),
    })
  }

  /** Items that are gone, in one event per group of recipients that may know of the same ones. §7.2.2.1. */
  retracted(node: NodeView, items: readonly ItemKey[]): void {
    const { config, nodeId } = node.record
    if (!config.deliverNotifications) return
    for (const [scope, itemIds] of groupByScope(items)) {
      const recipients = this.#whoMaySee(node, scope)
      if (recipients.length > 0) this.#send(node, recipients, { kind: 'retract', nodeId, itemIds }, { scope })
    }
  }

  /** What concerns the node as a whole, to all subscribers. */
  toAll(node: NodeView, event: PubsubEvent): void {
    if (node.record.config.deliverNotifications) this.#send(node, [...node.subscribers.values()], event)
  }

  /** What concerns one subscription, whatever the node delivers otherwise. §8.8.4. */
  toOne(node: NodeView, { address, jid }: SubscriptionRecord, event: PubsubEvent): void {
    this.#deliver(address, parseJid(jid), envelope(node, event))
  }

  /** What concerns one account, in a message of its own kind. §8.6, §8.9.4 */
  toAccount(address: string, to: Jid, content: Element): string {
    return this.#deliver(address, to, { ...WITHOUT_NODE, text: `>${serialize(content, NS_CLIENT)}` })
  }

  #whoMaySee(node: NodeView, scope: string | undefined): Subscriber[] {
    return [...node.subscribers.values()].filter(({ bareJid }) => this.#parts.maySee(bareJid, node.record, scope))
  }

  #send(
    node: NodeView,
    recipients: readonly Subscriber[],
    event: PubsubEvent,
    { scope, extension = '' }: { readonly scope?: string | undefined; readonly extension?: string } = {},
  ): void {
    const message = envelope(node, event, scope)
    message.text += extension
    // §7.1.2.4, §7.2.2.2, §13.16: only what differs between subscriptions says which it is for
    const isOfItems = event.kind === 'item' || event.kind === 'retract'
    const { presenceBasedDelivery } = node.record.config
    for (const subscriber of recipients) {
      // §13.6
      if (presenceBasedDelivery && this.#parts.presenceOf(subscriber.to).length === 0) continue
      if (subscriber.isPlain) {
        this.#deliver(subscriber.address, subscriber.to, message)
        continue
      }
      const wanting = subscriber.subscriptions.filter(({ options }) => this.#isWanted(subscriber.to, options))
      const [first] = wanting
      if (!first) continue
      const tellsIds = isOfItems && subscriber.subscriptions.length > 1
      this.#deliver(first.address, subscriber.to, message, tellsIds ? subscriptionIds(wanting) : '')
    }
  }

  /** §6.3: does the subscription take events now? */
  #isWanted(to: Jid, { deliver, expire, showValues }: SubscriptionOptions): boolean {
    if (!deliver || (typeof expire === 'number' && expire <= this.#parts.now())) return false
    return showValues.length === 0 || this.#parts.presenceOf(to).some((show) => showValues.includes(show))
  }

  /** @returns the message's id */
  #deliver(address: string, to: Jid, { type, group, scope, text }: Envelope, extension = ''): string {
    const id = `${this.#idPrefix}-${(++this.#count).toString(36)}`
    const from = escapeAttribute(address)
    const xml = `<message from="${from}" to="${escapeAttribute(to.full)}" id="${id}"${text}${extension}</message>`
    this.#parts.send(address, { name: 'message', to, type, group, scope, xml })
    return id
  }
}

/** All of a message that its recipients share, from the end of the ids on. */
interface Envelope {
  readonly type: string | undefined
  /** The node: so many of its notifications are kept for one who is absent. */
  readonly group: string | undefined
  readonly scope: string | undefined
  text: string
}

const WITHOUT_NODE = { type: undefined, group: undefined, scope: undefined }

function envelope(node: NodeView, event: PubsubEvent, scope?: string): Envelope {
  const type = node.record.config.notificationType === 'headline' ? 'headline' : undefined
  const { service, nodeId } = node.record
  const group = service === SHARED_SERVICE ? nodeId : `${service}/${nodeId}`
  return { type, group, scope, text: `${type ? ' type="headline"' : ''}>${serialize(renderEvent(event), NS_CLIENT)}` }
}

/** XEP-0131 §3. */
function subscriptionIds(subscriptions: readonly SubscriptionRecord[]): string {
  const headers = subscriptions.map(({ subid }) => el('header', { name: 'SubID' }, subid))
  return serialize(el('headers', { xmlns: NS_SHIM }, ...headers), NS_CLIENT)
}

function itemEvent(
  node: NodeView,
  nodeId: string,
  { itemId, publisher, payload }: { itemId: string | undefined; publisher: string; payload: string | undefined },
): PubsubEvent {
  const { deliverPayloads } = node.record.config
  return {
    kind: 'item',
    nodeId,
    itemId,
    publisher: publisherShown(node)(publisher),
    payload: deliverPayloads ? payload : undefined, // §7.1.2.2
  }
}

function groupByScope(items: readonly ItemKey[]): Map<string | undefined, string[]> {
  const groups = new Map<string | undefined, string[]>()
  for (const { itemId, scope } of items) {
    const group = groups.get(scope)
    if (group) group.push(itemId)
    else groups.set(scope, [itemId])
  }
  return groups
}
