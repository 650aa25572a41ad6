/** Who sees available presence of an external component, so that its end reaches them too. RFC 6121 §4.5, §4.6; XEP-0114. */

import type { Jid } from '../stanza/jid.ts'

/** One address of a component, as somebody sees it. */
export interface Shown {
  readonly from: Jid
  readonly to: Jid
}

/** Remembered per component; beyond it the oldest is forgotten. */
const MAX_SHOWN = 100_000

export class ShownPresence {
  readonly #of = new WeakMap<object, Map<string, Shown>>()

  /** Available presence adds, unavailable presence takes out. */
  note(component: object, from: Jid, to: Jid, isAvailable: boolean): void {
    // No address holds a NUL.
    const key = `${from.full}\0${to.full}`
    let shown = this.#of.get(component)
    if (!isAvailable) {
      shown?.delete(key)
      return
    }
    if (!shown) {
      shown = new Map()
      this.#of.set(component, shown)
    }
    shown.set(key, { from, to })
    const oldest = shown.size > MAX_SHOWN ? shown.keys().next().value : undefined
    if (oldest !== undefined) shown.delete(oldest)
  }

  /** Empties the component's list and gives what was in it. */
  take(component: object): readonly Shown[] {
    const shown = this.#of.get(component)
    this.#of.delete(component)
    return shown ? [...shown.values()] : []
  }
}
