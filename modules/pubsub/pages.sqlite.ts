/** Items on SQLite, read by id and by page. XEP-0060 §6.5; XEP-0059; DESIGN decision 11. */

import { and, asc, desc, eq, gt, isNull, lt, or, type SQL, sql } from 'drizzle-orm'
import type { Db, Tx } from '../../server/module/api.ts'
import { type NodeRow, nodeOf, refuse } from './queries.sqlite.ts'
import { items, scopeCounts } from './schema.sqlite.ts'
import type { ItemPage, ItemRecord, PageStart, PubsubStore, ReadPage, Visible } from './store.ts'

const ph = sql.placeholder

const ids = { seq: items.seq, itemId: items.itemId, publisher: items.publisher, publishedAt: items.publishedAt }
const whole = { ...ids, payload: items.payload }

/** Items without a scope, and those of the scopes in the JSON array `:scopes`. */
const inScopes = or(isNull(items.scope), sql`${items.scope} in (select value from json_each(${ph('scopes')}))`)
/** `is` finds null too, by the same index. */
const ofScope = sql`${items.scope} is ${ph('scope')}`

const beyond = (isForward: boolean, where?: SQL) =>
  and(eq(items.node, ph('node')), isForward ? gt(items.seq, ph('seq')) : lt(items.seq, ph('seq')), where)
const order = (isForward: boolean) => (isForward ? asc(items.seq) : desc(items.seq))

const queries = (db: Db) => {
  const direction = (isForward: boolean) => {
    const rows = (where?: SQL) =>
      db.select(whole).from(items).where(beyond(isForward, where)).orderBy(order(isForward)).limit(ph('max')).prepare()
    const idRows = (where?: SQL) =>
      db.select(ids).from(items).where(beyond(isForward, where)).orderBy(order(isForward)).limit(ph('max')).prepare()
    return {
      all: rows(),
      allIds: idRows(),
      some: rows(inScopes),
      someIds: idRows(inScopes),
      seqsOf: db
        .select({ seq: items.seq })
        .from(items)
        .where(beyond(isForward, ofScope))
        .orderBy(order(isForward))
        .limit(ph('max'))
        .prepare(),
    }
  }
  const fromIndex = (isForward: boolean, where?: SQL) =>
    db
      .select({ seq: items.seq })
      .from(items)
      .where(and(eq(items.node, ph('node')), where))
      .orderBy(order(isForward))
      .limit(1)
      .offset(ph('offset'))
      .prepare()
  return {
    forward: direction(true),
    backward: direction(false),
    at: db
      .select(whole)
      .from(items)
      .where(eq(items.seq, ph('seq')))
      .prepare(),
    atIndex: fromIndex(true),
    atIndexBack: fromIndex(false),
    someAtIndex: fromIndex(true, inScopes),
    someAtIndexBack: fromIndex(false, inScopes),
    one: db
      .select({ ...whole, scope: items.scope })
      .from(items)
      .where(and(eq(items.node, ph('node')), eq(items.itemId, ph('itemId'))))
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
    const node = nodeOf(tx, request)
    const { start, visible } = request
    const count = countVisible(tx, node, visible)
    const from = startSeq(tx, node, request, count)
    const isForward = start.at !== 'end' && start.at !== 'before'
    const steps = visible !== 'all' && visible.length <= MERGED_SCOPES_MAX ? mergedSteps : scannedSteps
    const rows = take(steps(tx, node, request, from, isForward), request)
    if (!isForward) rows.reverse()
    return { items: rows.map(itemOf), count, index: indexOf(start, count, rows.length) }
  },
}

/** Where the page stands in the whole, as far as that is known without counting. */
function indexOf(start: PageStart, count: number, rows: number): number | undefined {
  switch (start.at) {
    case 'start':
      return 0
    case 'end':
      return Math.max(0, count - rows)
    case 'index':
      return start.index
    default:
      return undefined
  }
}

/** The seq just before the item at that index; beyond the last: an empty page. XEP-0059 §2.6. */
function seqBefore(tx: Tx, node: NodeRow, index: number, count: number, { visible, indexMax }: ReadPage): number {
  const q = tx.use(queries)
  if (index >= count) return Number.MAX_SAFE_INTEGER
  const fromEnd = count - 1 - index
  const isNear = index <= fromEnd
  const offset = Math.min(index, fromEnd)
  if (offset >= indexMax) refuse('pageByIndex', `pages by index are for the first and last ${indexMax} items`)
  const scopes = visible === 'all' ? '[]' : JSON.stringify(visible)
  const query = visible === 'all' ? (isNear ? q.atIndex : q.atIndexBack) : isNear ? q.someAtIndex : q.someAtIndexBack
  const row = query.get({ node: node.id, offset, scopes })
  return row ? row.seq - 1 : Number.MAX_SAFE_INTEGER
}

