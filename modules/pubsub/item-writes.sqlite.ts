/** How items come to be kept, and go, on SQLite: what the verbs of publishing share. XEP-0060 §7.1.2, §12.1; XEP-0470. */

import { and, asc, desc, eq, gt, isNotNull, isNull, max, sql } from 'drizzle-orm'
import type { Db, Tx } from '../../server/module/api.ts'
import { forget, KnownNode, type Past } from './known-nodes.sqlite.ts'
import { itemLimit } from './node-config.ts'
import { countNode } from './node-counts.sqlite.ts'
import {
  archiveAllTaken,
  archivePruned,
  archiveReplaced,
  archiveTaken,
  dropExpiredPast,
  dropPast,
} from './past-items.sqlite.ts'
import { findNode, type NodeRow, plus, refuse } from './queries.sqlite.ts'
import type { ItemKey } from './records.ts'
import { items, nodes, pastItems, scopeCounts } from './schema.sqlite.ts'
import { type ItemPublished, PRUNE_BATCH, type PublishItem } from './store.ts'

const ph = sql.placeholder

export const writing = (db: Db) => ({
  deleteAt: db
    .delete(items)
    .where(eq(items.seq, ph('seq')))
    .prepare(),
  /** Changes nothing where there is an item of that id: most publishes need not look for one. */
  insert: db
    .insert(items)
    .values({
      node: ph('node'),
      itemId: ph('itemId'),
      publisher: ph('publisher'),
      publishedAt: ph('publishedAt'),
      scope: ph('scope'),
      payload: ph('payload'),
      created: ph('created'),
    })
    .onConflictDoNothing({ target: [items.node, items.itemId] })
    .prepare(),
  /** Behind what is in the archive alone. */
  oldest: db
    .select({ seq: items.seq, itemId: items.itemId, scope: items.scope, publishedAt: items.publishedAt })
    .from(items)
    .where(and(eq(items.node, ph('node')), gt(items.seq, ph('seq'))))
    .orderBy(asc(items.seq))
    .limit(ph('max'))
    .prepare(),
  following: db
    .select({
      seq: items.seq,
      itemId: items.itemId,
      scope: items.scope,
      publisher: items.publisher,
      publishedAt: items.publishedAt,
    })
    .from(items)
    .where(and(eq(items.node, ph('node')), gt(items.seq, ph('seq'))))
    .orderBy(asc(items.seq))
    .limit(ph('max'))
    .prepare(),
  rowOf: db
    .select({ publisher: items.publisher, seq: items.seq, created: items.created, scope: items.scope })
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
  dropped: db
    .update(nodes)
    .set({ droppedSeq: sql`${ph('seq')}` })
    .where(eq(nodes.id, ph('node')))
    .prepare(),
  newest: db
    .select({ seq: items.seq })
    .from(items)
    .where(eq(items.node, ph('node')))
    .orderBy(desc(items.seq))
    .limit(1)
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
})

/** Changes the counts by one item per entry: what the pages' count is taken from. */
export function adjustCounts(tx: Tx, node: CountedNode, added: readonly ItemKey[], removed: readonly ItemKey[]): void {
  const q = tx.use(writing)
  let scoped = 0
  for (const [scope, by] of countByScope(added, removed)) {
    if (by === 0) continue
    scoped += by
    q.addScope.run({ node: node.id, scope, by })
    if (by < 0) q.dropScope.run({ node: node.id, scope })
  }
  const total = added.length - removed.length
  if (total === 0 && scoped === 0) return
  if (node instanceof KnownNode) node.count(tx, total, scoped)
  else q.addCounts.run({ node: node.id, items: total, scoped })
}

function countByScope(added: readonly ItemKey[], removed: readonly ItemKey[]): Iterable<[scope: string, by: number]> {
  const hasNone = ({ scope }: ItemKey) => scope === undefined
  if (added.every(hasNone) && removed.every(hasNone)) return []
  const byScope = new Map<string, number>()
  for (const { scope } of added) if (scope !== undefined) byScope.set(scope, (byScope.get(scope) ?? 0) + 1)
  for (const { scope } of removed) if (scope !== undefined) byScope.set(scope, (byScope.get(scope) ?? 0) - 1)
  return byScope
}

type CountedNode = KnownNode | Pick<NodeRow, 'id' | 'itemCount' | 'hasAttachments' | 'purgeOffline' | keyof Past>

