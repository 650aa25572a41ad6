/**
 * Items of several nodes on SQLite, merged in one order: what is in a collection. XEP-0248 §6.2; XEP-0059; XEP-0413.
 *
 * Keys grow over the whole service, so one place is a place in every node. One statement finds the next item of each
 * node; only the nodes whose next come first can be in the page, and of those each further item is one step in an index.
 */

import { and, eq, gt, type SQL, sql } from 'drizzle-orm'
import type { Db, Tx } from '../../server/module/api.ts'
import {
  type ItemRow,
  inOrder,
  inWindow,
  itemOf,
  itemRow,
  KEYS,
  type Key,
  takeRows,
  type Window,
} from './item-rows.sqlite.ts'
import type { Order } from './order.ts'
import { refuse } from './queries.sqlite.ts'
import type { CollectedItem, ReadCollected } from './reads.ts'
import { items, nodes } from './schema.sqlite.ts'
import type { PubsubStore } from './store.ts'

const ph = sql.placeholder

const ofNodes = and(
  eq(nodes.service, ph('service')),
  sql`${nodes.nodeId} in (select value from json_each(${ph('nodeIds')}))`,
)

const queries = (db: Db) => {
  const direction = (by: Order['by'], isUp: boolean) => {
    const key: Key = KEYS[by]
    // Written out, since in a list of columns drizzle leaves their tables away.
    const column = by === 'creation' ? sql`${items}.creation` : sql`${items}.seq`
    // What went for room is none of the items.
    const among = sql`${items}.node = ${nodes}.id and ${items}.seq > ${nodes}.pruned_seq and ${column} > ${ph('low')} and ${column} < ${ph('high')}`
    const next: SQL<number | null> = isUp
      ? sql`(select ${column} from ${items} where ${among} order by ${column} limit 1)`
      : sql`(select ${column} from ${items} where ${among} order by ${column} desc limit 1)`
    return {
      heads: db
        .select({ id: nodes.id, nodeId: nodes.nodeId, itemCount: nodes.itemCount, pruned: nodes.prunedSeq, next })
        .from(nodes)
        .where(ofNodes)
        .prepare(),
      row: db
        .select(itemRow)
        .from(items)
        .where(and(eq(items.node, ph('node')), eq(key, ph('key'))))
        .prepare(),
      next: db
        .select({ key })
        .from(items)
        .where(inWindow(key, gt(items.seq, ph('pruned'))))
        .orderBy(inOrder(key, isUp))
        .limit(1)
        .prepare(),
    }
  }
  return {
    modification: { up: direction('modification', true), down: direction('modification', false) },
    creation: { up: direction('creation', true), down: direction('creation', false) },
  }
}

export const readCollected: PubsubStore['readCollected'] = {
  name: 'pubsub.readCollected',
  kind: 'read',
  run(tx, request) {
    const { service, start, order } = request
    const nodeIds = JSON.stringify(request.nodeIds)
    const isForward = start.at !== 'end' && start.at !== 'before'
    const isUp = isForward !== order.isDescending
    const window = windowFrom(request, isUp)
    const heads = tx.use(queries)[order.by][isUp ? 'up' : 'down'].heads.all({ service, nodeIds, ...window })
    const count = heads.reduce((sum, { itemCount }) => sum + itemCount, 0)
    const rows = takeRows(merged(tx, request, heads, window, isUp), request)
    if (!isForward) rows.reverse()
    const index = start.at === 'start' ? 0 : start.at === 'end' ? Math.max(0, count - rows.length) : undefined
    const found = rows.map((row): CollectedItem => ({ ...itemOf(row), nodeId: row.nodeId }))
    return { items: found, count, index, hasMore: false }
  },
}

function windowFrom({ start, order, lastSeq }: ReadCollected, isUp: boolean): Window {
  const everything = { low: 0, high: order.by === 'creation' ? Number.MAX_SAFE_INTEGER : lastSeq + 1 }
  if (start.at === 'start' || start.at === 'end') return everything
  if (start.at === 'index') return refuse('pageByIndex', 'a collection has no pages by index')
  const { place } = start
  // An id may stand in several of the nodes.
  if ('itemId' in place) return refuse('pageNotFound', 'page by the ids in <first/> and <last/>')
  // No place is refused: the nodes keep different pasts, and who reads from the start passes places older than what one of
  // them has dropped.
  const key = order.by === 'creation' ? place.creation : place.seq
  return isUp ? { ...everything, low: key } : { ...everything, high: Math.min(key, everything.high) }
}

/** A node, and the key of its next item. */
interface Head {
  readonly id: number
  readonly nodeId: string
  readonly pruned: number
  readonly next: number | null
}

function* merged(
  tx: Tx,
  { order, max, withPayloads }: ReadCollected,
  heads: readonly Head[],
  window: Window,
  isUp: boolean,
): Generator<ItemRow & { readonly nodeId: string }> {
  const q = tx.use(queries)[order.by][isUp ? 'up' : 'down']
  const open = heads.flatMap(({ next, ...head }) => (next === null ? [] : [{ ...head, key: next }]))
  open.sort((a, b) => (isUp ? a.key - b.key : b.key - a.key))
  open.splice(max)
  for (let first = open.shift(); first; first = open.shift()) {
    const { id: node, nodeId, key, pruned } = first
    const row = q.row.get({ node, key })
    if (row) yield { ...(withPayloads ? row : { ...row, payload: null }), nodeId }
    const left = isUp ? { ...window, low: key } : { ...window, high: key }
    const next = q.next.get({ node, pruned, ...left })
    // A virtual column is typed as one that may be null; this one is made of what is never null.
    if (next?.key === undefined || next.key === null) continue
    const after = next.key
    const at = open.findIndex((each) => (isUp ? each.key > after : each.key < after))
    open.splice(at < 0 ? open.length : at, 0, { ...first, key: after })
  }
}
