/** Opens SQLite connections the way storage needs them, and keeps a data folder to one process. */

import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import Database from 'better-sqlite3'
import { drizzle } from 'drizzle-orm/better-sqlite3'
import { REMEDIES } from './faults.ts'
import type { UnavailableReason } from './protocol.ts'
import { quicken } from './rows.ts'
import { type Db, StorageRefused, type Tx } from './storage.ts'

/** The database's name in a data folder. */
export const DATABASE_NAME = 'sacm.sqlite'

/** One connection with its prepared queries. */
/** SQLite keeps this number for whoever writes the file; a database that was never restored has 0. */
export const EPOCH_PRAGMA = 'user_version'

export interface Connection {
  readonly sqlite: Database.Database
  /** See Storage. */
  readonly epoch: number
  /** What the operations of one savepoint run on; without `effects`: of a read, which has none. */
  tx(effects?: Effects): Tx
  /** Runs one read in a transaction, so that all its queries see the same state; reads of one loop turn share it. */
  snapshot<R>(read: (tx: Tx) => R): R
  /** The next read sees all that is committed by now. */
  renew(): void
  close(): void
}

/** Takes what operations say of their memory. */
export type Effects = Pick<Tx, 'onRollback' | 'beforeCommit'>

const READS_ONLY: Effects = {
  onRollback: () => refuseEffect(),
  beforeCommit: () => refuseEffect(),
}

function refuseEffect(): never {
  throw new Error('a read changes nothing')
}

/** How long a call waits for another program that holds the database, before it is refused. */
const BUSY_TIMEOUT_MS = 2_000
/** More than SQLite maps at most: of what is not mapped, each page that is not in its small cache is read once more. */
const READER_MMAP_BYTES = 2 ** 31
const WAL_KEEP_BYTES = 64 * 1024 * 1024

/** Makes a folder, and those above it, so that they outlast a power cut: SQLite syncs its files' names, not the folder's. */
function makeFolder(folder: string): void {
  const first = mkdirSync(folder, { recursive: true, mode: 0o700 })
  if (first === undefined) return
  const above = dirname(resolve(first))
  for (let made = resolve(folder); made.startsWith(above); made = dirname(made)) {
    const fd = openSync(made, 'r')
    fsyncSync(fd)
    closeSync(fd)
    if (made === above) return
  }
}

/** Opens the one connection that writes; makes the file (mode 0600) when it is missing. */
export function openWriter(file: string, nativeBinding: string | undefined): Connection {
  makeFolder(dirname(file))
  // SQLite gives its -wal and -shm files the mode of the main file.
  closeSync(openSync(file, 'a', 0o600))
  const sqlite = openDatabase(file, nativeBinding)
  sqlite.pragma('journal_mode = WAL')
  sqlite.pragma(`journal_size_limit = ${WAL_KEEP_BYTES}`)
  // Set explicitly: the package is built with NORMAL for WAL, which may lose the last commits with the power.
  sqlite.pragma('synchronous = FULL')
  sqlite.pragma('foreign_keys = ON')
  return connect(sqlite)
}

/**
 * Opens a connection that only reads; the writer must have opened the file before.
 * @param onStep  called for each row that a `scanStep` meets; what it throws ends the read
 */
export function openReader(file: string, nativeBinding: string | undefined, onStep?: () => void): Connection {
  const sqlite = openReadOnly(file, nativeBinding)
  sqlite.pragma(`mmap_size = ${READER_MMAP_BYTES}`)
  return connect(sqlite, onStep)
}

/** A bare connection to a file that must be there, which may write and recovers what a killed process left. */
export function openDatabase(file: string, nativeBinding: string | undefined): Database.Database {
  return open(file, nativeBinding, false)
}

/** A bare connection to a file that must be there. */
export function openReadOnly(file: string, nativeBinding: string | undefined): Database.Database {
  return open(file, nativeBinding, true)
}

/** True when the last process that wrote this file did not close it: SQLite removes the WAL on a clean close. */
export function endedUncleanly(file: string): boolean {
  return (statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0) > 0
}

/** What `PRAGMA quick_check` finds wrong; undefined when the file is sound. */
export function findDamage(sqlite: Database.Database): string | undefined {
  const rows = sqlite.prepare<[], { quick_check: string }>('PRAGMA quick_check(10)').all()
  const found = rows.map((row) => row.quick_check).filter((text) => text !== 'ok')
  return found.length > 0 ? found.join('; ') : undefined
}

/** Why storage cannot serve when SQLite failed like this; undefined when the fault is the operation's own. */
export function unavailableReason(error: unknown): UnavailableReason | undefined {
  // drizzle wraps some errors once; nothing of ours wraps them deeper.
  for (let cause = error, depth = 0; cause instanceof Error && depth < 4; cause = cause.cause, depth++) {
    if (!(cause instanceof Database.SqliteError)) continue
    return ENVIRONMENT_FAULTS.find(([prefix]) => cause.code.startsWith(prefix))?.[1]
  }
  return undefined
}

/** What opening a database failed with, in words for a person where SQLite's fault is one of the environment. */
export function openingError(file: string, error: unknown): unknown {
  const reason = unavailableReason(error)
  if (reason === undefined) return error
  const text = error instanceof Error ? error.message : String(error)
  return new StorageRefused(`the database ${file} cannot be opened: ${text}. ${REMEDIES[reason]}`, { cause: error })
}

