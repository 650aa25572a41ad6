/** Storage as the main thread sees it: writes go to the worker in order, reads run on a connection of this thread. */

import { accessSync, constants } from 'node:fs'
import { dirname } from 'node:path'
import type { Worker } from 'node:worker_threads'
import type { Logger } from '../log.ts'
import type { Assets } from './assets.ts'
import { checkWithin } from './check.ts'
import { FaultLog } from './faults.ts'
import { migrate } from './migrate.ts'
import { defect, errorOf } from './outcome.ts'
import {
  type BackupAbout,
  type BackupProgress,
  type BackupSummary,
  type Fault,
  type FromWriter,
  type Group,
  isFault,
  isOneCall,
  type Outcome,
  type ToWriter,
  type UnavailableReason,
} from './protocol.ts'
import { Queue } from './queue.ts'
import { isRestoreUnfinished } from './restore.ts'
import { type ScanLimits, Scans } from './scans.ts'
import {
  type Connection,
  endedUncleanly,
  type FolderLock,
  lockFolder,
  openingError,
  openReader,
  openWriter,
  unavailableReason,
} from './sqlite.ts'
import {
  type Call,
  type Operation,
  Refusal,
  type Results,
  type Storage,
  StorageRefused,
  StorageUnavailable,
} from './storage.ts'
import { backUp, failedError, type Place, startThread } from './threads.ts'
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
  readonly scans?: ScanLimits
  /** How long opening waits for the check after an unclean end, which then goes on beside the server. */
  readonly checkMs?: number
  /** How long `close` waits for the worker to finish, in milliseconds. */
  readonly closeTimeoutMs?: number
  /** Called once when the worker has died: every further write is refused, so the server should stop. */
  onFailure?(error: Error): void
}

/** Storage, and what only its owner does with it. */
export interface OpenStorage extends Storage {
  /** Starts the writer's thread, which else starts with the first write. */
  startWriter(): void
  /** Writes a backup of the data folder. @throws StorageRefused (as a rejection), and nothing is left of the file */
  backUp(
    to: string,
    about: BackupAbout,
    onProgress: (progress: BackupProgress) => void,
    signal: AbortSignal,
  ): Promise<BackupSummary>
}

const MAX_QUEUE = 20_000
const MAX_QUEUE_CHARS = 128 * 1024 * 1024
const CLOSE_TIMEOUT_MS = 30_000
const CHECK_MS = 10_000
const SCAN_LIMITS: ScanLimits = { maxRows: 10_000_000, maxMs: 10_000, maxQueue: 1_000 }

/**
 * Opens the database: checks it after an unclean end, and brings its schema up to date.
 * @throws FolderLocked, StorageRefused
 */
export async function openStorage(options: StorageOptions): Promise<OpenStorage> {
  const { file, assets } = options
  const folder = dirname(file)
  const lock = options.lock ?? lockFolder(folder, assets.nativeBinding())
  const release = options.lock ? () => {} : () => lock.release()
  try {
    if (isRestoreUnfinished(folder))
      throw new StorageRefused(`a restore into ${folder} was cut off. Run sacm restore --force again.`)
    const log = options.log.child('storage')
    if (endedUncleanly(file)) await checkWithin(options.checkMs ?? CHECK_MS, options, log)
    const migrated = bringUpToDate(file, assets)
    if (migrated.length > 0) log.info({ what: 'storage_migrated', migrations: migrated })
    return new StorageClient(openReader(file, assets.nativeBinding()), release, log, options)
  } catch (error) {
    release()
    throw openingError(file, error)
  }
}

/**
 * Here and not in the writer, for whose thread nobody waits: what is wrong with the database is told at the start.
 * @returns the migrations applied now
 */
function bringUpToDate(file: string, assets: Assets): readonly string[] {
  const connection = openWriter(file, assets.nativeBinding())
  try {
    return migrate(connection.sqlite, assets.migrations())
  } finally {
    connection.close()
  }
}

/** A group on its way: what to do with its outcome. */
interface Pending {
  readonly chars: number
  resolve(results: readonly unknown[]): void
  reject(error: Error): void
}

