/**
 * Finds clients that are gone without a word: asks after half of the time without any input, ends the stream when
 * as much again has passed. White space between stanzas is input. RFC 6120 §4.6; XEP-0199 §4.1.
 */

import { StreamError } from '../stanza/errors.ts'
import type { StreamHandle } from '../stream/context.ts'

export class IdleWatch {
  readonly #stream: StreamHandle
  readonly #idleMs: number
  readonly #ask: () => void
  #timer: NodeJS.Timeout
  #askedAt = Number.NEGATIVE_INFINITY

  /** @param ask  sends what the client must answer */
  constructor(stream: StreamHandle, idleMs: number, ask: () => void) {
    this.#stream = stream
    this.#idleMs = idleMs
    this.#ask = ask
    this.#timer = this.#wake(idleMs / 2)
  }

  close(): void {
    clearTimeout(this.#timer)
  }

  #check(): void {
    const { quietMs } = this.#stream
    const half = this.#idleMs / 2
    const sinceAskedMs = performance.now() - this.#askedAt
    // Asked in this silence, or in an earlier one?
    const isDue = quietMs >= sinceAskedMs
    if (isDue && sinceAskedMs >= half) {
      this.#stream.fail(new StreamError('connection-timeout', 'nothing was heard')) // RFC 6120 §4.9.3.4
      return
    }
    if (!isDue && quietMs >= half) {
      this.#askedAt = performance.now()
      this.#ask()
      this.#timer = this.#wake(half)
    } else {
      this.#timer = this.#wake(isDue ? half - sinceAskedMs : half - quietMs)
    }
  }

  #wake(ms: number): NodeJS.Timeout {
    return setTimeout(() => this.#check(), Math.max(1, ms))
  }
}
