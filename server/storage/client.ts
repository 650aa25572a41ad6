/** Storage as the main thread sees it: writes go to the worker in order, reads run on a connection of this thread. */

import { accessSync, constants } from 'node:fs'
import { dirname } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { Logger } from '../log.ts'
import type { Assets } from './assets.ts'
import { FaultLog } from './faults.ts'
import {
  type Fault,
  type FromWorker,
  type Group,
  isFault,
  isOneCall,
  type Outcome,
  type ToWorker,
  type UnavailableReason,
  type WorkerStart,
} from './protocol.ts'
import { Queue } from './queue.ts'
import { type Connection, type FolderLock, lockFolder, openReader, unavailableReason } from './sqlite.ts'
import {
  type Call,
  type Operation,
  Refusal,
  type Results,
  type Storage,
  StorageRefused,
  StorageUnavailable,
} from './storage.ts'
import { weigh } from './weigh.ts'

export interface StorageOptions {
  /** The database; its folder is made (mode 0700) when missing. */
  readonly file: string
  readonly assets: Assets
  readonly log: Logger
  /** The lock of the file's folder, when the caller has taken it; else it is taken here and released by `close`. */
  readonly lock?: FolderLock
  /** Writes waiting or under way at most; one more is refused with `queue-full`. */
  readonly maxQueue?: number
  /** Characters of text that those writes may hold together. */
  readonly maxQueueChars?: number
  /** How long `close` waits for the worker to finish, in milliseconds. */
  readonly closeTimeoutMs?: number
  /** Called once when the worker has died: every further write is refused, so the server should stop. */
  onFailure?(error: Error): void
}

const MAX_QUEUE = 20_000
const MAX_QUEUE_CHARS = 128 * 1024 * 1024
const CLOSE_TIMEOUT_MS = 30_000

/**
 * Opens the database, checks it after an unclean end, brings its schema up to date, and starts the writer worker.
 * @throws FolderLocked, StorageRefused
 */
export async function openStorage(options: StorageOptions): Promise<Storage> {
  const binding = options.assets.nativeBinding()
  const lock = options.lock ?? lockFolder(dirname(options.file), binding)
  const release = options.lock ? () => {} : () => lock.release()
  try {
    const start: WorkerStart = {
      file: options.file,
      nativeBinding: binding,
      migrations: options.assets.migrations(),
    }
    const worker = startWorker(options.assets, start)
    const log = options.log.child('storage')
    const ready = await untilReady(worker, log)
    if (ready.checked) log.info({ what: 'storage_recovered', text: 'the database is sound' })
    if (ready.migrated.length > 0) log.info({ what: 'storage_migrated', migrations: ready.migrated })
    const reader = await openReaderOrStop(options.file, binding, worker)
    return new StorageClient(worker, reader, release, log, options)
  } catch (error) {
    release()
    throw error
  }
}

function startWorker(assets: Assets, start: WorkerStart): Worker {
  const entry = assets.workerEntry()
  const options = { name: 'storage', workerData: start }
  return entry instanceof URL ? new Worker(entry, options) : new Worker(entry.code, { ...options, eval: true })
}

function untilReady(worker: Worker, log: Logger): Promise<FromWorker & { kind: 'ready' }> {
  return new Promise((resolve, reject) => {
    const stop = () => worker.off('message', onMessage).off('error', onError).off('exit', onExit)
    const onMessage = (message: FromWorker) => {
      if (message.kind === 'checking') {
        log.warn({ what: 'storage_checking', text: 'the last run did not end cleanly', bytes: message.bytes })
        return
      }
      stop()
      if (message.kind === 'ready') resolve(message)
      else
        reject(
          message.kind === 'failed' ? startError(message) : new Error(`the storage worker began with ${message.kind}`),
        )
    }
    const onError = (error: Error) => {
      stop()
      reject(error)
    }
    const onExit = (code: number) => {
      stop()
      reject(new Error(`the storage worker ended at once with ${code}`))
    }
    worker.on('message', onMessage).on('error', onError).on('exit', onExit)
  })
}

function startError({ text, isTold, stack }: FromWorker & { kind: 'failed' }): Error {
  const error = isTold ? new StorageRefused(text) : new Error(text)
  error.stack = stack
  return error
}

async function openReaderOrStop(file: string, binding: string | undefined, worker: Worker): Promise<Connection> {
  try {
    return openReader(file, binding)
  } catch (error) {
    await worker.terminate()
    throw error
  }
}

