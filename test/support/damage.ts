/** What befalls disks: pages overwritten, and no room left. */

import { closeSync, openSync, readSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { expect } from 'vitest'

/**
 * Writes nonsense over the pages of a table or index, all but its root where there are more.
 * @returns puts back what was there
 */
export function damage(dataDir: string, name: string): () => void {
  const file = join(dataDir, 'sacm.sqlite')
  const sqlite = new Database(file, { readonly: true })
  const pageBytes = Number(sqlite.pragma('page_size', { simple: true }))
  const numbers = sqlite
    .prepare<[string], number>("SELECT pageno FROM dbstat WHERE name = ? AND pagetype = 'leaf'")
    .pluck()
    .all(name)
  sqlite.close()
  expect(numbers.length).toBeGreaterThan(0)
  const fd = openSync(file, 'r+')
  const old = numbers.map((number) => {
    const page = Buffer.alloc(pageBytes)
    readSync(fd, page, 0, pageBytes, (number - 1) * pageBytes)
    writeSync(fd, Buffer.alloc(pageBytes, 0xff), 0, pageBytes, (number - 1) * pageBytes)
    return page
  })
  return () => {
    for (const [at, page] of old.entries()) writeSync(fd, page, 0, pageBytes, ((numbers[at] ?? 1) - 1) * pageBytes)
    closeSync(fd)
  }
}

/** Writes a file until its disk is full. */
export function fill(file: string): void {
  const fd = openSync(file, 'w')
  const block = Buffer.alloc(4096, 1)
  try {
    for (let at = 0; at < 100_000; at++) writeSync(fd, block)
    throw new Error('the disk is larger than it should be')
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error
  } finally {
    closeSync(fd)
  }
}
