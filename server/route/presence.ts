/**
 * Presence: broadcast to the account's own resources and to those subscribed to it, directed presence and its end,
 * probes. RFC 6121 §4, §8.5. Who is subscribed to whom is the authority's to say.
 */

import type { InboundStanza, PresenceAuthority, SessionHandle, SessionView, SubscriptionType } from '../module/api.ts'
import { StanzaError } from '../stanza/errors.ts'
import { bareJid, type Jid, tryParseJid } from '../stanza/jid.ts'
import { readdressed } from '../stanza/stanza.ts'
import { attr, childOf, type Element, el, textOf } from '../xml/element.ts'
import { NS_CLIENT } from '../xml/namespaces.ts'
import { DirectedPresence } from './directed.ts'
import { writeOnce } from './fan-out.ts'
import type { HookTable } from './hooks.ts'
import { answerProbe } from './probe.ts'

/** Where a session's presence is kept; the session registry. */
export interface PresenceStore extends SessionView {
  setPresence(session: SessionHandle, presence: Element | undefined, priority: number): void
}

export interface PresenceParts {
  readonly domain: string
  readonly sessions: PresenceStore
  readonly hooks: HookTable
  readonly exists: (bareJid: string) => boolean
}

const SUBSCRIPTION_TYPES: ReadonlySet<string> = new Set<SubscriptionType>([
  'subscribe',
  'subscribed',
  'unsubscribe',
  'unsubscribed',
])

export class PresenceRouter {
  readonly #parts: PresenceParts
  readonly #directed = new DirectedPresence()
  readonly #showing: ((of: string, by: string) => boolean)[] = []
  #authority: PresenceAuthority = WITHOUT_ROSTERS
  #relay: (from: Jid, stanza: Element) => void = () => {}

  constructor(parts: PresenceParts) {
    this.#parts = parts
  }

  /** Gives the way onto the road for presence that leaves the account; set once by the composition root. */
  connect(relay: (from: Jid, stanza: Element) => void): void {
    this.#relay = relay
  }

  useAuthority(authority: PresenceAuthority): void {
    this.#authority = authority
    authority.connect({
      show: (of, to) => this.#show(of, to),
      hide: (of, to) => this.#hide(of, to),
      toService: (from, stanza) => this.#relay(from, stanza),
    })
  }

  /** Another way than a subscription to see presence. */
  alsoShow(maySee: (of: string, by: string) => boolean): void {
    this.#showing.push(maySee)
  }

  /** What a session's presence and IQs need in memory; undefined when it is there, as it is after the first time. */
  ready(account: string): Promise<void> | undefined {
    return this.#authority.ready(account)
  }

