/**
 * Pages in the order of first publication, where an asker sees only some of the items, or asks for those of some time. No
 * index has such items in that order: a few are put in order, of many others are passed over. Either has a bound.
 * XEP-0413 §4.3; XEP-0313 §4.1.2.
 */

import { and, eq, gt, lt, sql } from 'drizzle-orm'
import type { Db, Tx } from '../../server/module/api.ts'
import {
  compare,
  type ItemRow,
  inOrder,
  inRange,
  isVisible,
  isWithin,
  itemRow,
  overlap,
  placeholders,
  positionOf,
  type Range,
  type Window,
} from './item-rows.sqlite.ts'
import type { Steps } from './past-steps.sqlite.ts'
import { refuse } from './queries.sqlite.ts'
import { items } from './schema.sqlite.ts'

const ph = sql.placeholder

/** Where an item stands in both orders, and whose it is. */
interface Spot {
  readonly seq: number
  readonly created: number | null
  readonly scope: string | null
}
const spot = { seq: items.seq, created: items.created, scope: items.scope }

const queries = (db: Db) => {
  const along = (isUp: boolean) =>
    db
      .select(spot)
      .from(items)
      .where(inRange('creation'))
      .orderBy(inOrder(items.creation, isUp))
      .limit(ph('max'))
      .prepare()
  return {
    up: along(true),
    down: along(false),
    within: db
      .select(spot)
      .from(items)
      .where(and(eq(items.node, ph('node')), gt(items.seq, ph('low')), lt(items.seq, ph('high'))))
      .limit(ph('max'))
      .prepare(),
    at: db
      .select(itemRow)
      .from(items)
      .where(eq(items.seq, ph('seq')))
      .prepare(),
  }
}

/** Spots read at once. */
const STEP = 256

/**
 * @param steps.range  in the order of first publication
 * @param span         in that of publication, where all but that part are not to be passed over
 * @throws Refusal orderUnsupported where more items than the bound are in the span, and stand in between
 */
export function* stepsByCreation(tx: Tx, steps: Steps, span: Window | undefined): Generator<ItemRow> {
  const { node, asked, range, floor, isUp } = steps
  const { visible, passedMax, withPayloads } = asked
  const { low, high } = span ?? { low: 0, high: Number.MAX_SAFE_INTEGER }
  const part = { low: Math.max(low, floor), high }
  const wanted = (each: Spot) => isVisible(each.scope, visible) && isIn(part, each.seq)
  const few = span ? ordered(tx, node, part, passedMax, isUp) : undefined
  for (const each of few ?? walked(tx, steps, part, wanted)) {
    if (!wanted(each) || !isWithin(positionOf(each), range, 'creation')) continue
    const row = tx.use(queries).at.get({ seq: each.seq })
    if (row) yield withPayloads ? row : { ...row, payload: null }
  }
}

function isIn({ low, high }: Window, seq: number): boolean {
  return low < seq && seq < high
}

/** All of the span, in the order of first publication; undefined: they are too many to put in order. */
function ordered(tx: Tx, node: number, span: Window, max: number, isUp: boolean): Spot[] | undefined {
  const spots: Spot[] = tx.use(queries).within.all({ node, ...span, max: max + 1 })
  if (spots.length > max) return undefined
  const order = (a: Spot, b: Spot) => compare(positionOf(a), positionOf(b), 'creation')
  return spots.sort((a, b) => (isUp ? order(a, b) : order(b, a)))
}

function* walked(
  tx: Tx,
  { node, asked: { passedMax }, range, isUp }: Steps,
  span: Window,
  wanted: (spot: Spot) => boolean,
): Generator<Spot> {
  const query = tx.use(queries)[isUp ? 'up' : 'down']
  let passed = 0
  // Nothing was published before it was first published.
  const before = { low: { seq: 0, creation: 0 }, high: { seq: 0, creation: span.high } }
  let left: Range = overlap(range, before, 'creation')
  for (;;) {
    const spots: Spot[] = query.all({ node, ...placeholders(left, 0, 'creation'), max: STEP })
    for (const each of spots) {
      if (wanted(each)) yield each
      else if (++passed > passedMax)
        refuse('orderUnsupported', `more than ${passedMax} others stand in between; ask in the order of publication`)
    }
    const last = spots.at(-1)
    if (!last || spots.length < STEP) return
    left = isUp ? { ...left, low: positionOf(last) } : { ...left, high: positionOf(last) }
  }
}
