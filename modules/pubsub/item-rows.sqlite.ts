/** Rows of items on SQLite, as pages and the archive read them. */

import { and, asc, desc, eq, gt, lt, type SQL, sql } from 'drizzle-orm'
import type { Order } from './order.ts'
import type { PagedItem, Visible } from './reads.ts'
import { items } from './schema.sqlite.ts'

const ph = sql.placeholder

export const itemColumns = {
  seq: items.seq,
  created: items.created,
  itemId: items.itemId,
  publisher: items.publisher,
  publishedAt: items.publishedAt,
}
/** With the payload. */
export const itemRow = { ...itemColumns, payload: items.payload }

export interface ItemRow {
  readonly seq: number
  readonly created: number | null
  readonly itemId: string
  readonly publisher: string
  readonly publishedAt: number
  readonly payload?: string | null
}

/** Keys of one order, both ends left out. */
export interface Window {
  readonly low: number
  readonly high: number
}

export function isVisible(scope: string | null, visible: Visible): boolean {
  return visible === 'all' || scope === null || visible.includes(scope)
}

export function itemOf({ seq, created, itemId, publisher, publishedAt, payload }: ItemRow): PagedItem {
  return { itemId, publisher, publishedAt, payload: payload ?? undefined, position: { seq, creation: created ?? seq } }
}

/** What an order counts along; each stands behind the node in an index of its own. */
export const KEYS = { modification: items.seq, creation: items.creation } as const
export type Key = (typeof KEYS)[Order['by']]

export const inOrder = (key: Key, isAscending: boolean) => (isAscending ? asc(key) : desc(key))
/** Above `:low` and below `:high`. */
export const inWindow = (key: Key, where?: SQL) =>
  and(eq(items.node, ph('node')), gt(key, ph('low')), lt(key, ph('high')), where)

/** Takes rows up to the bounds of the page, but never none where there is one. */
export function takeRows<R extends ItemRow>(
  rows: Iterable<R>,
  { max, maxChars }: { readonly max: number; readonly maxChars: number },
): R[] {
  const taken: R[] = []
  if (max === 0) return taken
  let chars = 0
  for (const row of rows) {
    chars += row.payload?.length ?? 0
    if (chars > maxChars && taken.length > 0) break
    taken.push(row)
    if (taken.length >= max) break
  }
  return taken
}
