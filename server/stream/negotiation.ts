/**
 * What a stream negotiates before it is bound: TLS, a login, a resource. RFC 6120 §5 to §7; XEP-0388, XEP-0386.
 *
 *   tls ──▶ login ──▶ bind      a stage begins with its offer: after a stream header, or at once after a SASL2 login
 *             └─────▶ bound     Bind 2: the login brought the resource along
 *
 * Input is held back while a login is being checked.
 */

import type { TLSSocket } from 'node:tls'
import { SaslError, StanzaError, StreamError } from '../stanza/errors.ts'
import type { Jid } from '../stanza/jid.ts'
import { attr, childOf, type Element, el, isElement, textOf } from '../xml/element.ts'
import { NS_BIND, NS_SASL, NS_SASL2, NS_TLS } from '../xml/namespaces.ts'
import { serialize } from '../xml/serialize.ts'
import { bindInline } from './bind2.ts'
import { HOLD_LOGIN, type NonzaStream, type StreamContext, type StreamUser } from './context.ts'
import { FastLogin } from './fast.ts'
import { boundFeatures, features, type Stage } from './features.ts'
import type { Header } from './header.ts'
import { Login } from './mechanisms.ts'
import { describe, isPlainStanza, streamError } from './refusal.ts'
import { renderStep, takeSasl } from './sasl.ts'
import { renderFailure, renderStep2, renderSuccess, Sasl2, type Sasl2Step } from './sasl2.ts'

/** The stream as its negotiation sees it. */
export interface NegotiatedStream extends NonzaStream {
  readonly id: string
  readonly tls: TLSSocket | undefined
  /** What the client said when it opened the stream; undefined before it did. */
  readonly header: Header | undefined
  /** @param children  of `<stream:features/>`, as text */
  sendFeatures(children: string): void
  /** Hands over to TLS after these last words in the clear. @throws StreamError policy-violation when more came already */
  startTls(lastWords: string): void
  /** Whose stream it is from now on. */
  loggedIn(account: Jid): void
  /** The client opens the stream anew. RFC 6120 §4.3.3. */
  restart(): void
  /** Answers with a stanza. */
  answer(stanza: Element): void
  /** Takes an element that is no part of negotiation. @throws StreamError */
  refuse(element: Element): void
}

export class Negotiation {
  readonly #stream: NegotiatedStream
  readonly #context: StreamContext
  #stage: Stage = 'tls'
  /** The login of the offer that was advertised last. */
  #login: Login | undefined
  #sasl2: Sasl2 | undefined
  #failedLogins = 0

  constructor(stream: NegotiatedStream, context: StreamContext) {
    this.#stream = stream
    this.#context = context
  }

  /** What the stream waits for. */
  get stage(): Stage {
    return this.#stage
  }

  /**
   * A header has been taken: which stage is it for?
   * @throws StreamError invalid-from
   */
  begin(): Stage {
    const { account, tls } = this.#stream
    if (account) this.#checkSender(account)
    if (this.#context.security === 'starttls' && !tls) this.#stage = 'tls'
    else this.#stage = account ? 'bind' : 'login'
    return this.#stage
  }

  /** Advertises what the stage has. */
  offer(): void {
    const login = this.#stage === 'login' ? this.#prepareLogin() : undefined
    this.#stream.sendFeatures(features(this.#stage, this.#context.extraFeatures, login))
  }

  /** @throws StreamError */
  take(element: Element): void {
    switch (this.#stage) {
      case 'tls':
        this.#onTls(element)
        break
      case 'login':
        this.#onLogin(element)
        break
      case 'bind':
        this.#onBind(element)
        break
    }
  }

  // --- TLS ---

  /** RFC 6120 §5.4.2. */
  #onTls(element: Element): void {
    if (isElement(element, 'starttls', NS_TLS)) {
      this.#stream.startTls(serialize(el('proceed', { xmlns: NS_TLS })))
    } else if (isElement(element, 'auth', NS_SASL)) {
      this.#failLogin(new SaslError('encryption-required'), sasl) // RFC 6120 §6.5.4
    } else {
      this.#stream.refuse(element)
    }
  }

  // --- login ---

