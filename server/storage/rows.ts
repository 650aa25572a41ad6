/**
 * Runs drizzle's prepared queries without its mapping by description: a query's rows and placeholders are looked at once,
 * when it is prepared, instead of column by column for each row. Half of a page's time and a third of a publish's were
 * that. What is not simple (joins, nested selections) stays with drizzle. And no query is prepared before it runs.
 */

import { Column, is, Param, Placeholder, SQL } from 'drizzle-orm'
import { SQLiteDeleteBase, SQLiteInsertBase, SQLiteSelectBase, SQLiteUpdateBase } from 'drizzle-orm/sqlite-core'
import { steady } from './steady.ts'
import type { Db } from './storage.ts'

/** What is used of drizzle's session and prepared query: internal there, and checked by the storage suites here. */
interface Session {
  prepareQuery(query: Query, fields: readonly Field[] | undefined, ...rest: readonly unknown[]): Prepared
}
interface Query {
  readonly sql: string
  readonly params: readonly unknown[]
}
interface Field {
  readonly path: readonly string[]
  readonly field: unknown
}
interface Prepared {
  readonly stmt: Statement
  readonly customResultMapper: unknown
  run(values?: Values): unknown
  all(values?: Values): unknown[]
  get(values?: Values): unknown
}
interface Statement {
  run(...params: readonly unknown[]): unknown
  raw(): { all(...params: readonly unknown[]): unknown[][]; get(...params: readonly unknown[]): unknown[] | undefined }
}
type Values = Readonly<Record<string, unknown>>

/** What stores call of a prepared query. */
type Runs = Pick<Prepared, 'run' | 'all' | 'get'>

/**
 * A store builds all its queries when the first of them is asked for, and a process that starts asks for one in nine: a
 * query's SQL is made, and compiled by SQLite, when it runs first.
 */
for (const { prototype } of [SQLiteSelectBase, SQLiteInsertBase, SQLiteUpdateBase, SQLiteDeleteBase]) {
  // The class types prepare() by the query; what it returns is used for these three alone.
  const builder = prototype as unknown as { prepare: (this: unknown) => Runs }
  const { prepare } = builder
  builder.prepare = function (this: unknown): Runs {
    let prepared: Runs | undefined
    const made = (): Runs => {
      prepared ??= prepare.call(this)
      return prepared
    }
    return {
      run: (values) => (prepared ?? made()).run(values),
      all: (values) => (prepared ?? made()).all(values),
      get: (values) => (prepared ?? made()).get(values),
    }
  }
}

/** Makes every query that is prepared on this connection from now on a quick one, where it can be. */
export function quicken(db: Db): void {
  // drizzle keeps the session from its types, not from its objects.
  const { session } = db as unknown as { readonly session: Session }
  const prepare = session.prepareQuery.bind(session)
  session.prepareQuery = (query, fields, ...rest) => {
    const prepared = prepare({ ...query, sql: steady(query.sql) }, fields, ...rest)
    const parametersOf = parameterReader(query.params)
    const { stmt } = prepared
    prepared.run = (values) => stmt.run(...parametersOf(values))
    const rowOf = fields && !prepared.customResultMapper ? rowMaker(fields) : undefined
    if (!rowOf) return prepared
    const raw = stmt.raw()
    prepared.all = (values) => raw.all(...parametersOf(values)).map(rowOf)
    prepared.get = (values) => {
      const row = raw.get(...parametersOf(values))
      return row && rowOf(row)
    }
    return prepared
  }
}

type RowMaker = (row: readonly unknown[]) => unknown

interface Decoder {
  mapFromDriverValue(value: unknown): unknown
}

/**
 * A function of the query's own, written out with its names, as better-sqlite3 has them for its own rows: V8 knows their
 * shape, where a loop over the names of any query looks each of them up for each row.
 * @returns undefined where the fields are not a flat list of columns and expressions
 */
function rowMaker(fields: readonly Field[]): RowMaker | undefined {
  const decoders: Decoder[] = []
  const properties: string[] = []
  for (const [at, { path, field }] of fields.entries()) {
    const [name] = path
    const decoder = decoderOf(field)
    if (name === undefined || path.length !== 1 || !decoder) return undefined
    decoders.push(decoder)
    const isPlain = decoder.mapFromDriverValue === Column.prototype.mapFromDriverValue
    const value = `row[${at}]`
    const decoded = isPlain ? value : `${value} === null ? null : decoders[${at}].mapFromDriverValue(${value})`
    properties.push(`${JSON.stringify(name)}: ${decoded}`)
  }
  // oxlint-disable-next-line typescript/no-implied-eval -- made of the names of our own schemas and nothing else
  return new Function('decoders', `return (row) => ({ ${properties.join(', ')} })`)(decoders) as RowMaker
}

function decoderOf(field: unknown): Decoder | undefined {
  if (is(field, Column)) return field
  // drizzle keeps the decoder from its types, not from its objects.
  return is(field, SQL) ? (field as unknown as { readonly decoder: Decoder }).decoder : undefined
}

type ParameterReader = (values: Values | undefined) => readonly unknown[]

/** Puts a call's values where the query has placeholders: written out with their names, as a row's are. */
function parameterReader(params: readonly unknown[]): ParameterReader {
  const encoders: (((value: unknown) => unknown) | undefined)[] = []
  const values = params.map((param, at) => {
    const value = is(param, Param) ? param.value : param
    if (!is(value, Placeholder)) return `params[${at}]`
    encoders[at] = is(param, Param) ? encoderOf(param.encoder) : undefined
    const name = JSON.stringify(value.name)
    const given = `(values[${name}] === undefined ? given(values, ${name}) : values[${name}])`
    return encoders[at] ? `encoders[${at}](${given})` : given
  })
  const text = `return (values = {}) => [${values.join(', ')}]`
  // oxlint-disable-next-line typescript/no-implied-eval -- made of the names in our own queries and nothing else
  return new Function('params', 'encoders', 'given', text)(params, encoders, given) as ParameterReader
}

interface Encoder {
  mapToDriverValue(value: unknown): unknown
}

/** Undefined where it changes nothing. */
function encoderOf(encoder: Encoder): ((value: unknown) => unknown) | undefined {
  if (encoder.mapToDriverValue === Column.prototype.mapToDriverValue) return undefined
  return (value) => encoder.mapToDriverValue(value)
}

/** A value that is undefined, when it was meant to be. */
function given(values: Values, name: string): undefined {
  if (!(name in values)) throw new Error(`No value for placeholder "${name}" was provided`)
  return undefined
}
