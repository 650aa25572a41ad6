/** Brings each IQ to what answers it, and its one answer back. RFC 6120 §8.2.3, §8.4; RFC 6121 §8.5.3. */

import type { AccountView, InboundStanza, IqHandler, RawStanza, SessionView } from '../module/api.ts'
import { StanzaError } from '../stanza/errors.ts'
import { writeResult } from '../stanza/stanza.ts'
import { attr, childElements, type Element, firstChild, hasOneChild } from '../xml/element.ts'
import { NS_STANZAS } from '../xml/namespaces.ts'
import type { ServerEndpoint } from './endpoint.ts'
import type { ForeignDomains } from './foreign.ts'
import type { PendingIqs } from './pending.ts'
import type { PresenceRouter } from './presence.ts'

export interface IqParts {
  readonly domain: string
  readonly sessions: SessionView
  readonly accounts: Pick<AccountView, 'exists'>
  readonly presence: PresenceRouter
  readonly foreign: ForeignDomains
}

export class IqRouter {
  readonly #parts: IqParts
  readonly #account: ServerEndpoint
  readonly #fail: (stanza: Element, error: unknown) => void
  readonly #pending: PendingIqs

  /** @param fail  takes what a promised answer was rejected with */
  constructor(
    parts: IqParts,
    account: ServerEndpoint,
    pending: PendingIqs,
    fail: (stanza: Element, error: unknown) => void,
  ) {
    this.#pending = pending
    this.#parts = parts
    this.#account = account
    this.#fail = fail
  }

  toAccount(routed: InboundStanza): void {
    const { stanza, from, to } = routed
    const type = attr(stanza, 'type')
    if (to.resource !== '') {
      const session = this.#parts.sessions.get(to.full)
      const isRequest = type === 'get' || type === 'set'
      // RFC 6121 §8.5.3.1; what a service asks needs nobody's leave
      const mayAsk = !isRequest || !routed.session || (session && this.#parts.presence.mayAsk(session, from))
      if (session && mayAsk && this.#parts.sessions.deliver(session, stanza)) return
      if (isRequest) throw new StanzaError('cancel', 'service-unavailable') // RFC 6121 §8.5.3.2.3
      return
    }
    if (type === 'result' || type === 'error') {
      this.#pending.settle(from, to, stanza)
      return
    }
    const payload = firstChild(stanza)
    const registration = payload && this.#account.iqHandler(type === 'set' ? 'set' : 'get', payload)
    const isOwn = from.bare === to.bare
    const isThere = registration?.from === 'whether-or-not' || this.#parts.accounts.exists(to.bare)
    // RFC 6120 §8.3.3.19: the same answer for no such account, no such service and not for you
    if (!registration || (!isOwn && (registration.from === 'self' || !isThere))) {
      throw new StanzaError('cancel', 'service-unavailable')
    }
    if (isOwn || registration.from !== 'subscribed') {
      this.#answer(registration.handler, routed, payload)
      return
    }
    const answer = (): void => {
      if (!this.#parts.presence.maySee(to.bare, from.bare)) throw new StanzaError('cancel', 'service-unavailable')
      this.#answer(registration.handler, routed, payload)
    }
    // The roster of an account without a session may have to be read.
    const ready = this.#parts.presence.ready(to.bare)
    if (ready) ready.then(answer).catch((error: unknown) => this.#fail(stanza, error))
    else answer()
  }

  toEndpoint(endpoint: ServerEndpoint, routed: InboundStanza): void {
    const { stanza, from, to } = routed
    const type = attr(stanza, 'type')
    if (type === 'result' || type === 'error') {
      this.#pending.settle(from, to, stanza)
      return
    }
    const payload = firstChild(stanza)
    const registration = payload && endpoint.iqHandler(type === 'set' ? 'set' : 'get', payload)
    if (!registration) throw new StanzaError('cancel', 'service-unavailable', 'nothing here answers that') // RFC 6120 §8.4
    this.#answer(registration.handler, routed, payload)
  }

  #answer(handler: IqHandler, routed: InboundStanza, payload: Element): void {
    const { stanza, from, to, session } = routed
    const type = attr(stanza, 'type') === 'set' ? 'set' : 'get'
    const answer = handler({ type, id: attr(stanza, 'id') ?? '', from, to, payload, stanza, session })
    if (answer instanceof Promise) {
      answer.then(
        (result) => this.#result(routed, result),
        (error: unknown) => this.#fail(stanza, error),
      )
    } else {
      this.#result(routed, answer)
    }
  }

  /** To who asked, and to nobody else who may have its address by now. */
  #result({ stanza, from, to, session }: InboundStanza, payload: Element | undefined): void {
    const { sessions, foreign, domain } = this.#parts
    const asker = session ?? sessions.get(from.full)
    if (!asker && from.domain === domain) {
      // What the server asked for an account is asked from its bare address.
      if (from.resource === '') this.#pending.answered(to, from, attr(stanza, 'id') ?? '', payload)
      return
    }
    const answer: RawStanza = { name: 'iq', to: from, type: 'result', xml: writeResult(stanza, payload) }
    if (asker) sessions.deliver(asker, answer)
    else foreign.deliver(from.domain, answer)
  }
}

/** RFC 6120 §8.2.3: an id, one of four types, and exactly one child in a get or set. */
export function checkIq(stanza: Element): void {
  const type = attr(stanza, 'type')
  if (attr(stanza, 'id') === undefined) throw new StanzaError('modify', 'bad-request', 'an IQ needs an id')
  if (type !== 'get' && type !== 'set' && type !== 'result' && type !== 'error')
    throw new StanzaError('modify', 'bad-request', 'an IQ is get, set, result or error')
  if ((type === 'get' || type === 'set') && !hasOneChild(stanza)) {
    throw new StanzaError('modify', 'bad-request', 'an IQ of type get or set has exactly one child element')
  }
  if (type === 'error' && !childElements(stanza).some((child) => child.is('error'))) {
    throw new StanzaError(
      'modify',
      'bad-request',
      `an IQ of type error has an <error/> with a condition of ${NS_STANZAS}`,
    )
  }
}
