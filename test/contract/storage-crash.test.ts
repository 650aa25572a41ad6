/** What storage keeps when its process is killed, and who may open a folder meanwhile. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, copyFileSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { REMEDIES } from '../../server/storage/faults.ts'
import { FolderLocked, lockFolder } from '../../server/storage/sqlite.ts'
import type { Storage } from '../../server/storage/storage.ts'
import { addonPath, bundleWorker } from './storage/bundle.ts'
import { recordingLog } from './storage/log.ts'
import { type OpenOptions, open as openWith, WORKER } from './storage/open.ts'
import { readAll, write } from './storage/operations.ts'

let code = ''
let folder = ''
beforeAll(async () => {
  code = await bundleWorker(WORKER)
})
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'storage-'))
})
afterEach(() => {
  rmSync(folder, { recursive: true })
})

const open = (options: Partial<OpenOptions> = {}): Promise<Storage> =>
  openWith({ folder, code, nativeBinding: addonPath(), ...options })

/** Starts a process that writes until killed; `acknowledged` grows with what it was told is stored. */
function startWriter(): { child: ChildProcess; acknowledged: string[]; afterMany: (count: number) => Promise<void> } {
  const script = fileURLToPath(new URL('./storage/killed.ts', import.meta.url))
  const child = spawn(process.execPath, [script, folder], { stdio: ['ignore', 'pipe', 'inherit'] })
  const acknowledged: string[] = []
  let rest = ''
  let check = () => {}
  child.stdout.setEncoding('utf8')
  child.stdout.on('data', (text: string) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    acknowledged.push(...lines)
    check()
  })
  const afterMany = (count: number) =>
    new Promise<void>((resolve, reject) => {
      check = () => {
        if (acknowledged.length >= count) resolve()
      }
      child.once('exit', (exitCode, signal) => reject(new Error(`the writer ended by itself: ${exitCode ?? signal}`)))
      check()
    })
  return { child, acknowledged, afterMany }
}

async function killWriter(child: ChildProcess): Promise<void> {
  const closed = once(child, 'close') // its output is read to the end by then
  child.kill('SIGKILL')
  await closed
}

describe('a process killed between writes', () => {
  test.each([1, 200, 2_000])('after %i acknowledged writes: each is there, whole and once', async (count) => {
    const { child, acknowledged, afterMany } = startWriter()
    await afterMany(count)
    // It holds the folder as long as it lives.
    await expect(open()).rejects.toThrow(`in use by another process (process ${child.pid})`)
    await killWriter(child)

    const { log, lines } = recordingLog()
    const storage = await open({ log })
    const stored = await storage.run(readAll, undefined)
    await storage.close()
    const found = new Set(stored)
    expect(found.size).toBe(stored.length)
    const promised = acknowledged.flatMap((text) => [`${text}a`, `${text}b`])
    expect(promised.length).toBeGreaterThanOrEqual(2 * count)
    expect(promised.filter((text) => !found.has(text))).toEqual([])
    // Of a write that nobody was told about, all or nothing.
    const halves = stored.filter((text) => text.endsWith('a')).map((text) => `${text.slice(0, -1)}b`)
    expect(stored.filter((text) => text.endsWith('b'))).toEqual(halves)
    expect(lines.map((line) => line['what'])).toContain('storage_recovered')
  })

  test('a clean end needs no check', async () => {
    await (await open()).close()
    const { log, lines } = recordingLog()
    await (await open({ log })).close()
    expect(lines.map((line) => line['what'])).not.toContain('storage_recovered')
  })
})

describe('the lock of a folder', () => {
  test('is held by one, also within a process, and free after release', () => {
    const lock = lockFolder(folder)
    expect(() => lockFolder(folder)).toThrow(FolderLocked)
    lock.release()
    lockFolder(folder).release()
  })

  test('is released by close, and kept when the caller brought it', async () => {
    const lock = lockFolder(folder)
    await (await open({ lock })).close()
    expect(() => lockFolder(folder)).toThrow(FolderLocked)
    lock.release()
    const storage = await open()
    expect(() => lockFolder(folder)).toThrow(/Stop it first, or use another folder/)
    await storage.close()
    lockFolder(folder).release()
  })
})

test('a file that is damaged is found after an unclean end, and said to be', async () => {
  const file = join(folder, 'test.db')
  const storage = await open()
  await Promise.all(Array.from({ length: 3_000 }, (_, i) => storage.run(write, `${i}`.padStart(400, 'x'))))
  await storage.close()
  // A page in the middle overwritten, and a log left behind as by a killed process.
  const bytes = readFileSync(file)
  const fd = openSync(file, 'r+')
  writeSync(fd, Buffer.alloc(4096, 0xff), 0, 4096, 4096 * Math.floor(bytes.length / 4096 / 2))
  closeSync(fd)
  copyFileSync(new URL(import.meta.url), `${file}-wal`)
  await expect(open()).rejects.toThrow(/is damaged: [\s\S]*put the last backup in its place/)
})

test('what is not a database is refused and left as it is', async () => {
  const text = 'this is not a database, but somebody’s notes. '.repeat(200)
  const file = join(folder, 'test.db')
  const fd = openSync(file, 'w')
  writeSync(fd, text)
  closeSync(fd)
  await expect(open()).rejects.toThrow(/not a database/)
  expect(readFileSync(file, 'utf8')).toBe(text)
  lockFolder(folder).release()
})

test('a check that takes longer than the start may wait goes on beside the server', async () => {
  const storage = await open()
  await Promise.all(Array.from({ length: 3_000 }, (_, i) => storage.run(write, `${i}`.padStart(400, 'x'))))
  await storage.close()
  copyFileSync(new URL(import.meta.url), join(folder, 'test.db-wal'))
  const { log, lines } = recordingLog()
  const told = (): unknown[] => lines.map((line) => line['what'])
  const again = await open({ log, checkMs: 0 })
  expect(told().slice(0, 2)).toEqual(['storage_checking', 'storage_check_continues'])
  await again.run(write, 'served meanwhile')
  await expect.poll(told, { timeout: 20_000 }).toContain('storage_recovered')
  await again.close()
})

test('damage that such a check finds is told, with what to do', async () => {
  const storage = await open()
  await Promise.all(Array.from({ length: 3_000 }, (_, i) => storage.run(write, `${i}`.padStart(400, 'x'))))
  await storage.close()
  const file = join(folder, 'test.db')
  const fd = openSync(file, 'r+')
  const pages = readFileSync(file).length / 4096
  writeSync(fd, Buffer.alloc(4096, 0xff), 0, 4096, 4096 * Math.floor(pages / 2))
  closeSync(fd)
  copyFileSync(new URL(import.meta.url), `${file}-wal`)
  const { log, lines } = recordingLog()
  // It may be found before the wait is over, however short that is.
  const again = await open({ log, checkMs: 0 }).catch((error: unknown) => error)
  if (again instanceof Error) expect(again.message).toMatch(/is damaged/)
  else {
    const found = () => lines.find((line) => line['what'] === 'storage_damaged')
    await expect.poll(found, { timeout: 20_000 }).toMatchObject({ remedy: REMEDIES.damaged })
    // What `open` resolves with, when it is no error.
    await (again as Storage).close()
  }
})
