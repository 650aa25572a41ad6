/** What the rest of the house sees of storage: named operations, run in order, durable when their promise resolves. */

import { type SQL, sql } from 'drizzle-orm'
import type { BetterSQLite3Database } from 'drizzle-orm/better-sqlite3'
import type { SQLiteColumn } from 'drizzle-orm/sqlite-core'

export type Db = BetterSQLite3Database<Record<string, never>>

/**
 * What an operation runs on: one connection, inside one savepoint (writes; batch.ts spares it while nothing fails) or
 * outside any (reads).
 */
export interface Tx {
  /**
   * The prepared queries of a store file, built once per connection and kept by the identity of `build`.
   * `build` must be a top-level function, or each call would prepare anew.
   */
  use<Q>(build: (db: Db) => Q): Q
  /** UTC milliseconds at the start of this operation. */
  readonly now: number
  /**
   * Values that operations of one `submit` hand on to those after them in the same savepoint: plain data, keys named
   * `module.value` (`pubsub.scope`). Empty at the start of each savepoint.
   */
  readonly shared: Map<string, unknown>
  /**
   * For a store that keeps something in memory beside the tables (made by `use`): `undo` puts back what this savepoint
   * changed there. Called, last first, when the savepoint is rolled back or its transaction is lost.
   */
  onRollback(undo: () => void): void
  /**
   * Writes what the store has only in memory yet: called once before COMMIT, however often a transaction's operations
   * name it, and in that transaction, so that what is in memory is on disk with them or not at all. A top-level function.
   */
  beforeCommit(flush: (tx: Tx) => void): void
}

/**
 * One protocol step on the database. Arguments and results are plain cloneable data: no Element, class, function
 * or Buffer. A write decides and writes inside `run`; what it throws must be a `Refusal`, or counts as a defect. A write
 * whose neighbours in a transaction failed runs again, after all it did was undone: see batch.ts.
 */
export interface Operation<A = unknown, R = unknown> {
  readonly name: string
  readonly kind: 'write' | 'read'
  /** For one that runs often, with arguments and results of many fields. */
  readonly wire?: { readonly args: Wire; readonly result: AnswerWire }
  run(tx: Tx, args: A): R
}

/**
 * How a value crosses the thread: as its parts in a fixed order. An array is cloned in a third of the time that an
 * object's fields with their names take. Made by `wire`, which checks that the parts fit each other.
 */
export interface Wire {
  pack(value: unknown): readonly unknown[]
  unpack(parts: readonly unknown[]): unknown
}

export function wire<T, Parts extends unknown[] | []>(
  pack: (value: T) => Parts,
  unpack: (...parts: NoInfer<Parts>) => NoInfer<T>,
): Wire {
  return {
    // What is packed is the operation's own argument or result, and what is unpacked was packed here.
    pack: (value) => pack(value as T),
    unpack: (parts) => unpack(...(parts as Parts)),
  }
}

/** The same for a result, of which what the caller said itself need not cross back. Made by `answerWire`. */
export interface AnswerWire {
  pack(result: unknown): readonly unknown[]
  /** @param args  of the call, as its caller has them */
  unpack(args: unknown, parts: readonly unknown[]): unknown
}

export function answerWire<A, R, Parts extends unknown[] | []>(
  pack: (result: R) => Parts,
  unpack: (args: A, ...parts: NoInfer<Parts>) => NoInfer<R>,
): AnswerWire {
  return {
    // As in `wire`; the arguments are those that the operation was called with.
    pack: (result) => pack(result as R),
    unpack: (args, parts) => unpack(args as A, ...(parts as Parts)),
  }
}

/**
 * What an operation throws to refuse: the savepoint rolls back, and the caller's promise rejects with the same key.
 * It crosses the thread as plain data, so a module maps `key` to its error table where it catches it.
 */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly key: string
  readonly detail: Readonly<Record<string, string>>
  constructor(key: string, text = '', detail: Readonly<Record<string, string>> = {}) {
    super(text || key)
    this.key = key
    this.detail = detail
  }
}

/**
 * Storage cannot take the call now. The router answers `resource-constraint` when there is no room (queue full, disk
 * full), `internal-server-error` otherwise; both ask to wait, and nothing of the call has been done.
 */
export class StorageUnavailable extends Error {
  override readonly name = 'StorageUnavailable'
  readonly reason: 'queue-full' | 'disk-full' | 'read-only' | 'locked' | 'damaged' | 'closed' | 'failed'
  constructor(reason: StorageUnavailable['reason'], text: string, options?: { cause?: unknown }) {
    super(text, options)
    this.reason = reason
  }
}

/** Storage cannot be opened, backed up or restored; the message says why and what to do. */
export class StorageRefused extends Error {
  override readonly name = 'StorageRefused'
}

/** One operation with its arguments, as `submit` takes it. */
export interface Call<A = unknown, R = unknown> {
  readonly operation: Operation<A, R>
  readonly args: A
}

/** Pairs an operation with its arguments, keeping their types. */
export function call<A, R>(operation: Operation<A, R>, args: NoInfer<A>): Call<A, R> {
  return { operation, args }
}

/** The results of a tuple of calls, in order. */
export type Results<C extends readonly Call[]> = {
  [K in keyof C]: C[K] extends Call<unknown, infer R> ? R : never
}

/**
 * A condition that holds for every row, and counts it: each query that may look at many rows puts it before its others,
 * with a column of the table that it walks, and runs by `Storage.scan`, which ends it at its limits.
 */
export function scanStep(column: SQLiteColumn): SQL {
  return sql`scan_step(${column}) = 1`
}

export interface Storage {
  /**
   * 0, and another number after each restore of a backup. What counts up in the database may then count a second time:
   * whatever stands outside for such a number (a version, a cursor) goes with the epoch it was given in.
   */
  readonly epoch: number
  /**
   * Runs one operation. A write goes to the writer worker in the order of submission and resolves after COMMIT;
   * a read runs on the read-only connection of this thread, after the writes its caller was told are done.
   * @param applied  called with the result at commit, synchronously and in commit order, before the promise resolves:
   *                 the place to update the replica in memory and to take fan-out recipients (DESIGN decision 13)
   * @throws Refusal, StorageUnavailable (both as rejections)
   */
  run<A, R>(operation: Operation<A, R>, args: NoInfer<A>, applied?: (result: R) => void): Promise<R>
  /** Runs several writes in one savepoint: all or none. Results in the order of the calls. */
  submit<const C extends readonly Call[]>(calls: C, applied?: (results: Results<C>) => void): Promise<Results<C>>
  /**
   * Runs a read that may look at many rows, off this thread, one at a time, each within limits of rows and time; after
   * the writes its caller was told are done. DESIGN decision 11.
   * @throws Refusal `scanTooLarge` beyond a limit, StorageUnavailable (both as rejections)
   */
  scan<A, R>(operation: Operation<A, R>, args: NoInfer<A>): Promise<R>
  /** The number of the last write submitted by anyone; grows by one per `run` or `submit` of writes. */
  readonly submitted: number
  /** Resolves when every write up to this number has been committed or refused; undefined when that is so already. */
  settled(number: number): Promise<void> | undefined
  close(): Promise<void>
}
