/**
 * One bound resource: stamps the sender on what its client says, keeps it in order, and delivers to it.
 *
 * Order: `onStanza` that returns nothing is done, and the next stanza follows in the same turn. While a promise is
 * pending, later stanzas of this session wait in a bounded queue; when it is full, the socket is not read.
 */

import type { Logger } from '../log.ts'
import { StreamError } from '../stanza/errors.ts'
import { type Jid, tryParseJid } from '../stanza/jid.ts'
import { HOLD_QUEUE, type StreamHandle, type StreamUser } from '../stream/context.ts'
import { attr, type Element } from '../xml/element.ts'
import { serialize } from '../xml/serialize.ts'
import { Outbox, type OutboxLimits } from './outbox.ts'

/** A stanza already written out, without xmlns for jabber:client: the module contract's RawStanza. */
export interface WrittenStanza {
  readonly xml: string
}

/** What the floor above does with sessions. */
export interface SessionEvents {
  /** The resource is bound and the client knows; nothing of it has been received yet. */
  onBound(session: Session): void
  /** A stanza with its `from` stamped. A promise holds this session's next stanza back; it must not reject. */
  onStanza(session: Session, stanza: Element): void | Promise<void>
  /** The session has left the registry. */
  onClosed(session: Session): void
}

export interface SessionLimits extends OutboxLimits {
  /** Stanzas that wait for the one being handled, before the socket is no longer read. */
  readonly queuedStanzas: number
}

export interface SessionOptions {
  readonly id: string
  readonly fullJid: Jid
  readonly stream: StreamHandle
  readonly events: SessionEvents
  readonly limits: SessionLimits
  /** Takes it out of the registry. */
  readonly remove: (session: Session) => void
  readonly log: Logger
}

export class Session implements StreamUser {
  readonly id: string
  readonly fullJid: Jid
  readonly bareJid: string
  readonly transport: 'tcp' | 'websocket'
  readonly remoteAddress: string
  readonly #options: SessionOptions
  readonly #stream: StreamHandle
  readonly #outbox: Outbox
  #presence: Element | undefined
  #priority = 0
  #isBusy = false
  #waiting: Element[] = []
  #finished: (() => void) | undefined
  #hasEnded = false
  /** Made when somebody asks: most sessions live without one. */
  #abort: AbortController | undefined

  constructor(options: SessionOptions) {
    this.#options = options
    this.#stream = options.stream
    this.#outbox = new Outbox(options.stream, options.limits)
    this.id = options.id
    this.fullJid = options.fullJid
    this.bareJid = options.fullJid.bare
    this.transport = options.stream.kind
    this.remoteAddress = options.stream.remoteAddress
  }

  /** Its last broadcast presence; undefined while unavailable. RFC 6121 §4.2. */
  get presence(): Element | undefined {
    return this.#presence
  }

  get priority(): number {
    return this.#priority
  }

  /** Aborts when the session ends. */
  get closed(): AbortSignal {
    if (!this.#abort) {
      this.#abort = new AbortController()
      if (this.#hasEnded) this.#abort.abort()
    }
    return this.#abort.signal
  }

  setPresence(presence: Element | undefined, priority: number): void {
    this.#presence = presence
    this.#priority = priority
  }

  /** Queues a stanza; false when the session has ended. */
  send(stanza: Element | WrittenStanza): boolean {
    if (this.#hasEnded) return false
    this.#outbox.push('xml' in stanza ? stanza.xml : serialize(stanza))
    return !this.#hasEnded
  }

  close(error: StreamError): void {
    this.#stream.fail(error)
  }

  // --- for the stream ---

  start(): void {
    this.#options.log.info({
      what: 'session_bound',
      session: this.id,
      jid: this.fullJid.full,
      transport: this.transport,
      address: this.remoteAddress,
    })
    this.#options.events.onBound(this)
  }

  receive(stanza: Element): void {
    this.#stamp(stanza)
    if (!this.#isBusy) {
      this.#run(stanza)
      return
    }
    this.#waiting.push(stanza)
    if (this.#waiting.length >= this.#options.limits.queuedStanzas) this.#stream.hold(HOLD_QUEUE)
  }

  finish(done: () => void): void {
    if (this.#isBusy) this.#finished = done
    else done()
  }

  onDrain(): void {
    this.#outbox.onDrain()
  }

  onEnded(): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    this.#waiting = []
    this.#outbox.close()
    this.#options.remove(this)
    this.#options.log.info({ what: 'session_closed', session: this.id, jid: this.fullJid.full })
    this.#options.events.onClosed(this)
    this.#abort?.abort()
  }

  /**
   * Sets `from`, and the stream's language where the stanza has none.
   * @throws StreamError invalid-from when the client claims another address
   * RFC 6120 §8.1.2.1, §4.9.3.9, §4.7.4.
   */
  #stamp(stanza: Element): void {
    const claimed = attr(stanza, 'from')
    if (claimed !== undefined && claimed !== this.fullJid.full && claimed !== this.bareJid) {
      const full = tryParseJid(claimed)?.full
      if (full !== this.fullJid.full && full !== this.bareJid) throw new StreamError('invalid-from')
    }
    stanza.attrs['from'] = isSubscription(stanza) ? this.bareJid : this.fullJid.full
    const { lang } = this.#stream
    if (lang !== undefined && attr(stanza, 'xml:lang') === undefined) stanza.attrs['xml:lang'] = lang
  }

  #run(stanza: Element): void {
    let pending: void | Promise<void>
    try {
      pending = this.#options.events.onStanza(this, stanza)
    } catch (error) {
      this.#onDefect(error)
      return
    }
    if (!pending) return
    this.#isBusy = true
    pending.then(
      () => this.#next(),
      (error: unknown) => {
        this.#onDefect(error)
        this.#next()
      },
    )
  }

  #next(): void {
    this.#isBusy = false
    while (!this.#isBusy) {
      const stanza = this.#waiting.shift()
      if (!stanza) break
      this.#run(stanza)
    }
    if (this.#waiting.length * 2 <= this.#options.limits.queuedStanzas) this.#stream.release(HOLD_QUEUE)
    // Releasing may have brought new stanzas.
    if (!this.#isBusy && this.#finished) {
      const done = this.#finished
      this.#finished = undefined
      done()
    }
  }

  /** The router answers every error; what comes through is a defect, and the client is told no more than that. */
  #onDefect(error: unknown): void {
    const description = error instanceof Error ? error.stack : String(error)
    this.#options.log.error({ what: 'stanza_defect', session: this.id, error: description })
    this.#stream.fail(new StreamError('internal-server-error', '', { cause: error }))
  }
}

/** RFC 6120 §8.1.2.1, RFC 6121 §3: subscriptions are the account's, so they come from its bare JID. */
function isSubscription(stanza: Element): boolean {
  if (stanza.name !== 'presence') return false
  const type = attr(stanza, 'type')
  return type === 'subscribe' || type === 'subscribed' || type === 'unsubscribe' || type === 'unsubscribed'
}
