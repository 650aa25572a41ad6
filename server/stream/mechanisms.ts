/** SASL's mechanisms as a server runs them, whatever element carries their messages. RFC 4422, RFC 4616, RFC 5802. */

import { isUtf8 } from 'node:buffer'
import type { ChannelBinding } from '../auth/channel-binding.ts'
import { SaslError } from '../stanza/errors.ts'
import { type Jid, JidError, makeJid, tryParseJid } from '../stanza/jid.ts'
import type { Upgrades } from './upgrade.ts'

export type ScramHash = 'sha1' | 'sha256' | 'sha512'

/** What a SCRAM exchange must know of the stream it runs on. */
export interface ScramChannel {
  /** For a -PLUS mechanism: the bindings that this stream has. */
  readonly bindings?: readonly ChannelBinding[]
  /** -PLUS mechanisms were offered, so a client that could bind must not say that none was. RFC 5802 §6. */
  readonly isPlusOffered: boolean
  /** What was advertised, as XEP-0474 §5.1 writes it. */
  readonly advertised: string
}

/** The server's side of one SCRAM exchange. Both methods throw SaslError. RFC 5802 §5. */
export interface ScramExchange {
  /** Whom the client says it is, once `first` has been taken. */
  readonly username: string | undefined
  /** Takes client-first-message, gives server-first-message. */
  first(clientFirst: string): Promise<string>
  /** Takes client-final-message, gives server-final-message and who it was. */
  final(clientFinal: string): { readonly serverFinal: string; readonly username: string; readonly authzid?: string }
}

/** Who may log in: all that the stream needs to know of accounts. */
export interface Authenticator {
  scram(hash: ScramHash, channel: ScramChannel): ScramExchange
  /** @param local  a prepared localpart; false for a wrong password and for no such account alike */
  verifyPassword(local: string, password: string): Promise<boolean>
  /** There is such an account, and it is not disabled. For who has proved otherwise to be its owner. */
  mayLogIn(local: string): boolean
  /** Left out: nothing is ever upgraded. */
  readonly upgrades?: Upgrades
}

/** Slows down who fails. See auth/throttle.ts. */
export interface Throttle {
  /** @param account  prepared local part; undefined: a name that cannot be */
  attempt<T>(address: string, account: string | undefined, check: () => T | Promise<T>): Promise<T>
}

/** For whoever listens without one. */
export const UNTHROTTLED: Throttle = { attempt: async (_address, _account, check) => await check() }

const SCRAM = {
  'SCRAM-SHA-512-PLUS': { hash: 'sha512', isPlus: true },
  'SCRAM-SHA-256-PLUS': { hash: 'sha256', isPlus: true },
  'SCRAM-SHA-1-PLUS': { hash: 'sha1', isPlus: true },
  'SCRAM-SHA-512': { hash: 'sha512', isPlus: false },
  'SCRAM-SHA-256': { hash: 'sha256', isPlus: false },
  'SCRAM-SHA-1': { hash: 'sha1', isPlus: false },
} as const satisfies Record<string, { readonly hash: ScramHash; readonly isPlus: boolean }>
type ScramName = keyof typeof SCRAM
const isScram = (name: Mechanism): name is ScramName => name in SCRAM
const isPlus = (name: Mechanism): boolean => isScram(name) && SCRAM[name].isPlus

export type Mechanism = ScramName | 'PLAIN' | 'EXTERNAL' | 'ANONYMOUS'

/** Strongest first. RFC 6120 §6.3.3. */
export const DEFAULT_MECHANISMS: readonly Mechanism[] = [
  'EXTERNAL',
  'SCRAM-SHA-512-PLUS',
  'SCRAM-SHA-256-PLUS',
  'SCRAM-SHA-1-PLUS',
  'SCRAM-SHA-512',
  'SCRAM-SHA-256',
  'SCRAM-SHA-1',
  'PLAIN',
]

/** What a stream offers to log in with, fixed when it is advertised. */
export interface Offer {
  readonly mechanisms: readonly Mechanism[]
  /** Advertised when a -PLUS mechanism is, and never without: XEP-0440 §3 rules 4 and 5. */
  readonly bindingTypes: readonly string[]
  /** TLS is in force. */
  readonly isSecure: boolean
  /** The string that both sides hash. XEP-0474 §5.1. */
  readonly text: string
}

