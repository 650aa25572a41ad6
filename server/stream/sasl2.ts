/** SASL as XEP-0388 carries it: one element asks for the login and for what comes after it, without a restart. */

import { SaslError, StreamError } from '../stanza/errors.ts'
import type { Jid } from '../stanza/jid.ts'
import { formatDateTime } from '../stanza/time.ts'
import { attr, childElements, childOf, type Element, el, textOf } from '../xml/element.ts'
import { NS_BIND2, NS_FAST, NS_SASL, NS_SASL2 } from '../xml/namespaces.ts'
import { type FastLogin, fastMechanisms, type IssuedToken } from './fast.ts'
import { encodeSasl, type Login, type Offer, type SaslStep } from './mechanisms.ts'
import { NS_UPGRADE, type Upgrades, UpgradeTasks, upgradeFeatures } from './upgrade.ts'

/** What may be negotiated inside a login. */
export interface InlineFeatures {
  /** Beside Bind 2 and FAST, in `<inline/>`. */
  readonly login: readonly Element[]
  /** `var`s of Bind 2's own `<inline/>`. */
  readonly bind: readonly string[]
}

/** `<authentication/>`; undefined where SASL2 must not be offered: without TLS, or without a mechanism. §2.1, §4. */
export function authenticationFeature(
  offer: Offer,
  inline: InlineFeatures,
  hasTokens: boolean,
  upgrades: readonly string[],
): Element | undefined {
  if (!offer.isSecure || offer.mechanisms.length === 0) return undefined
  const bind = inline.bind.map((name) => el('feature', { var: name }))
  const mechanisms = (names: readonly string[]) => names.map((name) => el('mechanism', {}, name))
  return el(
    'authentication',
    { xmlns: NS_SASL2 },
    ...mechanisms(offer.mechanisms),
    el(
      'inline',
      {},
      el('bind', { xmlns: NS_BIND2 }, bind.length > 0 ? el('inline', {}, ...bind) : undefined),
      hasTokens ? el('fast', { xmlns: NS_FAST }, ...mechanisms(fastMechanisms(offer))) : undefined,
      ...inline.login,
    ),
    ...upgradeFeatures(upgrades),
  )
}

/** What a client asked for with `<authenticate/>`. */
export interface LoginRequest {
  readonly mechanism: string
  /** Base64. */
  readonly initial: string | undefined
  /** Which installation of which client it is: a random number of its own, told to nobody. §2.3 */
  readonly client: string | undefined
  readonly bind: Element | undefined
  /** All other children, for whoever knows them. */
  readonly inline: readonly Element[]
}

export type Sasl2Step =
  | { readonly kind: 'challenge'; readonly data: string }
  /** The login was good, and something is to be done before it counts. §2.6.3 */
  | { readonly kind: 'continue'; readonly data: string | undefined; readonly task: string }
  | { readonly kind: 'task-data'; readonly element: Element }
  | {
      readonly kind: 'success'
      readonly data: string | Buffer | undefined
      readonly account: Jid
      readonly request: LoginRequest
      readonly token: IssuedToken | undefined
    }

/** RFC 9562 §5.4. */
const UUID4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/i

interface Waiting {
  readonly request: LoginRequest
  readonly account: Jid
  readonly tasks: UpgradeTasks
}

/** One stream's login by SASL2; its exchanges run in the same Login as SASL's. */
export class Sasl2 {
  readonly #login: Login
  readonly #fast: FastLogin | undefined
  readonly #upgrades: Upgrades | undefined
  /** Of the exchange under way. */
  #request: LoginRequest | undefined
  /** Who has logged in but for these tasks. */
  #waiting: Waiting | undefined

  constructor(login: Login, fast: FastLogin | undefined, upgrades: Upgrades | undefined) {
    this.#login = login
    this.#fast = fast
    this.#upgrades = upgrades
  }

  /** An exchange is under way: nothing but its next element may come. §2.4 */
  get isUnderWay(): boolean {
    return this.#request !== undefined || this.#waiting !== undefined
  }

  /**
   * @param sender  whom the stream's header names
   * @throws SaslError when the attempt failed; another may follow
   * @throws StreamError for an element out of place
   */
  async take(element: Element, sender: Jid | undefined): Promise<Sasl2Step> {
    const request = this.#request
    const waiting = this.#waiting
    this.#request = undefined
    this.#waiting = undefined
    switch (element.getName()) {
      case 'next':
      case 'task-data':
        if (!waiting) throw new SaslError('malformed-request', 'no task is under way')
        return await this.#perform(waiting, element)
      case 'authenticate':
        if (request || waiting) throw new StreamError('policy-violation', 'a login is under way')
        return await this.#begin(readRequest(element), sender)
      case 'response':
        if (!request) throw new SaslError('malformed-request', 'no exchange is under way')
        return await this.#step(request, await this.#login.respond(textOf(element)), sender)
      case 'abort':
        this.#login.abort()
        throw new SaslError('aborted')
      default:
        throw new StreamError('unsupported-stanza-type')
    }
  }

