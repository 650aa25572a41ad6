/**
 * IQs that are served before login, where something registered for them; any other stanza ends the stream.
 * RFC 6120 §4.9.3.12, XEP-0077 §3.1.1.
 */

import { networkOf } from '../auth/throttle.ts'
import type { Logger } from '../log.ts'
import { StanzaError } from '../stanza/errors.ts'
import { errorReply, resultReply } from '../stanza/stanza.ts'
import { attr, childElements, type Element, type QName, qnameOf } from '../xml/element.ts'
import { HOLD_LOGIN, type Nonza, type NonzaStream } from './context.ts'
import { describe } from './refusal.ts'

export interface LoginIq {
  readonly type: 'get' | 'set'
  readonly payload: Element
  /** Who may be taken for one client: an IPv4 address, or the /64 of an IPv6 address. */
  readonly network: string
}
/** As a module's IQ handler: the result's payload, or a StanzaError. */
export type LoginIqHandler = (iq: LoginIq) => Promise<Element | undefined> | Element | undefined

export interface LoginIqParts {
  readonly isLocalDomain: (domain: string) => boolean
  readonly handlerOf: (payload: QName) => LoginIqHandler | undefined
  readonly log: Logger
}

export class LoginIqs implements Nonza {
  readonly #parts: LoginIqParts

  constructor(parts: LoginIqParts) {
    this.#parts = parts
  }

  take(stream: NonzaStream, iq: Element): boolean {
    const { isLocalDomain, handlerOf } = this.#parts
    const type = attr(iq, 'type')
    const [payload, ...others] = childElements(iq)
    if (stream.stage !== 'login' || iq.getName() !== 'iq' || (type !== 'get' && type !== 'set')) return false
    if (!payload || others.length > 0 || attr(iq, 'id') === undefined || !isLocalDomain(attr(iq, 'to') ?? ''))
      return false
    const handler = handlerOf(qnameOf(payload))
    if (!handler) return false
    void this.#answer(stream, iq, handler, { type, payload, network: networkOf(stream.remoteAddress) })
    return true
  }

  /** One at a time, and nothing else of this client meanwhile. */
  async #answer(stream: NonzaStream, iq: Element, handler: LoginIqHandler, request: LoginIq): Promise<void> {
    stream.hold(HOLD_LOGIN)
    try {
      stream.reply(resultReply(iq, await handler(request)))
    } catch (error) {
      const reply = errorReply(iq, this.#asStanzaError(error))
      if (reply) stream.reply(reply)
    } finally {
      stream.release(HOLD_LOGIN)
    }
  }

  #asStanzaError(error: unknown): StanzaError {
    if (error instanceof StanzaError) return error
    this.#parts.log.error({ what: 'login_iq_failed', error: describe(error) })
    return new StanzaError('wait', 'internal-server-error')
  }
}
