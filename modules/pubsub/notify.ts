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
import type { Audience } from './audience.ts'
import { bodyOf } from './bodies.ts'
import { type DigestBounds, Digests, type Notice, type Recipient } from './digests.ts'
import type { Inheritance, Inherited, Subject } from './inherited.ts'
import { type NodeView, publisherShown, type Subscriber, subscriberOf } from './node-view.ts'
import type { PagedItem } from './reads.ts'
import {
  type ItemKey,
  type ItemRecord,
  type NodeRef,
  type Position,
  SHARED_SERVICE,
  type SubscriptionRecord,
} from './records.ts'
import type { ShowValue, SubscriptionOptions } from './subscription-options.ts'
import { NS_SHIM } from './xml.ts'

const NS_ADDRESS = 'http://jabber.org/protocol/address'

/** May this account see an item of this scope at the node now? */
export type MaySee = (bareJid: string, node: NodeView, scope: string | undefined) => boolean

export interface NotifyParts {
  /** Puts a stanza on the road; dropped when nobody is there to take it. */
  readonly send: (address: string, stanza: RawStanza) => void
  readonly maySee: MaySee
  /** Resources of accounts that get events of an account's node. */
  readonly audience: Pick<Audience, 'ready' | 'implied' | 'resources' | 'seesPresence'>
  /** What presence the JID shows now, a value per available resource; none: offline. */
  readonly presenceOf: (jid: Jid) => readonly ShowValue[]
  readonly now: () => number
  /** What tells an item's id in the archive of its node, written out; empty where there is no archive. */
  readonly stanzaId: (node: NodeRef, position: Position) => string
  readonly bounds: () => DigestBounds
  readonly inheritance: Pick<Inheritance, 'of' | 'ofLink' | 'mayGet' | 'letsThrough'>
}

export class Notifier {
  readonly #parts: NotifyParts
  readonly #digests: Digests
  /** §12.4: the ids of notifications are unique within the service, over restarts too. */
  readonly #idPrefix = randomUUID().slice(0, 13)
  #count = 0

  constructor(parts: NotifyParts) {
    this.#parts = parts
    this.#digests = new Digests((recipient, notices) => this.#sendDigest(recipient, notices), parts.bounds)
  }

  /** A published item, to all who may see it. §7.1.2. */
  published(
    node: NodeView,
    item: Omit<ItemRecord, 'itemId'> & {
      readonly itemId: string | undefined
      readonly position?: Position | undefined
    },
    scope: string | undefined,
    by?: Jid,
  ): void {
    if (!node.record.config.deliverNotifications) return
    this.#toAudience(node, 'items', () => itemEvent(node, item), { scope, position: item.position, by })
  }

  /** The last item, to a new subscriber. §6.1.7. */
  lastItem(node: NodeView, subscriber: Subscriber, item: PagedItem): void {
    const delay = el('delay', { xmlns: NS_DELAY, from: subscriber.address, stamp: formatDateTime(item.publishedAt) })
    const { position } = item
    this.#send(node, [subscriber], itemEvent(node, item), { position, delay: serialize(delay, NS_CLIENT) })
  }

  /** The same, to a resource that came online or may see the node from now on. §4.3, §9.2 */
  lastItemTo(node: NodeView, to: Jid, item: ItemRecord): void {
    const { service: address } = node.record
    const delay = el('delay', { xmlns: NS_DELAY, from: address, stamp: formatDateTime(item.publishedAt) })
    this.#deliver(address, to, envelope(node, itemEvent(node, item)), serialize(delay, NS_CLIENT))
  }

  /** Items that are gone, in one event per group of recipients that may know of the same ones. §7.2.2.1. */
  retracted(node: NodeView, items: readonly ItemKey[]): void {
    const { config, nodeId } = node.record
    if (!config.deliverNotifications) return
    for (const [scope, itemIds] of groupByScope(items))
      this.#toAudience(node, 'items', () => ({ kind: 'retract', nodeId, itemIds }), { scope })
  }

