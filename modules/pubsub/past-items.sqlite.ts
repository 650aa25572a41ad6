/**
 * What stays of a node's past on SQLite, for its archive: versions that were replaced or went for room, and of what was
 * taken away the place alone. XEP-0442 §3; XEP-0313 §3.2: no gaps, and what goes for room or age goes from the oldest end.
 *
 * What goes for room stays where it is: a place in the node's row says that it is none of the items any more. What is
 * replaced or taken away goes to a table of its own, by one statement.
 */

import { and, asc, desc, eq, gt, lte, sql } from 'drizzle-orm'
import type { Db, Tx } from '../../server/module/api.ts'
import { KnownNode, type Past } from './known-nodes.sqlite.ts'
import { findNode, type NodeRow } from './queries.sqlite.ts'
import { items, nodes, pastItems } from './schema.sqlite.ts'
import { type Archiving, PRUNE_BATCH, type PubsubStore } from './store.ts'

const ph = sql.placeholder

const queries = (db: Db) => {
  const rows = (isGone: 0 | 1) =>
    db
      .select({
        id: sql<number>`null`.as('id'),
        node: items.node,
        seq: items.seq,
        created: items.created,
        itemId: items.itemId,
        publisher: items.publisher,
        publishedAt: items.publishedAt,
        scope: items.scope,
        isGone: sql<boolean>`${sql.raw(String(isGone))}`.as('is_gone'),
        payload: isGone ? sql<null>`null`.as('payload') : items.payload,
      })
      .from(items)
  const version = db
    .insert(pastItems)
    .select(rows(0).where(eq(items.seq, ph('seq'))))
    .prepare()
  const place = db
    .insert(pastItems)
    .select(rows(1).where(eq(items.seq, ph('seq'))))
    .prepare()
  const pruned = and(eq(items.node, ph('node')), lte(items.seq, ph('pruned')))
  const gone = { isGone: true, payload: null }
  return {
    keep: { version, place },
    /** Of the newest items: what was pruned is among them. */
    places: db
      .insert(pastItems)
      .select(
        rows(1)
          .where(and(eq(items.node, ph('node')), gt(items.seq, ph('cut'))))
          .orderBy(desc(items.seq))
          .limit(ph('max')),
      )
      .prepare(),
    prunedPlaces: db.insert(pastItems).select(rows(1).where(pruned)).prepare(),
    deletePruned: db.delete(items).where(pruned).prepare(),
    clear: db
      .update(pastItems)
      .set(gone)
      .where(and(eq(pastItems.node, ph('node')), eq(pastItems.itemId, ph('itemId')), eq(pastItems.isGone, false)))
      .prepare(),
    clearAll: db
      .update(pastItems)
      .set(gone)
      .where(and(eq(pastItems.node, ph('node')), eq(pastItems.isGone, false)))
      .prepare(),
    versionOf: db
      .select({ seq: pastItems.seq, publisher: pastItems.publisher, scope: pastItems.scope })
      .from(pastItems)
      .where(and(eq(pastItems.node, ph('node')), eq(pastItems.itemId, ph('itemId')), eq(pastItems.isGone, false)))
      .orderBy(desc(pastItems.seq))
      .limit(1)
      .prepare(),
    oldestItem: db
      .select({ seq: items.seq, publishedAt: items.publishedAt })
      .from(items)
      .where(eq(items.node, ph('node')))
      .orderBy(asc(items.seq))
      .limit(1)
      .prepare(),
    oldestPast: db
      .select({ id: pastItems.id, seq: pastItems.seq, publishedAt: pastItems.publishedAt })
      .from(pastItems)
      .where(eq(pastItems.node, ph('node')))
      .orderBy(asc(pastItems.seq))
      .limit(1)
      .offset(ph('index'))
      .prepare(),
    deleteItem: db
      .delete(items)
      .where(eq(items.seq, ph('seq')))
      .prepare(),
    deletePast: db
      .delete(pastItems)
      .where(eq(pastItems.id, ph('id')))
      .prepare(),
    deletePastUpTo: db
      .delete(pastItems)
      .where(and(eq(pastItems.node, ph('node')), lte(pastItems.seq, ph('seq'))))
      .prepare(),
    // drizzle types a placeholder in set() as no value of the column, although it fills it in like any other.
    setPast: db
      .update(nodes)
      .set({
        pastCount: ph('pastCount'),
        prunedCount: ph('prunedCount'),
        prunedSeq: ph('prunedSeq'),
        archiveCut: ph('archiveCut'),
      } as never)
      .where(eq(nodes.id, ph('node')))
      .prepare(),
    over: db
      .select({ service: nodes.service, nodeId: nodes.nodeId })
      .from(nodes)
      .where(
        sql`${nodes.pastCount} + ${nodes.prunedCount} > iif(${ph('max')} = 0, 0, max(${ph('max')}, ${nodes.itemCount}))
          or (${ph('max')} = 0 and ${nodes.archiveCut} > 0)`,
      )
      .prepare(),
  }
}

