/** Items on SQLite: published, retracted, purged, read by id and by page. XEP-0060 §6.5, §7, §8.5; XEP-0059. */

import { and, asc, desc, eq, gt, isNull, lt, or, sql } from 'drizzle-orm'
import type { Db, Tx } from '../../server/module/api.ts'
import { SHARED_SCOPE } from './api.ts'
import { unmetPrecondition } from './node-config.ts'
import { configOf, enforce, itemLimit, type NodeRow, nodeOf, plus, refuse, standingOf } from './queries.sqlite.ts'
import { fitsNode, mayManage, mayPublish, mayRetract } from './rules.ts'
import { items, nodes, scopeCounts } from './schema.sqlite.ts'
import {
  type ItemKey,
  type ItemPage,
  type ItemPublished,
  type ItemRecord,
  PRUNE_BATCH,
  type PublishItem,
  type PubsubStore,
  type ReadPage,
  type Visible,
} from './store.ts'

const ph = sql.placeholder

const writing = (db: Db) => ({
  delete: db
    .delete(items)
    .where(and(eq(items.node, ph('node')), eq(items.itemId, ph('itemId'))))
    .returning({ scope: items.scope })
    .prepare(),
  deleteAt: db
    .delete(items)
    .where(eq(items.seq, ph('seq')))
    .prepare(),
  insert: db
    .insert(items)
    .values({
      node: ph('node'),
      itemId: ph('itemId'),
      publisher: ph('publisher'),
      publishedAt: ph('publishedAt'),
      scope: ph('scope'),
      payload: ph('payload'),
    })
    .prepare(),
  oldest: db
    .select({ seq: items.seq, itemId: items.itemId, scope: items.scope })
    .from(items)
    .where(eq(items.node, ph('node')))
    .orderBy(asc(items.seq))
    .limit(ph('max'))
    .prepare(),
  publisherOf: db
    .select({ publisher: items.publisher })
    .from(items)
    .where(and(eq(items.node, ph('node')), eq(items.itemId, ph('itemId'))))
    .prepare(),
  purge: db
    .delete(items)
    .where(eq(items.node, ph('node')))
    .prepare(),
  purgeScopes: db
    .delete(scopeCounts)
    .where(eq(scopeCounts.node, ph('node')))
    .prepare(),
  zeroCounts: db
    .update(nodes)
    .set({ itemCount: 0, scopedCount: 0 })
    .where(eq(nodes.id, ph('node')))
    .prepare(),
  addCounts: db
    .update(nodes)
    .set({ itemCount: plus(nodes.itemCount, 'items'), scopedCount: plus(nodes.scopedCount, 'scoped') })
    .where(eq(nodes.id, ph('node')))
    .prepare(),
  addScope: db
    .insert(scopeCounts)
    .values({ node: ph('node'), scope: ph('scope'), items: ph('by') })
    .onConflictDoUpdate({
      target: [scopeCounts.node, scopeCounts.scope],
      set: { items: sql`${scopeCounts.items} + excluded.items` },
    })
    .prepare(),
  dropScope: db
    .delete(scopeCounts)
    .where(and(eq(scopeCounts.node, ph('node')), eq(scopeCounts.scope, ph('scope')), eq(scopeCounts.items, 0)))
    .prepare(),
  setSeenType: db
    .update(nodes)
    .set({ seenType: sql`${ph('seenType')}` })
    .where(eq(nodes.id, ph('node')))
    .prepare(),
})

/** Changes the counts by one item per entry: what the pages' count is taken from. */
function adjustCounts(tx: Tx, node: number, added: readonly ItemKey[], removed: readonly ItemKey[]): void {
  const q = tx.use(writing)
  const byScope = new Map<string, number>()
  for (const { scope } of added) if (scope !== undefined) byScope.set(scope, (byScope.get(scope) ?? 0) + 1)
  for (const { scope } of removed) if (scope !== undefined) byScope.set(scope, (byScope.get(scope) ?? 0) - 1)
  let scoped = 0
  for (const [scope, by] of byScope) {
    if (by === 0) continue
    scoped += by
    q.addScope.run({ node, scope, by })
    if (by < 0) q.dropScope.run({ node, scope })
  }
  const total = added.length - removed.length
  if (total !== 0 || scoped !== 0) q.addCounts.run({ node, items: total, scoped })
}

