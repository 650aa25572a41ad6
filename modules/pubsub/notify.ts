/**
 * Tells subscribers. The event is written out once; each delivery is an envelope around that string.
 * XEP-0060 §7.1.2, §7.2.2.1, §8.2.5.3, §8.4.2, §8.5.2, §8.8.4; DESIGN decision 5.
 */

import { randomUUID } from 'node:crypto'
import type { RawStanza } from '../../server/module/api.ts'
import { parseJid } from '../../server/stanza/jid.ts'
import { formatDateTime } from '../../server/stanza/time.ts'
import { el } from '../../server/xml/element.ts'
import { NS_CLIENT, NS_DELAY } from '../../server/xml/namespaces.ts'
import { escapeAttribute, serialize } from '../../server/xml/serialize.ts'
import { type PubsubEvent, renderEvent } from './answer-xml.ts'
import type { NodeView, Subscriber } from './replica.ts'
import type { ItemKey, ItemRecord, SubscriptionRecord } from './store.ts'

/** May this account see an item of this scope at the node now? */
export type MaySee = (bareJid: string, nodeId: string, scope: string | undefined) => boolean

export interface NotifyParts {
  /** Puts a stanza on the road; dropped when nobody is there to take it. */
  readonly send: (address: string, stanza: RawStanza) => void
  readonly maySee: MaySee
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
    if (recipients.length > 0) this.#send(node, recipients, itemEvent(node, nodeId, item))
  }

  /** The last item, to a new subscriber. §6.1.7. */
  lastItem(node: NodeView, subscriber: Subscriber, item: ItemRecord): void {
    const delay = el('delay', { xmlns: NS_DELAY, from: subscriber.address, stamp: formatDateTime(item.publishedAt) })
    this.#send(node, [subscriber], itemEvent(node, node.record.nodeId, item), serialize(delay, NS_CLIENT))
  }

  /** Items that are gone, in one event per group of recipients that may know of the same ones. §7.2.2.1. */
  retracted(node: NodeView, items: readonly ItemKey[]): void {
    const { config, nodeId } = node.record
    if (!config.deliverNotifications) return
    for (const [scope, itemIds] of groupByScope(items)) {
      const recipients = this.#whoMaySee(node, scope)
      if (recipients.length > 0) this.#send(node, recipients, { kind: 'retract', nodeId, itemIds })
    }
  }

  /** What concerns the node as a whole, to all subscribers. */
  toAll(node: NodeView, event: PubsubEvent): void {
    if (node.record.config.deliverNotifications) this.#send(node, [...node.subscribers.values()], event)
  }

  /** What concerns one subscription, whatever the node delivers otherwise. §8.8.4. */
  toOne(node: NodeView, recipient: SubscriptionRecord, event: PubsubEvent): void {
    this.#send(node, [{ ...recipient, to: parseJid(recipient.jid) }], event)
  }

  #whoMaySee(node: NodeView, scope: string | undefined): Subscriber[] {
    const { nodeId } = node.record
    return [...node.subscribers.values()].filter(({ bareJid }) => this.#parts.maySee(bareJid, nodeId, scope))
  }

  #send(node: NodeView, recipients: readonly Subscriber[], event: PubsubEvent, extension = ''): void {
    const { notificationType } = node.record.config
    const isHeadline = notificationType === 'headline'
    const content = `${isHeadline ? ' type="headline"' : ''}>${serialize(renderEvent(event), NS_CLIENT)}${extension}</message>`
    for (const { address, to, jid } of recipients) {
      const id = `${this.#idPrefix}-${(++this.#count).toString(36)}`
      const xml = `<message from="${escapeAttribute(address)}" to="${escapeAttribute(jid)}" id="${id}"${content}`
      this.#parts.send(address, { name: 'message', to, type: isHeadline ? 'headline' : undefined, xml })
    }
  }
}

function itemEvent(
  node: NodeView,
  nodeId: string,
  { itemId, publisher, payload }: { itemId: string | undefined; publisher: string; payload: string | undefined },
): PubsubEvent {
  const { deliverPayloads, itemReply } = node.record.config
  return {
    kind: 'item',
    nodeId,
    itemId,
    publisher: itemReply === 'publisher' ? publisher : undefined, // §7.1.2.3
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
