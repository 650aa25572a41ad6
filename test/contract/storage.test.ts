/** The contract of storage, on the real worker and a real file. */

import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { call, Refusal, type Storage, StorageUnavailable } from '../../server/storage/storage.ts'
import { addonPath, bundleWorker } from './storage/bundle.ts'
import { recordingLog } from './storage/log.ts'
import { type OpenOptions, open as openWith, WORKER } from './storage/open.ts'
import {
  add,
  buildCount,
  die,
  find,
  MIGRATION,
  pragma,
  readAll,
  recall,
  remember,
  unclonable,
  write,
  writeInRead,
  writeThenRefuse,
  writeThenThrow,
} from './storage/operations.ts'
import { countCommits } from './storage/wal.ts'

let folder = ''
let storage: Storage
let code = ''
beforeAll(async () => {
  code = await bundleWorker(WORKER)
})
/** With the worker as the single binary has it, which also starts faster; one test below runs the .ts file. */
const open = (options: OpenOptions): Promise<Storage> => openWith({ code, nativeBinding: addonPath(), ...options })

const reopen = async (options: Partial<OpenOptions> = {}): Promise<Storage> => {
  await storage.close()
  storage = await open({ folder, ...options })
  return storage
}

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'storage-'))
  storage = await open({ folder })
})
afterEach(async () => {
  await storage.close()
  rmSync(folder, { recursive: true })
})

const numbers = (count: number): string[] => Array.from({ length: count }, (_, i) => String(i))
const rejection = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'resolved',
    (error: unknown) => error,
  )

describe('writes', () => {
  test('run in the order of submission, and a read after one sees it', async () => {
    await Promise.all(numbers(500).map((text) => storage.run(write, text)))
    expect(await storage.run(readAll, undefined)).toEqual(numbers(500))
    await storage.run(write, 'last')
    expect(await storage.run(find, 'last')).toBe(501)
    expect(await storage.run(find, 'never')).toBeUndefined()
  })

  test('those of one loop turn share one transaction', async () => {
    const wal = join(folder, 'test.db-wal')
    await storage.run(write, 'first')
    const before = countCommits(wal)
    await Promise.all(numbers(200).map((text) => storage.run(write, text)))
    expect(countCommits(wal) - before).toBe(1)
    for (const text of ['x', 'y', 'z']) await storage.run(write, text)
    expect(countCommits(wal) - before).toBe(4)
  })

  test('of one submit stand or fall together', async () => {
    const results = await storage.submit([call(write, 'a'), call(write, 'b')])
    expect(results).toEqual([1, 2])
    const refused = await rejection(storage.submit([call(write, 'c'), call(writeThenRefuse, 'd'), call(write, 'e')]))
    expect(refused).toBeInstanceOf(Refusal)
    expect(await storage.run(readAll, undefined)).toEqual(['a', 'b'])
  })

  test('hand values on within one submit only', async () => {
    const both = [call(remember, 'handed on'), call(recall, undefined)] as const
    expect(await storage.submit(both)).toEqual([undefined, 'handed on'])
    expect(await storage.run(recall, undefined)).toBe('undefined')
  })

  test('prepare their queries once per connection', async () => {
    const counts = await Promise.all([storage.run(buildCount, undefined), storage.run(buildCount, undefined)])
    expect(counts).toEqual([1, 1])
  })

  test('flush what they keep in memory once per transaction, and undo it with what is rolled back', async () => {
    const sums = [1, 2, 500, 4].map((by) => storage.run(add, by))
    expect((await Promise.allSettled(sums)).map((each) => (each.status === 'fulfilled' ? each.value : 0))).toEqual([
      1, 3, 0, 7,
    ])
    await rejection(storage.submit([call(add, 1), call(add, 1), call(add, 500)]))
    // A transaction that is lost takes its memory along: 13 cannot be written.
    expect(await rejection(storage.run(add, 6))).toBeInstanceOf(StorageUnavailable)
    expect(await storage.run(add, 1)).toBe(8)
    expect(await storage.run(readAll, undefined)).toEqual(['sum 7 at 1', 'sum 7 at 2', 'sum 8 at 3'])
  })

  test('an empty submit resolves in its turn', async () => {
    expect(await storage.submit([])).toEqual([])
  })
})