/**
 * What may be offered out of what the listener allows: PLAIN under TLS alone (RFC 6120 §13.8.3), -PLUS where the
 * connection has something to bind to, EXTERNAL once a certificate has been found good (RFC 6120 §6.3.4).
 * @param types  of channel binding that the connection has and that are told of
 */
export function makeOffer(
  allowed: readonly Mechanism[],
  isSecure: boolean,
  types: readonly string[],
  hasIdentity: boolean,
): Offer {
  const mechanisms = allowed.filter((name) => {
    if (name === 'PLAIN') return isSecure
    if (name === 'EXTERNAL') return hasIdentity
    return !isPlus(name) || types.length > 0
  })
  const bindingTypes = mechanisms.some(isPlus) ? types : []
  return { mechanisms, bindingTypes, isSecure, text: advertisedText(mechanisms, bindingTypes) }
}

function advertisedText(mechanisms: readonly string[], bindingTypes: readonly string[]): string {
  const lists = bindingTypes.length === 0 ? [mechanisms] : [mechanisms, bindingTypes]
  return lists.map((list) => [...list].sort().join('\x1e')).join('\x1f')
}

const MAX_TRACE_CHARS = 255

export type SaslStep =
  | { readonly kind: 'challenge'; readonly data: string }
  | { readonly kind: 'success'; readonly data: string | undefined; readonly account: Jid }

type Step = (message: string) => SaslStep | Promise<SaslStep>

export interface LoginOptions {
  readonly authenticator: Authenticator
  readonly throttle: Throttle
  readonly offer: Offer
  /** What this stream can be bound to. */
  readonly bindings: readonly ChannelBinding[]
  readonly domain: string
  /** Where the client connects from. */
  readonly address: string
  /** Whom the client's certificate stands for, at this moment. */
  readonly identities?: () => readonly Jid[]
  /** Makes an account that goes with the stream. */
  readonly anonymous?: (() => Promise<Jid>) | undefined
}

/** The attempts of one stream, one at a time; holds the exchange that is under way. Its methods throw SaslError. */
export class Login {
  readonly #options: LoginOptions
  #next: Step | undefined
  /** Of the attempt under way, for the log. */
  mechanism = ''

  constructor(options: LoginOptions) {
    this.#options = options
  }

  /**
   * Starts an attempt, in place of one under way.
   * @param initial  base64; undefined: the client waits for a challenge
   */
  async begin(name: string, initial: string | undefined): Promise<SaslStep> {
    this.#next = undefined
    const { mechanisms, isSecure } = this.#options.offer
    const mechanism = mechanisms.find((each) => each === name)
    this.mechanism = mechanism ?? '' // the peer's text stays out of the log
    if (!mechanism) throw new SaslError(name === 'PLAIN' && !isSecure ? 'encryption-required' : 'invalid-mechanism')
    const step = this.#firstStep(mechanism)
    // All mechanisms here begin with the client.
    if (initial === undefined) {
      this.#next = step
      return { kind: 'challenge', data: '' }
    }
    return await step(decode(initial))
  }

  /** @param message  base64 */
  async respond(message: string): Promise<SaslStep> {
    const step = this.#next
    this.#next = undefined
    if (!step) throw new SaslError('malformed-request', 'no exchange is under way')
    return await step(decode(message))
  }

  abort(): void {
    this.#next = undefined
  }

