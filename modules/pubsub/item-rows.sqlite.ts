/** Rows of items on SQLite, as pages and the archive read them. */

import { items } from './schema.sqlite.ts'
import type { PagedItem, Visible } from './store.ts'

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
