/**
 * Sessions of commands that are under way: bounded for each requester and in all, and ended by their last stage, by
 * `cancel`, by time, or with the requester's connection. XEP-0050 §3.3.
 *
 * An id proves itself: random text, and its MAC over the requester and the node. So an id that was given out once and
 * is gone (session-expired) is told from one that never was (bad-sessionid) without remembering any.
 */

import { createHmac, randomBytes } from 'node:crypto'
import type { Clock, CommandForm } from '../../server/module/api.ts'
import { commandError } from './errors.ts'

export interface CommandSession {
  readonly id: string
  readonly requester: string
  /** The forms shown, the current one last; `prev` goes back. */
  readonly stages: CommandForm[]
  /** A stage is being worked on. */
  isBusy: boolean
  expiresAt: number
}

export interface SessionLimits {
  readonly perRequester: number
  readonly total: number
  readonly idleMs: number
}

export class CommandSessions {
  readonly #secret = randomBytes(32)
  readonly #byId = new Map<string, CommandSession>()
  readonly #limits: SessionLimits
  readonly #clock: Clock

  constructor(limits: SessionLimits, clock: Clock) {
    this.#limits = limits
    this.#clock = clock
  }

  get size(): number {
    return this.#byId.size
  }

  /** An id for a command of this requester; one that ends at once needs no session for it. */
  newId(requester: string, node: string): string {
    const nonce = randomBytes(9).toString('base64url')
    return `${nonce}.${this.#mac(nonce, requester, node)}`
  }

  /** @throws StanzaError resource-constraint when there are as many as may be */
  open(requester: string, node: string, stage: CommandForm): CommandSession {
    this.sweep()
    let own = 0
    for (const session of this.#byId.values()) if (session.requester === requester) own++
    if (own >= this.#limits.perRequester || this.#byId.size >= this.#limits.total)
      throw commandError('tooManySessions', 'too many commands under way; finish or cancel one')
    const session: CommandSession = {
      id: this.newId(requester, node),
      requester,
      stages: [stage],
      isBusy: false,
      expiresAt: this.#clock.now() + this.#limits.idleMs,
    }
    this.#byId.set(session.id, session)
    return session
  }

  /** The session, and time for its next stage. @throws StanzaError bad-sessionid, session-expired */
  find(id: string, requester: string, node: string): CommandSession {
    const [nonce = '', mac = ''] = id.split('.', 2)
    if (id !== `${nonce}.${mac}` || mac !== this.#mac(nonce, requester, node))
      throw commandError('badSessionId', 'no session of this command was given that id')
    this.sweep()
    const session = this.#byId.get(id)
    if (!session) throw commandError('sessionExpired', 'the command has ended')
    session.expiresAt = this.#clock.now() + this.#limits.idleMs
    return session
  }

  end(session: CommandSession): void {
    this.#byId.delete(session.id)
  }

  endAllOf(requester: string): void {
    for (const session of this.#byId.values()) if (session.requester === requester) this.end(session)
  }

  /** Ends those whose time is over. */
  sweep(): void {
    const now = this.#clock.now()
    for (const session of this.#byId.values()) if (session.expiresAt <= now && !session.isBusy) this.end(session)
  }

  #mac(nonce: string, requester: string, node: string): string {
    return createHmac('sha256', this.#secret)
      .update(JSON.stringify([nonce, requester, node]))
      .digest('base64url')
      .slice(0, 22)
  }
}
