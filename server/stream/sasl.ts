/** SASL as XMPP profiles it: mechanisms, encodings, attempts. RFC 6120 §6, RFC 4422, RFC 4616; SCRAM's own rules are auth's. */

import { isUtf8 } from 'node:buffer'
import { SaslError } from '../stanza/errors.ts'
import { type Jid, JidError, makeJid, tryParseJid } from '../stanza/jid.ts'
import { attr, type Element, el, textOf } from '../xml/element.ts'
import { NS_SASL } from '../xml/namespaces.ts'

export type ScramHash = 'sha1' | 'sha256' | 'sha512'

/** The server's side of one SCRAM exchange. Both methods throw SaslError. RFC 5802 §5. */
export interface ScramExchange {
  /** Takes client-first-message, gives server-first-message. */
  first(clientFirst: string): Promise<string>
  /** Takes client-final-message, gives server-final-message and who it was. */
  final(clientFinal: string): { readonly serverFinal: string; readonly username: string; readonly authzid?: string }
}

/** Who may log in: all that the stream needs to know of accounts. */
export interface Authenticator {
  scram(hash: ScramHash): ScramExchange
  /** @param local  a prepared localpart; false for a wrong password and for no such account alike */
  verifyPassword(local: string, password: string): Promise<boolean>
}

const SCRAM: Readonly<Record<string, ScramHash>> = {
  'SCRAM-SHA-512': 'sha512',
  'SCRAM-SHA-256': 'sha256',
  'SCRAM-SHA-1': 'sha1',
}

/** Strongest first. RFC 6120 §6.3.3. */
export const DEFAULT_MECHANISMS = ['SCRAM-SHA-512', 'SCRAM-SHA-256', 'SCRAM-SHA-1', 'PLAIN'] as const
export type Mechanism = (typeof DEFAULT_MECHANISMS)[number]

export interface SaslOptions {
  readonly authenticator: Authenticator
  /** What the listener allows, in order of preference. */
  readonly mechanisms: readonly Mechanism[]
  readonly domain: string
  /** TLS is in force: PLAIN may be used. RFC 6120 §13.8.3. */
  readonly isSecure: boolean
}

export type SaslStep =
  | { readonly kind: 'challenge'; readonly data: string }
  | { readonly kind: 'success'; readonly data: string | undefined; readonly account: Jid }

type Step = (response: string) => SaslStep | Promise<SaslStep>

/** Mechanisms a client may ask for on this stream. RFC 6120 §6.3.4. */
export function offeredMechanisms(mechanisms: readonly Mechanism[], isSecure: boolean): Mechanism[] {
  return mechanisms.filter((mechanism) => isSecure || mechanism !== 'PLAIN')
}

/** One stream's login, over as many attempts as the stream allows; holds the exchange that is under way. */
export class SaslNegotiation {
  readonly #options: SaslOptions
  #next: Step | undefined
  /** Of the attempt under way, for the log. */
  mechanism = ''

  constructor(options: SaslOptions) {
    this.#options = options
  }

  /**
   * Takes `<auth/>`, `<response/>` or `<abort/>`.
   * @throws SaslError when the attempt failed; another may follow
   */
  async take(element: Element): Promise<SaslStep> {
    const step = this.#next
    this.#next = undefined
    switch (element.getName()) {
      case 'auth':
        return await this.#begin(element) // RFC 6120 §6.4.2: a second <auth/> discards the handshake under way
      case 'response':
        if (!step) throw new SaslError('malformed-request', 'no exchange is under way')
        return await step(decode(textOf(element)))
      case 'abort':
        throw new SaslError('aborted')
      default:
        throw new SaslError('malformed-request')
    }
  }

  #begin(auth: Element): SaslStep | Promise<SaslStep> {
    const { mechanisms, isSecure } = this.#options
    this.mechanism = attr(auth, 'mechanism') ?? ''
    const mechanism = mechanisms.find((name) => name === this.mechanism)
    if (!mechanism) {
      this.mechanism = '' // the peer's text stays out of the log
      throw new SaslError('invalid-mechanism')
    }
    if (mechanism === 'PLAIN' && !isSecure) throw new SaslError('encryption-required')
    const step = this.#firstStep(mechanism)
    const initial = textOf(auth)
    // RFC 6120 §6.4.2: nothing is no initial response, '=' an empty one. Both mechanisms begin with the client.
    if (initial === '') {
      this.#next = step
      return { kind: 'challenge', data: '' }
    }
    return step(initial === '=' ? '' : decode(initial))
  }

  #firstStep(mechanism: Mechanism): Step {
    const hash = SCRAM[mechanism]
    if (hash === undefined) return (response) => this.#plain(response)
    const exchange = this.#options.authenticator.scram(hash)
    return async (clientFirst) => {
      const serverFirst = await exchange.first(clientFirst)
      this.#next = (clientFinal) => {
        const { serverFinal, username, authzid } = exchange.final(clientFinal)
        return { kind: 'success', data: encode(serverFinal), account: this.#account(username, authzid) }
      }
      return { kind: 'challenge', data: encode(serverFirst) }
    }
  }

  /** `[authzid] NUL authcid NUL passwd`. RFC 4616 §2. */
  async #plain(message: string): Promise<SaslStep> {
    const [authzid, authcid, password, ...more] = message.split('\0')
    if (!authcid || !password || more.length > 0) throw new SaslError('malformed-request')
    const account = this.#account(authcid, undefined)
    if (!(await this.#options.authenticator.verifyPassword(account.local, password))) {
      throw new SaslError('not-authorized')
    }
    // Only who has logged in learns that another identity is refused.
    return { kind: 'success', data: undefined, account: this.#account(authcid, authzid) }
  }

  /** @throws SaslError not-authorized, invalid-authzid. RFC 6120 §6.3.7, §6.3.8. */
  #account(username: string, authzid: string | undefined): Jid {
    const account = localAccount(username, this.#options.domain)
    if (authzid) {
      const asked = tryParseJid(authzid)
      // Nobody acts for another; the identity is a bare JID.
      if (!asked || asked.full !== account.bare) throw new SaslError('invalid-authzid')
    }
    return account
  }
}

function localAccount(username: string, domain: string): Jid {
  try {
    if (username === '') throw new SaslError('not-authorized')
    return makeJid(username, domain)
  } catch (error) {
    if (!(error instanceof JidError)) throw error
    // A name that cannot exist is answered like one that does not. RFC 6120 §6.5.10.
    throw new SaslError('not-authorized', '', { cause: error })
  }
}

/** `<challenge/>` or `<success/>`. RFC 6120 §6.4.3, §6.4.6. */
export function renderStep(step: SaslStep): Element {
  return el(step.kind, { xmlns: NS_SASL }, step.data || undefined)
}

function encode(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64')
}

/** @throws SaslError incorrect-encoding, malformed-request */
function decode(base64: string): string {
  const bytes = Buffer.from(base64, 'base64')
  // Node skips what is not base64; RFC 6120 §6.3.5 wants it exact, padding and its zero bits too.
  if (bytes.toString('base64') !== base64) throw new SaslError('incorrect-encoding')
  if (!isUtf8(bytes)) throw new SaslError('malformed-request', 'not UTF-8')
  return bytes.toString('utf8')
}
