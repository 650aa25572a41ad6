/** Items on SQLite, read by id and by page. XEP-0060 §6.5; XEP-0059; XEP-0413; DESIGN decision 11. */

import { and, eq, isNull, or, type SQL, sql } from 'drizzle-orm'
import type { Db, Tx } from '../../server/module/api.ts'
import { keptKey, rangeOf, spanOf } from './archive.sqlite.ts'
import { stepsByCreation } from './by-creation.sqlite.ts'
import {
  inOrder,
  inWindow,
  isVisible,
  itemColumns,
  itemOf,
  type Key,
  type ItemRow as Row,
  takeRows,
  type Window,
  itemRow as whole,
} from './item-rows.sqlite.ts'
import type { Order } from './order.ts'
import { type ReadNode, readingOf, refuse } from './queries.sqlite.ts'
import type { ItemPage, PageStart, Place, ReadPage, Visible } from './reads.ts'
import type { ItemRecord } from './records.ts'
import { items, nodes, scopeCounts } from './schema.sqlite.ts'
import type { PubsubStore } from './store.ts'

const ph = sql.placeholder

/** Items without a scope, and those of the scopes in the JSON array `:scopes`. */
const inScopes = or(isNull(items.scope), sql`${items.scope} in (select value from json_each(${ph('scopes')}))`)
/** `is` finds null too, by the same index. */
const ofScope = sql`${items.scope} is ${ph('scope')}`

const queries = (db: Db) => {
  const direction = (key: Key, isAscending: boolean) => {
    const rows = (where?: SQL) =>
      db.select(whole).from(items).where(inWindow(key, where)).orderBy(inOrder(key, isAscending)).limit(ph('max'))
    const idRows = (where?: SQL) =>
      db.select(itemColumns).from(items).where(inWindow(key, where)).orderBy(inOrder(key, isAscending)).limit(ph('max'))
    const atIndex = (where?: SQL) =>
      db
        .select({ seq: items.seq, created: items.created })
        .from(items)
        .where(and(eq(items.node, ph('node')), where))
        .orderBy(inOrder(key, isAscending))
        .limit(1)
        .offset(ph('offset'))
    return {
      all: rows().prepare(),
      allIds: idRows().prepare(),
      some: rows(inScopes).prepare(),
      someIds: idRows(inScopes).prepare(),
      atIndex: atIndex().prepare(),
      someAtIndex: atIndex(inScopes).prepare(),
    }
  }
  const seqsOf = (isAscending: boolean) =>
    db
      .select({ seq: items.seq })
      .from(items)
      .where(inWindow(items.seq, ofScope))
      .orderBy(inOrder(items.seq, isAscending))
      .limit(ph('max'))
      .prepare()
  return {
    modification: { up: direction(items.seq, true), down: direction(items.seq, false) },
    creation: { up: direction(items.creation, true), down: direction(items.creation, false) },
    seqsOf: { up: seqsOf(true), down: seqsOf(false) },
    at: db
      .select(whole)
      .from(items)
      .where(eq(items.seq, ph('seq')))
      .prepare(),
    one: db
      .select({ ...whole, scope: items.scope })
      .from(items)
      .where(and(eq(items.node, ph('node')), eq(items.itemId, ph('itemId'))))
      .prepare(),
    /** An item in one step, its node with it. */
    content: db
      .select({
        publisher: items.publisher,
        publishedAt: items.publishedAt,
        payload: items.payload,
        scope: items.scope,
      })
      .from(items)
      .where(
        and(
          sql`${items.node} = (select ${nodes.id} from ${nodes} where ${and(eq(nodes.service, ph('service')), eq(nodes.nodeId, ph('nodeId')))})`,
          eq(items.itemId, ph('itemId')),
        ),
      )
      .prepare(),
    scopedCount: db
      .select({ items: sql<number>`coalesce(sum(${scopeCounts.items}), 0)` })
      .from(scopeCounts)
      .where(
        and(
          eq(scopeCounts.node, ph('node')),
          sql`${scopeCounts.scope} in (select value from json_each(${ph('scopes')}))`,
        ),
      )
      .prepare(),
  }
}

