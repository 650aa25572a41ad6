/** What is counted when: the measured span of a run, and how long each operation took. */

/** Buckets of latency: four per doubling, from 16 µs to over a minute. */
const PER_DOUBLING = 4
const BUCKETS = 100
const FIRST_US = 16
const DRAIN_MS = 60_000
/** A work that is done when it is done, like filling a node. */
const LONGEST_MS = 3_600_000

/** UTC milliseconds with a fraction, the same clock in every process of the machine. */
export const now = (): number => performance.timeOrigin + performance.now()

export interface WindowReport {
  readonly count: number
  /** Operations per bucket of latency. */
  readonly latencies: readonly number[]
}

/** Counts operations that end between `from` and `to`. */
export class Window {
  readonly from: number
  readonly to: number
  readonly #latencies = new Array<number>(BUCKETS).fill(0)
  #count = 0

  constructor(from: number, to: number) {
    this.from = from
    this.to = to
  }

  /** @returns false when the window is over: nothing new is to be started */
  record(startedAt: number, endedAt: number): boolean {
    if (endedAt >= this.to) return false
    if (endedAt >= this.from) {
      this.#count++
      const doublings = Math.log2(Math.max(1, ((endedAt - startedAt) * 1000) / FIRST_US))
      const bucket = Math.min(BUCKETS - 1, Math.floor(doublings * PER_DOUBLING))
      this.#latencies[bucket] = (this.#latencies[bucket] ?? 0) + 1
    }
    return true
  }

  /** From now until even the last answers must have come. */
  deadlineMs(): number {
    return Math.min(this.to - now() + DRAIN_MS, LONGEST_MS)
  }

  report(): WindowReport {
    return { count: this.#count, latencies: this.#latencies }
  }
}

/** The latency in milliseconds that `share` of the operations did not exceed; the upper edge of its bucket. */
export function percentile(latencies: readonly number[], share: number): number {
  const total = latencies.reduce((sum, each) => sum + each, 0)
  let seen = 0
  for (const [bucket, each] of latencies.entries()) {
    seen += each
    if (seen >= total * share) return (FIRST_US * 2 ** ((bucket + 1) / PER_DOUBLING)) / 1000
  }
  return Number.NaN
}
