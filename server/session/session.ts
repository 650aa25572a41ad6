/**
 * One bound resource: stamps the sender on what its client says, keeps it in order, and delivers to it.
 *
 *   bound ──▶ ended              its stream was closed by either side, or lost
 *   bound ──▶ lost ──▶ bound     XEP-0198: its stream was lost; it keeps its place and presence and what is sent to it,
 *               └────▶ ended     until the client resumes it on another stream, or the time for that is over
 */

import type { Logger } from '../log.ts'
import { StreamError } from '../stanza/errors.ts'
import { type Jid, tryParseJid } from '../stanza/jid.ts'
import { HOLD_QUEUE, type StreamEnd, type StreamHandle, type StreamUser } from '../stream/context.ts'
import { negotiated } from '../stream/negotiated.ts'
import { attr, Element, el } from '../xml/element.ts'
import { NS_PING } from '../xml/namespaces.ts'
import { serialize } from '../xml/serialize.ts'
import { Acknowledgements, type Resumption } from './acknowledgements.ts'
import { Deferred } from './deferred.ts'
import { IdleWatch } from './idle.ts'
import { Inbox, type InboxOwner } from './inbox.ts'
import { Outbox, type OutboxLimits } from './outbox.ts'
import type { Trace } from './trace.ts'
import type { KeptStanza } from './unacked.ts'

/** A stanza already written out, without xmlns for jabber:client: the module contract's RawStanza. */
export interface WrittenStanza {
  readonly xml: string
  readonly group?: string | undefined
  readonly scope?: string | undefined
}

/** To deliver what was kept before all that comes meanwhile. */
export interface CatchUp {
  /** As `send`. */
  deliver(stanza: Element | WrittenStanza): boolean
  /** What waited goes now. */
  done(): void
}

/** What the floor above does with sessions. */
export interface SessionEvents {
  /** The resource is bound and the client knows; nothing of it has been received yet. */
  onBound(session: Session): void
  /** A stanza with its `from` stamped. A promise holds this session's next stanza back; it must not reject. */
  onStanza(session: Session, stanza: Element): void | Promise<void>
  /** What this session's stanzas so far have written is on disk; undefined: it is already. */
  settled?(session: Session): Promise<void> | undefined
  /** The session has left the registry. */
  onClosed(session: Session): void
  /** It has ended, and its client never acknowledged these. XEP-0198 §4. */
  onUndelivered?(session: Gone, stanzas: readonly KeptStanza[]): void
}

/** A session that has ended, as it was. */
export interface Gone {
  readonly fullJid: Jid
  readonly bareJid: string
  readonly priority: number
}

export interface SessionLimits extends OutboxLimits {
  /** Stanzas that wait for the one being handled, before the socket is no longer read. */
  readonly queuedStanzas: number
  /** Stanzas that a client may leave unacknowledged, and their size in UTF-16 units; more end the session. */
  readonly unackedStanzas: number
  readonly unackedBytes: number
  /** Stanzas held back from a client that says it is inactive. XEP-0352 */
  readonly deferredStanzas: number
  /** Without any input from the client, before its stream is ended; 0: never. */
  readonly idleMs: number
}

export interface SessionOptions {
  readonly id: string
  /** Of the server, which asks a silent client. */
  readonly domain: string
  readonly fullJid: Jid
  readonly stream: StreamHandle
  readonly events: SessionEvents
  readonly limits: SessionLimits
  /** Takes it out of the registry. */
  readonly remove: (session: Session) => void
  readonly log: Logger
  /** Left out: nobody wants to see its stanzas. */
  readonly trace?: Trace | undefined
}

export class Session implements StreamUser, InboxOwner {
  readonly id: string
  readonly fullJid: Jid
  readonly bareJid: string
  /** UTC milliseconds. */
  readonly boundAt = Date.now()
  readonly #options: SessionOptions
  /** The one in use, or the last one that was. */
  #stream: StreamHandle
  #outbox: Outbox
  #acks: Acknowledgements | undefined
  /** Set while the client is inactive. */
  #deferred: Deferred | undefined
  /** Set while what was kept earlier is being delivered. */
  #behind: (Element | WrittenStanza)[] | undefined
  #idle: IdleWatch | undefined
  #pings = 0
  /** Runs while the session is without a stream. */
  #lostTimer: NodeJS.Timeout | undefined
  #hasStarted = false
  #presence: Element | undefined
  #priority = 0
  readonly #inbox: Inbox
  #hasEnded = false
  /** Made when somebody asks: most sessions live without one. */
  #abort: AbortController | undefined

  constructor(options: SessionOptions) {
    this.#options = options
    this.#stream = options.stream
    this.#outbox = new Outbox(options.stream, options.limits)
    this.#inbox = new Inbox(this, options.limits.queuedStanzas)
    this.id = options.id
    this.fullJid = options.fullJid
    this.bareJid = options.fullJid.bare
  }