  /** May `by` see the presence of `of`? Bare or full JIDs. */
  maySee(of: string, by: string): boolean {
    if (of === by) return true
    const [ofBare, byBare] = [tryParseJid(of)?.bare, tryParseJid(by)?.bare]
    if (ofBare === undefined || byBare === undefined) return false
    if (ofBare === byBare || this.#authority.isSubscribed(ofBare, byBare)) return true
    return this.#showing.some((maySee) => maySee(ofBare, byBare))
  }

  /** May an error tell this entity that the account exists, or that a resource is not there? RFC 6121 §8.1. */
  mayKnow(of: string, by: Jid): boolean {
    return this.#authority.knows(of, by.bare) || this.maySee(of, by.bare)
  }

  /** RFC 6121 §8.5.3.1: an IQ reaches only a client whose presence its sender may know of. */
  mayAsk(target: SessionHandle, by: Jid): boolean {
    return !this.#authority.guardsIqs || this.#directed.has(target, by) || this.maySee(target.bareJid, by.bare)
  }

  /** A presence without `to`: available or unavailable. RFC 6121 §4.2.2, §4.4.2, §4.5.2. */
  broadcast(session: SessionHandle, stanza: Element): void {
    const type = checkType(stanza)
    if (type === 'error') return
    if (type !== undefined && type !== 'unavailable') {
      throw new StanzaError('modify', 'bad-request', `presence of type ${type} needs a 'to'`)
    }
    const wasAvailable = session.presence !== undefined
    if (type === undefined) {
      const priority = priorityOf(stanza)
      this.#sending(session, stanza)
      this.#parts.sessions.setPresence(session, stanza, priority)
      this.#tell(session, stanza)
      if (!wasAvailable) this.#learn(session)
    } else {
      this.#leave(session, stanza, wasAvailable)
    }
    if (type === undefined || wasAvailable) this.#updated(session, !wasAvailable)
  }

  /**
   * A presence to an account's bare or full JID. A promise rejects with what the sender is to be told.
   * RFC 6121 §3, §4.3, §4.6, §8.5.2, §8.5.3.
   */
  direct(routed: InboundStanza): void | Promise<void> {
    const { stanza, to, from, session } = routed
    const type = checkType(stanza)
    if (isSubscription(type)) return this.#negotiate(type, routed)
    if (type === 'probe') return this.#probe(routed)
    if (session && type !== 'error') this.#directed.note(session, to, type === undefined)
    if (session && type === undefined) this.#sending(session, stanza)
    if (to.resource !== '') {
      const target = this.#parts.sessions.get(to.full)
      if (target) this.#receive(target, stanza, from, type)
    } else if (type !== 'error') {
      for (const target of this.#parts.sessions.of(to.bare)) {
        if (target.presence) this.#receive(target, stanza, from, type)
      }
    }
    if (session && type !== 'error')
      this.#parts.hooks.emit('presence.directed', { session, to, presence: type === undefined ? stanza : undefined })
  }

  /** A presence to a service or component. A promise as for `direct`; without one it is to be handed over now. */
  toService(routed: InboundStanza): void | Promise<void> {
    const { stanza, to, session } = routed
    const type = checkType(stanza)
    if (isSubscription(type) && session) return this.#negotiate(type, routed)
    if (session && (type === undefined || type === 'unavailable')) this.#directed.note(session, to, type === undefined)
    if (session && type === undefined) this.#sending(session, stanza)
  }

  /** The session ended without saying so: the server says unavailable for it. RFC 6121 §4.5.2. */
  ended(session: SessionHandle): void {
    const wasAvailable = session.presence !== undefined
    this.#leave(session, unavailableFrom(session), wasAvailable)
    if (wasAvailable) this.#updated(session, false)
  }

  #show(of: string, to: string): void {
    const receiver = tryParseJid(to)
    if (!receiver) return
    for (const session of this.#parts.sessions.of(of)) {
      if (session.presence) this.#toEntity(session.fullJid, receiver, writeOnce(session.presence), session.presence)
    }
  }