describe('what fails', () => {
  test('a refusal rolls back its own group only, in the same transaction as the others', async () => {
    const outcomes = await Promise.allSettled([
      storage.run(write, 'before'),
      storage.run(writeThenRefuse, 'refused'),
      storage.run(write, 'after'),
    ])
    expect(outcomes.map((outcome) => outcome.status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(await storage.run(readAll, undefined)).toEqual(['before', 'after'])
    const refusal = await rejection(storage.run(writeThenRefuse, 'again'))
    expect(refusal).toBeInstanceOf(Refusal)
    expect(refusal).toMatchObject({ key: 'tooMuch', message: 'no more of this', detail: { body: 'again' } })
  })

  test('the others stand, once each and in order, however often one fails', async () => {
    const expected: string[] = []
    for (let round = 0; round < 24; round++) {
      const fails = round % 12 === 0 ? storage.run(writeThenRefuse, `${round} refused`) : Promise.resolve()
      const outcomes = await Promise.allSettled([
        storage.run(write, `${round} before`),
        fails,
        storage.run(write, `${round} after`),
      ])
      expected.push(`${round} before`, `${round} after`)
      expect(outcomes.map(({ status }) => status)).toEqual([
        'fulfilled',
        round % 12 === 0 ? 'rejected' : 'fulfilled',
        'fulfilled',
      ])
    }
    expect(await storage.run(readAll, undefined)).toEqual(expected)
  })

  test('a defect tells its caller the operation and the log the rest', async () => {
    const { log, lines } = recordingLog()
    await reopen({ log })
    const outcomes = await Promise.allSettled([
      storage.run(write, 'before'),
      storage.run(writeThenThrow, 'broken'),
      storage.run(write, 'after'),
    ])
    expect(outcomes.map((outcome) => outcome.status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    const error = await rejection(storage.run(writeThenThrow, 'broken'))
    expect(error).not.toBeInstanceOf(Refusal)
    expect(error).toMatchObject({
      message: 'storage operation test.writeThenThrow failed',
      cause: { message: 'a bug' },
    })
    const defects = lines.filter((line) => line['what'] === 'storage_defect')
    expect(defects).toHaveLength(2)
    expect(defects[0]?.['error']).toMatch(/^TypeError: a bug\n +at .*run/)
    expect(await storage.run(readAll, undefined)).toEqual(['before', 'after'])
  })

  test('a broken constraint is a defect, not a reason to refuse service', async () => {
    await storage.run(write, 'once')
    const error = await rejection(storage.run(write, 'once'))
    expect(error).not.toBeInstanceOf(StorageUnavailable)
    expect(error).toMatchObject({ message: 'storage operation test.write failed' })
    expect(await storage.run(write, 'twice')).toBeTypeOf('number')
  })

  test('an operation that the worker does not have', async () => {
    const unknown = { ...write, name: 'test.unheardOf' }
    expect(await rejection(storage.run(unknown, 'x'))).toMatchObject({
      message: 'storage operation test.unheardOf failed',
      cause: { message: expect.stringContaining('modules/worker.ts') },
    })
  })

  test('arguments that are not plain data fail alone and in their place', async () => {
    const order: string[] = []
    // A function where the types ask for a text, as a caller in JavaScript might pass.
    const bad = (() => 0) as unknown as string
    const outcomes = await Promise.allSettled([
      storage.run(write, 'before', () => order.push('before')),
      storage.run(write, bad),
      storage.run(write, 'after', () => order.push('after')),
    ])
    expect(outcomes.map((outcome) => outcome.status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(order).toEqual(['before', 'after'])
  })

  test('a result that is not plain data fails alone, though it is stored', async () => {
    const outcomes = await Promise.allSettled([
      storage.run(write, 'before'),
      storage.run(unclonable, 'stored'),
      storage.run(write, 'after'),
    ])
    expect(outcomes.map((outcome) => outcome.status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(await storage.run(readAll, undefined)).toEqual(['before', 'stored', 'after'])
  })

  test('a read cannot write', async () => {
    const { log } = recordingLog()
    await reopen({ log })
    expect(await rejection(storage.run(writeInRead, 'x'))).toMatchObject({ reason: 'read-only' })
    expect(await storage.run(readAll, undefined)).toEqual([])
  })
})

describe('applied', () => {
  test('runs in commit order, before any of the promises resolve', async () => {
    const seen: string[] = []
    await Promise.all([
      ...numbers(50).map((text) =>
        storage.run(write, text, (id) => seen.push(`applied ${id}`)).then((id) => seen.push(`resolved ${id}`)),
      ),
      storage.submit([call(write, 'x'), call(write, 'y')], ([first, second]) =>
        seen.push(`applied ${first} ${second}`),
      ),
    ])
    const ids = numbers(50).map((text) => Number(text) + 1)
    expect(seen).toEqual([...ids.map((id) => `applied ${id}`), 'applied 51 52', ...ids.map((id) => `resolved ${id}`)])
  })

  test('is not called for what is refused', async () => {
    let calls = 0
    await rejection(storage.run(writeThenRefuse, 'x', () => calls++))
    expect(calls).toBe(0)
  })

  test('that throws is a defect of its caller and of nobody else', async () => {
    const { log, lines } = recordingLog()
    await reopen({ log })
    const failing = rejection(
      storage.run(write, 'a', () => {
        throw new Error('replica')
      }),
    )
    const other = storage.run(write, 'b')
    expect(await failing).toMatchObject({ message: 'storage operation applied failed' })
    expect(await other).toBe(2)
    expect(lines.map((line) => line['what'])).toContain('storage_defect')
  })
})

describe('submitted and settled', () => {
  test('count writes, and settle when what went before is committed or refused', async () => {
    const start = storage.submitted
    expect(storage.settled(start)).toBeUndefined()
    const seen: string[] = []
    void storage.run(write, 'a', () => seen.push('a'))
    rejection(storage.run(writeThenRefuse, 'b')).then(
      () => seen.push('refused'),
      () => {},
    )
    void storage.run(write, 'c', () => seen.push('c'))
    expect(storage.submitted).toBe(start + 3)
    await storage.run(readAll, undefined)
    expect(storage.submitted).toBe(start + 3)
    await storage.settled(start + 1)
    expect(seen).toContain('a')
    await storage.settled(storage.submitted)
    expect(seen).toContain('c')
    expect(storage.settled(start + 3)).toBeUndefined()
  })

  test('one more write than the queue holds is refused at once, and room comes back', async () => {
    await reopen({ maxQueue: 3 })
    const waiting = numbers(3).map((text) => storage.run(write, text))
    const before = storage.submitted
    const error = await rejection(storage.run(write, 'too many'))
    expect(error).toBeInstanceOf(StorageUnavailable)
    expect(error).toMatchObject({ reason: 'queue-full' })
    expect(storage.submitted).toBe(before)
    await Promise.all(waiting)
    expect(await storage.run(write, 'now')).toBe(4)
  })

  test('so is one that holds too much text, unless it is alone', async () => {
    await reopen({ maxQueueChars: 1_000 })
    const alone = storage.run(write, 'x'.repeat(2_000))
    expect(await rejection(storage.run(write, 'y'))).toMatchObject({ reason: 'queue-full' })
    await alone
    expect(await storage.run(write, 'y')).toBe(2)
  })
})

describe('close and open', () => {
  test('close waits for what was submitted, twice is once, and nothing is taken after', async () => {
    const writes = numbers(100).map((text) => storage.run(write, text))
    const closing = storage.close()
    expect(storage.close()).toBe(closing)
    expect(await rejection(storage.run(write, 'late'))).toMatchObject({ reason: 'closed' })
    expect(await rejection(storage.run(readAll, undefined))).toMatchObject({ reason: 'closed' })
    await closing
    expect(await Promise.all(writes)).toHaveLength(100)
    expect(existsSync(join(folder, 'test.db-wal'))).toBe(false)
    await reopen()
    expect(await storage.run(readAll, undefined)).toEqual(numbers(100))
  })

  test('the worker starts from its source file too', async () => {
    await storage.close()
    storage = await openWith({ folder })
    expect(await storage.run(write, 'x')).toBe(1)
    expect(await storage.run(readAll, undefined)).toEqual(['x'])
  })

  test('what is written can be read by its owner only', async () => {
    await storage.run(write, 'x')
    for (const name of ['test.db', 'test.db-wal', 'test.db-shm'])
      expect(statSync(join(folder, name)).mode & 0o777, name).toBe(0o600)
  })

  test('a full disk refuses, keeps what is there, and serves again when there is room', async () => {
    const { log, lines } = recordingLog()
    await reopen({ log })
    await storage.run(write, 'kept')
    const pages = await storage.run(pragma, 'page_count')
    await storage.run(pragma, `max_page_count = ${Object.values(pages as { page_count: number })[0]}`)
    const outcomes = await Promise.allSettled(numbers(200).map((text) => storage.run(write, text.padStart(500, 'x'))))
    const refused = outcomes.filter((outcome) => outcome.status === 'rejected').map((outcome) => outcome.reason)
    expect(refused.length).toBeGreaterThan(0)
    for (const error of refused) {
      expect(error).toBeInstanceOf(StorageUnavailable)
      expect(error).toMatchObject({ reason: 'disk-full' })
    }
    const accepted = outcomes.filter((outcome) => outcome.status === 'fulfilled').length
    expect(await storage.run(readAll, undefined)).toHaveLength(1 + accepted)
    expect(lines.filter((line) => line['what'] === 'storage_unavailable')).toHaveLength(1)
    await storage.run(pragma, 'max_page_count = 1000000')
    expect(await storage.run(write, 'there is room')).toBeTypeOf('number')
    expect(await storage.run(pragma, 'quick_check')).toEqual({ quick_check: 'ok' })
  })

  test('when the worker dies, waiting and later writes are refused and the owner is told', async () => {
    const { log } = recordingLog()
    const failures: Error[] = []
    await reopen({ log, onFailure: (error) => failures.push(error) })
    await storage.run(write, 'kept')
    const waiting = [rejection(storage.run(die, undefined)), rejection(storage.run(write, 'lost'))]
    for (const error of await Promise.all(waiting)) expect(error).toMatchObject({ reason: 'failed' })
    expect(await rejection(storage.run(write, 'later'))).toMatchObject({ reason: 'failed' })
    expect(failures).toHaveLength(1)
    await reopen()
    expect(await storage.run(readAll, undefined)).toEqual(['kept'])
  })
})

describe('the schema', () => {
  const add = (name: string, column: string) => ({ name, sql: `ALTER TABLE notes ADD COLUMN ${column} text;` })

  test('a migration that was merged late is applied, though later ones are there', async () => {
    await reopen({ migrations: [MIGRATION, add('0002_late', 'two')] })
    const { log, lines } = recordingLog()
    await reopen({ log, migrations: [MIGRATION, add('0001_merged', 'one'), add('0002_late', 'two')] })
    expect(lines.find((line) => line['what'] === 'storage_migrated')).toMatchObject({ migrations: ['0001_merged'] })
  })

  test('one that fails is not half applied, and the message is its own', async () => {
    const broken = {
      name: '0001_broken',
      sql: 'ALTER TABLE notes ADD COLUMN one text; ALTER TABLE nowhere ADD two text;',
    }
    await storage.close()
    await expect(open({ folder, migrations: [MIGRATION, broken] })).rejects.toThrow(/no such table: nowhere/)
    storage = await open({ folder, migrations: [MIGRATION, add('0001_mended', 'one')] })
    expect(await storage.run(write, 'x')).toBe(1)
  })

  test('newer than the program is refused, with what to do, and the lock is free again', async () => {
    await reopen({ migrations: [MIGRATION, add('0001_future', 'one')] })
    await storage.close()
    await expect(open({ folder })).rejects.toThrow(/newer than this program: it has 0001_future[\s\S]*restore a backup/)
    storage = await open({ folder, migrations: [MIGRATION, add('0001_future', 'one')] })
  })

  test('a migration that changed after it was applied is refused', async () => {
    await storage.close()
    const changed = { name: MIGRATION.name, sql: `${MIGRATION.sql} ` }
    await expect(open({ folder, migrations: [changed] })).rejects.toThrow(/0000_notes is not the one that was applied/)
    storage = await open({ folder })
  })

  test('a table that is rebuilt keeps the rows that refer to it', async () => {
    const child = {
      name: '0001_child',
      sql: "CREATE TABLE tags (note integer NOT NULL REFERENCES notes(id) ON DELETE CASCADE); INSERT INTO notes (body) VALUES ('a'); INSERT INTO tags SELECT id FROM notes;",
    }
    // As drizzle-kit writes it.
    const rebuild = {
      name: '0002_rebuild',
      sql: 'PRAGMA foreign_keys=OFF;--> statement-breakpoint\nCREATE TABLE `__new_notes` (`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL, `body` text NOT NULL UNIQUE, `more` text);--> statement-breakpoint\nINSERT INTO `__new_notes`("id", "body") SELECT "id", "body" FROM `notes`;--> statement-breakpoint\nDROP TABLE `notes`;--> statement-breakpoint\nALTER TABLE `__new_notes` RENAME TO `notes`;--> statement-breakpoint\nPRAGMA foreign_keys=ON;',
    }
    await reopen({ migrations: [MIGRATION, child, rebuild] })
    expect(await storage.run(pragma, 'foreign_key_check')).toBeUndefined()
    expect(Object.values((await storage.run(pragma, 'foreign_keys')) as object)).toEqual([1])
    expect(await storage.run(readAll, undefined)).toEqual(['a'])
  })
})
