/**
 * How fast one session may speak: a token bucket each for stanzas and for bytes. A client that is faster is read more
 * slowly; one that presses on for long is closed. RFC 6120 §13.12, §4.9.3.14.
 */

import { StreamError } from '../stanza/errors.ts'

export interface RateLimits {
  /** 0: any number. */
  readonly stanzasPerSecond: number
  /** 0: any number. */
  readonly bytesPerSecond: number
  /** That a client may press against the limits. */
  readonly overRateMs: number
}

/** What may come at once, after a pause. */
const BURST_SECONDS = 2

class Bucket {
  readonly #perMs: number
  readonly #size: number
  #level: number
  #at = performance.now()

  constructor(perSecond: number) {
    this.#perMs = perSecond / 1000
    this.#size = perSecond * BURST_SECONDS
    this.#level = this.#size
  }

  /** Takes out `count`. @returns milliseconds until it is not empty any more */
  take(count: number, now: number): number {
    this.#level = Math.min(this.#size, this.#level + (now - this.#at) * this.#perMs) - count
    this.#at = now
    return this.#level < 0 ? -this.#level / this.#perMs : 0
  }

  get isHalfFull(): boolean {
    return this.#level >= this.#size / 2
  }
}

export class Rate {
  readonly #stanzas: Bucket | undefined
  readonly #bytes: Bucket | undefined
  readonly #overRateMs: number
  /** Since when the client is too fast, without having paused. */
  #overSince: number | undefined

  constructor({ stanzasPerSecond, bytesPerSecond, overRateMs }: RateLimits) {
    this.#stanzas = stanzasPerSecond > 0 ? new Bucket(stanzasPerSecond) : undefined
    this.#bytes = bytesPerSecond > 0 ? new Bucket(bytesPerSecond) : undefined
    this.#overRateMs = overRateMs
  }

  /**
   * Counts what came.
   * @param now  by the monotonic clock, which is not asked for every stanza of a chunk
   * @returns milliseconds not to read for
   * @throws StreamError policy-violation
   */
  spend(stanzas: number, bytes: number, now = performance.now()): number {
    const waitMs = Math.max(this.#stanzas?.take(stanzas, now) ?? 0, this.#bytes?.take(bytes, now) ?? 0)
    if (waitMs > 0) {
      this.#overSince ??= now
      if (now - this.#overSince > this.#overRateMs) {
        throw new StreamError('policy-violation', 'too many stanzas or bytes per second for too long')
      }
    } else if ((this.#stanzas?.isHalfFull ?? true) && (this.#bytes?.isHalfFull ?? true)) {
      this.#overSince = undefined
    }
    return waitMs
  }
}
