/** A backup that is stopped, or whose storage is closed, leaves nothing; one that is let run has what was committed before. */

import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import type { OpenStorage } from '../../server/storage/client.ts'
import type { BackupProgress } from '../../server/storage/protocol.ts'
import { addonPath, bundleWorker } from './storage/bundle.ts'
import { open, WORKER } from './storage/open.ts'
import { write } from './storage/operations.ts'

const ABOUT = { domain: 'lab', version: '0' }
const NOTES = 3_000

let folder = ''
let storage: OpenStorage
let code = ''
beforeAll(async () => {
  code = await bundleWorker(WORKER)
})
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'storage-'))
  mkdirSync(join(folder, 'out'))
  storage = await open({ folder: join(folder, 'data'), code, nativeBinding: addonPath() })
  await Promise.all(Array.from({ length: NOTES }, (_, at) => storage.run(write, `${at}`.padStart(3_000, 'x'))))
})
afterEach(async () => {
  await storage.close()
  rmSync(folder, { recursive: true })
})

const out = (): string[] => readdirSync(join(folder, 'out'))
const backUp = (onProgress: (progress: BackupProgress) => void, signal = new AbortController().signal) =>
  storage.backUp(join(folder, 'out', 'b'), ABOUT, onProgress, signal)

test('what is committed while it is copied is not in it, and what was before is', async () => {
  writeFileSync(join(folder, 'data', 'key'), 'k'.repeat(2_500_000), { mode: 0o640 })
  const steps: BackupProgress[] = []
  let later: Promise<unknown> | undefined
  const summary = await backUp((progress) => {
    steps.push(progress)
    later ??= storage.run(write, 'later')
  })
  await later
  expect(out()).toEqual(['b'])
  expect(summary).toMatchObject({ file: join(folder, 'out', 'b'), files: 1 })
  expect(new Set(steps.map(({ step }) => step)).size).toBe(3)
  const copied = steps.filter(({ step }) => step === 'copying the database').map(({ done }) => done)
  expect(copied).toEqual(copied.toSorted((a, b) => a - b))
  const copy = new Database(join(folder, 'out', 'b'), { readonly: true })
  expect(copy.prepare('SELECT count(*) FROM notes').pluck().get()).toBe(NOTES)
  expect(copy.prepare("SELECT count(*) FROM notes WHERE body = 'later'").pluck().get()).toBe(0)
  const parts = copy.prepare('SELECT part, mode, length(bytes) AS length FROM sacm_backup_files ORDER BY part').all()
  expect(parts).toEqual([
    { part: 0, mode: 0o640, length: 1_048_576 },
    { part: 1, mode: 0o640, length: 1_048_576 },
    { part: 2, mode: 0o640, length: 402_848 },
  ])
  copy.close()
})

test('stopped, it leaves nothing', async () => {
  const stop = new AbortController()
  stop.abort()
  await expect(backUp(() => {}, stop.signal)).rejects.toThrow('the backup was stopped')
  expect(out()).toEqual([])
  expect(await storage.run(write, 'goes on')).toBe(NOTES + 1)
})

test('closing stops it, and waits for its end', async () => {
  let closed: Promise<void> | undefined
  const made = backUp(() => {
    closed ??= storage.close()
  })
  await expect(made).rejects.toThrow('the backup was stopped')
  await closed
  expect(out()).toEqual([])
  await expect(backUp(() => {})).rejects.toMatchObject({ reason: 'closed' })
})

test('a second one at the same place is refused, and leaves the first alone', async () => {
  let second: Promise<unknown> | undefined
  const first = backUp(() => {
    second ??= backUp(() => {}).catch((error: unknown) => error)
  })
  expect(await first).toMatchObject({ file: join(folder, 'out', 'b') })
  expect(await second).toMatchObject({ name: 'StorageRefused' })
  expect(out()).toEqual(['b'])
})
