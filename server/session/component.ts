/** One connected component: checks the sender of what it says, and delivers to it in bounds. XEP-0114 §3. */

import { StreamError } from '../stanza/errors.ts'
import { type Jid, tryParseJid } from '../stanza/jid.ts'
import type { ComponentStream, ComponentUser } from '../stream/component.ts'
import { attr, Element } from '../xml/element.ts'
import { serialize } from '../xml/serialize.ts'
import { Outbox, type OutboxLimits } from './outbox.ts'
import type { Trace } from './trace.ts'

/** A stanza as an element, or written out without xmlns for jabber:client. */
export type DeliveredStanza = Element | { readonly xml: string }

/** What the floor above does with what components say. */
export interface ComponentEvents {
  /** `from` is an address of this component. A promise holds its next stanza back; it must not reject. */
  onStanza(component: object, from: Jid, stanza: Element): void | Promise<void>
  /** It is not connected any more. */
  onEnded(component: object): void
}

export interface ComponentOptions {
  /** Its domain. */
  readonly name: string
  readonly stream: ComponentStream
  readonly events: ComponentEvents
  readonly limits: OutboxLimits
  readonly onEnded: () => void
  /** Left out: nobody wants to see its stanzas. */
  readonly trace?: Trace | undefined
}

export class Component implements ComponentUser {
  readonly #options: ComponentOptions
  readonly #outbox: Outbox

  constructor(options: ComponentOptions) {
    this.#options = options
    this.#outbox = new Outbox(options.stream, options.limits)
  }

  send(stanza: DeliveredStanza): void {
    this.#options.trace?.('out', stanza)
    this.#outbox.push(stanza instanceof Element ? serialize(stanza) : stanza.xml)
  }

  fail(error: StreamError): void {
    this.#options.stream.fail(error)
  }

  /** @throws StreamError improper-addressing, invalid-from. XEP-0114 §3; RFC 6120 §4.9.3.7, §4.9.3.9 */
  receive(stanza: Element): void | Promise<void> {
    const { name, events } = this.#options
    const fromText = attr(stanza, 'from')
    if (fromText === undefined || attr(stanza, 'to') === undefined) {
      throw new StreamError('improper-addressing', "a component's stanza has 'from' and 'to'")
    }
    const from = tryParseJid(fromText)
    if (from?.domain !== name) throw new StreamError('invalid-from', `a component speaks for ${name} alone`)
    stanza.attrs['from'] = from.full
    this.#options.trace?.('in', stanza)
    return events.onStanza(this, from, stanza)
  }

  onDrain(): void {
    this.#outbox.onDrain()
  }

  onEnded(): void {
    this.#outbox.close()
    this.#options.onEnded()
  }
}