function countVisible(tx: Tx, node: NodeRow, visible: Visible): number {
  if (visible === 'all') return node.itemCount
  const scoped = tx.use(queries).scopedCount.get({ node: node.id, scopes: JSON.stringify(visible) })?.items ?? 0
  return node.itemCount - node.scopedCount + scoped
}

/** The seq that the page begins beyond. XEP-0059 §2.4: a place that is no more is item-not-found. */
function startSeq(tx: Tx, node: NodeRow, request: ReadPage, count: number): number {
  const { start, visible } = request
  if (start.at === 'start') return 0
  if (start.at === 'end') return Number.MAX_SAFE_INTEGER
  if (start.at === 'index') return seqBefore(tx, node, start.index, count, request)
  const row = tx.use(queries).one.get({ node: node.id, itemId: start.itemId })
  return row && isVisible(row.scope, visible) ? row.seq : refuse('pageNotFound')
}

function isVisible(scope: string | null, visible: Visible): boolean {
  return visible === 'all' || scope === null || visible.includes(scope)
}

interface Row {
  readonly seq: number
  readonly itemId: string
  readonly publisher: string
  readonly publishedAt: number
  readonly payload?: string | null
}

/** Takes rows up to the bounds of the page, but never none where there is one. */
function take(rows: Iterable<Row>, { max, maxChars }: ReadPage): Row[] {
  const taken: Row[] = []
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

/** Rows read at once when they come with payloads: a page of large items stops near its bound, not far beyond it. */
const STEP_ROWS = 32

/** The node's items in order, those of other scopes left out by the index while passing. */
function* scannedSteps(tx: Tx, node: NodeRow, request: ReadPage, from: number, isForward: boolean): Generator<Row> {
  const { visible, withPayloads, max } = request
  const q = isForward ? tx.use(queries).forward : tx.use(queries).backward
  const query = visible === 'all' ? (withPayloads ? q.all : q.allIds) : withPayloads ? q.some : q.someIds
  const scopes = visible === 'all' ? '[]' : JSON.stringify(visible)
  const step = withPayloads ? Math.min(STEP_ROWS, max) : max
  let seq = from
  for (let seen = 0; seen < max; seen += step) {
    const rows: Row[] = query.all({ node: node.id, seq, max: step, scopes })
    yield* rows
    const last = rows.at(-1)
    if (!last || rows.length < step) return
    seq = last.seq
  }
}

/** Up to this many scopes, a page is merged from a short list per scope; a scan could pass a million foreign items. */
const MERGED_SCOPES_MAX = 64

function* mergedSteps(tx: Tx, node: NodeRow, request: ReadPage, from: number, isForward: boolean): Generator<Row> {
  const { visible, max } = request
  const q = tx.use(queries)
  const query = (isForward ? q.forward : q.backward).seqsOf
  const scopes = [null, ...(visible === 'all' ? [] : new Set(visible))]
  const seqs = scopes.flatMap((scope) => query.all({ node: node.id, seq: from, scope, max }).map(({ seq }) => seq))
  seqs.sort(isForward ? (a, b) => a - b : (a, b) => b - a)
  for (const seq of seqs.slice(0, max)) {
    const row = q.at.get({ seq })
    if (row) yield request.withPayloads ? row : { ...row, payload: null }
  }
}

function itemOf({ itemId, publisher, publishedAt, payload }: Row): ItemRecord {
  return { itemId, publisher, publishedAt, payload: payload ?? undefined }
}

export const readItems: PubsubStore['readItems'] = {
  name: 'pubsub.readItems',
  kind: 'read',
  run(tx, { visible, itemIds, maxChars, ...ref }) {
    const node = nodeOf(tx, ref)
    const q = tx.use(queries)
    const found: ItemRecord[] = []
    let chars = 0
    for (const itemId of new Set(itemIds)) {
      const row = q.one.get({ node: node.id, itemId })
      if (!row || !isVisible(row.scope, visible)) continue
      chars += row.payload?.length ?? 0
      if (chars > maxChars && found.length > 0)
        refuse('tooManyItems', 'these items are too large for one answer; ask for fewer')
      found.push(itemOf(row))
    }
    return found
  },
}
