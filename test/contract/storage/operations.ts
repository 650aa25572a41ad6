/** Operations on one small table, for the storage contract. */

import { and, eq, sql } from 'drizzle-orm'
import { integer, sqliteTable, text } from 'drizzle-orm/sqlite-core'
import { type Db, type Operation, Refusal, scanStep, type Tx } from '../../../server/storage/storage.ts'

const notes = sqliteTable('notes', {
  id: integer().primaryKey({ autoIncrement: true }),
  body: text().notNull().unique(),
})

export const MIGRATION = {
  name: '0000_notes',
  sql: 'CREATE TABLE `notes` (`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL, `body` text NOT NULL UNIQUE);',
}

const queries = (db: Db) => ({
  insert: db
    .insert(notes)
    .values({ body: sql.placeholder('body') })
    .returning({ id: notes.id })
    .prepare(),
  all: db.select({ body: notes.body }).from(notes).orderBy(notes.id).prepare(),
  find: db
    .select({ id: notes.id })
    .from(notes)
    .where(eq(notes.body, sql.placeholder('body')))
    .prepare(),
})

export const write: Operation<string, number> = {
  name: 'test.write',
  kind: 'write',
  run: (tx, body) => tx.use(queries).insert.get({ body }).id,
}

/** Writes, then refuses when the text is there twice in one group already. */
export const writeThenRefuse: Operation<string, never> = {
  name: 'test.writeThenRefuse',
  kind: 'write',
  run(tx, body) {
    tx.use(queries).insert.run({ body })
    throw new Refusal('tooMuch', 'no more of this', { body })
  },
}

export const writeThenThrow: Operation<string, never> = {
  name: 'test.writeThenThrow',
  kind: 'write',
  run(tx, body) {
    tx.use(queries).insert.run({ body })
    throw new TypeError('a bug')
  },
}

export const remember: Operation<string, void> = {
  name: 'test.remember',
  kind: 'write',
  run: (tx, value) => void tx.shared.set('test.value', value),
}

export const recall: Operation<undefined, string> = {
  name: 'test.recall',
  kind: 'write',
  run: (tx) => String(tx.shared.get('test.value')),
}

export const buildCount: Operation<undefined, number> = {
  name: 'test.buildCount',
  kind: 'write',
  run: (tx) => tx.use(countBuilds).built,
}
let builds = 0
const countBuilds = () => {
  builds += 1
  return { built: builds }
}

/** Keeps a sum in memory beside the table, written as one note before COMMIT. */
export const add: Operation<number, number> = {
  name: 'test.add',
  kind: 'write',
  run(tx, by) {
    const kept = tx.use(sumInMemory)
    kept.sum += by
    tx.onRollback(() => {
      kept.sum -= by
    })
    tx.beforeCommit(writeSum)
    if (by > 100) throw new Refusal('tooMuch')
    return kept.sum
  },
}
const sumInMemory = () => ({ sum: 0 })
const writeSum = (tx: Tx): void => {
  const { sum } = tx.use(sumInMemory)
  if (sum === 13) throw new Error('no such sum')
  tx.use(queries).insert.run({ body: `sum ${sum} at ${++sums}` })
}
let sums = 0

export const pragma: Operation<string, unknown> = {
  name: 'test.pragma',
  kind: 'write',
  run: (tx, text) => tx.use((db) => ({ db })).db.get(sql.raw(`PRAGMA ${text}`)),
}

export const unclonable: Operation<string, unknown> = {
  name: 'test.unclonable',
  kind: 'write',
  run(tx, body) {
    tx.use(queries).insert.run({ body })
    return () => 0
  },
}

export const readAll: Operation<undefined, string[]> = {
  name: 'test.readAll',
  kind: 'read',
  run: (tx) =>
    tx
      .use(queries)
      .all.all()
      .map((row) => row.body),
}

export const find: Operation<string, number | undefined> = {
  name: 'test.find',
  kind: 'read',
  run: (tx, body) => tx.use(queries).find.get({ body })?.id,
}

export const writeInRead: Operation<string, number> = { ...write, name: 'test.writeInRead', kind: 'read' }

const scanQueries = (db: Db) => ({
  count: db
    .select({ count: sql<number>`count(*)` })
    .from(notes)
    .where(and(scanStep(notes.id), sql`${notes.body} LIKE ${sql.placeholder('like')}`))
    .prepare(),
})

/** Looks at every note. */
export const countLike: Operation<string, number> = {
  name: 'test.countLike',
  kind: 'read',
  run: (tx, like) => tx.use(scanQueries).count.get({ like })?.count ?? 0,
}

/** Looks at every pair of notes, each of which it counts. */
export const countPairs: Operation<undefined, number> = {
  name: 'test.countPairs',
  kind: 'read',
  run: (tx) =>
    tx
      .use((db) => ({ db }))
      .db.get<{ pairs: number }>(
        sql`SELECT count(*) AS pairs FROM notes AS a CROSS JOIN notes AS b WHERE scan_step(b.id) = 1`,
      ).pairs,
}

export const brokenScan: Operation<undefined, never> = {
  name: 'test.brokenScan',
  kind: 'read',
  run() {
    throw new TypeError('a bug')
  },
}

/** Ends the worker as a fault in native code would. */
export const die: Operation<undefined, never> = {
  name: 'test.die',
  kind: 'write',
  run: () => process.exit(7),
}

export const operations = [
  write,
  writeThenRefuse,
  writeThenThrow,
  remember,
  recall,
  buildCount,
  add,
  pragma,
  unclonable,
  countLike,
  countPairs,
  brokenScan,
  die,
] as const