/** Removes the oldest items beyond `limit`, at most PRUNE_BATCH. XEP-0060 §7.1.2.5 (retract-oldest). */
export function pruneItems(tx: Tx, node: CountedNode, limit: number): ItemKey[] {
  const over = Math.min(node.itemCount - limit, PRUNE_BATCH)
  if (over <= 0) return []
  const rows = tx.use(writing).oldest.all({ node: node.id, seq: node.prunedSeq, max: over })
  archivePruned(tx, node, rows)
  return drop(tx, node, rows)
}

interface RemovedRow {
  readonly seq: number
  readonly itemId: string
  readonly scope: string | null
}

/** Counts the oldest items of a node out; from now on no reader goes on from a place before the last of them. */
function drop(tx: Tx, node: CountedNode, oldest: readonly RemovedRow[]): ItemKey[] {
  const last = oldest.at(-1)
  if (!last) return []
  if (node instanceof KnownNode) node.dropped(tx, last.seq)
  else tx.use(writing).dropped.run({ node: node.id, seq: last.seq })
  return countOut(tx, node, oldest)
}

/** Removes items that were taken away: of each, the archive keeps the place. */
export function take(tx: Tx, node: CountedNode, rows: readonly RemovedRow[]): ItemKey[] {
  archiveTaken(tx, node, rows)
  return countOut(tx, node, rows)
}

/** They are no items any more, and nothing is attached to them. */
function countOut(tx: Tx, node: CountedNode, rows: readonly RemovedRow[]): ItemKey[] {
  const gone = rows.map(({ itemId, scope }) => ({ itemId, scope: scope ?? undefined }))
  adjustCounts(tx, node, [], gone)
  detach(tx, node, gone)
  return gone
}

/**
 * Removes what is older than the node keeps, at most PRUNE_BATCH: the oldest are the first of their node. Nothing of it stays
 * in the archive either, and no place: what is too old is its oldest end (XEP-0313 §3.2).
 */
export function removeExpired(tx: Tx, node: CountedNode, seconds: number | null): ItemKey[] {
  if (seconds === null) return []
  const cutoff = tx.now - seconds * 1000
  const isOver = ({ publishedAt }: { readonly publishedAt: number }) => publishedAt <= cutoff
  const { oldest } = tx.use(writing)
  dropExpiredPast(tx, node, cutoff)
  // Mostly nothing is over, and then one row tells.
  const from = { node: node.id, seq: node.prunedSeq }
  if (!oldest.all({ ...from, max: 1 }).some(isOver)) return []
  const rows = oldest.all({ ...from, max: PRUNE_BATCH })
  const firstKept = rows.findIndex((row) => !isOver(row))
  const expired = firstKept < 0 ? rows : rows.slice(0, firstKept)
  for (const { seq } of expired) tx.use(writing).deleteAt.run({ seq })
  return drop(tx, node, expired)
}

const newest = (db: Db) => ({
  item: db.select({ publishedAt: items.publishedAt }).from(items).orderBy(desc(items.seq)).limit(1).prepare(),
  /** What an archive ends with is an item, or was taken away. */
  gone: db
    .select({ publishedAt: max(pastItems.publishedAt) })
    .from(pastItems)
    .where(sql`is_gone = 1`)
    .prepare(),
  /** As this connection gave it last. */
  time: undefined as number | undefined,
})

/**
 * The time of what is kept from now on: never before that of the newest item, whatever the clock says, since the order of
 * publication is that of time (archive.sqlite.ts). A clock that was set back stands still here until it is there again.
 */
export function publicationTime(tx: Tx): number {
  const known = tx.use(newest)
  known.time ??= Math.max(known.item.get()?.publishedAt ?? 0, known.gone.get()?.publishedAt ?? 0)
  known.time = Math.max(tx.now, known.time)
  return known.time
}

