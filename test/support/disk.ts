/** The disk of disk.c beside: built here, given to a server, told to fail, and cut from its power. */

import { execFileSync } from 'node:child_process'
import {
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'vitest'
import type { Random } from './random.ts'
import { needTool } from './tools.ts'

const SOURCE = join(import.meta.dirname, 'disk.c')
const FILES = ['sacm.sqlite', 'sacm.sqlite-wal'] as const
const SECTOR_BYTES = 512
const RECORD_BYTES = 32

export interface Disk {
  /** For the server's process. */
  readonly env: Readonly<Record<string, string>>
  /** From now on writes, or syncs, of the database fail with this errno; undefined: they succeed again. */
  fail(fault: { readonly call: 'write' | 'sync'; readonly errno: number } | undefined): void
  /**
   * Takes from the files what had not been synced when the server was killed. `tear` leaves some of it: each sector for
   * itself, as a disk that had written some and not others.
   * @returns writes that were lost, whole or in part
   */
  cutPower(dataDir: string, how: 'lose' | 'tear', from: Random): number
}

/**
 * Builds the disk in this folder, which its caller removes.
 * @param options.lies  syncs return and nothing is kept, as on a disk that lies
 */
export function buildDisk(context: TestContext, folder: string, options: { readonly lies?: boolean } = {}): Disk {
  needTool(context, ['gcc', '--version'], 'apt-get install gcc libc6-dev')
  const library = join(folder, 'disk.so')
  execFileSync('gcc', ['-shared', '-fPIC', '-O2', '-o', library, SOURCE, '-ldl', '-lpthread'])
  const undo = join(folder, 'undo')
  const fault = join(folder, 'fault')
  mkdirSync(undo)
  return {
    env: { LD_PRELOAD: library, DISK_UNDO: undo, DISK_FAULT: fault, ...(options.lies && { DISK_LIES: '1' }) },
    fail: (next) => writeFileSync(fault, next ? `${next.call} ${next.errno}` : ''),
    cutPower: (dataDir, how, from) => {
      let lost = 0
      for (const name of FILES) {
        const records = join(undo, `${name}.undo`)
        if (!existsSync(records)) continue
        lost += takeBack(join(dataDir, name), readRecords(readFileSync(records)), how, from)
        rmSync(records)
      }
      // Shared memory of the processes that are gone: SQLite makes it anew out of the log.
      rmSync(join(dataDir, 'sacm.sqlite-shm'), { force: true })
      return lost
    },
  }
}

/** A write or truncation that no sync covered. */
interface Unsynced {
  readonly offset: number
  /** Undefined: the file was truncated to `offset`. */
  readonly length: number | undefined
  readonly sizeBefore: number
  /** What lay there; shorter than `length` where the file grew. */
  readonly old: Buffer
}

function readRecords(bytes: Buffer): Unsynced[] {
  const records: Unsynced[] = []
  for (let at = 0; at + RECORD_BYTES <= bytes.length; ) {
    const [offset, length, sizeBefore, oldLength] = [0, 8, 16, 24].map((from) =>
      Number(bytes.readBigInt64LE(at + from)),
    )
    const end = at + RECORD_BYTES + (oldLength ?? 0)
    // A record that the kill cut short: its write had not begun.
    if (offset === undefined || length === undefined || sizeBefore === undefined || end > bytes.length) break
    const old = bytes.subarray(at + RECORD_BYTES, end)
    records.push({ offset, length: length < 0 ? undefined : length, sizeBefore, old })
    at = end
  }
  return records
}

function takeBack(file: string, records: readonly Unsynced[], how: 'lose' | 'tear', from: Random): number {
  const [first] = records
  if (!first || !existsSync(file)) return 0
  const fd = openSync(file, 'r+')
  const kept = new Set<number>()
  let end = first.sizeBefore
  let lost = 0
  // The newest first: a sector that holds a later write cannot lack an earlier one.
  for (const { offset, length, old } of records.toReversed()) {
    let isLost = length === undefined
    if (length === undefined) writeAll(fd, old, offset)
    else
      for (let at = offset; at < offset + length; ) {
        const sector = Math.floor(at / SECTOR_BYTES)
        const next = Math.min((sector + 1) * SECTOR_BYTES, offset + length)
        if (how === 'tear' && !kept.has(sector) && from.int(2) === 0) kept.add(sector)
        if (kept.has(sector)) end = Math.max(end, Math.min(next, fstatSync(fd).size))
        else {
          isLost = true
          const part = Buffer.alloc(next - at)
          old.subarray(at - offset, next - offset).copy(part)
          writeAll(fd, part, at)
        }
        at = next
      }
    if (isLost) lost += 1
  }
  ftruncateSync(fd, end)
  fsyncSync(fd)
  closeSync(fd)
  return lost
}

function writeAll(fd: number, bytes: Buffer, offset: number): void {
  if (bytes.length > 0) writeSync(fd, bytes, 0, bytes.length, offset)
}
