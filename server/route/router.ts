/** Routes each stanza to exactly one place: a handler, a session, or an error reply. RFC 6120 §8, §10; RFC 6121 §8. */

import type { Logger } from '../log.ts'
import type { AccountView, EndpointView, InboundStanza, RawStanza, SessionHandle, SessionView } from '../module/api.ts'
import { StanzaError } from '../stanza/errors.ts'
import { bareJid, type Jid, parseJid, tryParseJid } from '../stanza/jid.ts'
import { errorReply } from '../stanza/stanza.ts'
import type { Storage } from '../storage/storage.ts'
import { attr, childElements, Element, el } from '../xml/element.ts'
import { NS_CLIENT } from '../xml/namespaces.ts'
import { serialize } from '../xml/serialize.ts'
import { type EndpointRoutes, ServerEndpoint } from './endpoint.ts'
import { asStanzaError } from './failures.ts'
import { type ForeignDomains, notConnected } from './foreign.ts'
import { describeError, type HookTable } from './hooks.ts'
import { checkIq, IqRouter } from './iqs.ts'
import { deliverMessage, deliverWritten } from './messages.ts'
import { PendingIqs } from './pending.ts'
import type { PresenceRouter } from './presence.ts'
import { ShownPresence } from './shown.ts'
import { type GoneSession, toRouteAgain, type Undelivered } from './undelivered.ts'

export interface RouterParts {
  readonly domain: string
  readonly sessions: SessionView
  readonly accounts: AccountView
  readonly storage: Pick<Storage, 'submitted' | 'settled'>
  readonly presence: PresenceRouter
  readonly foreign: ForeignDomains
  readonly hooks: HookTable
  readonly log: Logger
}

export class Router {
  readonly #parts: RouterParts
  readonly #endpoints = new Map<string, ServerEndpoint>()
  readonly #server: ServerEndpoint
  readonly #account: ServerEndpoint
  readonly #pending = new PendingIqs()
  readonly #iqs: IqRouter
  readonly #shown = new ShownPresence()
  readonly #watchers: ((endpoint: ServerEndpoint) => void)[] = []
  /** The number of each session's or component's last submitted write: a read waits for it. DESIGN decision 13. */
  readonly #lastWrite = new WeakMap<object, number>()

  constructor(parts: RouterParts) {
    this.#parts = parts
    this.#server = this.#make('server', parts.domain)
    this.#account = this.#make('account', parts.domain)
    this.#endpoints.set(parts.domain, this.#server)
    this.#iqs = new IqRouter(parts, this.#account, this.#pending, (stanza, error) => this.#fail(stanza, error))
  }

