/** Parameters under a unary plus: the same query, compiled once. */

import Database from 'better-sqlite3'
import { expect, test } from 'vitest'
import { steady } from '../../../server/storage/steady.ts'

test('every parameter, and nothing that is quoted', () => {
  expect(steady('select "a?" from t where a = ? and b in (?, ?) limit ?')).toBe(
    'select "a?" from t where a = +? and b in (+?, +?) limit +?',
  )
  expect(steady("select 'it''s ?' || ? from `t?`")).toBe("select 'it''s ?' || +? from `t?`")
})

test('patterns stay bare, so that an index serves them', () => {
  expect(steady('select 1 from t where a GLOB ? and b like  ? and c = ?')).toBe(
    'select 1 from t where a GLOB ? and b like  ? and c = +?',
  )
})

test('values of every type come through as they are, and indexes are used as before', () => {
  const db = new Database(':memory:')
  try {
    db.exec('create table t (a any primary key, b any) strict')
    for (const value of ['1', 1, 1.5, Buffer.from([1])]) {
      db.prepare(steady('insert into t values (?, ?)')).run(value, value)
      const query = 'select b from t where a = ? order by b limit ?'
      expect(db.prepare(steady(query)).pluck().all(value, 5)).toEqual([value])
      const plan = (sql: string) => db.prepare(`explain query plan ${sql}`).all(value, 5)
      expect(plan(steady(query))).toEqual(plan(query))
    }
  } finally {
    db.close()
  }
})
