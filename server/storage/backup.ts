/**
 * A backup: one SQLite file that holds the database as it was at one moment and, in two tables of its own, the data
 * folder's other files (keys, certificates, uploads). Written beside a server that goes on writing: the copy is made in
 * steps from one read transaction, which a write does not disturb; only the write-ahead log grows meanwhile.
 */

import {
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  lstatSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
} from 'node:fs'
import { basename, dirname, join, relative, sep } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import type Database from 'better-sqlite3'
import type { BackupAbout, BackupProgress, BackupSummary } from './protocol.ts'
import { findDamage, openDatabase } from './sqlite.ts'
import { StorageRefused } from './storage.ts'

export interface BackupOptions {
  readonly nativeBinding: string | undefined
  readonly onProgress: (progress: BackupProgress) => void
  readonly signal: AbortSignal
}

/** The tables that make a database a backup. */
export const BACKUP_FORMAT = '1'
export const BACKUP_TABLES = ['sacm_backup', 'sacm_backup_files'] as const
const SCHEMA = `
  CREATE TABLE sacm_backup (name TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL);
  CREATE TABLE sacm_backup_files (
    path TEXT NOT NULL, part INTEGER NOT NULL, mode INTEGER NOT NULL, bytes BLOB NOT NULL, PRIMARY KEY (path, part))`

/** Entries of a data folder that no backup holds, beside the database: what belongs to a process, and what a restore left. */
const NOT_BACKED_UP = /^(?:lock|lock\.pid|control\.sock|restoring|replaced-.*)$/
const UNFINISHED = /\.part(?:ial)?$/

const PAGES_PER_STEP = 1_000
const PART_BYTES = 1_048_576

/**
 * @param sqlite  a connection of its own to the database; its folder is what is backed up
 * @throws StorageRefused with what is in the way, and nothing is left of the file
 */
export async function writeBackup(
  sqlite: Database.Database,
  to: string,
  about: BackupAbout,
  options: BackupOptions,
): Promise<BackupSummary> {
  const folder = dirname(sqlite.name)
  refuseTarget(folder, to)
  const partial = `${to}.partial`
  const madeAt = Date.now()
  try {
    closeSync(openSync(partial, 'wx', 0o600))
  } catch (error) {
    throw unwritten(to, error)
  }
  try {
    await copyDatabase(sqlite, partial, options)
    const files = await addFiles(partial, sqlite.name, { ...about, madeAt: new Date(madeAt).toISOString() }, options)
    sync(partial)
    if (existsSync(to)) throw new StorageRefused(`${to} has been made meanwhile. Choose another name.`)
    renameSync(partial, to)
    sync(dirname(to))
    return { file: to, bytes: lstatSync(to).size, files, madeAt }
  } catch (error) {
    for (const end of ['', '-journal', '-wal', '-shm']) rmSync(`${partial}${end}`, { force: true })
    throw unwritten(to, error)
  }
}

function refuseTarget(folder: string, to: string): void {
  if (existsSync(to)) throw new StorageRefused(`${to} exists. Choose another name, or remove it first.`)
  if (existsSync(`${to}.partial`))
    throw new StorageRefused(`${to}.partial exists: another backup is under way, or one was cut off. Then remove it.`)
  const inside = relative(folder, to)
  if (inside !== '..' && !inside.startsWith(`..${sep}`))
    throw new StorageRefused(`${to} lies in the data folder, and would be lost with it. Choose another place.`)
}

function unwritten(to: string, error: unknown): Error {
  if (error instanceof StorageRefused) return error
  const text = error instanceof Error ? error.message : String(error)
  return new StorageRefused(`the backup ${to} could not be written: ${text}`, { cause: error })
}

async function copyDatabase(sqlite: Database.Database, partial: string, options: BackupOptions): Promise<void> {
  const pageBytes = Number(sqlite.pragma('page_size', { simple: true }))
  sqlite.exec('BEGIN')
  try {
    // The first read opens the snapshot. Without it each write of another connection would start the copy anew.
    sqlite.prepare('SELECT count(*) FROM sqlite_schema').get()
    await sqlite.backup(partial, {
      progress: ({ totalPages, remainingPages }) => {
        if (options.signal.aborted) throw new StorageRefused('the backup was stopped')
        const total = totalPages * pageBytes
        options.onProgress({ step: 'copying the database', done: total - remainingPages * pageBytes, total })
        return PAGES_PER_STEP
      },
    })
  } finally {
    if (sqlite.inTransaction) sqlite.exec('COMMIT')
  }
}

/** @returns how many files */
async function addFiles(
  partial: string,
  database: string,
  about: Readonly<Record<string, string>>,
  { nativeBinding, onProgress, signal }: BackupOptions,
): Promise<number> {
  const folder = dirname(database)
  const copy = openDatabase(partial, nativeBinding)
  try {
    // Out of write-ahead logging: a backup is one file. The server turns it on again.
    copy.pragma('journal_mode = DELETE')
    copy.exec(SCHEMA)
    const put = copy.prepare('INSERT INTO sacm_backup VALUES (?, ?)')
    for (const [name, value] of Object.entries({ format: BACKUP_FORMAT, ...about })) put.run(name, value)
    const insert = copy.prepare('INSERT INTO sacm_backup_files VALUES (?, ?, ?, ?)')
    const paths = filesOf(folder, basename(database))
    let added = 0
    for (const [at, path] of paths.entries()) {
      onProgress({ step: 'adding files', done: at, total: paths.length })
      if (signal.aborted) throw new StorageRefused('the backup was stopped')
      if (copy.transaction(() => addFile(folder, path, insert))()) added += 1
      await turn()
    }
    const total = fileBytes(partial)
    onProgress({ step: 'checking the copy', done: 0, total })
    const damage = findDamage(copy)
    if (damage !== undefined) throw new StorageRefused(`the database is damaged, and so would its backup be: ${damage}`)
    return added
  } finally {
    copy.close()
  }
}

function filesOf(folder: string, database: string): string[] {
  const own = new Set(['', '-wal', '-shm'].map((end) => `${database}${end}`))
  const isOther = (name: string) => !own.has(name) && !NOT_BACKED_UP.test(name)
  const top = readdirSync(folder, { withFileTypes: true }).filter(({ name }) => isOther(name))
  const paths: string[] = []
  for (const entry of top) {
    if (entry.isFile()) paths.push(entry.name)
    if (!entry.isDirectory()) continue
    for (const below of readdirSync(join(folder, entry.name), { withFileTypes: true, recursive: true }))
      if (below.isFile()) paths.push(relative(folder, join(below.parentPath, below.name)))
  }
  return paths.filter((path) => !UNFINISHED.test(basename(path)))
}

/** False: it has been removed since it was listed. */
function addFile(folder: string, path: string, insert: Database.Statement): boolean {
  let fd: number
  try {
    fd = openSync(join(folder, path), 'r')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false
    throw error
  }
  try {
    const mode = fstatSync(fd).mode & 0o777
    const buffer = Buffer.alloc(PART_BYTES)
    for (let part = 0, count = PART_BYTES; count === PART_BYTES; part++) {
      count = readSync(fd, buffer, 0, PART_BYTES, part * PART_BYTES)
      insert.run(path.replaceAll(sep, '/'), part, mode, buffer.subarray(0, count))
    }
    return true
  } finally {
    closeSync(fd)
  }
}

function fileBytes(file: string): number {
  return lstatSync(file).size
}

/** Makes a file's content, or a folder's names, durable. */
export function sync(path: string): void {
  const fd = openSync(path, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}