  #firstStep(mechanism: Mechanism): Step {
    if (isScram(mechanism)) return this.#scram(mechanism)
    if (mechanism === 'ANONYMOUS') return (message) => this.#anonymous(message)
    return mechanism === 'EXTERNAL' ? (message) => this.#external(message) : (message) => this.#plain(message)
  }

  /** The message is a trace of up to 255 characters, which nobody here follows. RFC 4505 §2. */
  async #anonymous(trace: string): Promise<SaslStep> {
    if (Array.from(trace).length > MAX_TRACE_CHARS) throw new SaslError('malformed-request')
    const account = await this.#options.anonymous?.()
    if (!account) throw new SaslError('invalid-mechanism')
    return { kind: 'success', data: undefined, account }
  }

  /** The message is the authorization identity, or empty. RFC 4422 §A, XEP-0178 §2. */
  #external(authzid: string): SaslStep {
    const identities = this.#options.identities?.() ?? []
    const asked = authzid === '' ? undefined : tryParseJid(authzid)
    // Of several the client must name one, and none but those.
    const account = authzid === '' ? identities[0] : identities.find((each) => each.bare === asked?.full)
    if (identities.length === 0) throw new SaslError('not-authorized', 'the certificate is not good any more')
    if (!account || (authzid === '' && identities.length > 1)) throw new SaslError('invalid-authzid')
    if (!this.#options.authenticator.mayLogIn(account.local)) throw new SaslError('not-authorized')
    return { kind: 'success', data: undefined, account }
  }

  #scram(name: ScramName): Step {
    const { authenticator, offer, bindings } = this.#options
    const { hash, isPlus: needsBinding } = SCRAM[name]
    const exchange = authenticator.scram(hash, {
      ...(needsBinding ? { bindings } : {}),
      isPlusOffered: offer.bindingTypes.length > 0,
      advertised: offer.text,
    })
    return async (clientFirst) => {
      const serverFirst = await this.#nameCounted(() => exchange.first(clientFirst))
      this.#next = async (clientFinal) => {
        const account = await this.#nameCounted(() => this.#account(exchange.username ?? ''))
        const { serverFinal, authzid } = await this.#attempt(account.local, () => exchange.final(clientFinal))
        return { kind: 'success', data: serverFinal, account: actingAs(account, authzid) }
      }
      return { kind: 'challenge', data: serverFirst }
    }
  }

  /** `[authzid] NUL authcid NUL passwd`. RFC 4616 §2. */
  async #plain(message: string): Promise<SaslStep> {
    const [authzid, authcid, password, ...more] = message.split('\0')
    if (!authcid || !password || more.length > 0) throw new SaslError('malformed-request')
    const account = await this.#nameCounted(() => this.#account(authcid))
    const { local } = account
    await this.#attempt(local, async () => {
      if (!(await this.#options.authenticator.verifyPassword(local, password))) throw new SaslError('not-authorized')
    })
    return { kind: 'success', data: undefined, account: actingAs(account, authzid) }
  }

  #attempt<T>(local: string | undefined, check: () => T | Promise<T>): Promise<T> {
    return this.#options.throttle.attempt(this.#options.address, local, check)
  }

  /** What is refused for its name alone counts against the address. */
  async #nameCounted<T>(check: () => T | Promise<T>): Promise<T> {
    try {
      return await check()
    } catch (error) {
      return await this.#attempt(undefined, () => {
        throw error
      })
    }
  }

  /** @throws SaslError not-authorized */
  #account(username: string): Jid {
    return localAccount(username, this.#options.domain)
  }
}

/**
 * Who has logged in, and only then learns that another identity is refused.
 * @throws SaslError invalid-authzid. RFC 6120 §6.3.7, §6.3.8
 */
function actingAs(account: Jid, authzid: string | undefined): Jid {
  if (!authzid) return account
  const asked = tryParseJid(authzid)
  // Nobody acts for another; the identity is a bare JID.
  if (asked?.full !== account.bare) throw new SaslError('invalid-authzid')
  return account
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

/** @throws SaslError incorrect-encoding, malformed-request */
function decode(base64: string): string {
  const bytes = decodeBase64(base64)
  if (!isUtf8(bytes)) throw new SaslError('malformed-request', 'not UTF-8')
  return bytes.toString('utf8')
}

export function encodeSasl(data: string | Buffer): string {
  return (typeof data === 'string' ? Buffer.from(data, 'utf8') : data).toString('base64')
}

/** @throws SaslError incorrect-encoding */
export function decodeBase64(base64: string): Buffer {
  const bytes = Buffer.from(base64, 'base64')
  // Node skips what is not base64; RFC 6120 §6.3.5 wants it exact, padding and its zero bits too.
  if (bytes.toString('base64') !== base64) throw new SaslError('incorrect-encoding')
  return bytes
}