  get transport(): 'tcp' | 'websocket' {
    return this.#stream.kind
  }

  get remoteAddress(): string {
    return this.#stream.remoteAddress
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

  /** Queues a stanza; false when the session has ended, and the stanza is still the caller's. */
  send(stanza: Element | WrittenStanza): boolean {
    // Not messages alone: what answers a request must not come before what belongs to the answer. RFC 6120 §10.1
    if (!this.#behind || this.#hasEnded) return this.#sendNow(stanza)
    this.#behind.push(stanza)
    if (this.#behind.length > this.#options.limits.deferredStanzas) this.#putBehind()
    return true
  }

  /** All waits from now on behind what the caller delivers, until it is done, or too much waits. */
  catchUp(): CatchUp {
    this.#behind ??= []
    return { deliver: (stanza) => this.#sendNow(stanza), done: () => this.#putBehind() }
  }

  #putBehind(): void {
    const waiting = this.#behind ?? []
    this.#behind = undefined
    for (const stanza of waiting) this.#sendNow(stanza)
  }

  #sendNow(stanza: Element | WrittenStanza): boolean {
    if (this.#hasEnded) return false
    this.#options.trace?.('out', stanza)
    const xml = stanza instanceof Element ? serialize(stanza) : stanza.xml
    if (this.#deferred?.hold(xml)) return true
    this.#putDeferred()
    this.#put(xml, stanza instanceof Element ? undefined : stanza)
    // What is kept until it is acknowledged has been taken over, even if it was the last straw.
    return this.#acks !== undefined || !this.#hasEnded
  }

  close(error: StreamError): void {
    if (this.isLost) {
      this.end()
      return
    }
    this.#putBehind()
    this.#stream.fail(error)
  }

  /** Handles nothing until it is known whether its account is gone, and nothing at all if so. */
  hold(isGone: Promise<boolean>): void {
    this.#inbox.hold(isGone)
  }

  /** Ends it whatever its stream does. */
  end(): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    this.#inbox.clear()
    clearTimeout(this.#lostTimer)
    this.#outbox.close()
    this.#idle?.close()
    this.#acks?.detach()
    const { remove, log, events } = this.#options
    const gone: Gone = { fullJid: this.fullJid, bareJid: this.bareJid, priority: this.#priority }
    remove(this)
    log.info({ what: 'session_closed', session: this.id, jid: this.fullJid.full })
    events.onClosed(this)
    this.#abort?.abort()
    const undelivered = [...(this.#acks?.unacked.all() ?? []), ...(this.#behind ?? []).map(asKept)]
    this.#behind = undefined
    // Later, so that they find the newer session when it was that which took this one's resource.
    if (undelivered.length > 0) queueMicrotask(() => events.onUndelivered?.(gone, undelivered))
  }

  /** XEP-0352 §3: what was held back from an inactive client is sent when it is active again, in order. */
  setActive(isActive: boolean): void {
    this.#putDeferred()
    if (isActive) this.#deferred = undefined
    else this.#deferred ??= new Deferred(this.#options.limits.deferredStanzas)
  }

  // --- for stream management ---

  get isManaged(): boolean {
    return this.#acks !== undefined
  }

  get resumption(): Resumption | undefined {
    return this.#acks?.resumption
  }

  /** Stanzas of the client that count as handled. */
  get received(): number {
    return this.#acks?.received ?? 0
  }

  /** Not after its client has said goodbye. */
  get mayResume(): boolean {
    return !this.#hasEnded && !this.#inbox.isFinishing && this.resumption !== undefined
  }

  /** Without a stream: waiting for a client that may come back. */
  get isLost(): boolean {
    return this.#lostTimer !== undefined
  }

  /**
   * Counts and keeps from here on. XEP-0198 §3.
   * @param first  where both counters begin
   */
  manage(resumption: Resumption | undefined, first = 0): void {
    this.#acks = new Acknowledgements(resumption, first)
    this.#acks.attach((xml) => this.#stream.sendNonza(xml))
  }

  /** @throws StreamError when it is more than was sent */
  acknowledge(h: number): void {
    this.#acks?.acknowledge(h)
  }

  /** Tells how many stanzas have been handled, once those before this have been, and what they wrote is on disk. */
  tellReceived(): void {
    const [acks, stream] = [this.#acks, this.#stream]
    if (!acks) return
    const h = acks.received
    this.#inbox.take(() => {
      const tell = () => {
        if (stream === this.#stream) stream.sendNonza(acks.answer(h))
      }
      const settled = this.#options.events.settled?.(this)
      if (settled)
        settled.then(tell, () => {}) // storage that failed ends the server
      else tell()
    })
  }

  /**
   * Goes on with another stream, from the first stanza that the client has not handled. What it had sent is kept: it
   * counts as received, so its client will not send it again.
   * @throws StreamError when `h` is more than was sent; nothing has changed then
   */
  resume(stream: StreamHandle, h: number): void {
    this.#acks?.acknowledge(h)
    clearTimeout(this.#lostTimer)
    this.#lostTimer = undefined
    const old = this.#stream
    this.#outbox.close()
    this.#idle?.close()
    this.#keepDeferred()
    const { limits } = this.#options
    // What is sent again must not count as unread: it was within its own bound.
    const again = this.#acks?.unacked.bytes ?? 0
    this.#outbox = new Outbox(stream, { ...limits, maxOutputBytes: limits.maxOutputBytes + again })
    this.#stream = stream
    this.#acks?.attach((xml) => stream.sendNonza(xml))
    old.supersede(new StreamError('conflict', 'the session was resumed on another connection'))
    if (this.#inbox.isFull) stream.hold(HOLD_QUEUE)
  }

  // --- for the stream ---

  start(): void {
    this.#idle = this.#watch()
    if (this.#hasStarted) {
      for (const { xml } of this.#acks?.unacked.all() ?? []) this.#transmit(xml)
      return
    }
    this.#hasStarted = true
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
    this.#options.trace?.('in', stanza)
    this.#acks?.onReceived()
    this.#inbox.take(stanza)
  }

  finish(done: () => void): void {
    this.#inbox.finish(done)
  }

  onDrain(): void {
    this.#outbox.onDrain()
  }

  onEnded(how: StreamEnd): void {
    if (this.#hasEnded) return
    if (how === 'closed' || !this.mayResume || !this.resumption) {
      this.end()
      return
    }
    this.#outbox.close()
    this.#idle?.close()
    this.#acks?.detach()
    this.#options.log.info({ what: 'session_lost', session: this.id, jid: this.fullJid.full })
    this.#lostTimer = setTimeout(() => this.end(), this.resumption.maxMs)
    this.#keepDeferred()
  }

  #watch(): IdleWatch | undefined {
    const { domain, limits } = this.#options
    if (limits.idleMs === 0) return undefined
    return new IdleWatch(this.#stream, limits.idleMs, () => {
      const addresses = { from: domain, to: this.fullJid.full, id: `ping-${++this.#pings}` }
      this.send(el('iq', { type: 'get', ...addresses }, el('ping', { xmlns: NS_PING })))
    })
  }

  /** A resumed stream begins active, and sends all that is kept. XEP-0352 §5. */
  #keepDeferred(): void {
    for (const xml of this.#deferred?.take() ?? []) this.#acks?.unacked.push(xml)
    this.#deferred = undefined
  }

  #putDeferred(): void {
    for (const xml of this.#deferred?.take() ?? []) this.#put(xml)
  }

  #put(xml: string, written?: WrittenStanza): void {
    const { unackedStanzas, unackedBytes } = this.#options.limits
    const unacked = this.#acks?.unacked
    unacked?.push(xml, written)
    if (!this.isLost) this.#transmit(xml)
    if (unacked && (unacked.size > unackedStanzas || unacked.bytes > unackedBytes)) {
      this.close(new StreamError('policy-violation', 'too many stanzas unacknowledged'))
    }
  }

  #transmit(xml: string): void {
    this.#outbox.push(xml)
    this.#acks?.onSent()
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

  // --- for the inbox ---

  get stream(): StreamHandle {
    return this.#stream
  }

  handle(stanza: Element): void | Promise<void> {
    const answer = negotiated(stanza)
    if (!answer) return this.#options.events.onStanza(this, stanza)
    this.send(answer)
  }

  /** The router answers every error; what comes through is a defect, and the client is told no more than that. */
  onDefect(error: unknown): void {
    const description = error instanceof Error ? error.stack : String(error)
    this.#options.log.error({ what: 'stanza_defect', session: this.id, error: description })
    this.close(new StreamError('internal-server-error', '', { cause: error }))
  }
}

/** Never sent, and still to be delivered to somebody. */
function asKept(stanza: Element | WrittenStanza): KeptStanza {
  const sentAt = Date.now()
  return stanza instanceof Element ? { xml: serialize(stanza), sentAt } : { ...stanza, sentAt }
}

/** RFC 6120 §8.1.2.1, RFC 6121 §3: subscriptions are the account's, so they come from its bare JID. */
function isSubscription(stanza: Element): boolean {
  if (stanza.name !== 'presence') return false
  const type = attr(stanza, 'type')
  return type === 'subscribe' || type === 'subscribed' || type === 'unsubscribe' || type === 'unsubscribed'
}