  /** The endpoint registered as `at`; a service is made at its first mention. */
  endpoint(at: EndpointView['at']): ServerEndpoint {
    if (at === 'server') return this.#server
    if (at === 'account') return this.#account
    const address = `${at.slice('service:'.length)}.${this.#parts.domain}`
    let endpoint = this.#endpoints.get(address)
    if (!endpoint) {
      endpoint = this.#make(at, address)
      this.#endpoints.set(address, endpoint)
      for (const watch of this.#watchers) watch(endpoint)
    }
    return endpoint
  }

  /** The addresses that are this server's: the domain and its services. */
  isLocalDomain(domain: string): boolean {
    return this.#endpoints.has(domain)
  }

  /**
   * Takes one stanza of a session. A returned promise holds back the session's next stanza; an ordinary stanza
   * returns nothing and is done, or answered later, without a turn of the loop.
   */
  receive(session: SessionHandle, stanza: Element): void | Promise<void> {
    // Presence and IQs are answered from the account's roster; it is loaded for the first of them.
    const ready = stanza.getName() === 'message' ? undefined : this.#parts.presence.ready(session.bareJid)
    if (ready) {
      return ready.then(
        () => this.receive(session, stanza),
        (error: unknown) => this.#fail(stanza, error, session),
      )
    }
    // A read sees the session's own writes: it waits until the last one submitted is committed.
    if (stanza.getName() === 'iq' && attr(stanza, 'type') === 'get') {
      const settled = this.settled(session)
      if (settled) return settled.then(() => this.#receiveNow(session, stanza))
    }
    this.#receiveNow(session, stanza)
  }

  /** Takes one stanza of a component, which has checked its `from`; otherwise as `receive`. XEP-0114 §3. */
  receiveForeign(component: object, from: Jid, stanza: Element): void | Promise<void> {
    const isRead = stanza.getName() === 'iq' && attr(stanza, 'type') === 'get'
    const settled = isRead ? this.settled(component) : undefined
    if (settled) return settled.then(() => this.#receiveForeignNow(component, from, stanza))
    this.#receiveForeignNow(component, from, stanza)
  }

  /** A component is gone without a word: whoever sees somebody there hears that they are not. RFC 6121 §4.5.2. */
  foreignEnded(component: object): void {
    for (const { from, to } of this.#shown.take(component)) {
      const gone = el('presence', { xmlns: NS_CLIENT, type: 'unavailable', from: from.full, to: to.full })
      this.relayPresence(from, gone)
    }
  }

  /** Domains of the external components connected now. */
  get connected(): readonly string[] {
    return this.#parts.foreign.connected
  }

  /** All that the session's stanzas have written is committed; undefined: it is already. */
  settled(session: object): Promise<void> | undefined {
    return this.#parts.storage.settled(this.#lastWrite.get(session) ?? 0)
  }

  /** Routes again what the client of a session that is gone never acknowledged. XEP-0198 §4. */
  undelivered(gone: GoneSession, stanzas: readonly Undelivered[]): void {
    for (const each of stanzas) {
      const again = toRouteAgain(gone, each, this.#parts)
      if (!again) continue
      const { stanza, from, to } = again
      const { group, scope } = each
      // To an account, and with what its sender's module is asked about should it be kept once more.
      if (group !== undefined && to.resource === '') {
        const xml = serialize(stanza)
        this.#send(from.full, { name: 'message', to, type: attr(stanza, 'type'), group, scope, xml })
        continue
      }
      try {
        this.#route({ ...again, session: undefined })
      } catch (error) {
        this.#fail(stanza, error)
      }
    }
  }

  #receiveNow(session: SessionHandle, stanza: Element): void {
    const { storage, hooks } = this.#parts
    const before = storage.submitted
    try {
      hooks.emit('stanza.received', { session, stanza })
      this.#dispatch(session, stanza)
    } catch (error) {
      this.#fail(stanza, error, session)
    }
    if (storage.submitted !== before) this.#lastWrite.set(session, storage.submitted)
  }

  #receiveForeignNow(component: object, from: Jid, stanza: Element): void {
    const { storage, hooks } = this.#parts
    const before = storage.submitted
    try {
      hooks.emit('stanza.received', { session: undefined, stanza })
      const to = tryParseJid(attr(stanza, 'to') ?? '')
      if (!to) throw new StanzaError('modify', 'jid-malformed', "'to' is not an address")
      if (stanza.getName() === 'iq') checkIq(stanza)
      this.#route({ stanza, from, to, session: undefined })
      const type = attr(stanza, 'type')
      if (stanza.getName() === 'presence' && (type === undefined || type === 'unavailable'))
        this.#shown.note(component, from, to, type === undefined)
    } catch (error) {
      this.#fail(stanza, error)
    }
    if (storage.submitted !== before) this.#lastWrite.set(component, storage.submitted)
  }

  #dispatch(session: SessionHandle, stanza: Element): void {
    const name = stanza.getName()
    const toText = attr(stanza, 'to')
    if (name === 'presence' && toText === undefined) {
      this.#parts.presence.broadcast(session, stanza)
      return
    }
    // RFC 6120 §10.3.1, §10.3.3: without a `to` the server acts for the sender's own account
    const to = toText === undefined ? bareJid(session.fullJid) : tryParseJid(toText)
    if (!to) throw new StanzaError('modify', 'jid-malformed', `not an address: ${toText?.slice(0, 200)}`)
    const routed: InboundStanza = { stanza, from: session.fullJid, to, session }
    if (name === 'iq') checkIq(stanza)
    this.#route(routed)
  }

  #route(routed: InboundStanza): void {
    const { to, stanza } = routed
    const endpoint = this.#endpoints.get(to.domain)
    if (!endpoint) {
      this.#toForeign(routed)
      return
    }
    if (to.local === '') this.#toEndpoint(endpoint, routed)
    else if (endpoint !== this.#server)
      throw new StanzaError('cancel', 'item-not-found', `no such address at ${to.domain}`)
    else {
      switch (stanza.getName()) {
        case 'iq':
          this.#iqs.toAccount(routed)
          return
        case 'presence':
          this.#later(this.#parts.presence.direct(routed), stanza, routed.session)
          return
        default:
          if (to.resource !== '' || !this.#messageToAccount(routed))
            this.#later(deliverMessage(this.#parts, routed), stanza)
      }
    }
  }

  #toForeign(routed: InboundStanza): void {
    const { stanza, to, session } = routed
    const { foreign, presence, domain } = this.#parts
    // RFC 6120 §10.4: there is no server-to-server side here; §8.3.2: and it is this server that says so
    if (!foreign.serves(to.domain))
      throw new StanzaError('cancel', 'remote-server-not-found', `${to.domain} is not served here`, { by: domain })
    if (stanza.getName() === 'presence') {
      // RFC 6121 §3.1.2: what cannot be routed is refused, and the roster does not wait for an answer to it
      if (attr(stanza, 'type') === 'subscribe' && !foreign.isConnected(to.domain)) throw notConnected(to.domain, domain)
      const outcome = presence.toService(routed)
      if (outcome instanceof Promise) {
        // What goes on comes back here by the road, when both rosters say so.
        this.#later(outcome, stanza, session)
        return
      }
    }
    if (!foreign.deliver(to.domain, stanza)) throw notConnected(to.domain, domain)
  }

  #toEndpoint(endpoint: ServerEndpoint, routed: InboundStanza): void {
    switch (routed.stanza.getName()) {
      case 'iq':
        this.#iqs.toEndpoint(endpoint, routed)
        return
      case 'presence':
        this.#presenceToEndpoint(endpoint, routed)
        return
      default:
        this.#messageToEndpoint(endpoint, routed)
    }
  }