/** A group on its way: what to do with its outcome. */
interface Pending {
  readonly chars: number
  resolve(results: readonly unknown[]): void
  reject(error: Error): void
}

class StorageClient implements Storage {
  readonly #worker: Worker
  readonly #reader: Connection
  readonly #release: () => void
  readonly #log: Logger
  readonly #reads: FaultLog
  readonly #writes: FaultLog
  readonly #options: StorageOptions
  /** Submitted and not answered, oldest first. */
  readonly #pending = new Queue<Pending>()
  #pendingChars = 0
  /** Submitted in this loop turn and not posted. */
  #outbox: Group[] = []
  #submitted = 0
  #settled = 0
  readonly #waiters = new Map<number, { readonly promise: Promise<void>; readonly resolve: () => void }>()
  #refusing: { reason: UnavailableReason; text: string } | undefined
  #closed: Promise<void> | undefined
  readonly #exited: Promise<void>

  constructor(worker: Worker, reader: Connection, release: () => void, log: Logger, options: StorageOptions) {
    this.#worker = worker
    this.#reader = reader
    this.#release = release
    this.#log = log
    this.#reads = new FaultLog(log, 'reading')
    this.#writes = new FaultLog(log, 'writing')
    this.#options = options
    let failure: Error | undefined
    worker.on('message', (message: FromWorker) => this.#receive(message))
    worker.on('error', (error) => {
      failure = error
    })
    this.#exited = new Promise((resolve) => {
      worker.on('exit', (code) => {
        if (!this.#closed || this.#pending.size > 0)
          this.#fail(failure ?? new Error(`the storage worker ended with ${code}`))
        resolve()
      })
    })
  }

  get submitted(): number {
    return this.#submitted
  }

