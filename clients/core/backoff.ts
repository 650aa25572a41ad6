/** Waiting between attempts: exponential with full jitter, so that clients of a restarted server do not return together. */

import { setTimeout as delay } from 'node:timers/promises'

export interface BackoffOptions {
  readonly baseMs: number
  readonly maxMs: number
  /** 0 to 1, for tests. */
  readonly random?: () => number
}

export interface Backoff {
  /** The next wait in milliseconds: even between 0 and the bound, which doubles with each attempt up to `maxMs`. */
  next(): number
  /** After a success: the next wait starts from `baseMs` again. */
  reset(): void
}

export function backoff({ baseMs, maxMs, random = Math.random }: BackoffOptions): Backoff {
  let attempt = 0
  return {
    next() {
      // 2^30 is beyond every bound; without the cap the power would overflow after a thousand attempts.
      const bound = Math.min(maxMs, baseMs * 2 ** Math.min(attempt++, 30))
      return Math.round(random() * bound)
    },
    reset() {
      attempt = 0
    },
  }
}

/** Resolves after `ms`. @throws the signal's reason when it aborts first */
export async function wait(ms: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  try {
    await delay(ms, undefined, { signal })
  } catch (cause) {
    signal.throwIfAborted()
    throw cause
  }
}

/**
 * Runs `task` until it succeeds, at most `attempts` times, waiting in between.
 * @param mayRetry  false for an error that will not go away by itself; it is thrown at once
 * @throws the last error, or the signal's reason
 */
export async function retry<T>(
  task: () => Promise<T>,
  options: BackoffOptions & {
    readonly attempts: number
    readonly signal: AbortSignal
    readonly mayRetry: (error: unknown) => boolean
    readonly onRetry?: (error: unknown, waitMs: number) => void
  },
): Promise<T> {
  const waits = backoff(options)
  for (let attempt = 1; ; attempt++) {
    options.signal.throwIfAborted()
    try {
      return await task()
    } catch (error) {
      options.signal.throwIfAborted()
      if (attempt >= options.attempts || !options.mayRetry(error)) throw error
      const waitMs = waits.next()
      options.onRetry?.(error, waitMs)
      await wait(waitMs, options.signal)
    }
  }
}
