/** Sessions that handle directed topics, per topic and side, oldest first; a session's end ends its handling. */

import type { SessionHandle } from '../../server/module/api.ts'
import { sacmError } from './errors.ts'
import type { Side } from './rules.ts'

export class Handlers {
  readonly #bySlot = new Map<string, SessionHandle[]>()
  readonly #slotsOf = new Map<SessionHandle, Set<string>>()
  readonly #maxPerSession: () => number

  constructor(maxPerSession: () => number) {
    this.#maxPerSession = maxPerSession
  }

  /**
   * Adds a session behind those that handle the topic already; a second time changes nothing.
   * @throws StanzaError resource-constraint
   */
  add(topic: string, side: Side, session: SessionHandle): void {
    const slot = slotOf(topic, side)
    const slots = this.#slotsOf.get(session) ?? new Set()
    if (slots.has(slot)) return
    if (slots.size >= this.#maxPerSession()) {
      throw sacmError('tooManyHandlers', `a session handles at most ${this.#maxPerSession()} topics`)
    }
    slots.add(slot)
    this.#slotsOf.set(session, slots)
    const sessions = this.#bySlot.get(slot)
    if (sessions) sessions.push(session)
    else this.#bySlot.set(slot, [session])
  }

  /** False when it did not handle the topic on this side. */
  remove(topic: string, side: Side, session: SessionHandle): boolean {
    const slot = slotOf(topic, side)
    if (!this.#slotsOf.get(session)?.delete(slot)) return false
    this.#drop(slot, session)
    return true
  }

  removeSession(session: SessionHandle): void {
    for (const slot of this.#slotsOf.get(session) ?? []) this.#drop(slot, session)
    this.#slotsOf.delete(session)
  }

  /** Oldest first. */
  of(topic: string, side: Side): readonly SessionHandle[] {
    return this.#bySlot.get(slotOf(topic, side)) ?? []
  }

  #drop(slot: string, session: SessionHandle): void {
    const left = (this.#bySlot.get(slot) ?? []).filter((each) => each !== session)
    if (left.length > 0) this.#bySlot.set(slot, left)
    else this.#bySlot.delete(slot)
  }
}

/** A topic's name holds no space. */
function slotOf(topic: string, side: Side): string {
  return `${side} ${topic}`
}
