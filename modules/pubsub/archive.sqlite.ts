/** The archive of a node on SQLite: a part of the order of publication, by ids and by times. XEP-0313 §4.1; XEP-0442. */

import { and, asc, eq, gte, sql } from 'drizzle-orm'
import type { Db, Tx } from '../../server/module/api.ts'
import { isVisible, itemOf, itemRow, type Window } from './item-rows.sqlite.ts'
import type { Order } from './order.ts'
import { readingOf, refuse } from './queries.sqlite.ts'
import type { PagedItem, Visible, Within } from './reads.ts'
import type { Position } from './records.ts'
import { items } from './schema.sqlite.ts'
import type { PubsubStore } from './store.ts'

const ph = sql.placeholder

const queries = (db: Db) => ({
  at: db
    .select({ ...itemRow, scope: items.scope })
    .from(items)
    .where(and(eq(items.seq, ph('seq')), eq(items.node, ph('node'))))
    .prepare(),
  scopeAt: db
    .select({ scope: items.scope })
    .from(items)
    .where(and(eq(items.seq, ph('seq')), eq(items.node, ph('node'))))
    .prepare(),
  firstFrom: db
    .select({ seq: items.seq, publishedAt: items.publishedAt })
    .from(items)
    .where(and(eq(items.node, ph('node')), gte(items.seq, ph('seq'))))
    .orderBy(asc(items.seq))
    .limit(1)
    .prepare(),
})

/** @throws Refusal pageNotFound when nothing is kept there, or nothing for this asker. XEP-0313 §4.1.3, §4.3.2 */
export function keptKey(
  tx: Tx,
  node: { readonly id: number },
  { seq, creation }: Position,
  by: Order['by'],
  visible: Visible,
): number {
  const row = tx.use(queries).scopeAt.get({ node: node.id, seq })
  if (!row || !isVisible(row.scope, visible)) return refuse('pageNotFound')
  return by === 'creation' ? creation : seq
}

/** Between which places the items are that are meant, by the keys of the order. */
export function rangeOf(
  tx: Tx,
  node: { readonly id: number },
  { after, before }: Within,
  by: Order['by'],
  visible: Visible,
): Window {
  const keyOf = (place: Position) => keptKey(tx, node, place, by, visible)
  return { low: after ? keyOf(after) : 0, high: before ? keyOf(before) : Number.MAX_SAFE_INTEGER }
}

/** When they were published, as a part of the order of publication; undefined: at any time. */
export function spanOf(
  tx: Tx,
  node: { readonly id: number },
  { fromMs, toMs }: Within,
  lastSeq: number,
): Window | undefined {
  if (fromMs === undefined && toMs === undefined) return undefined
  const end = lastSeq + 1
  const low = fromMs === undefined ? 0 : firstSince(tx, node, fromMs, end) - 1
  return { low, high: toMs === undefined ? end : firstSince(tx, node, toMs + 1, end) }
}

/**
 * The lowest seq from which on everything was published at that time or later, found by halving: times grow with the
 * order of publication (`publicationTime`).
 */
function firstSince(tx: Tx, node: { readonly id: number }, ms: number, end: number): number {
  const q = tx.use(queries)
  let [low, high] = [1, end]
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    const row = q.firstFrom.get({ node: node.id, seq: middle })
    if (row && row.publishedAt < ms) low = row.seq + 1
    else high = middle
  }
  return low
}

export const readArchived: PubsubStore['readArchived'] = {
  name: 'pubsub.readArchived',
  kind: 'read',
  run(tx, { visible, seqs, maxChars, ...ref }) {
    const node = readingOf(tx, ref)
    const q = tx.use(queries)
    const found: PagedItem[] = []
    let chars = 0
    for (const seq of [...new Set(seqs)].sort((a, b) => a - b)) {
      const row = q.at.get({ node: node.id, seq })
      if (!row || !isVisible(row.scope, visible)) return refuse('pageNotFound')
      chars += row.payload?.length ?? 0
      if (chars > maxChars && found.length > 0)
        refuse('tooManyItems', 'these items are too large for one answer; ask for fewer')
      found.push(itemOf(row))
    }
    return found
  },
}