/** By SQLite's code or the beginning of an extended one. https://sqlite.org/rescode.html */
const ENVIRONMENT_FAULTS: readonly (readonly [code: string, reason: UnavailableReason])[] = [
  ['SQLITE_FULL', 'disk-full'],
  ['SQLITE_READONLY', 'read-only'],
  ['SQLITE_BUSY', 'locked'],
  ['SQLITE_LOCKED', 'locked'],
  ['SQLITE_PROTOCOL', 'locked'],
  ['SQLITE_CORRUPT', 'damaged'],
  ['SQLITE_NOTADB', 'damaged'],
  ['SQLITE_CANTOPEN', 'failed'],
  ['SQLITE_IOERR', 'failed'],
  ['SQLITE_NOMEM', 'failed'],
  ['SQLITE_PERM', 'failed'],
]

/** Held while this process works on a data folder. */
export interface FolderLock {
  readonly folder: string
  release(): void
}

/** Another process works on the folder. */
export class FolderLocked extends Error {
  override readonly name = 'FolderLocked'
}

/**
 * Takes a data folder for this process. The lock is SQLite's own lock on an empty file (POSIX record locks, and its
 * table of open files within one process), so the kernel drops it however the process ends: no stale lock, no process
 * number that another program has by now.
 * @throws FolderLocked when another process, or another part of this one, holds it
 */
export function lockFolder(folder: string, nativeBinding?: string): FolderLock {
  makeFolder(folder)
  const file = join(folder, 'lock')
  const pidFile = join(folder, 'lock.pid')
  closeSync(openSync(file, 'a', 0o600))
  const sqlite = new Database(file, { timeout: 0, ...bindingOption(nativeBinding) })
  try {
    sqlite.pragma('journal_mode = MEMORY') // nothing is ever written, so there is nothing to recover
    sqlite.exec('BEGIN EXCLUSIVE')
  } catch (error) {
    sqlite.close()
    if (unavailableReason(error) !== 'locked') throw error
    throw new FolderLocked(
      `the data folder ${folder} is in use by another process${holder(pidFile)}. Stop it first, or use another folder.`,
      { cause: error },
    )
  }
  writeFileSync(pidFile, `${process.pid}\n`, { mode: 0o600 })
  return {
    folder,
    release: () => sqlite.close(),
  }
}

function holder(pidFile: string): string {
  try {
    return ` (process ${readFileSync(pidFile, 'utf8').trim()})`
  } catch {
    // The number only helps to find the process; the lock itself has been decided.
    return ''
  }
}

function open(file: string, nativeBinding: string | undefined, readonly: boolean): Database.Database {
  return new Database(file, {
    readonly,
    fileMustExist: true,
    timeout: BUSY_TIMEOUT_MS,
    ...bindingOption(nativeBinding),
  })
}

function connect(sqlite: Database.Database, onStep: () => void = () => {}): Connection {
  // Named in storage.ts. Not deterministic, or SQLite would call it once for a whole query.
  sqlite.function('scan_step', { deterministic: false }, (_row) => {
    onStep()
    return 1
  })
  const db: Db = drizzle(sqlite, { casing: 'snake_case' })
  quicken(db)
  const prepared = new Map<unknown, unknown>()
  const use = <Q>(build: (db: Db) => Q): Q => {
    let queries = prepared.get(build)
    if (queries === undefined) {
      queries = build(db)
      prepared.set(build, queries)
    }
    // Kept under the function that made it, so it is what that function returns.
    return queries as Q
  }
  const tx = ({ onRollback, beforeCommit } = READS_ONLY): Tx => ({
    use,
    now: Date.now(),
    shared: new Map(),
    onRollback,
    beforeCommit,
  })
  const begin = sqlite.prepare('BEGIN')
  const end = sqlite.prepare('COMMIT')
  let isReading = false
  const renew = (): void => {
    if (!isReading) return
    isReading = false
    // A read leaves nothing to roll back.
    if (sqlite.inTransaction) end.run()
  }
  return {
    sqlite,
    // It stays while the file is open: only a restore changes it.
    epoch: Number(sqlite.pragma(EPOCH_PRAGMA, { simple: true })),
    tx,
    snapshot: (read) => {
      if (!isReading) {
        begin.run()
        isReading = true
        // No longer than this turn: an old snapshot holds back the WAL.
        setImmediate(renew)
      }
      try {
        return read(tx())
      } catch (error) {
        renew()
        throw error
      }
    },
    renew,
    close: () => {
      renew()
      sqlite.close()
    },
  }
}

/** One addon per thread and path: an addon is loaded once per thread by its nature. */
const loaded = new Map<string, object>()

/**
 * The addon itself instead of its path: a single binary has no `require` that could load it from a path.
 * DESIGN decision 14.
 */
function bindingOption(path: string | undefined): { nativeBinding?: string } {
  if (path === undefined) return {}
  const file = resolve(path)
  let addon = loaded.get(file)
  if (!addon) {
    const module: { exports: object } = { exports: {} }
    process.dlopen(module, file)
    addon = module.exports
    loaded.set(file, addon)
  }
  // better-sqlite3 13 takes an addon object here; its type declarations, of version 9, know only the path.
  return { nativeBinding: addon as unknown as string }
}
