/** Keyset pages for any listing: filters and grants inside the query, cursors are row numbers. XEP-0059 §2. */

import { and, gt, lt, not, type SQL, sql } from 'drizzle-orm'
import type { SQLiteColumn } from 'drizzle-orm/sqlite-core'
import { Refusal, scanStep } from '../../server/module/api.ts'
import type { Paging, Rows, Visible } from './store.ts'

/** A page ends early when its texts would not fit a stanza of the default limit. SACM-XMPP §3. */
const MAX_PAGE_CHARS = 160_000
/** On later pages a count above this is left out: the first page has told it. */
const MAX_RECOUNT = 10_000
/** Prepared variants of one query: one per set of filters in use. */
const MAX_VARIANTS = 256

/** One condition; its value is a placeholder of the same name. */
export interface Filter {
  readonly name: string
  readonly value: unknown
  readonly condition: SQL | undefined
}

/** The filters whose value was given. */
export function given(...filters: readonly Filter[]): readonly Filter[] {
  return filters.filter(({ value }) => value !== undefined)
}

/** Prepares a query at the first use of each variant, and keeps a bounded number of them. */
export function perVariant<A extends unknown[], Q>(build: (...args: A) => Q): (key: string, ...args: A) => Q {
  const prepared = new Map<string, Q>()
  return (key, ...args) => {
    const known = prepared.get(key)
    if (known !== undefined) return known
    if (prepared.size >= MAX_VARIANTS) prepared.clear()
    const query = build(...args)
    prepared.set(key, query)
    return query
  }
}

/** A listing's queries, each in its variants. */
export interface Listing<R extends { readonly cursor: number }> {
  /** Rows where this holds, at most `max`, by cursor up or down. */
  readonly page: (
    key: string,
    where: SQL | undefined,
    isBackward: boolean,
  ) => { all(values: Record<string, unknown>): R[] }
  /** How many, counting no further than `bound`. */
  readonly count: (
    key: string,
    where: SQL | undefined,
  ) => { get(values: Record<string, unknown>): { count: number } | undefined }
  /** Is there a row with this `cursor`, shown or not? */
  readonly exists: { get(values: Record<string, unknown>): unknown }
  readonly cursor: SQLiteColumn
  /** The column that grants are about; undefined: everyone may see every row. */
  readonly scope?: SQLiteColumn
}

/**
 * Reads one page.
 * @throws Refusal cursorUnknown
 */
export function readPage<R extends { readonly cursor: number }, T>(
  listing: Listing<R>,
  filters: readonly Filter[],
  visible: Visible,
  paging: Paging,
  rowOf: (row: Omit<R, 'cursor'>) => T,
): Rows<T> {
  const isBackward = paging.before !== undefined
  const cursor = paging.after ?? paging.before ?? undefined
  if (cursor !== undefined && !listing.exists.get({ cursor })) throw new Refusal('cursorUnknown')

  const values: Record<string, unknown> = { max: paging.max, cursor }
  for (const { name, value } of filters) values[name] = value
  const isScoped = visible !== 'any' && listing.scope !== undefined
  if (isScoped) values['visible'] = JSON.stringify(visible)
  const inScope = isScoped
    ? sql`${listing.scope} IN (SELECT value FROM json_each(${sql.placeholder('visible')}))`
    : undefined
  const matching = and(scanStep(listing.cursor), ...filters.map(({ condition }) => condition))
  const key = [...filters.map(({ name }) => name), isScoped ? 'scoped' : 'all'].join(' ')

  const beyond = cursor === undefined ? undefined : (isBackward ? lt : gt)(listing.cursor, sql.placeholder('cursor'))
  const pageKey = `${key} ${isBackward ? 'down' : 'up'} ${cursor === undefined ? 'from the end' : 'from'}`
  const found = paging.max === 0 ? [] : listing.page(pageKey, and(matching, inScope, beyond), isBackward).all(values)
  const fitting = takeFitting(found.map(({ cursor: at, ...row }) => [at, rowOf(row)] as const))
  if (isBackward) fitting.reverse()

  values['bound'] = cursor === undefined ? Number.MAX_SAFE_INTEGER : MAX_RECOUNT + 1
  const count = listing.count(key, and(matching, inScope)).get(values)?.count ?? 0
  const hidden = isScoped
    ? listing.count(`${key} hidden`, and(matching, inScope && not(inScope))).get(values)
    : undefined
  return {
    rows: fitting.map(([, row]) => row),
    first: fitting[0]?.[0],
    last: fitting.at(-1)?.[0],
    count: cursor !== undefined && count > MAX_RECOUNT ? undefined : count,
    withheld: hidden?.count ?? 0,
  }
}

/** The rows nearest to the cursor that fit together; always at least one. */
function takeFitting<T>(rows: readonly (readonly [number, T])[]): (readonly [number, T])[] {
  let chars = 0
  const fitting: (readonly [number, T])[] = []
  for (const row of rows) {
    chars += JSON.stringify(row[1]).length
    if (fitting.length > 0 && chars > MAX_PAGE_CHARS) break
    fitting.push(row)
  }
  return fitting
}