  /** What concerns the node as a whole, to all subscribers. @param except  the account that has gone with its nodes */
  toAll(node: NodeView, event: PubsubEvent, { except }: Pick<SendOptions, 'except'> = {}): void {
    if (!node.record.config.deliverNotifications) return
    const subject = event.kind === 'purge' ? 'items' : 'nodes'
    // Whom a claimer lets read nothing may know that there is a node; whom a roster does not, may not.
    if (node.record.service === SHARED_SERVICE) {
      const all = merged([...node.subscribers.values()], this.#parts.inheritance.of(node, subject))
      this.#send(node, node.relation ? all.filter(({ bareJid }) => this.#letsThrough(bareJid, node)) : all, event)
    }
    // §9.1.2: who is subscribed without having asked follows the items below the account, not its nodes.
    else this.#toAudience(node, subject, () => event, event.kind === 'create' ? { implied: [] } : { except })
  }

  /** A node came into a collection, or left it: to who follows the nodes in the collection. XEP-0248 §5.3.2. */
  relinked(collection: NodeView, child: NodeView, kind: 'associate' | 'dissociate'): void {
    const { config, nodeId } = collection.record
    if (!config.deliverNotifications) return
    const recipients = merged([], this.#parts.inheritance.ofLink(collection, child))
    if (recipients.length > 0) this.#send(collection, recipients, { kind, nodeId, child: child.record.nodeId })
  }

  /** What concerns one subscription, whatever the node delivers otherwise. §8.8.4. */
  toOne(node: NodeView, subscription: SubscriptionRecord, event: PubsubEvent): void {
    this.#digests.flush(subscription)
    this.#deliver(subscription.address, parseJid(subscription.jid), envelope(node, event))
  }

  /** What concerns one account, in a message of its own kind. §8.6, §8.9.4 */
  toAccount(address: string, to: Jid, content: Element): string {
    return this.#deliver(address, to, { ...WITHOUT_NODE, text: `>${serialize(content, NS_CLIENT)}` })
  }

  /** The subscription was given other options: what was gathered by the old ones goes now. */
  changed(subscription: SubscriptionRecord): void {
    this.#digests.flush(subscription)
  }

  /** The account went offline: what was gathered for it goes now, and may be kept for it. */
  wentOffline(bareJid: string): void {
    this.#digests.flushAccount(bareJid)
  }

  /** Nothing is held any more. */
  close(): void {
    this.#digests.flushAll()
  }

  /** To all who may see it now: those who subscribed, and at an account's node those who need not. */
  #toAudience(node: NodeView, subject: Subject, event: () => PubsubEvent, options: Omit<SendOptions, 'delay'>): void {
    const { audience } = this.#parts
    const ready = audience.ready(node.record.service)
    if (ready) {
      // The roster of an account without a session, which another publishes for.
      void ready.then(() => this.#toAudience(node, subject, event, options))
      return
    }
    const inherited = this.#parts.inheritance.of(node, subject)
    // Most items are of nodes that nobody has subscribed to.
    if (node.subscribers.size === 0 && inherited.length === 0 && node.record.service === SHARED_SERVICE) return
    const all = merged([...node.subscribers.values()], inherited)
    const { except, scope } = options
    const recipients = all.filter(({ bareJid }) => bareJid !== except && this.#maySee(bareJid, node, scope))
    const isElsewhere = ({ bare }: Jid) => inherited.length > 0 && recipients.some(({ jid }) => jid === bare)
    const implied = options.implied ?? audience.implied(node).filter((to) => to.bare !== except && !isElsewhere(to))
    if (recipients.length > 0 || implied.length > 0) this.#send(node, recipients, event(), { ...options, implied })
  }

  #maySee(bareJid: string, node: NodeView, scope: string | undefined): boolean {
    return this.#letsThrough(bareJid, node) && this.#parts.maySee(bareJid, node, scope)
  }

  /** XEP-0496 §4.4. Most nodes belong to none. */
  #letsThrough(bareJid: string, node: NodeView): boolean {
    return node.relation === undefined || this.#parts.inheritance.letsThrough(bareJid, node)
  }

  /** @param delay  that of an event of the past, which is not gathered with those of now */
  #send(
    node: NodeView,
    recipients: readonly Subscriber[],
    event: PubsubEvent,
    { scope, position, delay = '', implied = [], by }: SendOptions = {},
  ): void {
    const archived = position ? this.#parts.stanzaId(node.record, position) : ''
    const message = envelope(node, event, scope, archived + delay)
    const body = bodyOnce(event)
    const { presenceBasedDelivery } = node.record.config
    const replyTo = this.#replyTo(node.record.service, by)
    for (const subscriber of recipients) {
      // §12.6
      if (presenceBasedDelivery && this.#parts.presenceOf(subscriber.to).length === 0) continue
      if (subscriber.isPlain) {
        this.#deliverAll(node, subscriber, subscriber.address, message, replyTo(subscriber.bareJid))
        continue
      }
      const wanting = subscriber.subscriptions.filter(({ options }) => this.#isWanted(subscriber.to, options))
      // §12.8: for one subscription, for all of them
      const text = subscriber.subscriptions.some(({ options }) => options.includeBody) ? body() : undefined
      const notice = { type: message.type, node, scope, archived, body: text }
      const atOnce = delay === '' ? this.#gather(subscriber, wanting, event, notice) : wanting
      const [first] = atOnce
      if (!first) continue
      // §7.1.2.4: the headers last
      const extension = replyTo(subscriber.bareJid) + bodyXml(text) + headersFor(subscriber, atOnce, event)
      this.#deliverAll(node, subscriber, first.address, message, extension)
    }
    for (const to of implied) this.#deliver(node.record.service, to, message, replyTo(to.bare))
  }

  /**
   * At which of its resources the account published: for who sees its presence, and for nobody else. Of another that
   * publishes there nobody is told, as it is not that one's presence that is seen. XEP-0163 §4.3.1
   */
  #replyTo(service: string, by: Jid | undefined): (bareJid: string) => string {
    if (by?.bare !== service) return () => ''
    const replyTo = replyToPublisher(by)
    return (bareJid) => (this.#parts.audience.seesPresence(service, bareJid) ? replyTo : '')
  }

  /** Holds the event for the subscriptions that want digests; returns the others. */
  #gather(
    subscriber: Subscriber,
    wanting: readonly SubscriptionRecord[],
    event: PubsubEvent,
    shared: Omit<Notice, 'event' | 'headers'>,
  ): readonly SubscriptionRecord[] {
    if (!subscriber.subscriptions.some(({ options }) => options.digest)) return wanting
    if (event.kind !== 'items' && event.kind !== 'retract') {
      for (const subscription of subscriber.subscriptions) this.#digests.flush(subscription)
      return wanting
    }
    for (const subscription of wanting) {
      if (!subscription.options.digest) continue
      const headers = headersFor(subscriber, [subscription], event)
      this.#digests.hold({ subscription, to: subscriber.to }, { ...shared, event, headers })
    }
    return wanting.filter(({ options }) => !options.digest)
  }

  #sendDigest({ subscription, to }: Recipient, notices: readonly Notice[]): void {
    const { nodeId, address } = subscription
    for (const { node, event, scope, type, archived, headers, body } of notices) {
      // Asked again, as some time has passed.
      if (!this.#maySee(to.bare, node, scope)) continue
      if (nodeId !== node.record.nodeId && !this.#parts.inheritance.mayGet(to.bare, node)) continue
      this.#deliver(
        address,
        to,
        { ...written(event, type), group: groupOf(node.record), scope },
        archived + bodyXml(body) + headers,
      )
    }
  }

  /** To where it subscribed; of an account's node, to the resources of a bare JID that want it. XEP-0163 §4.3.2 */
  #deliverAll(node: NodeView, { to, bareJid }: Subscriber, address: string, message: Envelope, extension = ''): void {
    const isBare = node.record.service !== SHARED_SERVICE && to.resource === ''
    const resources = isBare ? this.#parts.audience.resources(node, bareJid) : []
    if (resources.length === 0) this.#deliver(address, to, message, extension)
    else for (const resource of resources) this.#deliver(address, resource, message, extension)
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

interface SendOptions {
  readonly scope?: string | undefined
  /** Of the item, where it is kept. */
  readonly position?: Position | undefined
  readonly delay?: string
  /** Who gets it beside the subscribers. */
  readonly implied?: readonly Jid[]
  /** A bare JID that gets nothing. */
  readonly except?: string | undefined
  /** Who published, for those who see its presence. */
  readonly by?: Jid | undefined
}

/** XEP-0163 §4.3.1, XEP-0033. */
function replyToPublisher(by: Jid): string {
  const address = el('address', { type: 'replyto', jid: by.full })
  return serialize(el('addresses', { xmlns: NS_ADDRESS }, address), NS_CLIENT)
}

/** All of a message that its recipients share, from the end of the ids on. */
interface Envelope {
  readonly type: string | undefined
  /** The node: so many of its notifications are kept for one who is absent. */
  readonly group: string | undefined
  readonly scope: string | undefined
  readonly text: string
}

const WITHOUT_NODE = { type: undefined, group: undefined, scope: undefined }

/** @param rest  what follows the event */
function envelope({ record }: NodeView, event: PubsubEvent, scope?: string, rest = ''): Envelope {
  const type = record.config.notificationType === 'headline' ? 'headline' : undefined
  return { ...written(event, type, rest), group: groupOf(record), scope }
}

function written(event: PubsubEvent, type: string | undefined, rest = ''): Pick<Envelope, 'type' | 'text'> {
  const attributes = type ? ` type="${type}"` : ''
  // `join` copies into one string; what `+` makes is a tree of all its pieces, walked again for every delivery.
  return { type, text: [attributes, '>', serialize(renderEvent(event), NS_CLIENT), rest].join('') }
}

function groupOf({ service, nodeId }: NodeRef): string {
  return service === SHARED_SERVICE ? nodeId : `${service}/${nodeId}`
}

/**
 * XEP-0131 §3. `Collection`: what the notification came by, where that is not the node itself (XEP-0248 §5.3.1).
 * `SubID`: only where what differs between subscriptions says which it is for (§7.1.2.4, §7.2.2.2, §12.16).
 */
function headersFor(
  { tellsIds }: Subscriber,
  wanting: readonly SubscriptionRecord[],
  { kind, nodeId: own }: PubsubEvent,
): string {
  const collections = [...new Set(wanting.map(({ nodeId }) => nodeId))].filter((nodeId) => nodeId !== own)
  const isOfItems = kind === 'items' || kind === 'retract'
  const headers = [
    ...collections.map((nodeId) => el('header', { name: 'Collection' }, nodeId)),
    ...(tellsIds && isOfItems ? wanting.map(({ subid }) => el('header', { name: 'SubID' }, subid)) : []),
  ]
  return headers.length === 0 ? '' : serialize(el('headers', { xmlns: NS_SHIM }, ...headers), NS_CLIENT)
}

/** One event for a JID, by however many ways it comes. */
function merged(direct: readonly Subscriber[], inherited: readonly Inherited[]): readonly Subscriber[] {
  if (inherited.length === 0) return direct
  const all = new Map(direct.map((subscriber) => [subscriber.jid, subscriber]))
  for (const { subscription, hasOthers } of inherited) {
    const known = all.get(subscription.jid)
    const [first, ...others] = known?.subscriptions ?? [subscription]
    const joined = subscriberOf(first, known ? [...others, subscription] : [])
    const tellsIds = joined.tellsIds || hasOthers
    // Not plain: what came by a collection says so.
    all.set(subscription.jid, { ...joined, tellsIds, isPlain: false })
  }
  return [...all.values()]
}

/** The body of an event's message, made when somebody wants it and not again. §12.8 */
function bodyOnce(event: PubsubEvent): () => string | undefined {
  let made: { readonly body: string | undefined } | undefined
  return () => {
    const payload = event.kind === 'items' ? event.items[0]?.payload : undefined
    made ??= { body: payload === undefined ? undefined : bodyOf(payload) }
    return made.body
  }
}

function bodyXml(body: string | undefined): string {
  return body === undefined ? '' : serialize(el('body', {}, body), NS_CLIENT)
}

/** An item as subscribers are told of it. §7.1.2 */
export function itemEvent(
  node: NodeView,
  { itemId, publisher, payload }: { itemId: string | undefined; publisher: string; payload: string | undefined },
): PubsubEvent {
  const { nodeId, config } = node.record
  const item = {
    itemId,
    publisher: publisherShown(node)(publisher),
    payload: config.deliverPayloads ? payload : undefined, // §7.1.2.2
  }
  return { kind: 'items', nodeId, items: [item] }
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
