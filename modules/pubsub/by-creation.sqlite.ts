/**
 * Pages in the order of first publication, where an asker sees only some of the items, or asks for those of some time. No
 * index has such items in that order: a few are put in order, of many others are passed over. Either has a bound.
 * XEP-0413 §4.3; XEP-0313 §4.1.2.
 */

import { and, eq, gt, lt, sql } from 'drizzle-orm'
import type { Db, Tx } from '../../server/module/api.ts'
import { type ItemRow, inOrder, inWindow, isVisible, itemRow, type Window } from './item-rows.sqlite.ts'
import { refuse } from './queries.sqlite.ts'
import type { ReadPage } from './reads.ts'
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
      .where(inWindow(items.creation))
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
 * @param window  in the order of first publication
 * @param span    in that of publication, where a time is asked for
 * @throws Refusal orderUnsupported where more items than the bound are in the time, and stand in between
 */
export function* stepsByCreation(
  tx: Tx,
  node: number,
  { visible, passedMax, withPayloads }: Pick<ReadPage, 'visible' | 'passedMax' | 'withPayloads'>,
  window: Window,
  span: Window | undefined,
  isUp: boolean,
): Generator<ItemRow> {
  const wanted = (each: Spot) => isVisible(each.scope, visible) && (!span || isIn(span, each.seq))
  const few = span && ordered(tx, node, span, passedMax, isUp)
  for (const each of few ?? walked(tx, node, window, span, { wanted, passedMax, isUp })) {
    if (!wanted(each) || !isIn(window, creationOf(each))) continue
    const row = tx.use(queries).at.get({ seq: each.seq })
    if (row) yield withPayloads ? row : { ...row, payload: null }
  }
}

function creationOf({ seq, created }: Spot): number {
  return created ?? seq
}

function isIn({ low, high }: Window, key: number): boolean {
  return low < key && key < high
}

/** All of the span, in the order of first publication; undefined: they are too many to put in order. */
function ordered(tx: Tx, node: number, span: Window, max: number, isUp: boolean): Spot[] | undefined {
  const spots: Spot[] = tx.use(queries).within.all({ node, ...span, max: max + 1 })
  if (spots.length > max) return undefined
  return spots.sort((a, b) => (isUp ? creationOf(a) - creationOf(b) : creationOf(b) - creationOf(a)))
}

function* walked(
  tx: Tx,
  node: number,
  window: Window,
  span: Window | undefined,
  { wanted, passedMax, isUp }: { wanted: (spot: Spot) => boolean; passedMax: number; isUp: boolean },
): Generator<Spot> {
  const query = tx.use(queries)[isUp ? 'up' : 'down']
  let passed = 0
  // Nothing was published before it was first published.
  let left = span ? { ...window, high: Math.min(window.high, span.high) } : window
  for (;;) {
    const spots: Spot[] = query.all({ node, ...left, max: STEP })
    for (const each of spots) {
      if (wanted(each)) yield each
      else if (++passed > passedMax)
        refuse('orderUnsupported', `more than ${passedMax} others stand in between; ask in the order of publication`)
    }
    const last = spots.at(-1)
    if (!last || spots.length < STEP) return
    left = isUp ? { ...left, low: creationOf(last) } : { ...left, high: creationOf(last) }
  }
}
