/**
 * An XMPP client that stays connected: requests, handlers, presence with caps, keepalive, reconnect.
 *
 * One loop owns the connection: connect, serve until it ends, wait, again. What belongs to one connection (requests
 * under way, the ready tasks) ends with it; what the user registered stays for the next.
 */

import { SaslError, StanzaError, StreamError } from '../../server/stanza/errors.ts'
import type { DataForm } from '../../server/stanza/forms.ts'
import type { Jid } from '../../server/stanza/jid.ts'
import { attr, childElements, type Element, el, type QName, qnameOf } from '../../server/xml/element.ts'
import { NS_CLIENT } from '../../server/xml/namespaces.ts'
import { backoff, wait } from './backoff.ts'
import { capsVer, type DiscoInfo, type Identity, renderCaps } from './caps.ts'
import { type Connection, connect, DEFAULT_MAX_STANZA_BYTES, isCertificateError } from './connection.ts'
import { answerDiscoInfo, CORE_FEATURES, NS_DISCO_INFO } from './disco.ts'
import { type IqOptions, IqTable, OfflineError, TimeoutError } from './iq.ts'
import { type ClientLimits, type ClientOptions, DEFAULT_LIMITS } from './options.ts'
import { WrongSecurityError } from './wrong-security.ts'

const NS_PING = 'urn:xmpp:ping' // XEP-0199
const NS_VERSION = 'jabber:iq:version' // XEP-0092

export interface IncomingIq {
  readonly type: 'get' | 'set'
  /** As the server stamped it; our own bare JID when it had none. */
  readonly from: string
  readonly payload: Element
}
/** Returns the result's payload (undefined: an empty result), or throws a StanzaError. */
export type IqHandler = (iq: IncomingIq) => Promise<Element | undefined> | Element | undefined

/** What the client says of itself in disco and caps. */
export interface ClientProfile {
  readonly identities: readonly Identity[]
  readonly features?: readonly string[]
  readonly forms?: readonly DataForm[]
  /** Without presence, a session gets no messages sent to the account: for one-shot commands. Default true. */
  readonly presence?: boolean
}

export type ClientEvent =
  | { readonly kind: 'connected'; readonly jid: string; readonly protocol: string; readonly mechanism: string }
  | { readonly kind: 'disconnected'; readonly error: Error; readonly retryMs: number }
  /** A handler of ours failed, or a message could not be taken; the connection goes on. */
  | { readonly kind: 'fault'; readonly error: Error }

/** Runs after each successful bind; its signal aborts when that connection ends. */
export type ReadyTask = (signal: AbortSignal) => Promise<void>

/** Requests from others handled at one time; more are told to wait. */
const MAX_HANDLING = 64
/** A connection that lived this long was a success; a shorter one does not reset the waits. */
const STABLE_MS = 10_000

export class Client {
  readonly #options: ClientOptions
  readonly #limits: ClientLimits
  readonly #profile: ClientProfile
  readonly #onEvent: (event: ClientEvent) => void
  readonly #closing = new AbortController()
  readonly #iqHandlers = new Map<string, IqHandler>()
  readonly #messageHandlers = new Set<(message: Element) => boolean>()
  readonly #presenceHandlers = new Set<(presence: Element) => void>()
  readonly #readyTasks = new Set<ReadyTask>()
  #live: { readonly connection: Connection; readonly table: IqTable; readonly signal: AbortSignal } | undefined
  #online = Promise.withResolvers<void>()
  #run: Promise<void> | undefined
  #handling = 0
  #maxStanzaBytes = DEFAULT_MAX_STANZA_BYTES

