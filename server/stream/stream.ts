/**
 * One XML stream from its first byte to its last: the state machine of RFC 6120 §4 to §7 over TCP, and of RFC 7395.
 *
 *   handshake ──▶ wait-open ──▶ tls ──▶ handshake          `wait-open` is entered again after TLS and after login;
 *                     ├───────▶ login ──▶ wait-open        where it leads depends on what is still lacking:
 *                     └───────▶ bind ───▶ bound            TLS, an account, a resource.
 *   any ──▶ closing ──▶ closed                             one stream error at most, then the closing tag
 *
 * Input is held back while a login is being checked, while the session's queue is full, and while the client does not
 * read; the reader keeps what it has, and the socket is not read.
 */

import { randomUUID } from 'node:crypto'
import { channelBindings } from '../auth/channel-binding.ts'
import type { Transport, TransportHandler } from '../net/transport.ts'
import { SaslError, StanzaError, StreamError } from '../stanza/errors.ts'
import type { Jid } from '../stanza/jid.ts'
import { attr, childOf, type Element, el, isElement, textOf } from '../xml/element.ts'
import { NS_BIND, NS_SASL, NS_SASL2, NS_STREAM, NS_TLS } from '../xml/namespaces.ts'
import { serialize } from '../xml/serialize.ts'
import { bindInline } from './bind2.ts'
import {
  HOLD_LOGIN,
  HOLD_RATE,
  type NonzaStream,
  type StreamContext,
  type StreamEnd,
  type StreamUser,
} from './context.ts'
import { FastLogin } from './fast.ts'
import { boundFeatures, features, type Stage } from './features.ts'
import { type Framing, tcpFraming, webSocketFraming } from './framing.ts'
import { checkHeader, checkOpenName, checkStreamName, type Header, headerAttributes, headerSender } from './header.ts'
import { Login, makeOffer, type Offer } from './mechanisms.ts'
import { Rate } from './rate.ts'
import { createReader, type Reader, type ReaderEvents } from './reader.ts'
import { describe, isPlainStanza, refusal, streamError } from './refusal.ts'
import { renderStep, takeSasl } from './sasl.ts'
import { authenticationFeature, renderChallenge, renderFailure, renderSuccess, Sasl2, type Sasl2Step } from './sasl2.ts'

type State = 'handshake' | 'wait-open' | 'tls' | 'login' | 'bind' | 'bound' | 'closing' | 'closed'

