/**
 * Events that a subscription wants gathered, held and sent together. XEP-0060 §6.3.3, §16.4.2 (digest,
 * digest_frequency).
 *
 * A digest begins with the first event after the last one and goes `digest_frequency` later. It goes at once when it is
 * full, when its subscription is changed or ends, when an event comes that is not about items, when its subscriber goes
 * offline and when the server closes: nothing that is held is dropped, and the order of events is kept. What is held is
 * in memory alone; a server that is killed has told nobody, and the items are where they were published.
 */

import type { Jid } from '../../server/stanza/jid.ts'
import type { PubsubEvent } from './answer-xml.ts'
import type { NodeView } from './node-view.ts'
import type { SubscriptionRecord } from './records.ts'

/** What is gathered: events about items. Those about nodes and subscriptions go at once. */
export type ItemsEvent = Extract<PubsubEvent, { kind: 'items' | 'retract' }>

/** An event as one subscription is told of it. */
export interface Notice {
  readonly event: ItemsEvent
  /** The message's type. */
  readonly type: string | undefined
  readonly node: NodeView
  /** Of the items. */
  readonly scope: string | undefined
  /** The item's id in the archive, written out. */
  readonly archived: string
  /** Stanza headers, written out. */
  readonly headers: string
  /** For people; XEP-0060 §12.8. */
  readonly body: string | undefined
}

export interface Recipient {
  readonly subscription: SubscriptionRecord
  readonly to: Jid
}

export interface DigestBounds {
  /** Events held for one subscription at most. */
  readonly digestEventsMax: number
  /** Characters of payload and text held for one subscription at most. */
  readonly digestMaxChars: number
}

interface Held {
  readonly recipient: Recipient
  readonly notices: Notice[]
  chars: number
  readonly timer: NodeJS.Timeout
}

export class Digests {
  readonly #send: (recipient: Recipient, notices: readonly Notice[]) => void
  readonly #bounds: () => DigestBounds
  /** By account, then by subscription. */
  readonly #held = new Map<string, Map<string, Held>>()

  constructor(send: (recipient: Recipient, notices: readonly Notice[]) => void, bounds: () => DigestBounds) {
    this.#send = send
    this.#bounds = bounds
  }

  /** Takes an event for the subscription, to be sent within its `digest_frequency`. */
  hold(recipient: Recipient, notice: Notice): void {
    const { subscription } = recipient
    const { digestEventsMax, digestMaxChars } = this.#bounds()
    const chars = charsOf(notice)
    const before = this.#find(subscription)
    // It would be too large a message with this one; what is held goes first, so the order stays.
    if (before && before.chars + chars > digestMaxChars) this.flush(subscription)
    const held = this.#find(subscription) ?? this.#begin(recipient)
    held.notices.push(notice)
    held.chars += chars
    if (held.notices.length >= digestEventsMax || held.chars >= digestMaxChars) this.flush(subscription)
  }

  /** Sends what is held for the subscription, if anything is. */
  flush(subscription: SubscriptionRecord): void {
    const own = this.#held.get(subscription.bareJid)
    const held = own?.get(keyOf(subscription))
    if (!own || !held) return
    own.delete(keyOf(subscription))
    if (own.size === 0) this.#held.delete(subscription.bareJid)
    this.#end(held)
  }

  /** Sends all that is held for the account. */
  flushAccount(bareJid: string): void {
    const own = this.#held.get(bareJid)
    this.#held.delete(bareJid)
    for (const held of own?.values() ?? []) this.#end(held)
  }

  /** Sends all that is held. */
  flushAll(): void {
    for (const bareJid of [...this.#held.keys()]) this.flushAccount(bareJid)
  }

  #find(subscription: SubscriptionRecord): Held | undefined {
    return this.#held.get(subscription.bareJid)?.get(keyOf(subscription))
  }

  #begin(recipient: Recipient): Held {
    const { subscription } = recipient
    const timer = setTimeout(() => this.flush(subscription), subscription.options.digestFrequencyMs)
    timer.unref()
    const held: Held = { recipient, notices: [], chars: 0, timer }
    const own = this.#held.get(subscription.bareJid)
    if (own) own.set(keyOf(subscription), held)
    else this.#held.set(subscription.bareJid, new Map([[keyOf(subscription), held]]))
    return held
  }

  #end({ recipient, notices, timer }: Held): void {
    clearTimeout(timer)
    this.#send(recipient, gathered(notices))
  }
}

function keyOf({ service, nodeId, jid, subid }: SubscriptionRecord): string {
  return JSON.stringify([service, nodeId, jid, subid])
}

function charsOf({ event, headers, body = '' }: Notice): number {
  const own =
    event.kind === 'items'
      ? event.items.reduce((sum, { payload = '' }) => sum + payload.length, 0)
      : event.itemIds.reduce((sum, id) => sum + id.length, 0)
  return own + headers.length + body.length
}

/** Neighbours of one kind and node become one event: an `<items/>` holds items or retractions, not both. §17.3 */
export function gathered(notices: readonly Notice[]): Notice[] {
  const merged: Notice[] = []
  for (const notice of notices) {
    const last = merged.at(-1)
    const both = last && joined(last, notice)
    if (both) merged[merged.length - 1] = both
    else merged.push(notice)
  }
  return merged
}

function joined(a: Notice, b: Notice): Notice | undefined {
  const isAlike = a.event.nodeId === b.event.nodeId && a.scope === b.scope && a.type === b.type
  if (!isAlike || a.headers !== b.headers) return undefined
  const event = joinedEvent(a.event, b.event)
  const body = [a.body, b.body].filter((text) => text !== undefined).join('\n')
  return event && { ...a, event, body: body === '' ? undefined : body }
}

function joinedEvent(a: ItemsEvent, b: ItemsEvent): ItemsEvent | undefined {
  if (a.kind === 'items' && b.kind === 'items') return { ...a, items: [...a.items, ...b.items] }
  if (a.kind === 'retract' && b.kind === 'retract') return { ...a, itemIds: [...a.itemIds, ...b.itemIds] }
  return undefined
}