  constructor(options: ClientOptions, profile: ClientProfile, onEvent: (event: ClientEvent) => void = () => undefined) {
    this.#options = options
    this.#profile = profile
    this.#onEvent = onEvent
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits }
    // Nobody may be waiting when the client gives up; the error is told by `start` and `closed` anyway.
    this.#online.promise.catch(() => undefined)
    this.onIq('get', `{${NS_DISCO_INFO}}query`, (iq) => answerDiscoInfo(iq.payload, this.info, this.#capsNode()))
    this.onIq('get', `{${NS_PING}}ping`, () => undefined)
    const { software } = options
    if (software) {
      this.onIq('get', `{${NS_VERSION}}query`, () =>
        el('query', { xmlns: NS_VERSION }, el('name', {}, software.name), el('version', {}, software.version)),
      )
    }
  }

  /**
   * Connects, and from then on stays connected until `close`.
   * @throws what ended the attempts: SaslError, a certificate error, StreamError, or the last network error
   */
  async start(): Promise<void> {
    this.#run ??= this.#supervise()
    await Promise.race([this.#online.promise, this.#run])
    if (this.#closing.signal.aborted) throw new OfflineError('the client was closed')
  }

  /** Settles when the client has ended: resolves after `close`, rejects when it gave up. */
  get closed(): Promise<void> {
    return this.#run ?? Promise.resolve()
  }

  /** The address that the server bound; undefined while offline. */
  get jid(): Jid | undefined {
    return this.#live?.connection.jid
  }

  /** The largest stanza that the server takes, as it said last. XEP-0478. */
  get maxStanzaBytes(): number {
    return this.#maxStanzaBytes
  }

  get info(): DiscoInfo {
    const { identities, features = [], forms = [] } = this.#profile
    const own = [...CORE_FEATURES, NS_PING, ...(this.#options.software ? [NS_VERSION] : [])]
    return { identities, features: [...own, ...features], forms }
  }

  /** Resolves when there is a connection. @throws the signal's reason, or what made the client give up */
  async online(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    this.#closing.signal.throwIfAborted()
    if (this.#live) return
    const aborted = Promise.withResolvers<never>()
    const onAbort = () => aborted.reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      await Promise.race([this.#online.promise, aborted.promise])
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }

  /** @throws StanzaError as the peer answered, TimeoutError, OfflineError, or the signal's reason */
  async request(
    type: 'get' | 'set',
    to: string | undefined,
    payload: Element,
    options?: IqOptions,
  ): Promise<Element | undefined> {
    if (!this.#live) throw new OfflineError('not connected')
    return this.#live.table.request(type, to, payload, options)
  }

  /** @throws OfflineError */
  send(stanza: Element): void {
    if (!this.#live) throw new OfflineError('not connected')
    this.#live.connection.send(stanza)
  }

  /** Answers requests whose payload has this name. */
  onIq(type: 'get' | 'set', payload: QName, handler: IqHandler): void {
    this.#iqHandlers.set(`${type} ${payload}`, handler)
  }

  /** Offers each message to the handlers, until one returns true. */
  onMessage(handler: (message: Element) => boolean): void {
    this.#messageHandlers.add(handler)
  }

  onPresence(handler: (presence: Element) => void): void {
    this.#presenceHandlers.add(handler)
  }

  /** Registers what is to be done on each connection; at once, too, when there is one. */
  onReady(task: ReadyTask): void {
    this.#readyTasks.add(task)
    if (this.#live) this.#runReady(task, this.#live.signal)
  }

  /** Ends the stream properly and stops reconnecting. */
  async close(): Promise<void> {
    this.#closing.abort(new OfflineError('the client was closed'))
    await this.#live?.connection.close()
    await this.#run?.catch(() => undefined)
  }

  async #supervise(): Promise<void> {
    const waits = backoff({ baseMs: this.#limits.reconnectBaseMs, maxMs: this.#limits.reconnectMaxMs })
    const closing = this.#closing.signal
    let attempts = 0
    let wasOnline = false
    while (!closing.aborted) {
      let error: Error
      const since = Date.now()
      try {
        const { connection, received } = await this.#connect()
        wasOnline = true
        attempts = 0
        error = await this.#serve(connection, received)
        if (Date.now() - since >= STABLE_MS) waits.reset()
      } catch (cause) {
        error = toError(cause)
      }
      if (closing.aborted) break
      attempts++
      if (isFinal(error, wasOnline) || attempts >= this.#limits.reconnectAttempts) {
        this.#closing.abort(error)
        this.#endWaiting()
        throw error
      }
      const retryMs = waits.next()
      this.#event({ kind: 'disconnected', error, retryMs })
      await wait(retryMs, closing).catch(() => undefined)
    }
    this.#endWaiting()
  }

  /** Whoever waits for a connection waits in vain. */
  #endWaiting(): void {
    this.#online.reject(this.#closing.signal.reason)
  }

  /** Stanzas that come between bind and `#serve` are kept in order. */
  async #connect() {
    const received: { deliver: (stanza: Element) => void; readonly early: Element[] } = {
      deliver: (stanza) => void received.early.push(stanza),
      early: [],
    }
    const connection = await connect(
      this.#options,
      this.#limits,
      (stanza) => received.deliver(stanza),
      this.#closing.signal,
    )
    return { connection, received }
  }

  /** Resolves with the reason when the connection has ended. */
  async #serve(
    connection: Connection,
    received: { deliver: (stanza: Element) => void; readonly early: readonly Element[] },
  ): Promise<Error> {
    const ended = new AbortController()
    const { full, bare } = connection.jid
    const table = new IqTable((stanza) => connection.send(stanza), [full, bare, connection.jid.domain])
    this.#live = { connection, table, signal: ended.signal }
    this.#maxStanzaBytes = connection.maxStanzaBytes
    try {
      received.deliver = (stanza) => this.#take(stanza)
      for (const stanza of received.early) this.#take(stanza)
      if (this.#profile.presence ?? true) connection.send(this.#presence())
      this.#event({ kind: 'connected', jid: full, protocol: connection.protocol, mechanism: connection.mechanism })
      this.#online.resolve()
      for (const task of this.#readyTasks) this.#runReady(task, ended.signal)
      void this.#keepAlive(connection, table, ended.signal)
      return (await connection.closed) ?? new OfflineError('the server closed the connection')
    } finally {
      const lost = new OfflineError('the connection was lost')
      this.#live = undefined
      this.#online = Promise.withResolvers<void>()
      this.#online.promise.catch(() => undefined)
      ended.abort(lost)
      table.close(lost)
    }
  }

  #runReady(task: ReadyTask, signal: AbortSignal): void {
    task(signal).catch((error: unknown) => {
      if (!signal.aborted) this.#event({ kind: 'fault', error: toError(error) })
    })
  }

  /** A connection whose other end has vanished gives no sign: ask for one after a silence. XEP-0199 §4.3. */
  async #keepAlive(connection: Connection, table: IqTable, signal: AbortSignal): Promise<void> {
    const { keepaliveMs, keepaliveTimeoutMs } = this.#limits
    while (!signal.aborted) {
      const silentMs = Date.now() - connection.lastReceived
      if (silentMs < keepaliveMs) {
        await wait(keepaliveMs - silentMs, signal).catch(() => undefined)
        continue
      }
      try {
        const ping = el('ping', { xmlns: NS_PING })
        await table.request('get', connection.jid.domain, ping, { timeoutMs: keepaliveTimeoutMs, signal })
      } catch (error) {
        // Any answer is a sign of life, an error too.
        if (error instanceof TimeoutError && Date.now() - connection.lastReceived >= keepaliveMs) {
          connection.destroy(new OfflineError('the server gives no sign of life', { cause: error }))
        }
        // A ping that could not be sent at all is not tried again at once.
        await wait(keepaliveTimeoutMs, signal).catch(() => undefined)
      }
    }
  }

  #take(stanza: Element): void {
    try {
      switch (stanza.getName()) {
        case 'iq':
          this.#takeIq(stanza)
          return
        case 'message':
          for (const handler of this.#messageHandlers) if (handler(stanza)) return
          return
        case 'presence':
          for (const handler of this.#presenceHandlers) handler(stanza)
          return
        default:
      }
    } catch (error) {
      this.#event({ kind: 'fault', error: toError(error) })
    }
  }

  #takeIq(iq: Element): void {
    const type = attr(iq, 'type')
    if (type === 'result' || type === 'error') {
      this.#live?.table.answer(iq)
      return
    }
    const live = this.#live
    void this.#handle(iq).then((answer) => {
      const isError = answer instanceof StanzaError
      const to = attr(iq, 'from')
      const reply = el('iq', { xmlns: NS_CLIENT, type: isError ? 'error' : 'result', id: attr(iq, 'id'), to })
      if (isError) reply.cnode(answer.toElement())
      else if (answer) reply.cnode(answer)
      this.#reply(live, reply)
    })
  }

  /** An answer belongs to the connection that the question came on; when that has gone, nobody waits for it. */
  #reply(live: { readonly connection: Connection } | undefined, reply: Element): void {
    if (!live || live !== this.#live) return
    try {
      live.connection.send(reply)
    } catch (error) {
      this.#event({ kind: 'fault', error: toError(error) })
    }
  }

  /** The answer's payload, or the error to answer with. */
  async #handle(iq: Element): Promise<Element | undefined | StanzaError> {
    const type = attr(iq, 'type')
    const [payload, ...more] = childElements(iq)
    // RFC 6120 §8.2.3: a get or set holds exactly one child.
    if ((type !== 'get' && type !== 'set') || !payload || more.length > 0) {
      return new StanzaError('modify', 'bad-request')
    }
    const handler = this.#iqHandlers.get(`${type} ${qnameOf(payload)}`)
    if (!handler) return new StanzaError('cancel', 'service-unavailable')
    if (this.#handling >= MAX_HANDLING) return new StanzaError('wait', 'resource-constraint')
    this.#handling++
    try {
      return await handler({ type, from: attr(iq, 'from') ?? this.jid?.bare ?? '', payload })
    } catch (error) {
      if (error instanceof StanzaError) return error
      this.#event({ kind: 'fault', error: toError(error) })
      return new StanzaError('cancel', 'internal-server-error')
    } finally {
      this.#handling--
    }
  }

  #presence(): Element {
    const { url } = this.#software()
    return el('presence', { xmlns: NS_CLIENT }, renderCaps({ hash: 'sha-1', node: url, ver: capsVer(this.info) }))
  }

  #capsNode(): string {
    return `${this.#software().url}#${capsVer(this.info)}`
  }

  #software() {
    return { url: this.#options.software?.url ?? `urn:sacm-xmpp:software:${this.#options.software?.name ?? 'sacm'}` }
  }

  #event(event: ClientEvent): void {
    this.#onEvent(event)
  }
}

/**
 * Is there no point in trying again? A refused login and a session taken over by another never mend by themselves; a
 * certificate may be renewed and a port moved, so these only end a client that never was online.
 */
function isFinal(error: Error, wasOnline: boolean): boolean {
  if (error instanceof SaslError) return error.condition !== 'temporary-auth-failure'
  if (error instanceof StreamError) {
    return error.condition === 'conflict' || (!wasOnline && error.condition === 'host-unknown')
  }
  if (wasOnline) return false
  return isCertificateError(error) || (error instanceof WrongSecurityError && error.isCertain)
}

function toError(cause: unknown): Error {
  return cause instanceof Error ? cause : new Error('a failure that is no error', { cause })
}