  #hide(of: string, to: string): void {
    const receiver = tryParseJid(to)
    if (!receiver) return
    for (const session of this.#parts.sessions.of(of)) {
      const stanza = unavailableFrom(session)
      if (session.presence) this.#toEntity(session.fullJid, receiver, writeOnce(stanza), stanza)
    }
  }

  #leave(session: SessionHandle, stanza: Element, wasAvailable: boolean): void {
    if (wasAvailable) {
      this.#tell(session, stanza)
      this.#parts.sessions.setPresence(session, undefined, 0)
    }
    // §4.6.3: those who got directed presence and no broadcast hear of its end too
    const told = new Set(wasAvailable ? [session.bareJid, ...this.#authority.subscribers(session.bareJid)] : [])
    for (const to of this.#directed.take(session)) {
      if (!told.has(to.bare)) this.#relay(session.fullJid, readdressed(stanza, to.full))
      if (this.#parts.exists(to.bare)) this.#parts.hooks.emit('presence.directed', { session, to, presence: undefined })
    }
  }

  /** To the account's available resources, the session itself included, and to every subscriber. §4.2.2, §4.5.2. */
  #tell(session: SessionHandle, stanza: Element): void {
    const write = writeOnce(stanza)
    for (const target of this.#parts.sessions.of(session.bareJid)) {
      if (target.presence || target === session) this.#parts.sessions.deliver(target, write(target.fullJid))
    }
    for (const subscriber of this.#authority.subscribers(session.bareJid)) {
      const to = tryParseJid(subscriber)
      if (to) this.#toEntity(session.fullJid, to, write, stanza)
    }
  }

  /** To an account's available resources, or to a service. §4.2.3, §8.5.2.1.2: `to` stays as it is. */
  #toEntity(from: Jid, to: Jid, write: ReturnType<typeof writeOnce>, stanza: Element): void {
    if (to.local === '' || to.domain !== this.#parts.domain) {
      this.#relay(from, readdressed(stanza, to.full))
      return
    }
    for (const target of this.#parts.sessions.of(to.bare)) {
      if (target.presence) this.#parts.sessions.deliver(target, write(to))
    }
  }

  /**
   * A resource that becomes available learns of the account's others and of all whom the account is subscribed to:
   * they are here, so what a probe would ask is known. §4.2.2, §4.3.1.
   */
  #learn(session: SessionHandle): void {
    const { sessions } = this.#parts
    const learnOf = (account: string): void => {
      for (const other of sessions.of(account)) {
        if (other === session || !other.presence) continue
        sessions.deliver(session, readdressed(other.presence, session.fullJid.full))
      }
    }
    learnOf(session.bareJid)
    for (const contact of this.#authority.subscriptions(session.bareJid)) {
      if (this.#authority.isSubscribed(contact, session.bareJid)) learnOf(contact)
    }
  }

  #receive(target: SessionHandle, stanza: Element, from: Jid, type: string | undefined): void {
    if (type === 'unavailable') this.#directed.forget(target, from)
    this.#parts.sessions.deliver(target, stanza)
  }

  /** §3.1.2, §3.1.3: subscriptions are the accounts', whatever resource was named. */
  #negotiate(type: SubscriptionType, { stanza, from, to }: InboundStanza): Promise<void> {
    return this.#authority.negotiate({ type, from: bareJid(from), to: bareJid(to), stanza })
  }

  #probe({ stanza, from, to }: InboundStanza): void | Promise<void> {
    const { sessions, exists } = this.#parts
    const answer = (): void | Promise<void> => {
      const answers = answerProbe(
        {
          sessions,
          exists,
          authority: this.#authority,
          directed: this.#directed,
          maySee: (of, by) => this.maySee(of, by),
        },
        { from, to, id: attr(stanza, 'id') },
      )
      if (!(answers instanceof Promise)) return this.#answer(from, to, answers)
      return answers.then((later) => this.#answer(from, to, later))
    }
    const ready = exists(to.bare) ? this.#authority.ready(to.bare) : undefined
    return ready ? ready.then(answer) : answer()
  }

  #answer(prober: Jid, probed: Jid, answers: readonly Element[]): void {
    for (const stanza of answers) {
      if (prober.local === '' || prober.domain !== this.#parts.domain) this.#relay(probed, stanza)
      else {
        for (const target of this.#parts.sessions.of(prober.bare)) {
          if (prober.resource === '' ? target.presence : target.fullJid.full === prober.full)
            this.#parts.sessions.deliver(target, stanza)
        }
      }
    }
  }

  #sending(session: SessionHandle, presence: Element): void {
    this.#parts.hooks.emit('presence.sending', { session, presence })
  }

  #updated(session: SessionHandle, isInitial: boolean): void {
    this.#parts.hooks.emit('presence.updated', { session, presence: session.presence, isInitial })
  }
}

/** No rosters, so nobody is subscribed to anybody. */
const WITHOUT_ROSTERS: PresenceAuthority = {
  connect: () => {},
  ready: () => undefined,
  subscribers: () => [],
  subscriptions: () => [],
  isSubscribed: () => false,
  knows: () => false,
  negotiate: () => {
    throw new StanzaError('cancel', 'feature-not-implemented', 'this server keeps no rosters')
  },
  lastSeen: () => Promise.resolve(undefined),
  guardsIqs: false,
}

function unavailableFrom(session: SessionHandle): Element {
  return el('presence', { xmlns: NS_CLIENT, type: 'unavailable', from: session.fullJid.full })
}

function isSubscription(type: string | undefined): type is SubscriptionType {
  return type !== undefined && SUBSCRIPTION_TYPES.has(type)
}

/** RFC 6121 §4.7.1: one of the seven values, or none. @throws StanzaError bad-request */
function checkType(stanza: Element): string | undefined {
  const type = attr(stanza, 'type')
  if (type === undefined || type === 'unavailable' || type === 'probe' || type === 'error' || isSubscription(type))
    return type
  throw new StanzaError('modify', 'bad-request', `no presence is of type ${type.slice(0, 40)}`)
}

/** RFC 6121 §4.7.2.3: an integer from -128 to 127, 0 when absent. */
function priorityOf(presence: Element): number {
  const element = childOf(presence, 'priority', NS_CLIENT) ?? childOf(presence, 'priority', '')
  if (!element) return 0
  const text = textOf(element).trim()
  const priority = Number(text)
  if (!/^[+-]?\d{1,3}$/.test(text) || priority < -128 || priority > 127) {
    throw new StanzaError('modify', 'bad-request', 'priority is an integer from -128 to 127')
  }
  return priority
}
