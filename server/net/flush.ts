/**
 * Flushes every connection that was written to, once per turn of the loop, with one timer for all of them: many small
 * stanzas to one socket become one TLS record and one system call (DESIGN decision 6).
 */

export interface Flushable {
  flush(): void
}

export class FlushTurn {
  #dirty: Flushable[] = []
  readonly #run = (): void => {
    const dirty = this.#dirty
    this.#dirty = []
    for (const each of dirty) each.flush()
  }

  /** The caller adds itself once until it is flushed. */
  add(flushable: Flushable): void {
    if (this.#dirty.push(flushable) === 1) setImmediate(this.#run)
  }
}
