/**
 * The jobs of a component: each runs once, one after the other, and tells its states. SACM-XMPP §2, Jobs.
 *
 * A job's key is (requester, id). A repeat within 24 hours answers the state that the job is in and starts nothing, so
 * a requester that heard nothing may simply ask again.
 */

import { setImmediate } from 'node:timers/promises'
import type { JobOutcome, JobState } from '../../modules/sacm/xml.ts'
import { StanzaError } from '../../server/stanza/errors.ts'
import { describeError } from './describe-error.ts'
import type { StoredJob } from './state.ts'

export interface JobOrder {
  /** The component, or the bare JID of an account without one, that asked. */
  readonly requester: string
  readonly id: string
  /** UTC milliseconds; later it is not run. */
  readonly expires: number | undefined
}

export interface JobResult {
  readonly outcome: JobOutcome
  readonly errors: readonly string[]
}

export interface JobControl {
  readonly signal: AbortSignal
  progress(done: number, total: number): void
}

export interface JobsOptions {
  /** Our component id. */
  readonly component: () => string
  /** Told each change of state after `accepted`, which the answer to the order tells. */
  readonly onState: (requester: string, state: JobState) => void
  readonly now?: () => number
  /** Jobs that may wait for their turn. */
  readonly maxWaiting?: number
  readonly remembered?: readonly StoredJob[]
}

const REMEMBER_MS = 86_400_000
/** SACM-XMPP §2: default one hour. */
const DEFAULT_EXPIRES_MS = 3_600_000
const MAX_REMEMBERED = 1_000
const MAX_ERRORS = 100

interface Job {
  readonly requester: string
  readonly at: number
  state: JobState
}

export class Jobs {
  readonly #options: JobsOptions
  readonly #now: () => number
  readonly #jobs = new Map<string, Job>()
  readonly #closing = new AbortController()
  /** Jobs that were under way when the last run stopped, as they ended. */
  readonly interrupted: readonly { readonly requester: string; readonly state: JobState }[]
  #tail: Promise<void> = Promise.resolve()
  #waiting = 0

  constructor(options: JobsOptions) {
    this.#options = options
    this.#now = options.now ?? Date.now
    const interrupted: { requester: string; state: JobState }[] = []
    for (const { requester, at, state } of options.remembered ?? []) {
      // What was under way when the component stopped did not end well, and is not started again.
      const ended: JobState = {
        ...base(state),
        state: 'completed',
        outcome: 'failed',
        errors: ['the component stopped'],
      }
      if (state.state !== 'completed') interrupted.push({ requester, state: ended })
      this.#jobs.set(key(requester, state.job), { requester, at, state: state.state === 'completed' ? state : ended })
    }
    this.interrupted = interrupted
  }

  /**
   * Takes an order and answers the job's state: `accepted` when it is new.
   * @throws StanzaError resource-constraint when too many wait
   */
  start(order: JobOrder, work: (control: JobControl) => Promise<JobResult>): JobState {
    this.#forget()
    const jobKey = key(order.requester, order.id)
    const known = this.#jobs.get(jobKey)
    if (known) return known.state
    if (this.#closing.signal.aborted) throw new StanzaError('wait', 'recipient-unavailable', 'the component stops')
    if (this.#waiting >= (this.#options.maxWaiting ?? 16)) {
      throw new StanzaError('wait', 'resource-constraint', `${this.#waiting} jobs are waiting`)
    }
    const at = this.#now()
    const job: Job = {
      requester: order.requester,
      at,
      state: { job: order.id, component: this.#options.component(), state: 'accepted' },
    }
    this.#jobs.set(jobKey, job)
    this.#waiting++
    this.#tail = this.#tail.then(() => this.#run(job, order.expires ?? at + DEFAULT_EXPIRES_MS, work))
    return job.state
  }

  /** The newest jobs, for the state file. */
  remembered(): readonly StoredJob[] {
    return [...this.#jobs.values()].map(({ requester, at, state }) => ({
      requester,
      at,
      state: state.state === 'completed' ? { ...state, errors: [...state.errors] } : state,
    }))
  }

  /** Aborts what runs; resolves when it has ended. */
  async close(): Promise<void> {
    this.#closing.abort(new Error('the component stops'))
    await this.#tail
  }

  async #run(job: Job, expires: number, work: (control: JobControl) => Promise<JobResult>): Promise<void> {
    // The answer to the order goes out first: its `accepted` comes before any later state.
    await setImmediate()
    this.#waiting--
    const { signal } = this.#closing
    let result: JobResult
    try {
      if (this.#now() > expires) result = { outcome: 'expired', errors: ['the request expired before its turn'] }
      else if (signal.aborted) result = { outcome: 'cancelled', errors: ['the component stops'] }
      else {
        result = await work({
          signal,
          progress: (done, total) => this.#enter(job, { ...base(job.state), state: 'progress', done, total }),
        })
      }
    } catch (error) {
      result = { outcome: 'failed', errors: [describeError(error)] }
    }
    const errors = result.errors.slice(0, MAX_ERRORS)
    this.#enter(job, { ...base(job.state), state: 'completed', outcome: result.outcome, errors })
  }

  #enter(job: Job, state: JobState): void {
    job.state = state
    this.#options.onState(job.requester, state)
  }

  /** Drops jobs older than a day, and the oldest completed ones above the bound. */
  #forget(): void {
    const limit = this.#now() - REMEMBER_MS
    for (const [jobKey, job] of this.#jobs) {
      const isSurplus = this.#jobs.size >= MAX_REMEMBERED
      if (job.state.state === 'completed' && (job.at < limit || isSurplus)) this.#jobs.delete(jobKey)
      // The map is in order of arrival: beyond here everything is younger.
      else if (job.at >= limit && !isSurplus) return
    }
  }
}

function base(state: JobState) {
  return { job: state.job, component: state.component }
}

/** Neither part holds a newline on the wire's attributes once normalised, so the pair is unambiguous. */
function key(requester: string, id: string): string {
  return `${requester}\n${id}`
}