export const readPage: PubsubStore['readPage'] = {
  name: 'pubsub.readPage',
  kind: 'read',
  run(tx, request): ItemPage {
    const node = readingOf(tx, request)
    const { start, visible, order } = request
    const range = request.within && rangeOf(tx, node, request.within, order.by, visible)
    const span = request.within && spanOf(tx, node, request.within, request.lastSeq)
    const count = isPart(request) ? undefined : countVisible(tx, node, visible)
    const isForward = start.at !== 'end' && start.at !== 'before'
    const isUp = isForward !== order.isDescending
    const isByCreation = order.by === 'creation' && (span !== undefined || visible !== 'all')
    const all = overlap(windowFrom(tx, node, request, count, isUp), range)
    const window = isByCreation ? all : overlap(all, span)
    const direct = visible !== 'all' && visible.length <= MERGED_SCOPES_MAX ? mergedSteps : scannedSteps
    const steps = (asked: ReadPage, left: Window) =>
      isByCreation ? stepsByCreation(tx, node.id, asked, left, span, isUp) : direct(tx, node, asked, left, isUp)
    const rows = takeRows(steps(request, window), request)
    const rest = { ...request, max: 1, withPayloads: false }
    const isMoreLeft = () => !steps(rest, leftOf(window, rows.at(-1), order.by, isUp)).next().done
    const hasMore = range !== undefined && isMoreLeft()
    // Few enough to be the last ones, if they were not too large for one page. Of other pages it is known without asking.
    const isBeside = start.at === 'after' || start.at === 'before'
    const isAtEnd = isBeside && count !== undefined && rows.length < request.max && !isMoreLeft()
    if (!isForward) rows.reverse()
    const index = count === undefined ? undefined : indexOf(start, count, rows.length, isAtEnd)
    return { items: rows.map(itemOf), count, index, hasMore }
  },
}

function isPart({ within }: ReadPage): boolean {
  return within !== undefined && Object.values(within).some((bound) => bound !== undefined)
}

function overlap(one: Window, other: Window | undefined): Window {
  return other ? { low: Math.max(one.low, other.low), high: Math.min(one.high, other.high) } : one
}

/** What is left of a window behind the last row that was taken. */
function leftOf(window: Window, last: Row | undefined, by: Order['by'], isUp: boolean): Window {
  if (!last) return window
  return isUp ? { ...window, low: keyIn(last, by) } : { ...window, high: keyIn(last, by) }
}

function keyIn({ seq, created }: Pick<Row, 'seq' | 'created'>, by: Order['by']): number {
  return by === 'creation' ? (created ?? seq) : seq
}

/**
 * Where the page stands in the whole, as far as that is known without counting. XEP-0059 §2.2.
 * @param isAtEnd  nothing is left in the direction that it was read
 */
function indexOf(start: PageStart, count: number, rows: number, isAtEnd: boolean): number | undefined {
  const ofLast = Math.max(0, count - rows)
  switch (start.at) {
    case 'start':
      return 0
    case 'end':
      return ofLast
    case 'index':
      return start.index
    case 'after':
      return isAtEnd ? ofLast : undefined
    case 'before':
      return isAtEnd ? 0 : undefined
  }
}

/** What the page is taken from, in the direction that it is read. */
function windowFrom(tx: Tx, node: ReadNode, request: ReadPage, count: number | undefined, isUp: boolean): Window {
  const { start, order, lastSeq } = request
  const everything = { low: 0, high: order.by === 'creation' ? Number.MAX_SAFE_INTEGER : lastSeq + 1 }
  if (start.at === 'start' || start.at === 'end') return everything
  const isIndex = start.at === 'index'
  const key = isIndex ? keyAt(tx, node, request, start.index, count, isUp) : keyOf(tx, node, request, start.place, isUp)
  if (key === undefined) return { low: 0, high: 0 }
  return isUp ? { ...everything, low: key } : { ...everything, high: Math.min(key, everything.high) }
}

/** The key just before the item at that index; undefined beyond the last. XEP-0059 §2.6. */
function keyAt(
  tx: Tx,
  node: ReadNode,
  request: ReadPage,
  index: number,
  count: number | undefined,
  isUp: boolean,
): number | undefined {
  if (count === undefined) return refuse('pageByIndex', 'a part of the archive is not counted')
  if (index >= count) return undefined
  const { order, visible, indexMax } = request
  if (order.by === 'creation' && visible !== 'all') return refuse('pageByIndex', 'by creation, nobody counts here')
  const fromEnd = count - 1 - index
  const isNear = index <= fromEnd
  const offset = Math.min(index, fromEnd)
  if (offset >= indexMax) refuse('pageByIndex', `pages by index are for the first and last ${indexMax} items`)
  const directions = tx.use(queries)[order.by]
  const q = isNear === isUp ? directions.up : directions.down
  const query = visible === 'all' ? q.atIndex : q.someAtIndex
  const row = query.get({ node: node.id, offset, scopes: visible === 'all' ? '[]' : JSON.stringify(visible) })
  if (!row) return undefined
  const key = keyIn(row, order.by)
  return isUp ? key - 1 : key + 1
}

