/** Rows of items on SQLite, as pages and the archive read them. */

import { and, asc, desc, eq, gt, lt, type SQL, sql } from 'drizzle-orm'
import type { Order } from './order.ts'
import type { PagedItem, Visible } from './reads.ts'
import type { Position } from './records.ts'
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
  /** Of a node's past: only the place is left. */
  readonly isGone?: boolean
}

/** Keys of one order, both ends left out. */
export interface Window {
  readonly low: number
  readonly high: number
}

export function isVisible(scope: string | null, visible: Visible): boolean {
  return visible === 'all' || scope === null || visible.includes(scope)
}

export function itemOf(row: ItemRow): PagedItem {
  const { itemId, publisher, publishedAt, payload, isGone } = row
  const item = { itemId, publisher, publishedAt, payload: payload ?? undefined, position: positionOf(row) }
  return isGone ? { ...item, isGone } : item
}

export function positionOf({ seq, created }: Pick<ItemRow, 'seq' | 'created'>): Position {
  return { seq, creation: created ?? seq }
}

/** Between two places, both left out. */
export interface Range {
  readonly low: Position
  readonly high: Position
}

export const EVERYWHERE: Range = {
  low: { seq: 0, creation: 0 },
  high: { seq: Number.MAX_SAFE_INTEGER, creation: Number.MAX_SAFE_INTEGER },
}

/** In the order of first publication, versions of one item stand in that of publication. */
export function compare(a: Position, b: Position, by: Order['by']): number {
  return (by === 'creation' && a.creation - b.creation) || a.seq - b.seq
}

export function overlap(one: Range, other: Range | undefined, by: Order['by']): Range {
  if (!other) return one
  return {
    low: compare(one.low, other.low, by) < 0 ? other.low : one.low,
    high: compare(one.high, other.high, by) < 0 ? one.high : other.high,
  }
}

export function isWithin(place: Position, { low, high }: Range, by: Order['by']): boolean {
  return compare(low, place, by) < 0 && compare(place, high, by) < 0
}

/** A part of the order of publication. */
export function rangeOfSeqs({ low, high }: Window): Range {
  return { low: { seq: low, creation: 0 }, high: { seq: high, creation: 0 } }
}

/** What an order counts along; each stands behind the node in an index of its own. */
export const KEYS = { modification: items.seq, creation: items.creation } as const
export type Key = (typeof KEYS)[Order['by']]

export const inOrder = (key: Key, isAscending: boolean) => (isAscending ? asc(key) : desc(key))
/** Above `:low` and below `:high`. */
export const inWindow = (key: Key, where?: SQL) =>
  and(eq(items.node, ph('node')), gt(key, ph('low')), lt(key, ph('high')), where)

/** Rows read at once when they come with payloads: a page of large items stops near its bound, not far beyond it. */
export const STEP_ROWS = 32

/** Of items of a node, in a range of that order, and behind `:floor` in that of publication: by `placeholders`. */
export const inRange = (by: Order['by'], where?: SQL) =>
  by === 'modification'
    ? inWindow(items.seq, where)
    : and(
        eq(items.node, ph('node')),
        sql`(${items.creation}, ${items.seq}) > (${ph('low')}, ${ph('lowSeq')})`,
        sql`(${items.creation}, ${items.seq}) < (${ph('high')}, ${ph('highSeq')})`,
        gt(items.seq, ph('floor')),
        where,
      )

export function placeholders({ low, high }: Range, floor: number, by: Order['by']) {
  if (by === 'modification') return { low: Math.max(low.seq, floor), high: high.seq }
  return { low: low.creation, lowSeq: low.seq, high: high.creation, highSeq: high.seq, floor }
}

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