export class Stream implements NonzaStream, TransportHandler, ReaderEvents {
  readonly #context: StreamContext
  readonly #transport: Transport
  readonly #framing: Framing
  readonly #reader: Reader
  #state: State
  #id = randomUUID()
  #isHeaderSent = false
  #header: Header | undefined
  /** The login of the offer that was advertised last. */
  #login: Login | undefined
  #sasl2: Sasl2 | undefined
  #failedLogins = 0
  #account: Jid | undefined
  #user: StreamUser | undefined
  #held = 0
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
    this.#reader = createReader(transport.kind, this, context.limits.anonymous)
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
    return this.#held === 0 ? Math.round(performance.now() - this.#heardAt) : 0
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
    if (this.#held === 0) {
      this.#reader.pause()
      this.#transport.pause()
    }
    this.#held |= reason
  }

  release(reason: number): void {
    if ((this.#held & reason) === 0) return
    this.#held &= ~reason
    this.onAlive()
    if (this.#held !== 0 || this.#state === 'closed') return
    this.#read(() => this.#reader.resume())
    // What the reader had kept may have brought a new reason.
    if (this.#held === 0) this.#transport.resume()
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

  // --- for nonzas ---

  get stage(): Stage | 'bound' {
    const state = this.#state
    return state === 'login' || state === 'bind' || state === 'bound' ? state : 'tls'
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

  adopt(user: StreamUser): void {
    this.#context.anonymous?.bound(this)
    this.#user = user
    this.#state = 'bound'
    clearTimeout(this.#timer)
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
    this.#read(() => {
      this.#spend(0, chunk.length)
      this.#reader.write(chunk)
    })
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
    this.#state = 'closed'
    if (!isFinishing) {
      clearTimeout(this.#timer)
      this.#endUser('lost')
    }
    this.#context.anonymous?.streamEnded(this)
    this.#context.onClosed(this)
  }

  // --- reader ---

  onHeader(root: Element): void {
    this.#guard(() => {
      if (this.#state !== 'wait-open') return
      if (this.kind === 'tcp') checkStreamName(root)
      else checkOpenName(root)
      const attributes = headerAttributes(root)
      this.#sendHeader(headerSender(attributes), attributes.version !== undefined)
      this.#header = checkHeader(attributes, this.#context.isLocalDomain)
      this.#checkSender(this.#account)
      // RFC 6120 §4.9.3.19: not before the stream is protected
      const { seeOther } = this.#context
      if (seeOther !== undefined && this.#stage() !== 'tls') this.#redirect(seeOther)
      else this.#offer()
    })
  }

  onElement(element: Element): void {
    this.#guard(() => {
      switch (this.#state) {
        case 'bound':
          this.#spend(1, 0)
          this.#onBound(element)
          break
        case 'tls':
          this.#onTls(element)
          break
        case 'login':
          this.#onLogin(element)
          break
        case 'bind':
          this.#onBind(element)
          break
        default: // a stream that is closing is read on for its closing tag alone
      }
    })
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

  // --- negotiation ---

  #offer(): void {
    const stage = this.#stage()
    this.#state = stage
    const { extraFeatures, inline, tokens } = this.#context
    const offer = this.#loginOffer()
    if (stage === 'login') this.#prepareLogin(offer)
    const authentication = authenticationFeature(offer, inline, tokens !== undefined)
    this.#transport.write(this.#framing.features(features(stage, { offer, authentication, extraFeatures })))
  }

  #identities(): readonly Jid[] {
    return this.#context.certificates?.identities(this.#transport.tls) ?? []
  }

  #prepareLogin(offer: Offer): void {
    const { authenticator, throttle, domain, tokens, anonymous } = this.#context
    const options = {
      anonymous: anonymous && (() => anonymous.begin(this)),
      authenticator,
      throttle,
      offer,
      domain,
      address: this.remoteAddress,
      identities: () => this.#identities(),
    }
    this.#login = new Login(options)
    // XEP-0388 §4: under TLS alone.
    this.#sasl2 = offer.isSecure ? new Sasl2(this.#login, tokens && new FastLogin(tokens, options)) : undefined
  }

  #loginOffer(): Offer {
    const { tls } = this.#transport
    return makeOffer(this.#context.mechanisms, tls !== undefined, channelBindings(tls), this.#identities().length > 0)
  }

  #redirect(to: string): void {
    const close = this.#framing.closeTo(to)
    if (close === undefined) throw new StreamError('see-other-host', '', { content: to })
    this.#close('closed', close)
  }

  #stage(): Stage {
    if (this.#context.security === 'starttls' && !this.#isSecure()) return 'tls'
    return this.#account ? 'bind' : 'login'
  }

  #isSecure(): boolean {
    return this.#transport.tls !== undefined
  }

  /** RFC 6120 §5.4.2. */
  #onTls(element: Element): void {
    if (isElement(element, 'starttls', NS_TLS)) {
      // What follows in the clear would be taken for data of the secured stream: an injection, or no XMPP client.
      if (this.#reader.hasRest()) throw new StreamError('policy-violation', 'data after <starttls/>')
      if (!this.#transport.startTls(serialize(el('proceed', { xmlns: NS_TLS })))) {
        throw new StreamError('policy-violation', 'data after <starttls/>')
      }
      this.#state = 'handshake'
      this.#restart() // RFC 6120 §5.4.3.3: all that was learnt in the clear is discarded
    } else if (isElement(element, 'auth', NS_SASL)) {
      this.#failLogin(new SaslError('encryption-required')) // RFC 6120 §6.5.4
    } else {
      this.#refuse(element)
    }
  }

  #onLogin(element: Element): void {
    const login = this.#login
    const ns = element.getNS()
    if (this.#sasl2 && ns === NS_SASL2) {
      this.#onLogin2(this.#sasl2, element)
      return
    }
    if (this.#sasl2?.isUnderWay) throw new StreamError('policy-violation', 'a login is under way') // XEP-0388 §2.4
    if (!login || ns !== NS_SASL) {
      this.#refuse(element)
      return
    }
    this.hold(HOLD_LOGIN)
    takeSasl(login, element)
      .then((step) => {
        if (this.#state !== 'login') return
        if (step.kind === 'success') this.#checkSender(step.account)
        this.#transport.write(serialize(renderStep(step), ''))
        if (step.kind === 'challenge') return
        this.#loggedIn(step.account, login.mechanism)
        this.#state = 'wait-open'
        this.#restart() // RFC 6120 §6.4.6
      })
      .catch((error: unknown) => this.#guard(() => this.#onLoginError(error, login.mechanism)))
      .finally(() => this.release(HOLD_LOGIN))
  }

  /** XEP-0388: no restart follows; the features come at once, and with Bind 2 the stream is bound already. */
  #onLogin2(sasl2: Sasl2, element: Element): void {
    const sender = this.#header?.from
    this.hold(HOLD_LOGIN)
    sasl2
      .take(element, sender)
      .then((step) => {
        if (this.#state !== 'login') return
        if (step.kind === 'challenge') this.reply(renderChallenge(step.data))
        else this.#onLogin2Success(step)
      })
      .catch((error: unknown) => this.#guard(() => this.#onLoginError(error, this.#login?.mechanism, renderFailure)))
      .finally(() => this.release(HOLD_LOGIN))
  }

  #onLogin2Success(step: Sasl2Step & { kind: 'success' }): void {
    const { inline, bind, extraFeatures } = this.#context
    const { account, request } = step
    const { user, results, negotiated } = bindInline(this, account, request, { inline, bind })
    this.#loggedIn(account, this.#login?.mechanism ?? '')
    this.#state = 'bind'
    this.reply(renderSuccess(step, user ? user.fullJid.full : account.bare, results))
    const text = user
      ? boundFeatures(extraFeatures, negotiated)
      : features('bind', { offer: this.#loginOffer(), authentication: undefined, extraFeatures })
    this.#transport.write(this.#framing.features(text))
    if (user) this.adopt(user)
  }

  #loggedIn(account: Jid, mechanism: string): void {
    const { log, limits } = this.#context
    log.info({ what: 'sasl_succeeded', stream: this.#id, mechanism, account: account.bare })
    this.#account = account
    this.#login = undefined
    this.#sasl2 = undefined
    this.#reader.setLimits(limits.authenticated)
  }

  #onLoginError(error: unknown, mechanism: string | undefined, render?: (error: SaslError) => Element): void {
    if (this.#state !== 'login') return
    if (error instanceof StreamError) throw error
    if (error instanceof SaslError) {
      this.#failLogin(error, mechanism, render)
      return
    }
    this.#context.log.error({ what: 'sasl_defect', stream: this.#id, error: describe(error) })
    this.#failLogin(new SaslError('temporary-auth-failure'), mechanism, render)
  }

  #failLogin(error: SaslError, mechanism = '', render = (failed: SaslError): Element => failed.toElement()): void {
    const { log, limits } = this.#context
    log.warn({
      what: 'sasl_failed',
      stream: this.#id,
      mechanism,
      condition: error.condition,
      address: this.remoteAddress,
    })
    this.reply(render(error))
    // RFC 6120 §6.4.5.
    if (++this.#failedLogins >= limits.loginAttempts)
      throw new StreamError('policy-violation', 'too many failed logins')
  }

  /** RFC 6120 §6.4.6: on a protected stream the header names whom the login was for. */
  #checkSender(account: Jid | undefined): void {
    const from = this.#header?.from
    if (account && from && this.#isSecure() && from.bare !== account.bare) {
      throw new StreamError('invalid-from', 'the stream header names another account')
    }
  }

  /** RFC 6120 §7.6, §7.7. */
  #onBind(iq: Element): void {
    const request = childOf(iq, 'bind', NS_BIND)
    // Nothing but binding is served before it. RFC 6120 §7.1.
    if (!this.#account || !request || !isPlainStanza(iq) || attr(iq, 'type') !== 'set') {
      this.#refuse(iq)
      return
    }
    const id = attr(iq, 'id')
    const user = this.#tryBind(this.#account, id, childOf(request, 'resource', NS_BIND))
    if (user instanceof StanzaError) {
      this.#reply(el('iq', { type: 'error', id }, user.toElement()))
      return
    }
    this.#reply(el('iq', { type: 'result', id }, el('bind', { xmlns: NS_BIND }, el('jid', {}, user.fullJid.full))))
    this.adopt(user)
  }

  #tryBind(account: Jid, id: string | undefined, resource: Element | undefined): StreamUser | StanzaError {
    if (!id) return new StanzaError('modify', 'bad-request', 'an iq has an id') // RFC 6120 §8.1.3
    try {
      return this.#context.bind(this, account, resource && textOf(resource))
    } catch (error) {
      if (error instanceof StanzaError) return error
      throw error
    }
  }

  #reply(stanza: Element): void {
    this.#transport.write(this.#framing.stanza(serialize(stanza)))
  }

  // --- bound ---

  #onBound(element: Element): void {
    if (!isPlainStanza(element)) {
      this.#refuse(element)
      return
    }
    this.#user?.receive(element)
  }

  /** An element that this state does not take itself: a nonza, or the end of the stream. @throws StreamError */
  #refuse(element: Element): void {
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
    const waitMs = this.#rate?.spend(stanzas, bytes) ?? 0
    if (waitMs === 0 || (this.#held & HOLD_RATE) !== 0) return
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
    if (this.kind === 'tcp' || this.#isPeerClosed || this.#held !== 0) this.#transport.end(closeMs)
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

  #restart(): void {
    this.#reader.restart()
    this.#isHeaderSent = false
    this.#header = undefined
    this.#id = randomUUID() // RFC 6120 §5.4.3.3, §6.4.6: a new one for each stream
  }

  #sendHeader(to: string | undefined, hasVersion: boolean): void {
    this.#isHeaderSent = true
    this.#transport.write(this.#framing.header({ from: this.#context.domain, id: this.#id, to, hasVersion }))
  }

  /** Runs the reader; input that is not XMPP ends the stream, and nothing of it can be read any more. */
  #read(run: () => void): void {
    try {
      run()
    } catch (error) {
      this.fail(streamError(error, this.#context.log))
      // The peer's closing tag would not be found any more.
      if (this.#state === 'closing') this.#transport.end(this.#context.timeouts.closeMs)
    }
  }

  #guard(run: () => void): void {
    try {
      run()
    } catch (error) {
      this.fail(streamError(error, this.#context.log))
    }
  }
}
