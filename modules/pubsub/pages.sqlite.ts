/** Items on SQLite, read by id and by page. XEP-0060 §6.5; XEP-0059; XEP-0413; XEP-0313; DESIGN decision 11. */

import { and, eq, gt, isNull, or, type SQL, sql } from 'drizzle-orm'
import type { Db, Tx } from '../../server/module/api.ts'
import { countPast, keptPlace, rangeOf, spanOf } from './archive.sqlite.ts'
import { stepsByCreation } from './by-creation.sqlite.ts'
import {
  EVERYWHERE,
  inOrder,
  inRange,
  isVisible,
  itemColumns,
  itemOf,
  KEYS,
  overlap,
  placeholders,
  positionOf,
  type Range,
  type ItemRow as Row,
  rangeOfSeqs,
  STEP_ROWS,
  takeRows,
  type Window,
  itemRow as whole,
} from './item-rows.sqlite.ts'
import type { Order } from './order.ts'
import { merged, pastByCreation, pastSteps, type Steps } from './past-steps.sqlite.ts'
import { type ReadNode, readingOf, refuse } from './queries.sqlite.ts'
import type { ItemPage, PageStart, Place, ReadPage, Visible } from './reads.ts'
import type { ItemRecord, Position } from './records.ts'
import { items, nodes, scopeCounts } from './schema.sqlite.ts'
import type { PubsubStore } from './store.ts'

const ph = sql.placeholder

/** Items without a scope, and those of the scopes in the JSON array `:scopes`. */
const inScopes = or(isNull(items.scope), sql`${items.scope} in (select value from json_each(${ph('scopes')}))`)
/** `is` finds null too, by the same index. */
const ofScope = sql`${items.scope} is ${ph('scope')}`