  async #begin(request: LoginRequest, sender: Jid | undefined): Promise<Sasl2Step> {
    const fast = this.#fast
    if (fast && childNamed(request, 'fast', NS_FAST)) {
      this.#login.mechanism = fast.isOffered(request.mechanism) ? request.mechanism : ''
      const { account, data, token } = await fast.login(request, (account) => checkSender(account, sender))
      return { kind: 'success', account, data, token, request }
    }
    return await this.#step(request, await this.#login.begin(request.mechanism, request.initial), sender)
  }

  async #step(request: LoginRequest, step: SaslStep, sender: Jid | undefined): Promise<Sasl2Step> {
    if (step.kind === 'challenge') {
      this.#request = request
      return step
    }
    const { account, data } = step
    checkSender(account, sender)
    const tasks = this.#tasksOf(request, account)
    if (tasks?.due === undefined) return await this.#succeed(request, account, data)
    this.#waiting = { request, account, tasks }
    return { kind: 'continue', data, task: tasks.due }
  }

  /** Only who has shown that it knows the password may say what else follows from it. */
  #tasksOf(request: LoginRequest, account: Jid): UpgradeTasks | undefined {
    if (!this.#upgrades || !/^SCRAM-|^PLAIN$/.test(request.mechanism)) return undefined
    const asked = request.inline.filter((child) => child.is('upgrade', NS_UPGRADE)).map((child) => textOf(child).trim())
    return new UpgradeTasks(this.#upgrades, account.local, asked)
  }

  async #perform(waiting: Waiting, element: Element): Promise<Sasl2Step> {
    const { request, account, tasks } = waiting
    if (element.getName() === 'next') {
      const data = await tasks.start(element)
      this.#waiting = waiting
      return { kind: 'task-data', element: data }
    }
    await tasks.finish(element)
    if (tasks.due === undefined) return await this.#succeed(request, account, undefined)
    this.#waiting = waiting
    return { kind: 'continue', data: undefined, task: tasks.due }
  }

  async #succeed(request: LoginRequest, account: Jid, data: string | undefined): Promise<Sasl2Step> {
    return { kind: 'success', data, account, request, token: await this.#fast?.issue(request, account) }
  }
}

/** §2.3: an identity that the stream's header does not name fails. @throws SaslError invalid-authzid */
function checkSender(account: Jid, sender: Jid | undefined): void {
  if (sender && sender.bare !== account.bare)
    throw new SaslError('invalid-authzid', 'the stream header names another account')
}

/** @throws SaslError malformed-request */
function readRequest(element: Element): LoginRequest {
  const mechanism = attr(element, 'mechanism')
  if (mechanism === undefined) throw new SaslError('malformed-request', 'no mechanism is named')
  const initial = childOf(element, 'initial-response', NS_SASL2)
  const agent = childOf(element, 'user-agent', NS_SASL2)
  const client = agent && attr(agent, 'id')
  return {
    mechanism,
    initial: initial && textOf(initial),
    client: client !== undefined && UUID4.test(client) ? client.toLowerCase() : undefined,
    bind: childOf(element, 'bind', NS_BIND2),
    inline: childElements(element).filter((child) => child.getNS() !== NS_SASL2 && child.getNS() !== NS_BIND2),
  }
}

function childNamed({ inline }: LoginRequest, name: string, ns: string): Element | undefined {
  return inline.find((child) => child.getName() === name && child.getNS() === ns)
}

/** What is said before the end of a login. §2.5, §2.6.3 */
export function renderStep2(step: Exclude<Sasl2Step, { kind: 'success' }>): Element {
  switch (step.kind) {
    case 'challenge':
      return el('challenge', { xmlns: NS_SASL2 }, encodeSasl(step.data))
    case 'continue':
      return el(
        'continue',
        { xmlns: NS_SASL2 },
        step.data === undefined ? undefined : el('additional-data', {}, encodeSasl(step.data)),
        el('tasks', {}, el('task', {}, step.task)),
      )
    case 'task-data':
      return step.element
  }
}

/** `<success/>` with the identity, a full JID once a resource is bound, and the results of what came with it. §2.6.1 */
export function renderSuccess(
  step: Sasl2Step & { kind: 'success' },
  identity: string,
  results: readonly Element[],
): Element {
  const { data, token } = step
  return el(
    'success',
    { xmlns: NS_SASL2 },
    data === undefined ? undefined : el('additional-data', {}, encodeSasl(data)),
    el('authorization-identifier', {}, identity),
    ...results,
    // XEP-0484 §3.3.
    token && el('token', { xmlns: NS_FAST, token: token.token, expiry: formatDateTime(token.expiresAt) }),
  )
}

/** §2.6.2. */
export function renderFailure(error: SaslError): Element {
  return el(
    'failure',
    { xmlns: NS_SASL2 },
    el(error.condition, { xmlns: NS_SASL }),
    error.message ? el('text', {}, error.message) : undefined,
  )
}
