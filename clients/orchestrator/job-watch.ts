/**
 * Follows one job on several components to its end. States come to our response topic; a component that is silent for a
 * while is asked again, which by the contract starts nothing and answers its state. SACM-XMPP §2, Jobs.
 */

import type { JobOutcome, JobState } from '../../modules/sacm/xml.ts'
import { wait } from '../core/backoff.ts'
import { describeError } from '../core/describe-error.ts'
import { OfflineError, TimeoutError } from '../core/iq.ts'
import { sacmCondition } from '../core/topics.ts'

/** How one component ended. */
export interface ComponentOutcome {
  readonly component: string
  /** `refused`: it, or the server, did not take the order. `unanswered`: no end was heard of in time. */
  readonly outcome: JobOutcome | 'refused' | 'unanswered'
  readonly errors: readonly string[]
}

export interface JobReport {
  readonly job: string
  readonly components: readonly ComponentOutcome[]
}

export interface WatchOptions {
  readonly job: string
  readonly components: readonly string[]
  /** Asks one component; used first, and again when it is silent. @returns its state */
  readonly ask: (component: string, signal: AbortSignal) => Promise<JobState>
  readonly listen: (onState: (state: JobState) => void) => () => void
  readonly timeoutMs: number
  readonly signal: AbortSignal
  readonly onState?: ((state: JobState) => void) | undefined
  /** True: ask only those that are silent at first, since a broadcast went out. */
  readonly isBroadcast?: boolean
}

/** Between two questions: short at first, since most work is; doubled each time. */
const REPEAT_BASE_MS = 150
const REPEAT_MAX_MS = 3_000
/** A component that is not there is waited for a little: it may be reconnecting. */
const OFFLINE_GRACE_MS = 6_000
const OFFLINE_REPEAT_MS = 500

/** Resolves when all have ended, or the time is up. @throws the signal's reason */
export async function watchJob(options: WatchOptions): Promise<JobReport> {
  const watched = new Map(options.components.map((component) => [component, new Watched(options.onState)]))
  const stop = options.listen((state) => watched.get(state.component)?.take(state))
  const deadline = AbortSignal.timeout(options.timeoutMs)
  try {
    const signal = AbortSignal.any([options.signal, deadline])
    const outcomes = [...watched].map(async ([component, each]): Promise<ComponentOutcome> => {
      await follow(component, each, options, signal)
      options.signal.throwIfAborted()
      return { component, ...(each.end ?? { outcome: 'unanswered', errors: each.doubts() }) }
    })
    return { job: options.job, components: await Promise.all(outcomes) }
  } finally {
    stop()
  }
}

type End = Pick<ComponentOutcome, 'outcome' | 'errors'>

/** What is known of one component's part of the job. */
class Watched {
  readonly #onState: ((state: JobState) => void) | undefined
  #change = Promise.withResolvers<void>()
  #last = ''
  end: End | undefined
  lastError: unknown

  constructor(onState: ((state: JobState) => void) | undefined) {
    this.#onState = onState
  }

  take(state: JobState): void {
    // Asking again brings the same state again, the first one may be overtaken, and after the end nothing counts.
    const text = JSON.stringify(state)
    if (this.end || text === this.#last || (state.state === 'accepted' && this.hasBegun)) return
    // The answer and the first progress come by different ways; a later state tells that it was accepted, too.
    if (!this.hasBegun && state.state !== 'accepted') {
      this.#onState?.({ job: state.job, component: state.component, state: 'accepted' })
    }
    this.#last = text
    if (state.state === 'completed') this.end = { outcome: state.outcome, errors: state.errors }
    this.#onState?.(state)
    this.#change.resolve()
    this.#change = Promise.withResolvers()
  }

  get hasBegun(): boolean {
    return this.#last !== ''
  }

  refuse(error: unknown): void {
    this.end = { outcome: 'refused', errors: [describeError(error)] }
  }

  /** Waits for news, at most so long. */
  async news(ms: number, signal: AbortSignal): Promise<void> {
    const stop = new AbortController()
    await Promise.race([this.#change.promise, wait(ms, AbortSignal.any([signal, stop.signal])).catch(() => undefined)])
    stop.abort()
  }

  doubts(): readonly string[] {
    return this.lastError === undefined ? [] : [describeError(this.lastError)]
  }
}

async function follow(component: string, watched: Watched, options: WatchOptions, signal: AbortSignal): Promise<void> {
  const { ask, isBroadcast = false } = options
  let repeatMs = REPEAT_BASE_MS
  const offlineUntil = Date.now() + OFFLINE_GRACE_MS
  if (isBroadcast) await watched.news(repeatMs, signal)
  while (!watched.end && !signal.aborted) {
    let pauseMs = repeatMs
    try {
      watched.take(await ask(component, signal))
      watched.lastError = undefined
    } catch (error) {
      if (signal.aborted) return
      watched.lastError = error
      const isPassing = error instanceof OfflineError || error instanceof TimeoutError
      const isOffline = sacmCondition(error) === 'handler-offline'
      // One that has begun may come back until the time is up.
      if (isOffline && (watched.hasBegun || Date.now() < offlineUntil)) pauseMs = OFFLINE_REPEAT_MS
      else if (!isPassing) watched.refuse(error)
    }
    if (!watched.end) await watched.news(pauseMs, signal)
    repeatMs = Math.min(repeatMs * 2, REPEAT_MAX_MS)
  }
}
