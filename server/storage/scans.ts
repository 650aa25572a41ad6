/** The main thread's side of scans: a bounded queue before a thread that is started by the first of them. */

import type { Worker } from 'node:worker_threads'
import type { Logger } from '../log.ts'
import type { FaultLog } from './faults.ts'
import { errorOf } from './outcome.ts'
import { type FromScanner, isFault, type Outcome, type ToScanner } from './protocol.ts'
import { StorageUnavailable } from './storage.ts'
import { failedError, type Place, startThread } from './threads.ts'

export interface ScanLimits {
  /** Rows that one scan may look at. */
  readonly maxRows: number
  /** Milliseconds that it may take. */
  readonly maxMs: number
  /** Scans that may wait; one more is refused with `queue-full`. */
  readonly maxQueue: number
}

interface Waiting {
  readonly operation: string
  readonly args: unknown
  resolve(result: unknown): void
  reject(error: Error): void
}

export class Scans {
  readonly #place: Place
  readonly #limits: ScanLimits
  readonly #log: Logger
  readonly #faults: FaultLog
  readonly #queue: Waiting[] = []
  #current: Waiting | undefined
  #worker: Worker | undefined
  #idle: (() => void) | undefined
  #isClosed = false

  constructor(place: Place, limits: ScanLimits, log: Logger, faults: FaultLog) {
    this.#place = place
    this.#limits = limits
    this.#log = log
    this.#faults = faults
  }

  run(operation: string, args: unknown): Promise<unknown> {
    if (this.#isClosed) return Promise.reject(new StorageUnavailable('closed', 'storage is closed'))
    if (this.#queue.length >= this.#limits.maxQueue) {
      const text = 'too many queries are waiting'
      this.#faults.refused('queue-full', text)
      return Promise.reject(new StorageUnavailable('queue-full', text))
    }
    return new Promise((resolve, reject) => {
      this.#queue.push({ operation, args, resolve, reject })
      if (!this.#current) this.#next()
    })
  }

  /** Waits for the scan under way, which is bounded, and refuses those that wait. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    for (const waiting of this.#queue.splice(0)) waiting.reject(new StorageUnavailable('closed', 'storage is closing'))
    if (this.#current) {
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#idle = resolve
      await promise
    }
    const worker = this.#worker
    if (!worker) return
    const ended = new Promise((resolve) => worker.once('exit', resolve))
    this.#post(worker, { kind: 'close' })
    await ended
  }

  #next(): void {
    this.#current = this.#queue.shift()
    if (!this.#current) {
      this.#idle?.()
      return
    }
    const { operation, args } = this.#current
    try {
      this.#worker ??= this.#start()
      this.#post(this.#worker, { kind: 'scan', operation, args })
    } catch (error) {
      // The arguments are not plain data, or no thread could be started.
      const text = error instanceof Error ? error.message : String(error)
      this.#answer({ kind: 'defect', operation, text, stack: (error instanceof Error && error.stack) || text })
    }
  }

  #start(): Worker {
    const { maxRows, maxMs } = this.#limits
    const worker = startThread(this.#place, { kind: 'scan', maxRows, maxMs })
    let failure: Error | undefined
    worker.on('message', (message: FromScanner) => {
      if (message.kind === 'outcome') this.#answer(message.outcome)
      else failure = failedError(message)
    })
    worker.on('error', (error) => {
      failure = error
    })
    worker.on('exit', (code) => {
      // The next scan starts another one.
      this.#worker = undefined
      if (!this.#current) return
      const error = failure ?? new Error(`it ended with ${code}`)
      this.#log.error({ what: 'storage_scanner_died', error: error.stack })
      this.#answer({ kind: 'unavailable', reason: 'failed', text: error.message })
    })
    return worker
  }

  #answer(outcome: Outcome): void {
    const waiting = this.#current
    if (isFault(outcome)) {
      if (outcome.kind === 'unavailable') this.#faults.refused(outcome.reason, outcome.text)
      waiting?.reject(errorOf(outcome, this.#log))
    } else {
      this.#faults.served()
      waiting?.resolve(outcome[0])
    }
    this.#next()
  }

  #post(worker: Worker, message: ToScanner): void {
    worker.postMessage(message)
  }
}
