/**
 * Puts a backup into a data folder. Everything is made and checked in a folder inside it first; what was there is moved
 * aside, never removed; the database comes last. While that folder is there no server starts, so that a restore which
 * was cut off is not taken for an installation.
 */

import { randomInt } from 'node:crypto'
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { open } from 'node:fs/promises'
import { dirname, join, normalize, sep } from 'node:path'
import type Database from 'better-sqlite3'
import type { Migration } from './assets.ts'
import { BACKUP_FORMAT, BACKUP_TABLES, sync } from './backup.ts'
import { checkSchema } from './migrate.ts'
import { DATABASE_NAME, EPOCH_PRAGMA, findDamage, openDatabase, openReadOnly, unavailableReason } from './sqlite.ts'
import { StorageRefused } from './storage.ts'

export interface RestoreOptions {
  /** Whose lock the caller holds. */
  readonly folder: string
  /** May what is there be moved aside? */
  readonly force: boolean
  readonly migrations: readonly Migration[]
  readonly nativeBinding: string | undefined
  readonly onProgress: (progress: { readonly step: string; readonly done: number; readonly total: number }) => void
}

export interface RestoreSummary {
  readonly folder: string
  readonly files: number
  /** Of whom and when, as the backup says. */
  readonly domain: string
  readonly madeAt: string
  /** Where what was there has been moved. */
  readonly replaced?: string
}

const WORK = 'restoring'
const LOCK_FILES = new Set(['lock', 'lock.pid'])
const COPY_BYTES = 4_194_304

/** A restore into this folder began and did not end. */
export function isRestoreUnfinished(folder: string): boolean {
  return existsSync(join(folder, WORK))
}

/** @throws StorageRefused with what is wrong; the folder is as it was, but after the last step has begun */
export async function restoreBackup(from: string, options: RestoreOptions): Promise<RestoreSummary> {
  const { folder, force, nativeBinding } = options
  const database = DATABASE_NAME
  const there = readdirSync(folder).filter((name) => !LOCK_FILES.has(name) && name !== WORK)
  if (there.length > 0 && !force)
    throw new StorageRefused(`the data folder ${folder} is not empty. With --force, what is there is moved aside.`)
  const about = readAbout(from, options)
  const work = join(folder, WORK)
  rmSync(work, { recursive: true, force: true })
  mkdirSync(work, { mode: 0o700 })
  let files: number
  try {
    await copyFile(from, join(work, database), options)
    files = unpack(work, database, nativeBinding, options)
  } catch (error) {
    rmSync(work, { recursive: true, force: true })
    const reason = unavailableReason(error)
    if (reason === undefined) throw error
    const what = reason === 'damaged' ? `the backup ${from} is damaged` : `${from} could not be restored into ${folder}`
    throw new StorageRefused(`${what}: ${String(error)}`, { cause: error })
  }
  const replaced = there.length > 0 ? `replaced-${new Date().toISOString().replaceAll(':', '')}` : undefined
  if (replaced) move(there, folder, join(folder, replaced))
  move(
    readdirSync(work).filter((name) => name !== database),
    work,
    folder,
  )
  move([database], work, folder)
  rmSync(work, { recursive: true })
  sync(folder)
  const { domain = '', madeAt = '' } = about
  return { folder, files, domain, madeAt, ...(replaced && { replaced: join(folder, replaced) }) }
}

function readAbout(from: string, { migrations, nativeBinding }: RestoreOptions): Readonly<Record<string, string>> {
  if (!existsSync(from)) throw new StorageRefused(`there is no file ${from}`)
  let sqlite: Database.Database | undefined
  try {
    sqlite = openReadOnly(from, nativeBinding)
    const rows = sqlite.prepare<[], { name: string; value: string }>('SELECT name, value FROM sacm_backup').all()
    const about = Object.fromEntries(rows.map(({ name, value }) => [name, value]))
    if (about['format'] !== BACKUP_FORMAT)
      throw new StorageRefused(`${from} was made by a newer version, ${about['version']}: restore it with that one.`)
    checkSchema(sqlite, migrations)
    return about
  } catch (error) {
    if (error instanceof StorageRefused) throw error
    const text = error instanceof Error ? error.message : String(error)
    throw new StorageRefused(`${from} is not a backup made by sacm backup: ${text}`, { cause: error })
  } finally {
    sqlite?.close()
  }
}

async function copyFile(from: string, to: string, { onProgress }: RestoreOptions): Promise<void> {
  const source = await open(from, 'r')
  try {
    const target = await open(to, 'wx', 0o600)
    try {
      const { size: total } = await source.stat()
      const buffer = Buffer.alloc(COPY_BYTES)
      for (let done = 0; done < total; ) {
        const { bytesRead } = await source.read(buffer, 0, COPY_BYTES, done)
        if (bytesRead === 0) throw new StorageRefused(`${from} became shorter while it was read`)
        // On a disk that is nearly full a write takes a part and says so.
        const { bytesWritten } = await target.write(buffer, 0, bytesRead, done)
        done += bytesWritten
        onProgress({ step: 'copying the database', done, total })
      }
    } finally {
      await target.close()
    }
  } finally {
    await source.close()
  }
}

/** Takes the files out of the database, and leaves it as the server knows it. */
function unpack(work: string, database: string, nativeBinding: string | undefined, options: RestoreOptions): number {
  const sqlite = openDatabase(join(work, database), nativeBinding)
  try {
    options.onProgress({ step: 'checking the copy', done: 0, total: 1 })
    const damage = findDamage(sqlite)
    if (damage !== undefined) throw new StorageRefused(`the backup is damaged: ${damage}. Use another one.`)
    const parts = sqlite.prepare<[], { path: string; part: number; mode: number; bytes: Buffer }>(
      'SELECT path, part, mode, bytes FROM sacm_backup_files ORDER BY path, part',
    )
    const written = new Set<string>()
    for (const { path, mode, bytes } of parts.iterate()) {
      const file = placeIn(work, path)
      mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
      const fd = openSync(file, written.has(path) ? 'a' : 'wx', mode)
      try {
        writeFileSync(fd, bytes)
      } finally {
        closeSync(fd)
      }
      chmodSync(file, mode)
      written.add(path)
    }
    sqlite.pragma(`${EPOCH_PRAGMA} = ${randomInt(1, 2 ** 31)}`)
    // Keys must not stay behind in free pages.
    sqlite.pragma('secure_delete = ON')
    for (const table of BACKUP_TABLES) sqlite.exec(`DROP TABLE ${table}`)
    for (const path of written) sync(join(work, path))
    return written.size
  } finally {
    sqlite.close()
    syncAll(work)
  }
}

/** @throws StorageRefused for a path that leads out of the folder: a backup is a file that others may have written */
function placeIn(folder: string, path: string): string {
  const place = normalize(join(folder, path))
  if (!place.startsWith(`${folder}${sep}`)) throw new StorageRefused(`the backup holds a file outside of it: ${path}`)
  return place
}

function syncAll(folder: string): void {
  for (const entry of readdirSync(folder, { withFileTypes: true }))
    if (entry.isDirectory()) syncAll(join(folder, entry.name))
    else sync(join(folder, entry.name))
  sync(folder)
}

function move(names: readonly string[], from: string, to: string): void {
  mkdirSync(to, { recursive: true, mode: 0o700 })
  for (const name of names) renameSync(join(from, name), join(to, name))
  sync(to)
}