/** Inserts as the newest; an item of the same id goes. XEP-0060 §7.1.2, §12.1. */
export function storeItem(
  tx: Tx,
  node: KnownNode,
  request: Pick<PublishItem, 'payload' | 'actor' | 'itemsMax'>,
  item: ItemKey,
): Pick<ItemPublished, 'position' | 'publishedAt' | 'pruned'> {
  const q = tx.use(writing)
  const { itemId, scope } = item
  const { payload = null, actor } = request
  const publishedAt = publicationTime(tx)
  const row = {
    node: node.id,
    itemId,
    publisher: actor.bareJid,
    publishedAt,
    scope: scope ?? null,
    payload,
    created: null,
  }
  let stored = q.insert.run(row)
  let replaced: ItemKey[] = []
  let created: number | null = null
  if (stored.changes === 0) {
    const old = q.rowOf.get({ node: node.id, itemId })
    if (old) {
      // What went for room is none of the items, and that it had the id makes no difference.
      const isItem = old.seq > node.prunedSeq
      if (isItem) replaced = [{ itemId, scope: old.scope ?? undefined }]
      if (isItem) created = old.created ?? old.seq
      archiveReplaced(tx, node, old)
    }
    stored = q.insert.run({ ...row, created })
  }
  adjustCounts(tx, node, [item], replaced)
  const { maxItems, publishNodeFull } = node.row
  const limit = itemLimit(maxItems, request.itemsMax)
  if (node.itemCount > limit && publishNodeFull === 'reject') refuse('nodeFull', `${limit} items are kept here`)
  const seq = Number(stored.lastInsertRowid)
  return { position: { seq, creation: created ?? seq }, publishedAt, pruned: pruneItems(tx, node, limit) }
}

/**
 * Removes every item of a node, and all that is attached to them.
 * @param kept  in the archive: places, or nothing, since the node is to keep none any more
 */
export function removeAll(tx: Tx, row: Parameters<typeof dropPast>[1] & NodeRow, kept: 'places' | 'nothing'): void {
  const { id: node, hasAttachments } = row
  const q = tx.use(writing)
  if (kept === 'places') archiveAllTaken(tx, row)
  else dropPast(tx, row)
  const newest = q.newest.get({ node })
  if (newest) q.dropped.run({ node, seq: newest.seq })
  q.purge.run({ node })
  q.purgeScopes.run({ node })
  q.zeroCounts.run({ node })
  if (!hasAttachments) return
  for (const ref of tx.use(beside).attachments.all({ target: node })) removeNode(tx, ref)
  const summary = summaryAt(tx, node)
  if (summary) removeAll(tx, summary, kept)
}

const beside = (db: Db) => ({
  attachmentsOf: db
    .select({ id: nodes.id, service: nodes.service, nodeId: nodes.nodeId })
    .from(nodes)
    .where(and(eq(nodes.target, ph('target')), eq(nodes.targetItem, ph('itemId'))))
    .prepare(),
  attachments: db
    .select({ id: nodes.id, service: nodes.service, nodeId: nodes.nodeId })
    .from(nodes)
    .where(and(eq(nodes.target, ph('target')), isNotNull(nodes.targetItem)))
    .prepare(),
  summary: db
    .select({ id: nodes.id, service: nodes.service, nodeId: nodes.nodeId })
    .from(nodes)
    .where(and(eq(nodes.target, ph('target')), isNull(nodes.targetItem)))
    .prepare(),
  deleteNode: db
    .delete(nodes)
    .where(eq(nodes.id, ph('id')))
    .prepare(),
})

/** Removes a node with all that is its own: items, subscriptions, affiliations. */
export function removeNode(tx: Tx, node: Pick<NodeRow, 'id' | 'service' | 'nodeId'>): void {
  forget(tx, node)
  countNode(tx, node, -1)
  tx.use(beside).deleteNode.run({ id: node.id })
}

/** Items are gone: so is what was attached to them, and what the summary told of it. XEP-0470 */
export function detach(
  tx: Tx,
  { id: target, hasAttachments }: Pick<NodeRow, 'id' | 'hasAttachments'>,
  gone: readonly ItemKey[],
): void {
  if (!hasAttachments) return
  for (const { itemId } of gone)
    for (const ref of tx.use(beside).attachmentsOf.all({ target, itemId })) removeNode(tx, ref)
  unsummarize(tx, target, gone)
}

/** Takes items out of the summary of a node. @returns those that were in it */
export function unsummarize(tx: Tx, target: number, gone: readonly Pick<ItemKey, 'itemId'>[]): ItemKey[] {
  const summary = summaryAt(tx, target)
  if (!summary) return []
  const rows = gone.flatMap(({ itemId }) => {
    const row = tx.use(writing).rowOf.get({ node: summary.id, itemId })
    return row && row.seq > summary.prunedSeq ? [{ itemId, seq: row.seq, scope: null }] : []
  })
  return take(tx, summary, rows)
}

function summaryAt(tx: Tx, target: number): NodeRow | undefined {
  const ref = tx.use(beside).summary.get({ target })
  return ref && findNode(tx, ref)
}
