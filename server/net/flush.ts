/**
 * Flushes what was written to, at the end of the loop's turn: many small stanzas to one socket become one TLS record
 * and one system call (DESIGN decision 6).
 *
 * A turn flushes so many connections at most, then lets the loop look for input. Who publishes to thousands does not
 * stop everybody else for as long as thousands of system calls take; and what is written meanwhile to a connection that
 * has not had its turn leaves with what it has already: two publishes under way to the same subscribers soon share
 * every write, in whatever phase they began.
 */

export interface Flushable {
  flush(): void
}

/** Some milliseconds of system calls. With 64, looking for input between them cost a fan-out to 1,000 a sixth of its rate. */
const PER_TURN = 512

export class FlushTurn {
  #dirty: Flushable[] = []
  readonly #run = (): void => {
    const due = this.#dirty.splice(0, PER_TURN)
    if (this.#dirty.length > 0) setImmediate(this.#run)
    for (const each of due) each.flush()
  }

  /** The caller adds itself once until it is flushed. */
  add(flushable: Flushable): void {
    if (this.#dirty.push(flushable) === 1) setImmediate(this.#run)
  }
}