class StorageClient implements OpenStorage {
  #worker: Worker | undefined
  readonly #reader: Connection
  readonly #release: () => void
  readonly #log: Logger
  readonly #reads: FaultLog
  readonly #writes: FaultLog
  readonly #scans: Scans
  readonly #backups = new Set<Promise<unknown>>()
  readonly #closing = new AbortController()
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
  readonly #exited = Promise.withResolvers<void>()

  constructor(reader: Connection, release: () => void, log: Logger, options: StorageOptions) {
    this.#reader = reader
    this.#release = release
    this.#log = log
    this.#reads = new FaultLog(log, 'reading')
    this.#writes = new FaultLog(log, 'writing')
    this.#scans = new Scans(options, options.scans ?? SCAN_LIMITS, log, this.#reads)
    this.#options = options
  }

  startWriter(): void {
    this.#worker ??= this.#start()
  }

  #start(): Worker {
    const worker = startThread(this.#options, { kind: 'write' })
    let failure: Error | undefined
    worker.on('message', (message: FromWriter) => {
      if (message.kind === 'failed') failure = failedError(message)
      else this.#receive(message)
    })
    worker.on('error', (error) => {
      failure = error
    })
    worker.on('exit', (code) => {
      if (!this.#closed || this.#pending.size > 0)
        this.#fail(failure ?? new Error(`the storage worker ended with ${code}`))
      this.#exited.resolve()
    })
    return worker
  }

  get epoch(): number {
    return this.#reader.epoch
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

  run<A, R>(operation: Operation<A, R>, args: NoInfer<A>, applied?: (result: R) => void): Promise<R> {
    if (operation.kind === 'read') return this.#read(operation, args, applied)
    const { name, wire } = operation
    // What comes back is of this operation's type.
    if (!wire) return this.#write([name, args], ([result]) => result as R, applied)
    return this.#write([name, ...wire.args.pack(args)], (parts) => wire.result.unpack(args, parts) as R, applied)
  }

  submit<const C extends readonly Call[]>(calls: C, applied?: (results: Results<C>) => void): Promise<Results<C>> {
    const group = calls.map(({ operation, args }) => [operation.name, args] as const)
    // One result per call, in order.
    return this.#write(group, (results) => results as Results<C>, applied)
  }

  scan<A, R>(operation: Operation<A, R>, args: NoInfer<A>): Promise<R> {
    // The operation's own result, as it was run there.
    return this.#scans.run(operation.name, args) as Promise<R>
  }

  async backUp(
    to: string,
    about: BackupAbout,
    onProgress: (progress: BackupProgress) => void,
    signal: AbortSignal,
  ): Promise<BackupSummary> {
    if (this.#closed) throw new StorageUnavailable('closed', 'storage is closed')
    const place: Place = this.#options
    const made = backUp(place, to, about, onProgress, AbortSignal.any([signal, this.#closing.signal]))
    const ended = made.catch(() => {})
    this.#backups.add(ended)
    try {
      return await made
    } finally {
      this.#backups.delete(ended)
    }
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    this.#refusing ??= { reason: 'closed', text: 'storage is closing' }
    const timer = setTimeout(() => void this.#worker?.terminate(), this.#options.closeTimeoutMs ?? CLOSE_TIMEOUT_MS)
    this.#flush()
    await this.settled(this.#submitted)
    this.#closing.abort()
    await Promise.all([this.#scans.close(), ...this.#backups])
    // The writer closes last: the last connection to close merges the WAL, which tells a clean end.
    this.#reader.close()
    if (this.#worker) {
      this.#post({ kind: 'close' })
      await this.#exited.promise
    }
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
      if (!reason) return Promise.reject(defect(operation.name, error, this.#log))
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

  #post(message: ToWriter): void {
    this.#worker ??= this.#start()
    this.#worker.postMessage(message)
  }

  #receive(message: Extract<FromWriter, { kind: 'outcomes' }>): void {
    // Whoever is told of a write by this finds it.
    this.#reader.renew()
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
      pending.reject(errorOf(outcome, this.#log))
    } else {
      try {
        pending.resolve(outcome)
      } catch (error) {
        pending.reject(defect('applied', error, this.#log))
      }
    }
    this.#settled = number
    this.#waiters.get(number)?.resolve()
    this.#waiters.delete(number)
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