/** What the verb that is under way keeps per node at most; and how much was dropped since the start. */
const state = () => ({ max: 0, dropped: 0 })

type PastNode = KnownNode | (Pick<NodeRow, 'id' | 'itemCount' | 'purgeOffline'> & Past)

interface Spot {
  readonly seq: number
}

/** Runs a verb, which keeps so much of the past of nodes; what it drops from archives is told with its result. */
export function archiving<R extends object>(
  tx: Tx,
  { archiveMax }: Archiving,
  act: () => R,
): R & { readonly unarchived: number } {
  const before = beginArchiving(tx, archiveMax)
  return { ...act(), unarchived: droppedSoFar(tx) - before }
}

/** The same of a verb that does the rest itself. @returns what droppedSoFar was then */
export function beginArchiving(tx: Tx, archiveMax: number): number {
  const known = tx.use(state)
  known.max = archiveMax
  return known.dropped
}

export function droppedSoFar(tx: Tx): number {
  return tx.use(state).dropped
}

/** Items go for room, the oldest that there are: they stay in the archive, where one is kept. */
export function archivePruned(tx: Tx, node: PastNode, rows: readonly Spot[]): void {
  const last = rows.at(-1)
  if (!last || tx.use(state).max === 0 || node.purgeOffline) {
    move(tx, node, rows, 'place', rows.length)
    return
  }
  const past = pastOf(node)
  // Of before the archive begins.
  const lost = rows.filter(({ seq }) => seq <= past.archiveCut)
  for (const { seq } of lost) tx.use(queries).deleteItem.run({ seq })
  const prunedCount = past.prunedCount + rows.length - lost.length
  save(tx, node, trimmed(tx, node, { ...past, prunedCount, prunedSeq: last.seq }, rows.length))
}

/** An item is replaced, or one of its id that went for room: as it was, it goes into the archive. */
export function archiveReplaced(tx: Tx, node: PastNode, old: Spot): void {
  move(tx, node, [old], node.purgeOffline ? 'place' : 'version', 0)
}

/**
 * Items are taken away, or what had gone for room: their places stay, and none of their versions can be read any more.
 * XEP-0313 §3.2
 */
export function archiveTaken(tx: Tx, node: PastNode, rows: readonly (Spot & { readonly itemId: string })[]): void {
  if (node.pastCount > 0) for (const { itemId } of rows) clearVersions(tx, node, itemId)
  move(tx, node, rows, 'place', rows.filter(({ seq }) => seq > node.prunedSeq).length)
}

/** Rows of items go into the past, or nowhere; the node has so many items less then. */
function move(tx: Tx, node: PastNode, rows: readonly Spot[], kept: 'version' | 'place', less: number): void {
  const past = pastOf(node)
  const isKept = tx.use(state).max > 0
  const q = tx.use(queries)
  let { pastCount, prunedCount } = past
  for (const { seq } of rows) {
    if (seq <= past.prunedSeq) prunedCount -= 1
    // What the archive began behind before does not come back into it.
    if (isKept && seq > past.archiveCut) {
      q.keep[kept].run({ seq })
      pastCount += 1
    }
    q.deleteItem.run({ seq })
  }
  if (pastCount === past.pastCount && prunedCount === past.prunedCount) return
  save(tx, node, trimmed(tx, node, { ...past, pastCount, prunedCount }, less))
}

/** All items of a node are taken away: the places of the newest stay, as many as an archive holds. */
export function archiveAllTaken(tx: Tx, node: PastNode): void {
  const { max } = tx.use(state)
  const q = tx.use(queries)
  const past = pastOf(node)
  if (past.pastCount > 0) q.clearAll.run({ node: node.id })
  const changes = max === 0 ? 0 : q.places.run({ node: node.id, cut: past.archiveCut, max }).changes
  const pastCount = past.pastCount + changes
  let after: Past = { ...past, prunedCount: 0, pastCount: Math.min(pastCount, max) }
  const dropped = pastCount - after.pastCount
  if (dropped > 0) {
    const seq = q.oldestPast.get({ node: node.id, index: dropped - 1 })?.seq ?? 0
    q.deletePastUpTo.run({ node: node.id, seq })
    after = { ...after, archiveCut: Math.max(seq, past.archiveCut) }
    tx.use(state).dropped += dropped
  }
  // Of older ones not even the place stays.
  const oldest = changes > 0 && changes === max ? q.oldestPast.get({ node: node.id, index: 0 }) : undefined
  if (oldest) after = { ...after, archiveCut: oldest.seq - 1 }
  save(tx, node, after)
}