/** Removes the oldest items beyond `limit`, at most PRUNE_BATCH. XEP-0060 §7.1.2.5 (retract-oldest). */
export function pruneItems(tx: Tx, node: NodeRow, limit: number): ItemKey[] {
  const over = Math.min(node.itemCount - limit, PRUNE_BATCH)
  if (over <= 0) return []
  const q = tx.use(writing)
  const rows = q.oldest.all({ node: node.id, max: over })
  for (const { seq } of rows) q.deleteAt.run({ seq })
  const pruned = rows.map(({ itemId, scope }) => ({ itemId, scope: scope ?? undefined }))
  adjustCounts(tx, node.id, [], pruned)
  return pruned
}

export const publishItem: PubsubStore['publishItem'] = {
  name: 'pubsub.publishItem',
  kind: 'write',
  run(tx, request) {
    const node = nodeOf(tx, request.nodeId)
    const config = configOf(node)
    if (!request.isAuthorized) enforce(mayPublish(config, standingOf(tx, node.id, request.actor)))
    const unmet = unmetPrecondition(config, request.preconditions)
    if (unmet !== undefined) refuse('preconditionNotMet', `${unmet} is not so`)
    const { itemId, payload, payloadNs, payloadMaxBytes } = request
    const payloadBytes = payload === undefined ? 0 : Buffer.byteLength(payload)
    // At a claimed node the claimer knows the payloads, and their namespaces are its own matter.
    const checked = request.isAuthorized ? { ...config, type: '' } : config
    enforce(fitsNode(checked, { hasItem: itemId !== undefined, payloadNs, payloadBytes }, payloadMaxBytes))
    const shared: unknown = tx.shared.get(SHARED_SCOPE)
    const scope = request.scope ?? (typeof shared === 'string' ? shared : undefined)
    const seenType = node.seenType === null ? payloadNs : undefined
    if (seenType !== undefined) tx.use(writing).setSeenType.run({ node: node.id, seenType })
    const pruned = config.persistItems && itemId !== undefined ? storeItem(tx, node, { ...request, itemId, scope }) : []
    const { nodeId, actor } = request
    return { nodeId, itemId, publisher: actor.bareJid, publishedAt: tx.now, scope, seenType, pruned }
  },
} satisfies { run(tx: Tx, request: PublishItem): ItemPublished; name: string; kind: 'write' }

/** Inserts as the newest; an item of the same id goes. XEP-0060 §7.1.2, §13.1. */
function storeItem(tx: Tx, node: NodeRow, item: PublishItem & { readonly itemId: string }): ItemKey[] {
  const q = tx.use(writing)
  const { itemId, scope, payload, actor } = item
  const replaced = q.delete.all({ node: node.id, itemId }).map((row) => ({ itemId, scope: row.scope ?? undefined }))
  q.insert.run({
    node: node.id,
    itemId,
    publisher: actor.bareJid,
    publishedAt: tx.now,
    scope: scope ?? null,
    payload: payload ?? null,
  })
  adjustCounts(tx, node.id, [{ itemId, scope }], replaced)
  const itemCount = node.itemCount + 1 - replaced.length
  return pruneItems(tx, { ...node, itemCount }, itemLimit(configOf(node), item.itemsMax))
}

export const retractItem: PubsubStore['retractItem'] = {
  name: 'pubsub.retractItem',
  kind: 'write',
  run(tx, { nodeId, actor, itemId, authorized }) {
    const node = nodeOf(tx, nodeId)
    const config = configOf(node)
    if (!config.persistItems) refuse('notPersistent')
    const q = tx.use(writing)
    const standing = standingOf(tx, node.id, actor)
    const publisher = q.publisherOf.get({ node: node.id, itemId })?.publisher
    const isOwn = publisher === undefined || publisher === actor.bareJid
    // Who may retract nothing is not told which items exist.
    if (authorized === 'own') enforce(isOwn ? undefined : 'mayNotRetract')
    else if (authorized === undefined) enforce(mayRetract(config, standing, isOwn))
    const removed = q.delete.all({ node: node.id, itemId }).map((row) => ({ itemId, scope: row.scope ?? undefined }))
    const gone = removed[0] ?? refuse('itemNotFound')
    adjustCounts(tx, node.id, [], removed)
    return { nodeId, ...gone }
  },
}

export const purgeNode: PubsubStore['purgeNode'] = {
  name: 'pubsub.purgeNode',
  kind: 'write',
  run(tx, request) {
    const node = nodeOf(tx, request.nodeId)
    enforce(mayManage(standingOf(tx, node.id, request.actor)))
    if (!node.persistItems) refuse('notPersistent')
    const q = tx.use(writing)
    q.purge.run({ node: node.id })
    q.purgeScopes.run({ node: node.id })
    q.zeroCounts.run({ node: node.id })
    return request
  },
}

