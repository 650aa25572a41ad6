/**
 * One XML stream from its first byte to its last: the state machine of RFC 6120 §4 to §7 over TCP, and of RFC 7395.
 *
 *   handshake ──▶ wait-open ──▶ negotiating ──▶ bound      `wait-open` is entered again after TLS and after login;
 *       ▲             ▲               │                    what is negotiated is what is still lacking: TLS, an
 *       └─────────────┴───────────────┘                    account, a resource.
 *   any ──▶ closing ──▶ closed                             one stream error at most, then the closing tag
 *
 * Input is held back while a login is being checked, while the session's queue is full, while the client does not read,
 * and while it was too fast.
 */

import type { TLSSocket } from 'node:tls'
import type { Transport, TransportHandler } from '../net/transport.ts'
import { StreamError } from '../stanza/errors.ts'
import type { Jid } from '../stanza/jid.ts'
import { type Element, el } from '../xml/element.ts'
import { NS_STREAM, NS_TLS } from '../xml/namespaces.ts'
import { serialize } from '../xml/serialize.ts'
import { HOLD_RATE, type StreamContext, type StreamEnd, type StreamUser } from './context.ts'
import type { Stage } from './features.ts'
import { type Framing, tcpFraming, webSocketFraming } from './framing.ts'
import {
  checkHeader,
  checkOpenName,
  checkStreamName,
  type Header,
  headerAttributes,
  headerSender,
  streamId,
} from './header.ts'
import { Input } from './input.ts'
import { type NegotiatedStream, Negotiation } from './negotiation.ts'
import { Rate } from './rate.ts'
import type { ReaderEvents } from './reader.ts'
import { isPlainStanza, refusal, streamError } from './refusal.ts'

type State = 'handshake' | 'wait-open' | 'negotiating' | 'bound' | 'closing' | 'closed'

export class Stream implements NegotiatedStream, TransportHandler, ReaderEvents {
  readonly #context: StreamContext
  readonly #transport: Transport
  readonly #framing: Framing
  readonly #input: Input
  readonly #negotiation: Negotiation
  #state: State
  #id = streamId()
  #isHeaderSent = false
  #header: Header | undefined
  #account: Jid | undefined
  #user: StreamUser | undefined
  #rate: Rate | undefined
  #rateTimer: NodeJS.Timeout | undefined
  #isPeerClosed = false
  /** By the monotonic clock. */
  #heardAt = performance.now()
  /** The login's deadline, then the closing handshake's. */
  #timer: NodeJS.Timeout | undefined

  constructor(transport: Transport, context: StreamContext) {
    this.#context = context
    this.#transport = transport
    this.#framing = transport.kind === 'tcp' ? tcpFraming : webSocketFraming
    this.#input = new Input(transport, this, context.limits.anonymous, (error) => this.#onInputError(error))
    this.#negotiation = new Negotiation(this, context)
    this.#state = context.security === 'direct' ? 'handshake' : 'wait-open'
    this.#timer = setTimeout(() => this.#onLoginTimeout(), context.timeouts.authMs)
    transport.attach(this)
  }

  // --- for the session ---

  get kind(): 'tcp' | 'websocket' {
    return this.#transport.kind
  }

  get remoteAddress(): string {
    return this.#transport.remoteAddress
  }

  get outputBytes(): number {
    return this.#transport.outputBytes
  }

  get quietMs(): number {
    return this.#input.isHeld ? 0 : Math.round(performance.now() - this.#heardAt)
  }

  get lang(): string | undefined {
    return this.#header?.lang
  }