  #identities(): readonly Jid[] {
    return this.#context.certificates?.identities(this.#stream.tls) ?? []
  }

  /** @returns the features that tell of it */
  #prepareLogin(): string {
    const { authenticator, throttle, domain, tokens, anonymous, offers } = this.#context
    const { tls } = this.#stream
    const bindings = this.#context.bindings.of(tls)
    const offer = offers.of(tls !== undefined, bindings, this.#identities().length > 0)
    const options = {
      anonymous: anonymous && (() => anonymous.begin(this.#stream)),
      authenticator,
      throttle,
      offer,
      bindings,
      domain,
      address: this.#stream.remoteAddress,
      identities: () => this.#identities(),
    }
    this.#login = new Login(options)
    // XEP-0388 §4: under TLS alone.
    const fast = tokens && new FastLogin(tokens, options)
    this.#sasl2 = offer.isSecure ? new Sasl2(this.#login, fast, authenticator.upgrades) : undefined
    return offer.features
  }

  #onLogin(element: Element): void {
    const [login, sasl2, ns] = [this.#login, this.#sasl2, element.getNS()]
    if (sasl2 && ns === NS_SASL2) {
      void this.#attempt(renderFailure, async () => {
        const step = await sasl2.take(element, this.#stream.header?.from)
        if (this.#isOn()) this.#onStep2(step)
      })
      return
    }
    if (sasl2?.isUnderWay) throw new StreamError('policy-violation', 'a login is under way') // XEP-0388 §2.4
    if (!login || ns !== NS_SASL) {
      this.#stream.refuse(element)
      return
    }
    void this.#attempt(sasl, async () => {
      const step = await takeSasl(login, element)
      if (!this.#isOn()) return
      if (step.kind === 'success') this.#checkSender(step.account)
      this.#stream.reply(renderStep(step))
      if (step.kind === 'challenge') return
      this.#loggedIn(step.account)
      this.#stream.restart() // RFC 6120 §6.4.6
    })
  }

  /** The stream still waits for a login: it may have ended while one was checked. */
  #isOn(): boolean {
    return this.#stream.stage === 'login'
  }

  async #attempt(form: SaslForm, step: () => Promise<void>): Promise<void> {
    const stream = this.#stream
    stream.hold(HOLD_LOGIN)
    try {
      await step()
    } catch (error) {
      if (this.#isOn()) this.#onLoginError(error, form)
      // What follows a login broke; of a stream that has ended meanwhile there is nothing to tell.
      else if (stream.stage !== 'tls') stream.fail(streamError(error, this.#context.log))
    } finally {
      stream.release(HOLD_LOGIN)
    }
  }

  /** XEP-0388: no restart follows; the features come at once, and with Bind 2 the stream is bound already. */
  #onStep2(step: Sasl2Step): void {
    const stream = this.#stream
    if (step.kind !== 'success') {
      stream.reply(renderStep2(step))
      return
    }
    const { inline, bind, extraFeatures } = this.#context
    const { account, request } = step
    const { user, results, negotiated } = bindInline(stream, account, request, { inline, bind })
    this.#loggedIn(account)
    this.#stage = 'bind'
    stream.reply(renderSuccess(step, user ? user.fullJid.full : account.bare, results))
    if (!user) {
      stream.sendFeatures(features('bind', extraFeatures))
      return
    }
    stream.sendFeatures(boundFeatures(extraFeatures, negotiated))
    stream.adopt(user)
  }

  #loggedIn(account: Jid): void {
    const mechanism = this.#login?.mechanism ?? ''
    this.#context.log.info({ what: 'sasl_succeeded', stream: this.#stream.id, mechanism, account: account.bare })
    if (mechanism === 'EXTERNAL') this.#context.certificates?.used(account.bare, this.#stream.tls)
    this.#login = undefined
    this.#sasl2 = undefined
    this.#stream.loggedIn(account)
  }

  #onLoginError(error: unknown, form: SaslForm): void {
    const { log } = this.#context
    if (error instanceof StreamError) {
      this.#stream.fail(error)
      return
    }
    if (!(error instanceof SaslError))
      log.error({ what: 'sasl_defect', stream: this.#stream.id, error: describe(error) })
    this.#failLogin(error instanceof SaslError ? error : new SaslError('temporary-auth-failure'), form)
  }

  #failLogin(error: SaslError, form: SaslForm): void {
    const { log, limits } = this.#context
    const { id, remoteAddress } = this.#stream
    const mechanism = this.#login?.mechanism ?? ''
    log.warn({ what: 'sasl_failed', stream: id, mechanism, condition: error.condition, address: remoteAddress })
    this.#stream.reply(form(error))
    // RFC 6120 §6.4.5.
    if (++this.#failedLogins >= limits.loginAttempts)
      this.#stream.fail(new StreamError('policy-violation', 'too many failed logins'))
  }

  /** RFC 6120 §6.4.6: on a protected stream the header names whom the login was for. */
  #checkSender(account: Jid): void {
    const { header, tls } = this.#stream
    if (header?.from && tls && header.from.bare !== account.bare) {
      throw new StreamError('invalid-from', 'the stream header names another account')
    }
  }

  // --- resource ---

  /** RFC 6120 §7.6, §7.7. */
  #onBind(iq: Element): void {
    const stream = this.#stream
    const request = childOf(iq, 'bind', NS_BIND)
    // Nothing but binding is served before it. RFC 6120 §7.1.
    if (!stream.account || !request || !isPlainStanza(iq) || attr(iq, 'type') !== 'set') {
      stream.refuse(iq)
      return
    }
    const id = attr(iq, 'id')
    const user = this.#tryBind(stream.account, id, childOf(request, 'resource', NS_BIND))
    if (user instanceof StanzaError) {
      stream.answer(el('iq', { type: 'error', id }, user.toElement()))
      return
    }
    stream.answer(el('iq', { type: 'result', id }, el('bind', { xmlns: NS_BIND }, el('jid', {}, user.fullJid.full))))
    stream.adopt(user)
  }

  #tryBind(account: Jid, id: string | undefined, resource: Element | undefined): StreamUser | StanzaError {
    if (!id) return new StanzaError('modify', 'bad-request', 'an iq has an id') // RFC 6120 §8.1.3
    try {
      return this.#context.bind(this.#stream, account, resource && textOf(resource))
    } catch (error) {
      if (error instanceof StanzaError) return error
      throw error
    }
  }
}

/** How a failed login is told: by the element that asked for it. */
type SaslForm = (error: SaslError) => Element
const sasl: SaslForm = (error) => error.toElement()