  settled(number: number): Promise<void> | undefined {
    if (number <= this.#settled) return undefined
    const last = Math.min(number, this.#submitted)
    let waiter = this.#waiters.get(last)
    if (!waiter) {
      waiter = Promise.withResolvers<void>()
      this.#waiters.set(last, waiter)
    }
    return waiter.promise
  }

  run<A, R>(operation: Operation<A, R>, args: A, applied?: (result: R) => void): Promise<R> {
    if (operation.kind === 'read') return this.#read(operation, args, applied)
    const { name, wire } = operation
    // What comes back is of this operation's type.
    if (!wire) return this.#write([name, args], ([result]) => result as R, applied)
    return this.#write([name, ...wire.args.pack(args)], (parts) => wire.result.unpack(parts) as R, applied)
  }

  submit<const C extends readonly Call[]>(calls: C, applied?: (results: Results<C>) => void): Promise<Results<C>> {
    const group = calls.map(({ operation, args }) => [operation.name, args] as const)
    // One result per call, in order.
    return this.#write(group, (results) => results as Results<C>, applied)
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    this.#refusing ??= { reason: 'closed', text: 'storage is closing' }
    const timer = setTimeout(() => void this.#worker.terminate(), this.#options.closeTimeoutMs ?? CLOSE_TIMEOUT_MS)
    this.#flush()
    await this.settled(this.#submitted)
    // The writer closes last: the last connection to close merges the WAL, which tells a clean end.
    this.#reader.close()
    this.#post({ kind: 'close' })
    await this.#exited
    clearTimeout(timer)
    this.#release()
  }

  #read<A, R>(operation: Operation<A, R>, args: A, applied?: (result: R) => void): Promise<R> {
    if (this.#closed) return Promise.reject(new StorageUnavailable('closed', 'storage is closed'))
    try {
      const result = this.#reader.snapshot((tx) => operation.run(tx, args))
      this.#reads.served()
      applied?.(result)
      return Promise.resolve(result)
    } catch (error) {
      if (error instanceof Refusal) return Promise.reject(error)
      const reason = unavailableReason(error)
      if (!reason) return Promise.reject(this.#defect(operation.name, error))
      this.#reads.refused(reason, String(error))
      return Promise.reject(new StorageUnavailable(reason, 'the database cannot be read', { cause: error }))
    }
  }

  #write<R>(
    group: Group,
    read: (results: readonly unknown[]) => R,
    applied: ((result: R) => void) | undefined,
  ): Promise<R> {
    if (this.#refusing) return Promise.reject(new StorageUnavailable(this.#refusing.reason, this.#refusing.text))
    const chars = weigh(group)
    if (this.#isFull(chars)) {
      this.#writes.refused('queue-full', 'too many writes are waiting')
      return Promise.reject(new StorageUnavailable('queue-full', 'too many writes are waiting'))
    }
    this.#submitted += 1
    this.#pendingChars += chars
    // A loop turn's writes go in one message: everything that arrived with one poll of the sockets.
    if (this.#outbox.length === 0) setImmediate(() => this.#flush())
    this.#outbox.push(group)
    return new Promise((resolve, reject) => {
      this.#pending.push({
        chars,
        reject,
        resolve: (results) => {
          const result = read(results)
          applied?.(result)
          resolve(result)
        },
      })
    })
  }

  #isFull(chars: number): boolean {
    if (this.#pending.size >= (this.#options.maxQueue ?? MAX_QUEUE)) return true
    // One write larger than the whole bound may still go when it goes alone.
    return this.#pending.size > 0 && this.#pendingChars + chars > (this.#options.maxQueueChars ?? MAX_QUEUE_CHARS)
  }

  #flush(): void {
    if (this.#outbox.length === 0) return
    const groups = this.#outbox
    this.#outbox = []
    try {
      this.#post({ kind: 'groups', groups })
    } catch {
      // Some argument is not plain data. The group that holds it is replaced by one that fails, so that the others
      // keep their places in the order.
      this.#post({ kind: 'groups', groups: groups.map(replaceUncloneable) })
    }
  }

  #post(message: ToWorker): void {
    this.#worker.postMessage(message)
  }

  #receive(message: FromWorker): void {
    if (message.kind !== 'outcomes') return
    const refused = message.outcomes.filter(isUnavailable)
    const [first] = refused
    if (first) this.#writes.refused(this.#isReadOnly(first) ? 'read-only' : first.reason, first.text, refused.length)
    else this.#writes.served()
    // All `applied` of the batch run here, in commit order; the promises' reactions run after them.
    for (const outcome of message.outcomes) this.#settle(outcome)
  }

  /** SQLite reports a file system that has become read-only as any other failed write. */
  #isReadOnly({ reason }: { readonly reason: UnavailableReason }): boolean {
    if (reason !== 'failed') return false
    try {
      accessSync(dirname(this.#options.file), constants.W_OK)
      return false
    } catch (error) {
      return error instanceof Error && 'code' in error && error.code === 'EROFS'
    }
  }

  #settle(outcome: Outcome): void {
    const number = this.#settled + 1
    const pending = this.#pending.shift()
    if (!pending) {
      this.#log.error({ what: 'storage_answer_without_question', number })
      return
    }
    this.#pendingChars -= pending.chars
    if (isFault(outcome)) {
      pending.reject(this.#errorOf(outcome))
    } else {
      try {
        pending.resolve(outcome)
      } catch (error) {
        pending.reject(this.#defect('applied', error))
      }
    }
    this.#settled = number
    this.#waiters.get(number)?.resolve()
    this.#waiters.delete(number)
  }

  #errorOf(outcome: Fault): Error {
    switch (outcome.kind) {
      case 'refused':
        return new Refusal(outcome.key, outcome.text, outcome.detail)
      case 'unavailable':
        return new StorageUnavailable(outcome.reason, outcome.text)
      case 'defect': {
        const cause = new Error(outcome.text)
        cause.stack = outcome.stack
        return this.#defect(outcome.operation, cause)
      }
    }
  }

  /** What a caller hears of a fault that is ours: no detail but the operation's name; the rest is in the log. */
  #defect(operation: string, cause: unknown): Error {
    this.#log.error({ what: 'storage_defect', operation, error: cause instanceof Error ? cause.stack : String(cause) })
    return new Error(`storage operation ${operation} failed`, { cause })
  }

  #fail(error: Error): void {
    this.#refusing = { reason: 'failed', text: 'the storage worker has ended' }
    this.#outbox = []
    this.#log.error({ what: 'storage_worker_died', error: error.stack })
    // What was posted may or may not be on disk: nobody was told that it is.
    while (this.#pending.size > 0)
      this.#settle({ kind: 'unavailable', reason: 'failed', text: 'the storage worker has ended' })
    this.#options.onFailure?.(error)
  }
}

function isUnavailable(outcome: Outcome): outcome is Fault & { readonly kind: 'unavailable' } {
  return isFault(outcome) && outcome.kind === 'unavailable'
}

function replaceUncloneable(group: Group): Group {
  try {
    return structuredClone(group)
  } catch {
    const names = isOneCall(group) ? [group[0]] : group.map(([name]) => name)
    return [`${names.join('+')} with arguments that are not plain data`]
  }
}