  send(xml: string): void {
    if (this.#state === 'bound') this.#transport.write(this.#framing.stanza(xml))
  }

  sendNonza(xml: string): void {
    if (this.#state === 'bound') this.#transport.write(xml)
  }

  hold(reason: number): void {
    this.#input.hold(reason)
  }

  release(reason: number): void {
    if (!this.#input.isHeldFor(reason)) return
    this.onAlive()
    this.#input.release(reason)
  }

  fail(error: StreamError): void {
    if (this.#state === 'closing' || this.#state === 'closed') return
    this.#context.log.info({ what: 'stream_error', stream: this.#id, condition: error.condition, text: error.message })
    if (this.#state === 'handshake') {
      this.#transport.destroy() // RFC 6120 §13.3: nothing can be said below TLS
      return
    }
    // RFC 6120 §4.9.1.2: an error during setup follows a header all the same.
    if (!this.#isHeaderSent) this.#sendHeader(undefined, true)
    this.#transport.write(this.#framing.error(error))
    // RFC 6120 §4.9.3.4: a client that does not answer is as lost as one whose connection broke.
    this.#close(error.condition === 'connection-timeout' ? 'lost' : 'closed')
  }

  supersede(error: StreamError): void {
    this.#user = undefined
    this.fail(error)
  }

  destroy(): void {
    this.#transport.destroy()
  }

  // --- for nonzas and negotiation ---

  get id(): string {
    return this.#id
  }

  get tls(): TLSSocket | undefined {
    return this.#transport.tls
  }

  get header(): Header | undefined {
    return this.#header
  }

  get stage(): Stage | 'bound' {
    if (this.#state === 'bound') return 'bound'
    return this.#state === 'negotiating' ? this.#negotiation.stage : 'tls'
  }

  get account(): Jid | undefined {
    return this.#account
  }

  get user(): StreamUser | undefined {
    return this.#user
  }

  reply(element: Element): void {
    this.#transport.write(serialize(element, ''))
  }

  answer(stanza: Element): void {
    this.#transport.write(this.#framing.stanza(serialize(stanza)))
  }

  sendFeatures(children: string): void {
    this.#transport.write(this.#framing.features(children))
  }

  startTls(lastWords: string): void {
    // What follows in the clear would be taken for data of the secured stream: an injection, or no XMPP client.
    if (this.#input.hasRest() || !this.#transport.startTls(lastWords)) {
      throw new StreamError('policy-violation', 'data after <starttls/>')
    }
    this.#reopen('handshake') // RFC 6120 §5.4.3.3: all that was learnt in the clear is discarded
  }

  loggedIn(account: Jid): void {
    this.#account = account
    this.#input.setLimits(this.#context.limits.authenticated)
  }

  restart(): void {
    this.#reopen('wait-open')
  }

  #reopen(state: 'handshake' | 'wait-open'): void {
    this.#state = state
    this.#input.restart()
    this.#isHeaderSent = false
    this.#header = undefined
    this.#id = streamId() // RFC 6120 §5.4.3.3, §6.4.6: a new one for each stream
  }

  adopt(user: StreamUser): void {
    this.#context.anonymous?.bound(this)
    this.#user = user
    this.#state = 'bound'
    clearTimeout(this.#timer)
    this.#timer = undefined
    const { rate } = this.#context.limits
    if (rate) this.#rate = new Rate(rate)
    user.start()
  }

  // --- transport ---

  onAlive(): void {
    this.#heardAt = performance.now()
  }

  onData(chunk: Buffer): void {
    this.onAlive()
    try {
      this.#spend(0, chunk.length)
    } catch (error) {
      this.#onInputError(error)
      return
    }
    this.#input.write(chunk)
  }

  onSecure(): void {
    this.#state = 'wait-open'
  }

  onDrain(): void {
    this.#user?.onDrain()
  }

  onClosed(cause: Error | undefined): void {
    this.#context.log.debug({ what: 'connection_closed', stream: this.#id, cause: cause?.message })
    // What a client sent before it said goodbye is still done, though it does not wait for the answers.
    const isFinishing = this.#isPeerClosed && this.#state === 'bound'
    clearTimeout(this.#rateTimer)
    this.#input.close()
    this.#state = 'closed'
    if (!isFinishing) {
      clearTimeout(this.#timer)
      this.#endUser('lost')
    }
    this.#context.anonymous?.streamEnded(this)
    this.#context.onClosed(this)
  }

  // --- reader ---

  onOpen(root: Element): void {
    this.#guard(() => {
      if (this.#state !== 'wait-open') return
      if (this.kind === 'tcp') checkStreamName(root)
      else checkOpenName(root)
      const attributes = headerAttributes(root)
      this.#sendHeader(headerSender(attributes), attributes.version !== undefined)
      this.#header = checkHeader(attributes, this.#context.isLocalDomain)
      const stage = this.#negotiation.begin()
      const { seeOther } = this.#context
      // RFC 6120 §4.9.3.19: not before the stream is protected
      if (seeOther !== undefined && stage !== 'tls') {
        this.#redirect(seeOther)
        return
      }
      this.#state = 'negotiating'
      this.#negotiation.offer()
    })
  }

  onElement(element: Element): void {
    try {
      if (this.#state === 'bound') {
        this.#spend(1, 0)
        this.#onBound(element)
      } else if (this.#state === 'negotiating') {
        this.#negotiation.take(element)
      }
      // A stream that is closing is read on for its closing tag alone.
    } catch (error) {
      this.fail(streamError(error, this.#context.log))
    }
  }

  onClose(): void {
    this.#isPeerClosed = true
    if (this.#state === 'closing') {
      this.#transport.end(this.#context.timeouts.closeMs)
    } else if (this.#state === 'bound') {
      this.#setTimer(() => this.#close())
      this.#user?.finish(() => this.#close())
    } else if (this.#state !== 'closed') {
      this.#close()
    }
  }

  // --- bound ---

  #onBound(element: Element): void {
    if (!isPlainStanza(element)) {
      this.refuse(element)
      return
    }
    this.#user?.receive(element)
  }

  /** A nonza, or the end of the stream. */
  refuse(element: Element): void {
    const ns = element.getNS() ?? ''
    if (this.#context.nonzas.get(ns)?.take(this, element)) return
    if (ns === NS_STREAM && element.getName() === 'error') {
      const condition = element.getChildElements()[0]?.getName()
      this.#context.log.info({ what: 'peer_stream_error', stream: this.#id, condition: condition?.slice(0, 64) })
      this.#close() // RFC 6120 §4.9.1.1
    } else if (ns === NS_TLS) {
      // RFC 6120 §5.4.2.2: not offered here, or malformed.
      this.#transport.write(serialize(el('failure', { xmlns: NS_TLS }), ''))
      this.#close()
    } else {
      throw refusal(element, ns)
    }
  }

  /** Stops reading for as long as the client was too fast. @throws StreamError policy-violation */
  #spend(stanzas: number, bytes: number): void {
    const waitMs = this.#rate?.spend(stanzas, bytes, this.#heardAt) ?? 0
    if (waitMs === 0 || this.#input.isHeldFor(HOLD_RATE)) return
    this.hold(HOLD_RATE)
    this.#rateTimer = setTimeout(() => this.release(HOLD_RATE), waitMs)
  }

  // --- closing ---

  /** Our closing tag; RFC 6120 §4.4. What uses the stream learns now that nothing more is sent. */
  #close(how: StreamEnd = 'closed', lastWords = this.#framing.close): void {
    if (this.#state === 'closed' || this.#state === 'closing') {
      clearTimeout(this.#timer)
      this.#endUser(how)
      return
    }
    const { closeMs } = this.#context.timeouts
    this.#transport.write(lastWords)
    this.#state = 'closing'
    clearTimeout(this.#timer)
    // On TCP our side ends with the tag, and the peer's tag and end are waited for within closeMs. A WebSocket has no
    // half of a connection to close: RFC 7395 §3.6 waits for <close/> first, unless nobody reads it.
    if (this.kind === 'tcp' || this.#isPeerClosed || this.#input.isHeld) this.#transport.end(closeMs)
    else this.#setTimer(() => this.#transport.end(closeMs))
    this.#endUser(how)
  }

  #endUser(how: StreamEnd): void {
    const user = this.#user
    this.#user = undefined
    user?.onEnded(how)
  }

  #onLoginTimeout(): void {
    this.fail(new StreamError('connection-timeout', 'no login in time'))
  }

  #setTimer(run: () => void): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(run, this.#context.timeouts.closeMs)
  }

  #redirect(to: string): void {
    const close = this.#framing.closeTo(to)
    if (close === undefined) throw new StreamError('see-other-host', '', { content: to })
    this.#close('closed', close)
  }

  #sendHeader(to: string | undefined, hasVersion: boolean): void {
    this.#isHeaderSent = true
    this.#transport.write(this.#framing.header({ from: this.#context.domain, id: this.#id, to, hasVersion }))
  }

  /** Input that is not XMPP ends the stream, and nothing of it can be read any more. */
  #onInputError(error: unknown): void {
    this.fail(streamError(error, this.#context.log))
    // The peer's closing tag would not be found any more.
    if (this.#state === 'closing') this.#transport.end(this.#context.timeouts.closeMs)
  }

  #guard(run: () => void): void {
    try {
      run()
    } catch (error) {
      this.fail(streamError(error, this.#context.log))
    }
  }
}
