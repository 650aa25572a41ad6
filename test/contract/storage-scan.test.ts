/** Reads that look at many rows, on the second worker: their limits, their place after writes, their end. DESIGN decision 11. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { Refusal, type Storage } from '../../server/storage/storage.ts'
import { addonPath, bundleWorker } from './storage/bundle.ts'
import { recordingLog } from './storage/log.ts'
import { type OpenOptions, open as openWith, WORKER } from './storage/open.ts'
import { brokenScan, countLike, countPairs, die, write } from './storage/operations.ts'

let folder = ''
let storage: Storage
let code = ''
beforeAll(async () => {
  code = await bundleWorker(WORKER)
})
const LIMITS = { maxRows: 1_000_000, maxMs: 60_000, maxQueue: 10 }
const open = async (options: Partial<OpenOptions> = {}): Promise<void> => {
  storage = await openWith({ folder, code, nativeBinding: addonPath(), scans: LIMITS, ...options })
}
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'storage-'))
})
afterEach(async () => {
  await storage.close()
  rmSync(folder, { recursive: true })
})

const fill = (count: number): Promise<unknown> =>
  Promise.all(Array.from({ length: count }, (_, at) => storage.run(write, `note ${at}`)))
const rejection = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'resolved',
    (error: unknown) => error,
  )

test('a scan sees what was acknowledged before it, and several are answered in their order', async () => {
  await open()
  await fill(300)
  const answered: string[] = []
  const ask = (like: string) => storage.scan(countLike, like).finally(() => answered.push(like))
  expect(await Promise.all([ask('note %'), ask('note 1%'), ask('none')])).toEqual([300, 111, 0])
  expect(answered).toEqual(['note %', 'note 1%', 'none'])
  await storage.run(write, 'note one more')
  expect(await storage.scan(countLike, 'note %')).toBe(301)
})

test('one that looks at more rows than it may is ended, and the next one is served', async () => {
  await open({ scans: { ...LIMITS, maxRows: 1_000 } })
  await fill(400)
  const error = await rejection(storage.scan(countPairs, undefined))
  expect(error).toBeInstanceOf(Refusal)
  expect(error).toMatchObject({ key: 'scanTooLarge', message: expect.stringContaining('more than 1000 rows') })
  expect(await storage.scan(countLike, '%')).toBe(400)
})

test('one that takes longer than it may is ended, and writing goes on meanwhile', async () => {
  await open({ scans: { ...LIMITS, maxRows: Number.MAX_SAFE_INTEGER, maxMs: 300 } })
  await fill(6_000)
  const error = rejection(storage.scan(countPairs, undefined)) // 36 million pairs
  expect(await storage.run(write, 'meanwhile')).toBe(6_001)
  expect(await error).toMatchObject({ key: 'scanTooLarge', message: expect.stringContaining('longer than 0.3 s') })
})

test('one more than may wait is refused at once', async () => {
  await open({ scans: { ...LIMITS, maxQueue: 1 } })
  await fill(10)
  const first = storage.scan(countLike, '%')
  const second = storage.scan(countLike, '%')
  expect(await rejection(storage.scan(countLike, '%'))).toMatchObject({ reason: 'queue-full' })
  expect(await Promise.all([first, second])).toEqual([10, 10])
})

test('a defect, an operation that is not there, and arguments that are not plain data fail alone', async () => {
  const { log, lines } = recordingLog()
  await open({ log })
  await fill(1)
  expect(await rejection(storage.scan(brokenScan, undefined))).toMatchObject({ cause: { message: 'a bug' } })
  const unknown = { ...countLike, name: 'test.unheardOf' }
  expect(await rejection(storage.scan(unknown, '%'))).toMatchObject({
    cause: { message: expect.stringContaining('modules/worker.ts') },
  })
  // A function where the types ask for a text, as a caller in JavaScript might pass.
  const bad = (() => 0) as unknown as string
  expect(await rejection(storage.scan(countLike, bad))).toBeInstanceOf(Error)
  expect(await storage.scan(countLike, '%')).toBe(1)
  expect(lines.filter((line) => line['what'] === 'storage_defect')).toHaveLength(3)
})

test('a thread that dies is answered for, and the next scan starts another', async () => {
  const { log, lines } = recordingLog()
  await open({ log })
  await fill(3)
  expect(await rejection(storage.scan(die, undefined))).toMatchObject({ reason: 'failed' })
  expect(lines.map((line) => line['what'])).toContain('storage_scanner_died')
  expect(await storage.scan(countLike, '%')).toBe(3)
})

test('close lets the one under way end, and refuses the others', async () => {
  await open()
  await fill(10)
  const asked = [rejection(storage.scan(countLike, '%')), rejection(storage.scan(countLike, '%'))]
  const closing = storage.close()
  expect(await rejection(storage.scan(countLike, '%'))).toMatchObject({ reason: 'closed' })
  await closing
  expect(await asked[0]).toBe('resolved')
  expect(await asked[1]).toMatchObject({ reason: 'closed' })
})