/** Items without a scope, and those of the scopes in the JSON array `:scopes`. */
const inScopes = or(isNull(items.scope), sql`${items.scope} in (select value from json_each(${ph('scopes')}))`)

const ids = { seq: items.seq, itemId: items.itemId, publisher: items.publisher, publishedAt: items.publishedAt }
const whole = { ...ids, payload: items.payload }
const PAGE_ROWS = 32

const reading = (db: Db) => {
  const after = and(eq(items.node, ph('node')), gt(items.seq, ph('seq')))
  const before = and(eq(items.node, ph('node')), lt(items.seq, ph('seq')))
  return {
    all: {
      forward: db.select(whole).from(items).where(after).orderBy(asc(items.seq)).limit(ph('max')).prepare(),
      backward: db.select(whole).from(items).where(before).orderBy(desc(items.seq)).limit(ph('max')).prepare(),
    },
    allIds: {
      forward: db.select(ids).from(items).where(after).orderBy(asc(items.seq)).limit(ph('max')).prepare(),
      backward: db.select(ids).from(items).where(before).orderBy(desc(items.seq)).limit(ph('max')).prepare(),
    },
    some: {
      forward: db
        .select(whole)
        .from(items)
        .where(and(after, inScopes))
        .orderBy(asc(items.seq))
        .limit(ph('max'))
        .prepare(),
      backward: db
        .select(whole)
        .from(items)
        .where(and(before, inScopes))
        .orderBy(desc(items.seq))
        .limit(ph('max'))
        .prepare(),
    },
    someIds: {
      forward: db
        .select(ids)
        .from(items)
        .where(and(after, inScopes))
        .orderBy(asc(items.seq))
        .limit(ph('max'))
        .prepare(),
      backward: db
        .select(ids)
        .from(items)
        .where(and(before, inScopes))
        .orderBy(desc(items.seq))
        .limit(ph('max'))
        .prepare(),
    },
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
    const node = nodeOf(tx, request.nodeId)
    const { start, visible } = request
    const total = countVisible(tx, node, visible)
    const isForward = start.at === 'start' || start.at === 'after'
    const rows = readRows(tx, node, request, startSeq(tx, node, request), isForward)
    if (!isForward) rows.reverse()
    const index = start.at === 'start' ? 0 : start.at === 'end' ? Math.max(0, total - rows.length) : undefined
    return { items: rows.map(itemOf), count: total, index }
  },
}

function countVisible(tx: Tx, node: NodeRow, visible: Visible): number {
  if (visible === 'all') return node.itemCount
  const scoped = tx.use(reading).scopedCount.get({ node: node.id, scopes: JSON.stringify(visible) })?.items ?? 0
  return node.itemCount - node.scopedCount + scoped
}

/** The seq that the page begins beyond. XEP-0059 §2.4: a place that is no more is item-not-found. */
function startSeq(tx: Tx, node: NodeRow, { start, visible }: ReadPage): number {
  if (start.at === 'start') return 0
  if (start.at === 'end') return Number.MAX_SAFE_INTEGER
  const row = tx.use(reading).one.get({ node: node.id, itemId: start.itemId })
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

/** Reads in small steps, so that a page of large items stops near its bound instead of far beyond it. */
function readRows(tx: Tx, node: NodeRow, request: ReadPage, from: number, isForward: boolean): Row[] {
  const { visible, withPayloads, max, maxChars } = request
  const q = tx.use(reading)
  const some = withPayloads ? q.some : q.someIds
  const all = withPayloads ? q.all : q.allIds
  const queries = visible === 'all' ? all : some
  const query = isForward ? queries.forward : queries.backward
  const scopes = visible === 'all' ? '[]' : JSON.stringify(visible)
  const rows: Row[] = []
  let seq = from
  let chars = 0
  while (rows.length < max) {
    const wanted = Math.min(withPayloads ? PAGE_ROWS : max, max - rows.length)
    const step: Row[] = query.all({ node: node.id, seq, max: wanted, scopes })
    for (const row of step) {
      chars += row.payload?.length ?? 0
      if (chars > maxChars && rows.length > 0) return rows
      rows.push(row)
      seq = row.seq
    }
    if (step.length < wanted) break
  }
  return rows
}

function itemOf({ itemId, publisher, publishedAt, payload }: Row): ItemRecord {
  return { itemId, publisher, publishedAt, payload: payload ?? undefined }
}

export const readItems: PubsubStore['readItems'] = {
  name: 'pubsub.readItems',
  kind: 'read',
  run(tx, { nodeId, visible, itemIds, maxChars }) {
    const node = nodeOf(tx, nodeId)
    const q = tx.use(reading)
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
