/** Rows of a node's past on SQLite, in either order, and merged with those of its items: the archive. XEP-0442; XEP-0413 */

import { and, asc, desc, eq, gt, isNull, lt, or, type SQL, sql } from 'drizzle-orm'
import type { Db, Tx } from '../../server/module/api.ts'
import {
  compare,
  type ItemRow,
  isVisible,
  isWithin,
  positionOf,
  type Range,
  STEP_ROWS,
  type Window,
} from './item-rows.sqlite.ts'
import type { Order } from './order.ts'
import { refuse } from './queries.sqlite.ts'
import type { ReadPage } from './reads.ts'
import { pastItems } from './schema.sqlite.ts'

const ph = sql.placeholder

const idColumns = {
  seq: pastItems.seq,
  created: pastItems.created,
  itemId: pastItems.itemId,
  publisher: pastItems.publisher,
  publishedAt: pastItems.publishedAt,
  isGone: pastItems.isGone,
}
export const pastRow = { ...idColumns, payload: pastItems.payload }

const inScopes = or(isNull(pastItems.scope), sql`${pastItems.scope} in (select value from json_each(${ph('scopes')}))`)

const queries = (db: Db) => {
  const inSeqs = (where?: SQL) =>
    and(eq(pastItems.node, ph('node')), gt(pastItems.seq, ph('low')), lt(pastItems.seq, ph('high')), where)
  const along = (isUp: boolean) => {
    const order = isUp ? asc(pastItems.seq) : desc(pastItems.seq)
    const whole = (where?: SQL) =>
      db.select(pastRow).from(pastItems).where(inSeqs(where)).orderBy(order).limit(ph('max')).prepare()
    const ids = (where?: SQL) =>
      db.select(idColumns).from(pastItems).where(inSeqs(where)).orderBy(order).limit(ph('max')).prepare()
    return { whole: { all: whole(), some: whole(inScopes) }, ids: { all: ids(), some: ids(inScopes) } }
  }
  return {
    up: along(true),
    down: along(false),
    spots: db
      .select({ seq: pastItems.seq, created: pastItems.created, scope: pastItems.scope })
      .from(pastItems)
      .where(inSeqs())
      .limit(ph('max'))
      .prepare(),
    at: db
      .select(pastRow)
      .from(pastItems)
      .where(and(eq(pastItems.node, ph('node')), eq(pastItems.seq, ph('seq'))))
      .prepare(),
  }
}

/** The part of a page that is read, and the way. */
export interface Steps {
  readonly node: number
  readonly asked: Pick<ReadPage, 'visible' | 'withPayloads' | 'max' | 'passedMax'>
  readonly range: Range
  /** What stands up to there in the order of publication is left out. */
  readonly floor: number
  readonly isUp: boolean
}

/** In the order of publication. */
export function* pastSteps(tx: Tx, { node, asked, range, floor, isUp }: Steps): Generator<ItemRow> {
  const { visible, withPayloads, max } = asked
  const q = tx.use(queries)[isUp ? 'up' : 'down'][withPayloads ? 'whole' : 'ids']
  const query = visible === 'all' ? q.all : q.some
  const scopes = visible === 'all' ? '[]' : JSON.stringify(visible)
  const step = withPayloads ? Math.min(STEP_ROWS, max) : max
  let [low, high] = [Math.max(range.low.seq, floor), range.high.seq]
  for (let seen = 0; seen < max; seen += step) {
    const rows: ItemRow[] = query.all({ node, low, high, max: step, scopes })
    yield* rows
    const last = rows.at(-1)
    if (!last || rows.length < step) return
    if (isUp) low = last.seq
    else high = last.seq
  }
}

/**
 * In the order of first publication, of which there is no index: all of the part is put in order.
 * @throws Refusal orderUnsupported where that is too much
 */
export function* pastByCreation(
  tx: Tx,
  { node, asked, range, floor, isUp }: Steps,
  span: Window | undefined,
): Generator<ItemRow> {
  const { visible, passedMax, withPayloads } = asked
  const q = tx.use(queries)
  const { low, high } = span ?? { low: 0, high: Number.MAX_SAFE_INTEGER }
  const spots = q.spots.all({ node, low: Math.max(low, floor), high, max: passedMax + 1 })
  if (spots.length > passedMax)
    refuse('orderUnsupported', `the archive has more than ${passedMax} past items; ask in the order of publication`)
  const places = spots
    .filter(({ scope }) => isVisible(scope, visible))
    .map(positionOf)
    .filter((place) => isWithin(place, range, 'creation'))
    .sort((a, b) => (isUp ? compare(a, b, 'creation') : compare(b, a, 'creation')))
  for (const { seq } of places) {
    const row = q.at.get({ node, seq })
    if (row) yield withPayloads ? row : { ...row, payload: null }
  }
}

/** Rows of both, each of which is in order. */
export function* merged(
  one: Iterator<ItemRow>,
  other: Iterator<ItemRow>,
  by: Order['by'],
  isUp: boolean,
): Generator<ItemRow> {
  let [a, b] = [one.next(), other.next()]
  while (!a.done && !b.done) {
    const isFirst = compare(positionOf(a.value), positionOf(b.value), by) < 0 === isUp
    yield isFirst ? a.value : b.value
    if (isFirst) a = one.next()
    else b = other.next()
  }
  for (; !a.done; a = one.next()) yield a.value
  for (; !b.done; b = other.next()) yield b.value
}