const queries = (db: Db) => {
  const direction = (by: Order['by'], isUp: boolean) => {
    const order = inOrder(KEYS[by], isUp)
    const rows = (where?: SQL) =>
      db.select(whole).from(items).where(inRange(by, where)).orderBy(order).limit(ph('max')).prepare()
    const idRows = (where?: SQL) =>
      db.select(itemColumns).from(items).where(inRange(by, where)).orderBy(order).limit(ph('max')).prepare()
    const atIndex = (where?: SQL) =>
      db
        .select({ seq: items.seq, created: items.created })
        .from(items)
        .where(and(eq(items.node, ph('node')), gt(items.seq, ph('floor')), where))
        .orderBy(order)
        .limit(1)
        .offset(ph('offset'))
        .prepare()
    return {
      all: rows(),
      allIds: idRows(),
      some: rows(inScopes),
      someIds: idRows(inScopes),
      atIndex: atIndex(),
      someAtIndex: atIndex(inScopes),
    }
  }
  const seqsOf = (isUp: boolean) =>
    db
      .select({ seq: items.seq })
      .from(items)
      .where(inRange('modification', ofScope))
      .orderBy(inOrder(items.seq, isUp))
      .limit(ph('max'))
      .prepare()
  return {
    modification: { up: direction('modification', true), down: direction('modification', false) },
    creation: { up: direction('creation', true), down: direction('creation', false) },
    seqsOf: { up: seqsOf(true), down: seqsOf(false) },
    at: db
      .select(whole)
      .from(items)
      .where(eq(items.seq, ph('seq')))
      .prepare(),
    one: db
      .select({ ...whole, scope: items.scope })
      .from(items)
      .where(and(eq(items.node, ph('node')), eq(items.itemId, ph('itemId')), gt(items.seq, ph('floor'))))
      .prepare(),
    /** An item in one step, its node with it. */
    content: db
      .select({
        publisher: items.publisher,
        publishedAt: items.publishedAt,
        payload: items.payload,
        scope: items.scope,
      })
      .from(nodes)
      .innerJoin(items, eq(items.node, nodes.id))
      .where(
        and(
          eq(nodes.service, ph('service')),
          eq(nodes.nodeId, ph('nodeId')),
          eq(items.itemId, ph('itemId')),
          gt(items.seq, nodes.prunedSeq),
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
    const { start, order, within } = request
    const range = within && rangeOf(tx, node, within, request.visible)
    const span = within && spanOf(tx, node, within, request.lastSeq)
    const count = countOf(tx, node, request)
    const isForward = start.at !== 'end' && start.at !== 'before'
    const isUp = isForward !== order.isDescending
    const all = overlap(rangeFrom(tx, node, request, count, isUp), range, order.by)
    const bySpan = span && order.by === 'modification' ? rangeOfSeqs(span) : undefined
    const left = overlap(all, bySpan, order.by)
    const steps = (asked: ReadPage, part: Range) => stepsOf(tx, node, asked, part, span, isUp)
    const rows = takeRows(steps(request, left), request)
    const rest = { ...request, max: 1, withPayloads: false }
    const isMoreLeft = () => !steps(rest, leftOf(left, rows.at(-1), isUp)).next().done
    const hasMore = within !== undefined && isMoreLeft()
    // Few enough to be the last ones, if they were not too large for one page. Of other pages it is known without asking.
    const isBeside = start.at === 'after' || start.at === 'before'
    const isAtEnd = isBeside && count !== undefined && rows.length < request.max && !isMoreLeft()
    if (!isForward) rows.reverse()
    const index = count === undefined ? undefined : indexOf(start, count, rows.length, isAtEnd)
    return { items: rows.map(itemOf), count, index, hasMore }
  },
}

/** What stands up to there is none of the items, or was dropped from the archive. */
function floorOf({ prunedSeq, archiveCut }: ReadNode, { within }: Pick<ReadPage, 'within'>): number {
  return within ? archiveCut : prunedSeq
}

function hasPast({ pastCount }: ReadNode, { within }: Pick<ReadPage, 'within'>): boolean {
  return within !== undefined && pastCount > 0
}

/** Rows of that range in the order asked for; of an archive, those of the past among them. */
function stepsOf(
  tx: Tx,
  node: ReadNode,
  asked: ReadPage,
  range: Range,
  span: Window | undefined,
  isUp: boolean,
): Generator<Row> {
  const { visible, order } = asked
  const floor = floorOf(node, asked)
  const steps: Steps = { node: node.id, asked, range, floor, isUp }
  const part = span ?? (isFar(node, asked) ? { low: floor, high: Number.MAX_SAFE_INTEGER } : undefined)
  const isChosen = order.by === 'creation' && (part !== undefined || visible !== 'all')
  const direct = visible !== 'all' && visible.length <= MERGED_SCOPES_MAX ? mergedSteps : scannedSteps
  const current = isChosen ? stepsByCreation(tx, steps, part) : direct(tx, order.by, steps)
  if (!hasPast(node, asked)) return current
  const past = order.by === 'creation' ? pastByCreation(tx, steps, span) : pastSteps(tx, steps)
  return merged(current, past, order.by, isUp)
}

/** In the order of first publication, there may be more in front of what is meant than a page should pass over. */
function isFar({ prunedCount, prunedSeq, archiveCut }: ReadNode, { within, passedMax }: ReadPage): boolean {
  return within ? archiveCut > prunedSeq : prunedCount > passedMax
}

function isPart({ within }: ReadPage): boolean {
  return within !== undefined && Object.values(within).some((bound) => bound !== undefined)
}

/** What is left of a range behind the last row that was taken. */
function leftOf(range: Range, last: Row | undefined, isUp: boolean): Range {
  if (!last) return range
  return isUp ? { ...range, low: positionOf(last) } : { ...range, high: positionOf(last) }
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
function rangeFrom(tx: Tx, node: ReadNode, request: ReadPage, count: number | undefined, isUp: boolean): Range {
  const { start, order, lastSeq } = request
  const told = rangeOfSeqs({ low: 0, high: lastSeq + 1 })
  const everything = order.by === 'creation' ? EVERYWHERE : told
  if (start.at === 'start' || start.at === 'end') return everything
  const place =
    start.at === 'index'
      ? besideIndex(tx, node, request, start.index, count, isUp)
      : endAt(tx, node, request, start.place, isUp)
  if (place === undefined) return { low: EVERYWHERE.low, high: EVERYWHERE.low }
  const part = isUp ? { ...EVERYWHERE, low: place } : { ...EVERYWHERE, high: place }
  return overlap(everything, part, order.by)
}

/** The place just before the item at that index; undefined beyond the last. XEP-0059 §2.6. */
function besideIndex(
  tx: Tx,
  node: ReadNode,
  request: ReadPage,
  index: number,
  count: number | undefined,
  isUp: boolean,
): Position | undefined {
  if (count === undefined) return refuse('pageByIndex', 'a part of the archive is not counted')
  if (index >= count) return undefined
  const { order, visible, indexMax } = request
  if (order.by === 'creation' && visible !== 'all') return refuse('pageByIndex', 'by creation, nobody counts here')
  const fromEnd = count - 1 - index
  const isNear = index <= fromEnd
  const offset = Math.min(index, fromEnd)
  if (offset >= indexMax) refuse('pageByIndex', `pages by index are for the first and last ${indexMax} items`)
  const row = rowAt(tx, node, request, offset, isNear === isUp)
  if (!row) return undefined
  const { seq, creation } = positionOf(row)
  return { creation, seq: isUp ? seq - 1 : seq + 1 }
}

/** Counted from either end. */
function rowAt(tx: Tx, node: ReadNode, request: ReadPage, offset: number, isUp: boolean) {
  const { order, visible } = request
  if (hasPast(node, request) || (order.by === 'creation' && isFar(node, request))) {
    const asked = { ...request, max: offset + 1, withPayloads: false }
    return takeRows(stepsOf(tx, node, asked, EVERYWHERE, undefined, isUp), asked).at(offset)
  }
  const q = tx.use(queries)[order.by][isUp ? 'up' : 'down']
  const query = visible === 'all' ? q.atIndex : q.someAtIndex
  const scopes = visible === 'all' ? '[]' : JSON.stringify(visible)
  return query.get({ node: node.id, offset, floor: floorOf(node, request), scopes })
}

/** Of a part nothing is counted. */
function countOf(tx: Tx, node: ReadNode, request: ReadPage): number | undefined {
  const { visible, within, passedMax } = request
  if (isPart(request)) return undefined
  const past = within ? countPast(tx, node, visible, passedMax) : 0
  return past === undefined ? undefined : countVisible(tx, node, visible) + past
}

function countVisible(tx: Tx, node: ReadNode, visible: Visible): number {
  if (visible === 'all') return node.itemCount
  const scoped = tx.use(queries).scopedCount.get({ node: node.id, scopes: JSON.stringify(visible) })?.items ?? 0
  return node.itemCount - node.scopedCount + scoped
}

/**
 * The end of a range at a place, in the order that is asked for. XEP-0059 §2.4: a place that is no more, and cannot be told
 * from what is left, is item-not-found.
 */
function endAt(tx: Tx, node: ReadNode, request: ReadPage, place: Place, isUp: boolean): Position {
  const { order, visible, within } = request
  const q = tx.use(queries)
  // Of the items, one that was published anew since stands where it stood.
  const beside = (creation: number) => ({ creation, seq: isUp ? Number.MAX_SAFE_INTEGER : 0 })
  if ('itemId' in place) {
    const row = q.one.get({ node: node.id, itemId: place.itemId, floor: node.prunedSeq })
    if (!row || !isVisible(row.scope, visible)) return refuse('pageNotFound')
    if (order.by === 'creation') return beside(row.created ?? row.seq)
    // What was published between its two places would be missed by who means the first.
    if (row.created !== null)
      refuse('pageNotFound', 'that item was published anew; page by the ids in <first/>, <last/>')
    return positionOf(row)
  }
  if (within) return keptPlace(tx, node, place, visible)
  if (order.by === 'creation') return beside(place.creation)
  // What followed this place may be gone, and nobody would be told.
  if (isUp && place.seq < node.droppedSeq) refuse('pageNotFound')
  return place
}

/** The node's items in order, those of other scopes left out by the index while passing. */
function* scannedSteps(tx: Tx, by: Order['by'], { node, asked, range, floor, isUp }: Steps): Generator<Row> {
  const { visible, withPayloads, max } = asked
  const q = tx.use(queries)[by][isUp ? 'up' : 'down']
  const query = visible === 'all' ? (withPayloads ? q.all : q.allIds) : withPayloads ? q.some : q.someIds
  const scopes = visible === 'all' ? '[]' : JSON.stringify(visible)
  let left = range
  for (let seen = 0; seen < max; seen += STEP_ROWS) {
    const step = withPayloads ? Math.min(STEP_ROWS, max - seen) : max
    const rows: Row[] = query.all({ node, ...placeholders(left, floor, by), max: step, scopes })
    yield* rows
    const last = rows.at(-1)
    if (!last || rows.length < step) return
    left = leftOf(left, last, isUp)
  }
}

/** Up to this many scopes, a page is merged from a short list per scope; a scan could pass a million foreign items. */
const MERGED_SCOPES_MAX = 64

/** In the order of publication. */
function* mergedSteps(tx: Tx, by: Order['by'], { node, asked, range, floor, isUp }: Steps): Generator<Row> {
  const { visible, max, withPayloads } = asked
  const q = tx.use(queries)
  const query = q.seqsOf[isUp ? 'up' : 'down']
  const scopes = [null, ...(visible === 'all' ? [] : new Set(visible))]
  const part = { node, ...placeholders(range, floor, by), max }
  const seqs = scopes.flatMap((scope) => query.all({ ...part, scope }).map(({ seq }) => seq))
  seqs.sort(isUp ? (a, b) => a - b : (a, b) => b - a)
  for (const seq of seqs.slice(0, max)) {
    const row = q.at.get({ seq })
    if (row) yield withPayloads ? row : { ...row, payload: null }
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