function countVisible(tx: Tx, node: ReadNode, visible: Visible): number {
  if (visible === 'all') return node.itemCount
  const scoped = tx.use(queries).scopedCount.get({ node: node.id, scopes: JSON.stringify(visible) })?.items ?? 0
  return node.itemCount - node.scopedCount + scoped
}

/**
 * The key of a place in the order that is asked for. XEP-0059 §2.4: a place that is no more, and cannot be told from what
 * is left, is item-not-found.
 */
function keyOf(tx: Tx, node: ReadNode, { order, visible, within }: ReadPage, place: Place, isUp: boolean): number {
  const q = tx.use(queries)
  if ('itemId' in place) {
    const row = q.one.get({ node: node.id, itemId: place.itemId })
    if (!row || !isVisible(row.scope, visible)) refuse('pageNotFound')
    if (order.by === 'creation') return row.created ?? row.seq
    // What was published between its two places would be missed by who means the first.
    if (row.created !== null)
      refuse('pageNotFound', 'that item was published anew; page by the ids in <first/>, <last/>')
    return row.seq
  }
  if (within) return keptKey(tx, node, place, order.by, visible)
  if (order.by === 'creation') return place.creation
  // What followed this place may be gone, and nobody would be told.
  if (isUp && place.seq < node.droppedSeq) refuse('pageNotFound')
  return place.seq
}

/** Rows read at once when they come with payloads: a page of large items stops near its bound, not far beyond it. */
const STEP_ROWS = 32

/** The node's items in order, those of other scopes left out by the index while passing. */
function* scannedSteps(tx: Tx, node: ReadNode, request: ReadPage, window: Window, isUp: boolean): Generator<Row> {
  const { visible, withPayloads, max, order } = request
  const q = tx.use(queries)[order.by][isUp ? 'up' : 'down']
  const query = visible === 'all' ? (withPayloads ? q.all : q.allIds) : withPayloads ? q.some : q.someIds
  const scopes = visible === 'all' ? '[]' : JSON.stringify(visible)
  let left = window
  for (let seen = 0; seen < max; seen += STEP_ROWS) {
    const step = withPayloads ? Math.min(STEP_ROWS, max - seen) : max
    const rows: Row[] = query.all({ node: node.id, ...left, max: step, scopes })
    yield* rows
    const last = rows.at(-1)
    if (!last || rows.length < step) return
    const key = keyIn(last, order.by)
    left = isUp ? { ...left, low: key } : { ...left, high: key }
  }
}

/** Up to this many scopes, a page is merged from a short list per scope; a scan could pass a million foreign items. */
const MERGED_SCOPES_MAX = 64

function* mergedSteps(tx: Tx, node: ReadNode, request: ReadPage, window: Window, isUp: boolean): Generator<Row> {
  const { visible, max } = request
  const q = tx.use(queries)
  const query = q.seqsOf[isUp ? 'up' : 'down']
  const scopes = [null, ...(visible === 'all' ? [] : new Set(visible))]
  const seqs = scopes.flatMap((scope) => query.all({ node: node.id, ...window, scope, max }).map(({ seq }) => seq))
  seqs.sort(isUp ? (a, b) => a - b : (a, b) => b - a)
  for (const seq of seqs.slice(0, max)) {
    const row = q.at.get({ seq })
    if (row) yield request.withPayloads ? row : { ...row, payload: null }
  }
}

export const readItems: PubsubStore['readItems'] = {
  name: 'pubsub.readItems',
  kind: 'read',
  run(tx, { visible, itemIds, maxChars, ...ref }) {
    const q = tx.use(queries)
    const { service, nodeId } = ref
    const found: ItemRecord[] = []
    let chars = 0
    for (const itemId of new Set(itemIds)) {
      const row = q.content.get({ service, nodeId, itemId })
      if (!row || !isVisible(row.scope, visible)) continue
      const { publisher, publishedAt, payload } = row
      chars += payload?.length ?? 0
      if (chars > maxChars && found.length > 0)
        refuse('tooManyItems', 'these items are too large for one answer; ask for fewer')
      found.push({ itemId, publisher, publishedAt, payload: payload ?? undefined })
    }
    if (found.length === 0) readingOf(tx, ref)
    return found
  },
}