/** The newest version of an item that is in the past alone, and can still be read. */
export function versionOf(tx: Tx, node: Pick<PastNode, 'id'>, itemId: string) {
  return tx.use(queries).versionOf.get({ node: node.id, itemId })
}

export function clearVersions(tx: Tx, node: Pick<PastNode, 'id'>, itemId: string): void {
  tx.use(queries).clear.run({ node: node.id, itemId })
}

/** Nothing of the past can be read any more. */
export function clearPast(tx: Tx, node: PastNode): void {
  const q = tx.use(queries)
  const past = pastOf(node)
  q.clearAll.run({ node: node.id })
  if (past.prunedCount === 0) return
  q.prunedPlaces.run({ node: node.id, pruned: past.prunedSeq })
  q.deletePruned.run({ node: node.id, pruned: past.prunedSeq })
  save(tx, node, { ...past, prunedCount: 0, pastCount: past.pastCount + past.prunedCount })
}

/** The node is to keep nothing; what was pruned goes with its items. */
export function dropPast(tx: Tx, node: PastNode): void {
  const past = pastOf(node)
  if (past.pastCount > 0) tx.use(queries).deletePastUpTo.run({ node: node.id, seq: Number.MAX_SAFE_INTEGER })
  save(tx, node, { ...past, pastCount: 0, prunedCount: 0 })
}

/** Drops what was published up to then, at most PRUNE_BATCH. */
export function dropExpiredPast(tx: Tx, node: PastNode, before: number): void {
  save(tx, node, shortened(tx, node, pastOf(node), PRUNE_BATCH, before))
}

/** What is too much goes from the oldest end: at most PRUNE_BATCH, as a node may have lost all its items. */
function trimmed(tx: Tx, node: PastNode, past: Past, less: number): Past {
  const over = past.pastCount + past.prunedCount - pastMax(tx.use(state).max, node.itemCount - less)
  return shortened(tx, node, past, Math.min(over, PRUNE_BATCH))
}

/**
 * How much of the past is kept: at least as much as there are items, so that one that changes all the time does not push
 * all the others out of the archive.
 */
function pastMax(max: number, itemCount: number): number {
  return max === 0 ? 0 : Math.max(max, itemCount)
}

/** Drops so many of the oldest, as far as they were published up to then. */
function shortened(tx: Tx, node: PastNode, past: Past, count: number, before = Number.MAX_SAFE_INTEGER): Past {
  const q = tx.use(queries)
  let left = past
  for (let dropped = 0; dropped < count; dropped += 1) {
    const pruned = left.prunedCount > 0 ? q.oldestItem.get({ node: node.id }) : undefined
    const other = left.pastCount > 0 ? q.oldestPast.get({ node: node.id, index: 0 }) : undefined
    const isPruned = pruned !== undefined && (!other || pruned.seq < other.seq)
    const oldest = isPruned ? pruned : other
    if (!oldest || oldest.publishedAt > before) break
    if (isPruned) q.deleteItem.run({ seq: oldest.seq })
    else if (other) q.deletePast.run({ id: other.id })
    tx.use(state).dropped += 1
    const [prunedCount, pastCount] = [left.prunedCount - (isPruned ? 1 : 0), left.pastCount - (isPruned ? 0 : 1)]
    left = { ...left, prunedCount, pastCount, archiveCut: Math.max(left.archiveCut, oldest.seq) }
  }
  return left
}

function pastOf(node: PastNode): Past {
  if (node instanceof KnownNode) return node.past
  const { pastCount, prunedCount, prunedSeq, archiveCut } = node
  return { pastCount, prunedCount, prunedSeq, archiveCut }
}

function save(tx: Tx, node: PastNode, after: Past): void {
  if (node instanceof KnownNode) node.setPast(tx, after)
  else tx.use(queries).setPast.run({ node: node.id, ...after })
}

export const longArchives: PubsubStore['longArchives'] = {
  name: 'pubsub.longArchives',
  kind: 'read',
  run: (tx, { archiveMax: max }) => tx.use(queries).over.all({ max }),
}

export const trimArchive: PubsubStore['trimArchive'] = {
  name: 'pubsub.trimArchive',
  kind: 'write',
  run(tx, { archiveMax: max, ...ref }) {
    const node = findNode(tx, ref)
    if (!node) return { unarchived: 0, isDone: true }
    const over = Math.max(0, node.pastCount + node.prunedCount - pastMax(max, node.itemCount))
    const unarchived = Math.min(over, PRUNE_BATCH)
    const past = shortened(tx, node, pastOf(node), unarchived)
    const isDone = unarchived === over
    // Where no past is kept no archive is cut.
    save(tx, node, isDone && max === 0 ? { ...past, archiveCut: 0 } : past)
    return { unarchived, isDone }
  },
}
