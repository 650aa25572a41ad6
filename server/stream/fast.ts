/** Logging in with a token in one message: XEP-0484 with the mechanisms of draft-schmaus-kitten-sasl-ht-09. */

import { createHmac, timingSafeEqual } from 'node:crypto'
import type { IssuedToken, TokenBook } from '../auth/tokens.ts'
import { SaslError } from '../stanza/errors.ts'
import { type Jid, JidError, makeJid } from '../stanza/jid.ts'
import { attr, type Element } from '../xml/element.ts'
import { NS_FAST } from '../xml/namespaces.ts'
import { decodeBase64, type LoginOptions, type Offer } from './mechanisms.ts'

export type { IssuedToken } from '../auth/tokens.ts'

/** Which binding stands in the MACs; strongest first. SASL-HT §3. */
const BINDING_OF = {
  'HT-SHA-256-EXPR': 'tls-exporter',
  'HT-SHA-256-ENDP': 'tls-server-end-point',
  'HT-SHA-256-NONE': undefined,
} as const
type TokenMechanism = keyof typeof BINDING_OF
const NO_DATA = Buffer.alloc(0)

/** Those that bind to what is advertised, and the one that binds to nothing. */
export function fastMechanisms({ bindingTypes }: Offer): readonly TokenMechanism[] {
  const types: readonly (string | undefined)[] = [undefined, ...bindingTypes]
  // The keys of the table above and no others.
  return (Object.keys(BINDING_OF) as TokenMechanism[]).filter((name) => types.includes(BINDING_OF[name]))
}

/** What a login by token reads of the request. */
interface FastRequest {
  readonly mechanism: string
  readonly initial: string | undefined
  readonly client: string | undefined
  readonly inline: readonly Element[]
}

interface FastSuccess {
  readonly account: Jid
  readonly data: Buffer
  readonly token: IssuedToken | undefined
}

/** Tokens on one stream. */
export class FastLogin {
  readonly #options: Pick<LoginOptions, 'offer' | 'bindings' | 'throttle' | 'address' | 'domain'>
  readonly #book: TokenBook

  constructor(book: TokenBook, options: Pick<LoginOptions, 'offer' | 'bindings' | 'throttle' | 'address' | 'domain'>) {
    this.#options = options
    this.#book = book
  }

  isOffered(mechanism: string): mechanism is TokenMechanism {
    const offered: readonly string[] = fastMechanisms(this.#options.offer)
    return offered.includes(mechanism)
  }

  /**
   * `authcid NUL HMAC(token, "Initiator" cb-data)`, answered with `HMAC(token, "Responder" cb-data)`. SASL-HT §3.
   * @param check  looks at who it is before the token counts as used; may throw
   * @throws SaslError not-authorized, credentials-expired, invalid-mechanism, malformed-request
   * XEP-0484 §3.4 to §3.6.
   */
  async login(request: FastRequest, check: (account: Jid) => void): Promise<FastSuccess> {
    const { mechanism, client } = request
    const { throttle, address, domain } = this.#options
    if (!this.isOffered(mechanism)) throw new SaslError('invalid-mechanism')
    if (request.initial === undefined) throw new SaslError('malformed-request', 'the token comes in the first message')
    // §4.1: the client's id is part of what the token was issued to.
    if (client === undefined) throw new SaslError('malformed-request', 'a token needs <user-agent id=""/>')
    const { username, proof } = readMessage(decodeBase64(request.initial))
    const data = this.#bindingData(mechanism)
    const account = accountOf(username, domain)
    const found = await throttle.attempt(address, account.local, () =>
      this.#book.find({ local: account.local, client, mechanism }, (token) =>
        isEqual(mac(token, 'Initiator', data), proof),
      ),
    )
    check(account)
    const isLast = isTrue(
      request.inline.find((child) => isFast(child, 'fast')),
      'invalidate',
    )
    const wanted = this.#wanted(request)
    const token = await this.#book.use(found, { isLast, wanted })
    return { account, data: mac(found.token, 'Responder', data), token }
  }

  /** A token for a client that logged in otherwise and asked for one. §3.2, §3.3. */
  async issue(request: FastRequest, account: Jid): Promise<IssuedToken | undefined> {
    const mechanism = this.#wanted(request)
    if (mechanism === undefined || request.client === undefined) return undefined
    return await this.#book.issue({ local: account.local, client: request.client, mechanism })
  }

  /** The mechanism that a new token is asked for; undefined when none is, or one that is not offered here. */
  #wanted({ inline }: FastRequest): TokenMechanism | undefined {
    const request = inline.find((child) => isFast(child, 'request-token'))
    const mechanism = request && attr(request, 'mechanism')
    return mechanism !== undefined && this.isOffered(mechanism) ? mechanism : undefined
  }

  #bindingData(mechanism: TokenMechanism): Buffer {
    const type = BINDING_OF[mechanism]
    return this.#options.bindings.find((binding) => binding.type === type)?.data ?? NO_DATA
  }
}

function isFast(element: Element, name: string): boolean {
  return element.getNS() === NS_FAST && element.getName() === name
}

function isTrue(element: Element | undefined, name: string): boolean {
  const value = element && attr(element, name)
  return value === 'true' || value === '1'
}

function readMessage(message: Buffer): { readonly username: string; readonly proof: Buffer } {
  const end = message.indexOf(0)
  if (end <= 0) throw new SaslError('malformed-request')
  return { username: message.toString('utf8', 0, end), proof: message.subarray(end + 1) }
}

function accountOf(username: string, domain: string): Jid {
  try {
    return makeJid(username, domain)
  } catch (error) {
    if (!(error instanceof JidError)) throw error
    throw new SaslError('not-authorized', '', { cause: error })
  }
}

function mac(token: string, who: 'Initiator' | 'Responder', data: Buffer): Buffer {
  return createHmac('sha256', token).update(who).update(data).digest()
}

function isEqual(a: Buffer, b: Buffer): boolean {
  return a.length === b.length && timingSafeEqual(a, b)
}
