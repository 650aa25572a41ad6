/**
 * Presence without rosters: broadcast among an account's own resources, directed presence and its end.
 * RFC 6121 §4.2, §4.4, §4.5, §4.6. Subscriptions (§3) need the roster and are refused.
 */

import type { SessionHandle, SessionView } from '../module/api.ts'
import { StanzaError } from '../stanza/errors.ts'
import type { Jid } from '../stanza/jid.ts'
import { attr, childOf, type Element, el, textOf } from '../xml/element.ts'
import { NS_CLIENT } from '../xml/namespaces.ts'
import type { HookTable } from './hooks.ts'

/** Where a session's presence is kept; the session registry. */
export interface PresenceStore extends SessionView {
  setPresence(session: SessionHandle, presence: Element | undefined, priority: number): void
}

const SUBSCRIPTION_TYPES = new Set(['subscribe', 'subscribed', 'unsubscribe', 'unsubscribed'])

/** Directed presences remembered per session; beyond it the oldest is forgotten. */
const MAX_DIRECTED = 1000

export class PresenceRouter {
  readonly #sessions: PresenceStore
  readonly #hooks: HookTable
  readonly #directed = new WeakMap<SessionHandle, Map<string, Jid>>()
  #send: (from: SessionHandle, stanza: Element) => void = () => {}

  constructor(sessions: PresenceStore, hooks: HookTable) {
    this.#sessions = sessions
    this.#hooks = hooks
  }

  /** Gives the way onto the road for presence that leaves the account; set once by the composition root. */
  connect(send: (from: SessionHandle, stanza: Element) => void): void {
    this.#send = send
  }

  /** A presence without `to`: available or unavailable. RFC 6121 §4.2.2, §4.4.2, §4.5.2. */
  broadcast(session: SessionHandle, stanza: Element): void {
    const type = attr(stanza, 'type')
    if (type === 'error') return
    if (type !== undefined && type !== 'unavailable') {
      throw new StanzaError('modify', 'bad-request', `presence of type ${type.slice(0, 40)} needs a 'to'`)
    }
    const wasAvailable = session.presence !== undefined
    if (type === undefined) {
      this.#sessions.setPresence(session, stanza, priorityOf(stanza))
      if (!wasAvailable) this.#sendOthersTo(session)
    } else {
      this.#sessions.setPresence(session, undefined, 0)
    }
    if (type === undefined || wasAvailable) this.#toOwnResources(session, stanza)
    if (type === 'unavailable') this.#endDirected(session, stanza)
    this.#hooks.emit('presence.updated', { session, presence: session.presence })
  }

  /** A presence to an account's bare or full JID. RFC 6121 §4.6, §8.5.2.1.2. */
  direct({ stanza, to, session }: { stanza: Element; to: Jid; session: SessionHandle | undefined }): void {
    const type = attr(stanza, 'type')
    if (type !== undefined && SUBSCRIPTION_TYPES.has(type)) {
      throw new StanzaError(
        'cancel',
        'feature-not-implemented',
        'presence subscriptions need a roster, which this server has not',
      ) // TODO(#3)
    }
    if (session) this.noteDirected(session, stanza, to)
    if (to.resource !== '') {
      const target = this.#sessions.get(to.full)
      if (target) this.#sessions.deliver(target, stanza)
      return
    }
    for (const target of this.#sessions.of(to.bare)) {
      if (target.presence) this.#sessions.deliver(target, stanza)
    }
  }

  /** Remembers who got directed presence, so that its end reaches them. RFC 6121 §4.6.3. */
  noteDirected(session: SessionHandle, stanza: Element, to: Jid): void {
    const type = attr(stanza, 'type')
    let directed = this.#directed.get(session)
    if (type === 'unavailable') {
      directed?.delete(to.full)
    } else if (type === undefined) {
      if (!directed) {
        directed = new Map()
        this.#directed.set(session, directed)
      }
      directed.set(to.full, to)
      const oldest = directed.size > MAX_DIRECTED ? directed.keys().next().value : undefined
      if (oldest !== undefined) directed.delete(oldest)
    }
  }

  /** The session ended without saying so: the server says unavailable for it. RFC 6121 §4.5.1. */
  ended(session: SessionHandle): void {
    const wasAvailable = session.presence !== undefined
    const unavailable = el('presence', { type: 'unavailable', from: session.fullJid.full })
    this.#sessions.setPresence(session, undefined, 0)
    if (wasAvailable) this.#toOwnResources(session, unavailable)
    this.#endDirected(session, unavailable)
    if (wasAvailable) this.#hooks.emit('presence.updated', { session, presence: undefined })
  }

  #endDirected(session: SessionHandle, unavailable: Element): void {
    const directed = this.#directed.get(session)
    if (!directed) return
    this.#directed.delete(session)
    for (const to of directed.values()) this.#send(session, copyTo(unavailable, to.full))
  }

  /** RFC 6121 §4.2.2: to all the account's available resources, the sender included. */
  #toOwnResources(session: SessionHandle, stanza: Element): void {
    for (const target of this.#sessions.of(session.bareJid)) {
      if (target.presence || target === session) this.#sessions.deliver(target, copyTo(stanza, target.fullJid.full))
    }
  }

  /** RFC 6121 §4.2.2: a resource that becomes available learns of the account's others. */
  #sendOthersTo(session: SessionHandle): void {
    for (const other of this.#sessions.of(session.bareJid)) {
      if (other !== session && other.presence)
        this.#sessions.deliver(session, copyTo(other.presence, session.fullJid.full))
    }
  }
}

/** A shallow copy with another `to`; the children stay shared, since nothing changes them after this. */
function copyTo(stanza: Element, to: string): Element {
  const copy = el(stanza.name, { ...stanza.attrs, to })
  copy.children = stanza.children
  copy.parent = stanza.parent
  return copy
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
