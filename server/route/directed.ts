/** Who got directed presence from a session, so that its end reaches them too. RFC 6121 §4.6. */

import type { SessionHandle } from '../module/api.ts'
import type { Jid } from '../stanza/jid.ts'

/** Remembered per session; beyond it the oldest is forgotten. */
const MAX_DIRECTED = 1000

export class DirectedPresence {
  readonly #of = new WeakMap<SessionHandle, Map<string, Jid>>()

  /** §4.6.1: available presence adds the entity, unavailable presence takes it out. */
  note(session: SessionHandle, to: Jid, isAvailable: boolean): void {
    let receivers = this.#of.get(session)
    if (!isAvailable) {
      receivers?.delete(to.full)
      return
    }
    if (!receivers) {
      receivers = new Map()
      this.#of.set(session, receivers)
    }
    receivers.set(to.full, to)
    const oldest = receivers.size > MAX_DIRECTED ? receivers.keys().next().value : undefined
    if (oldest !== undefined) receivers.delete(oldest)
  }

  /** §4.6.1: an entity that says it is unavailable needs to hear nothing more. */
  forget(session: SessionHandle, entity: Jid): void {
    this.#of.get(session)?.delete(entity.full)
  }

  /** Has the session shown itself to this entity, by its full or its bare address? §4.6.6. */
  has(session: SessionHandle, entity: Jid): boolean {
    const receivers = this.#of.get(session)
    return receivers !== undefined && (receivers.has(entity.full) || receivers.has(entity.bare))
  }

  /** Empties the session's list and gives what was in it. */
  take(session: SessionHandle): readonly Jid[] {
    const receivers = this.#of.get(session)
    this.#of.delete(session)
    return receivers ? [...receivers.values()] : []
  }
}
