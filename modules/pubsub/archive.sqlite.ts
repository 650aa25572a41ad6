/** The archive of a node on SQLite: a part of the order of publication, by ids and by times. XEP-0313 §4.1; XEP-0442. */

import { and, asc, eq, gt, gte, isNull, lte, or, sql } from 'drizzle-orm'
import type { Db, Tx } from '../../server/module/api.ts'
import { EVERYWHERE, type ItemRow, isVisible, itemOf, itemRow, type Range, type Window } from './item-rows.sqlite.ts'
import { pastRow } from './past-steps.sqlite.ts'
import { type ReadNode, readingOf, refuse } from './queries.sqlite.ts'
import type { PagedItem, Visible, Within } from './reads.ts'
import type { Position } from './records.ts'
import { items, pastItems } from './schema.sqlite.ts'
import type { PubsubStore } from './store.ts'

const ph = sql.placeholder

const queries = (db: Db) => {
  const of = <T extends typeof items | typeof pastItems>(table: T) => ({
    at: and(eq(table.seq, ph('seq')), eq(table.node, ph('node'))),
    from: and(eq(table.node, ph('node')), gte(table.seq, ph('seq'))),
    between: and(
      eq(table.node, ph('node')),
      gt(table.seq, ph('low')),
      lte(table.seq, ph('high')),
      or(isNull(table.scope), sql`${table.scope} in (select value from json_each(${ph('scopes')}))`),
    ),
  })
  const count = { items: sql<number>`count(*)` }
  const [now, past] = [of(items), of(pastItems)]
  const below = db
    .select({ seq: items.seq, scope: items.scope })
    .from(items)
    .where(and(eq(items.node, ph('node')), lte(items.seq, ph('cut'))))
    .limit(ph('max'))
    .as('below')
  return {
    at: db
      .select({ ...itemRow, scope: items.scope })
      .from(items)
      .where(now.at)
      .prepare(),
    pastAt: db
      .select({ ...pastRow, scope: pastItems.scope })
      .from(pastItems)
      .where(past.at)
      .prepare(),
    scopeAt: db.select({ scope: items.scope }).from(items).where(now.at).prepare(),
    pastScopeAt: db.select({ scope: pastItems.scope }).from(pastItems).where(past.at).prepare(),
    firstFrom: db
      .select({ seq: items.seq, publishedAt: items.publishedAt })
      .from(items)
      .where(now.from)
      .orderBy(asc(items.seq))
      .limit(1)
      .prepare(),
    firstPastFrom: db
      .select({ seq: pastItems.seq, publishedAt: pastItems.publishedAt })
      .from(pastItems)
      .where(past.from)
      .orderBy(asc(pastItems.seq))
      .limit(1)
      .prepare(),
    count: db.select(count).from(items).where(now.between).prepare(),
    countPast: db.select(count).from(pastItems).where(past.between).prepare(),
    countBelow: db
      .select({
        ...count,
        seen: sql<number>`coalesce(sum(${below.scope} is null or ${below.scope} in (select value from json_each(${ph('scopes')}))), 0)`,
      })
      .from(below)
      .prepare(),
  }
}

/**
 * A place of the archive, which begins behind its cut.
 * @throws Refusal pageNotFound when nothing is kept there, or nothing for this asker. XEP-0313 §4.1.3, §4.3.2
 */
export function keptPlace(tx: Tx, node: ReadNode, place: Position, visible: Visible): Position {
  const at = { node: node.id, seq: place.seq }
  const q = tx.use(queries)
  const row = place.seq <= node.archiveCut ? undefined : (q.scopeAt.get(at) ?? q.pastScopeAt.get(at))
  if (!row || !isVisible(row.scope, visible)) return refuse('pageNotFound')
  return place
}

/** Between which places the items are that are meant. */
export function rangeOf(tx: Tx, node: ReadNode, { after, before }: Within, visible: Visible): Range {
  const placeOf = (place: Position | undefined) => place && keptPlace(tx, node, place, visible)
  return { low: placeOf(after) ?? EVERYWHERE.low, high: placeOf(before) ?? EVERYWHERE.high }
}

/** When they were published, as a part of the order of publication; undefined: at any time. */
export function spanOf(tx: Tx, node: ReadNode, { fromMs, toMs }: Within, lastSeq: number): Window | undefined {
  if (fromMs === undefined && toMs === undefined) return undefined
  const end = lastSeq + 1
  const low = fromMs === undefined ? 0 : firstSince(tx, node, fromMs, end) - 1
  return { low, high: toMs === undefined ? end : firstSince(tx, node, toMs + 1, end) }
}

/**
 * The lowest seq from which on everything was published at that time or later, found by halving: times grow with the
 * order of publication (`publicationTime`).
 */
function firstSince(tx: Tx, node: ReadNode, ms: number, end: number): number {
  const q = tx.use(queries)
  let [low, high] = [1, end]
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    const from = { node: node.id, seq: middle }
    const [item, past] = [q.firstFrom.get(from), node.pastCount > 0 ? q.firstPastFrom.get(from) : undefined]
    const row = item && past ? (item.seq < past.seq ? item : past) : (item ?? past)
    if (row && row.publishedAt < ms) low = row.seq + 1
    else high = middle
  }
  return low
}

/**
 * How many there are, besides the items that the asker sees now; undefined: too many to count.
 * @param max  rows that are counted one by one at most
 */
export function countPast(tx: Tx, node: ReadNode, visible: Visible, max: number): number | undefined {
  const { id, pastCount, prunedCount, prunedSeq, archiveCut: cut } = node
  if (cut === 0 && pastCount + prunedCount === 0) return 0
  const q = tx.use(queries)
  const scopes = visible === 'all' ? '[]' : JSON.stringify(visible)
  // Items of before the archive begins.
  const below = cut > prunedSeq ? q.countBelow.get({ node: id, cut, scopes, max: max + 1 }) : undefined
  if (below && below.items > max) return undefined
  if (visible === 'all') return pastCount + prunedCount - (below?.items ?? 0)
  if (pastCount + prunedCount > max) return undefined
  const part = { node: id, low: cut, scopes }
  const pruned = q.count.get({ ...part, high: prunedSeq })?.items ?? 0
  return pruned + (q.countPast.get({ ...part, high: Number.MAX_SAFE_INTEGER })?.items ?? 0) - (below?.seen ?? 0)
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
      const at = { node: node.id, seq }
      const row: (ItemRow & { readonly scope: string | null }) | undefined =
        seq <= node.archiveCut ? undefined : (q.at.get(at) ?? q.pastAt.get(at))
      if (!row || !isVisible(row.scope, visible)) return refuse('pageNotFound')
      chars += row.payload?.length ?? 0
      if (chars > maxChars && found.length > 0)
        refuse('tooManyItems', 'these items are too large for one answer; ask for fewer')
      found.push(itemOf(row))
    }
    return found
  },
}