  #presenceToEndpoint(endpoint: ServerEndpoint, routed: InboundStanza): void {
    const outcome = this.#parts.presence.toService(routed)
    if (outcome instanceof Promise) this.#later(outcome, routed.stanza, routed.session)
    else for (const handler of endpoint.presenceHandlers) this.#later(handler(routed), undefined)
  }

  /**
   * To the account's server: what comes back to it as an error, what the account's own clients tell it, and what a
   * component does. False: to its clients. All others pass unread, as nearly every message does.
   */
  #messageToAccount({ stanza, from, to, session }: InboundStanza): boolean {
    const isOfAccounts = from.domain === this.#parts.domain
    if (attr(stanza, 'type') !== 'error' && from.bare !== to.bare && isOfAccounts) return false
    for (const payload of childElements(stanza)) {
      const handler = this.#account.messageHandler(payload)
      const outcome = handler ? handler({ from, to, stanza, session, payload }) : false
      if (outcome === false) continue
      this.#later(outcome, stanza)
      return true
    }
    return false
  }

  #messageToEndpoint(endpoint: ServerEndpoint, { stanza, from, to, session }: InboundStanza): void {
    for (const payload of childElements(stanza)) {
      const handler = endpoint.messageHandler(payload)
      if (!handler) continue
      const outcome = handler({ from, to, stanza, session, payload })
      if (outcome !== false) this.#later(outcome, stanza)
      return
    }
    if (attr(stanza, 'type') !== 'error')
      throw new StanzaError('cancel', 'service-unavailable', 'no message is taken here')
  }

  #later(pending: void | Promise<void>, stanza: Element | undefined, session?: SessionHandle): void {
    pending?.catch((error: unknown) => {
      if (stanza) this.#fail(stanza, error, session)
      else if (!(error instanceof StanzaError))
        this.#parts.log.error({ what: 'handler_failed', error: describeError(error) })
    })
  }

  /** Turns whatever was thrown into the one error reply, or into silence where RFC 6120 §8.3.1 demands it. */
  #fail(stanza: Element, error: unknown, sender?: SessionHandle): void {
    const known = asStanzaError(error, this.#parts.log)
    const reply = errorReply(stanza, known)
    if (!reply) return
    // A subscription stanza comes from the bare address; its error goes to the resource that sent it all the same.
    if (sender) this.#parts.sessions.deliver(sender, reply)
    else this.#reply(reply)
  }

  #reply(reply: Element): void {
    const to = tryParseJid(attr(reply, 'to') ?? '')
    const session = to && this.#parts.sessions.get(to.full)
    if (session) this.#parts.sessions.deliver(session, reply)
    else if (to && to.domain !== this.#parts.domain) this.#parts.foreign.deliver(to.domain, reply)
    else if (to?.resource === '') {
      const from = tryParseJid(attr(reply, 'from') ?? '')
      if (from) this.#pending.settle(from, to, reply)
    }
  }

  #make(at: EndpointView['at'], address: string): ServerEndpoint {
    const routes: EndpointRoutes = {
      send: (from, stanza) => this.#send(from, stanza),
      request: (from, to, type, payload, timeoutMs) => {
        const { stanza, answer } = this.#pending.make(from, to, type, payload, timeoutMs)
        this.#send(from, stanza)
        return answer
      },
    }
    return new ServerEndpoint(at, address, routes)
  }

  /** Routes a stanza that the server itself made. What cannot be delivered answers a pending request or is dropped. */
  #send(from: string, stanza: Element | RawStanza): void {
    const { sessions } = this.#parts
    if (stanza instanceof Element) {
      this.#sendElement(from, stanza)
      return
    }
    const { to } = stanza
    if (to.domain !== this.#parts.domain) {
      this.#parts.foreign.deliver(to.domain, stanza)
    } else if (to.resource !== '') {
      const session = sessions.get(to.full)
      if (session) sessions.deliver(session, stanza)
    } else {
      this.#sendWritten(from, stanza)
    }
  }

  #sendElement(from: string, stanza: Element): void {
    stanza.attrs['from'] ??= from
    const sender = tryParseJid(from)
    const to = tryParseJid(attr(stanza, 'to') ?? '')
    if (!sender || !to) throw new Error(`a stanza of the server's own needs valid addresses: ${attr(stanza, 'to')}`)
    try {
      this.#route({ stanza, from: sender, to, session: undefined })
    } catch (error) {
      if (!(error instanceof StanzaError)) throw error
      // The server's own request could not be delivered: its pending answer is that error.
      const answer = stanza.getName() === 'iq' && errorReply(stanza, error)
      if (answer) this.#pending.settle(to, sender, answer)
    }
  }

  /** To an account; nobody is told what fails, but what fails for a reason of ours is logged. */
  #sendWritten(from: string, raw: RawStanza): void {
    if (raw.name === 'message') {
      try {
        this.#later(deliverWritten(this.#parts, parseJid(from), raw), undefined)
      } catch (error) {
        if (!(error instanceof StanzaError)) throw error
      }
      return
    }
    for (const session of this.#parts.sessions.of(raw.to.bare)) {
      if (session.presence) this.#parts.sessions.deliver(session, raw)
    }
  }

  /** Routes presence that the server sends for a session whose presence ended; nobody is told what fails. */
  relayPresence(from: Jid, stanza: Element): void {
    const to = tryParseJid(attr(stanza, 'to') ?? '')
    if (!to) return
    try {
      this.#route({ stanza, from, to, session: undefined })
    } catch (error) {
      if (!(error instanceof StanzaError)) throw error
    }
  }

  /** Calls `fn` for every address there is, and for each made later. */
  eachEndpoint(fn: (endpoint: ServerEndpoint) => void): void {
    for (const endpoint of [this.#account, ...this.#endpoints.values()]) fn(endpoint)
    this.#watchers.push(fn)
  }

  close(): void {
    this.#pending.close()
  }
}
