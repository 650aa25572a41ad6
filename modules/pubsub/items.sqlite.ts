/** Items on SQLite: published, retracted, purged, pruned. XEP-0060 §7, §8.5. */

import { and, asc, desc, eq, gt, sql } from 'drizzle-orm'
import type { Db, Tx } from '../../server/module/api.ts'
import { SHARED_SCOPE } from './api.ts'
import { KnownNode, knownNode, knownParents } from './known-nodes.sqlite.ts'
import { unmetPrecondition } from './node-config.ts'
import { publishedWire, publishWire } from './publish-wire.ts'
import {
  configOf,
  enforce,
  findNode,
  itemLimit,
  type NodeRow,
  nodeOf,
  plus,
  readNode,
  refuse,
  standingAt,
  standingOf,
} from './queries.sqlite.ts'
import { fitsNode, mayManage, mayPublish, mayRetract, type Standing } from './rules.ts'
import { items, nodes, scopeCounts } from './schema.sqlite.ts'
import { type ItemKey, type ItemPublished, PRUNE_BATCH, type PublishItem, type PubsubStore } from './store.ts'

const ph = sql.placeholder

const writing = (db: Db) => ({
  delete: db
    .delete(items)
    .where(and(eq(items.node, ph('node')), eq(items.itemId, ph('itemId'))))
    .returning({ seq: items.seq, created: items.created, scope: items.scope })
    .prepare(),
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
  oldest: db
    .select({ seq: items.seq, itemId: items.itemId, scope: items.scope, publishedAt: items.publishedAt })
    .from(items)
    .where(eq(items.node, ph('node')))
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
  dropped: db
    .update(nodes)
    .set({ droppedSeq: sql`${ph('seq')}`, madeSeq: 0 })
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
function adjustCounts(tx: Tx, node: CountedNode, added: readonly ItemKey[], removed: readonly ItemKey[]): void {
  const q = tx.use(writing)
  const byScope = new Map<string, number>()
  for (const { scope } of added) if (scope !== undefined) byScope.set(scope, (byScope.get(scope) ?? 0) + 1)
  for (const { scope } of removed) if (scope !== undefined) byScope.set(scope, (byScope.get(scope) ?? 0) - 1)
  let scoped = 0
  for (const [scope, by] of byScope) {
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

type CountedNode = KnownNode | Pick<NodeRow, 'id' | 'itemCount'>

/** Removes the oldest items beyond `limit`, at most PRUNE_BATCH. XEP-0060 §7.1.2.5 (retract-oldest). */
export function pruneItems(tx: Tx, node: CountedNode, limit: number): ItemKey[] {
  const over = Math.min(node.itemCount - limit, PRUNE_BATCH)
  if (over <= 0) return []
  const q = tx.use(writing)
  return drop(tx, node, q.oldest.all({ node: node.id, max: over }))
}

interface RemovedRow {
  readonly seq: number
  readonly itemId: string
  readonly scope: string | null
}

/** Removes the oldest items of a node; from now on no reader goes on from a place before the last of them. */
function drop(tx: Tx, node: CountedNode, oldest: readonly RemovedRow[]): ItemKey[] {
  const last = oldest.at(-1)
  if (!last) return []
  if (node instanceof KnownNode) node.dropped(tx, last.seq)
  else tx.use(writing).dropped.run({ node: node.id, seq: last.seq })
  return remove(tx, node, oldest)
}

function remove(tx: Tx, node: CountedNode, rows: readonly RemovedRow[]): ItemKey[] {
  for (const { seq } of rows) tx.use(writing).deleteAt.run({ seq })
  const gone = rows.map(({ itemId, scope }) => ({ itemId, scope: scope ?? undefined }))
  adjustCounts(tx, node, [], gone)
  return gone
}

/** Removes what is older than the node keeps, at most PRUNE_BATCH: the oldest are the first of their node. */
function removeExpired(tx: Tx, node: CountedNode, seconds: number | null): ItemKey[] {
  if (seconds === null) return []
  const cutoff = tx.now - seconds * 1000
  const isOver = ({ publishedAt }: { readonly publishedAt: number }) => publishedAt <= cutoff
  const { oldest } = tx.use(writing)
  // Mostly nothing is over, and then one row tells.
  if (!oldest.all({ node: node.id, max: 1 }).some(isOver)) return []
  const rows = oldest.all({ node: node.id, max: PRUNE_BATCH })
  const firstKept = rows.findIndex((row) => !isOver(row))
  return drop(tx, node, firstKept < 0 ? rows : rows.slice(0, firstKept))
}

export const expireItems: PubsubStore['expireItems'] = {
  name: 'pubsub.expireItems',
  kind: 'write',
  run(tx, { service, nodeId }) {
    const node = findNode(tx, { service, nodeId })
    return { service, nodeId, expired: node ? removeExpired(tx, node, node.itemExpireSeconds) : [] }
  },
}

export const purgeAbsent: PubsubStore['purgeAbsent'] = {
  name: 'pubsub.purgeAbsent',
  kind: 'write',
  run(tx, { service, nodeId, publisher, from = { seq: 0, before: tx.now } }) {
    const node = findNode(tx, { service, nodeId })
    if (!node?.purgeOffline) return { service, nodeId, gone: [], isEmpty: false, next: undefined }
    const rows = tx.use(writing).following.all({ node: node.id, seq: from.seq, max: PRUNE_BATCH })
    // What was published since is of somebody who came back.
    const isAbsent = (row: (typeof rows)[number]) =>
      row.publishedAt <= from.before && (publisher === undefined || row.publisher === publisher)
    const gone = remove(tx, node, rows.filter(isAbsent))
    const last = rows.length < PRUNE_BATCH ? undefined : rows.at(-1)
    const next = last && { seq: last.seq, before: from.before }
    return { service, nodeId, gone, isEmpty: gone.length === node.itemCount, next }
  },
}

export const publishItem: PubsubStore['publishItem'] = {
  name: 'pubsub.publishItem',
  kind: 'write',
  wire: { args: publishWire, result: publishedWire },
  run(tx, request) {
    const node = knownNode(tx, request) ?? refuse('nodeNotFound')
    const { row } = node
    if (row.nodeType === 'collection') refuse('noPublishingHere')
    if (!request.isAuthorized) {
      enforce(mayPublish(row, standingHere(tx, node, request)))
    }
    checkPreconditions(tx, request)
    const { itemId, payload, payloadNs, payloadMaxBytes } = request
    const payloadBytes = payload === undefined ? 0 : Buffer.byteLength(payload)
    // At a claimed node the claimer knows the payloads, and their namespaces are its own matter.
    const checked = request.isAuthorized ? { ...row, type: '' } : row
    enforce(fitsNode(checked, { hasItem: itemId !== undefined, payloadNs, payloadBytes }, payloadMaxBytes))
    const shared: unknown = tx.shared.get(SHARED_SCOPE)
    const scope = request.scope ?? (typeof shared === 'string' ? shared : undefined)
    const seenType = node.see(tx, payloadNs)
    const isKept = row.persistItems && itemId !== undefined
    const expired = isKept ? removeExpired(tx, node, row.itemExpireSeconds) : []
    const stored = isKept ? storeItem(tx, node, request, { itemId, scope }) : { position: undefined, pruned: [] }
    const { service, nodeId, actor } = request
    const item = { itemId, publisher: actor.bareJid, publishedAt: tx.now, scope }
    return { service, nodeId, ...item, seenType, ...stored, expired }
  },
}

/** Of who publishes, without asking the tables. */
function standingHere(tx: Tx, node: KnownNode, { service, actor }: PublishItem): Standing {
  const at = (each: KnownNode, parents?: () => Standing['parents']) =>
    standingAt(tx, { id: each.id, service }, actor, each.affiliationOf(tx, actor.bareJid), parents)
  if (!node.relation) return at(node)
  return at(node, () => knownParents(tx, service, node).map((parent) => ({ config: parent.row, standing: at(parent) })))
}

/** §7.1.5. */
function checkPreconditions(tx: Tx, request: PublishItem): void {
  const { preconditions } = request
  // Most publishes have none, and then the whole configuration need not be read.
  if (Object.keys(preconditions).length === 0) return
  const unmet = unmetPrecondition(configOf(readNode(tx, request) ?? refuse('nodeNotFound')), preconditions)
  if (unmet !== undefined) refuse('preconditionNotMet', `${unmet} is not so`)
}

/** Inserts as the newest; an item of the same id goes. XEP-0060 §7.1.2, §13.1. */
function storeItem(
  tx: Tx,
  node: KnownNode,
  request: PublishItem,
  item: ItemKey,
): Pick<ItemPublished, 'position' | 'pruned'> {
  const q = tx.use(writing)
  const { itemId, scope } = item
  const { payload = null, actor } = request
  const row = {
    node: node.id,
    itemId,
    publisher: actor.bareJid,
    publishedAt: tx.now,
    scope: scope ?? null,
    payload,
    created: null,
  }
  let stored = q.insert.run(row)
  let replaced: ItemKey[] = []
  let created: number | null = null
  if (stored.changes === 0) {
    const before = q.delete.all({ node: node.id, itemId })
    replaced = before.map((old) => ({ itemId, scope: old.scope ?? undefined }))
    created = before[0]?.created ?? before[0]?.seq ?? null
    stored = q.insert.run({ ...row, created })
  }
  adjustCounts(tx, node, [item], replaced)
  const { maxItems, publishNodeFull } = node.row
  const limit = itemLimit(maxItems, request.itemsMax)
  if (node.itemCount > limit && publishNodeFull === 'reject') refuse('nodeFull', `${limit} items are kept here`)
  const seq = Number(stored.lastInsertRowid)
  return { position: { seq, creation: created ?? seq }, pruned: pruneItems(tx, node, limit) }
}

export const retractItem: PubsubStore['retractItem'] = {
  name: 'pubsub.retractItem',
  kind: 'write',
  run(tx, { service, nodeId, actor, itemId, authorized }) {
    const node = nodeOf(tx, { service, nodeId })
    const config = configOf(node)
    if (!config.persistItems) refuse('notPersistent')
    const q = tx.use(writing)
    const standing = standingOf(tx, node, actor)
    const publisher = q.publisherOf.get({ node: node.id, itemId })?.publisher
    const isOwn = publisher === undefined || publisher === actor.bareJid
    // Who may retract nothing is not told which items exist.
    if (authorized === 'own') enforce(isOwn ? undefined : 'mayNotRetract')
    else if (authorized === undefined) enforce(mayRetract(config, standing, isOwn))
    const removed = q.delete.all({ node: node.id, itemId }).map((row) => ({ itemId, scope: row.scope ?? undefined }))
    const gone = removed[0] ?? refuse('itemNotFound')
    adjustCounts(tx, node, [], removed)
    return { service, nodeId, ...gone }
  },
}

export const purgeNode: PubsubStore['purgeNode'] = {
  name: 'pubsub.purgeNode',
  kind: 'write',
  run(tx, request) {
    const node = nodeOf(tx, request)
    enforce(mayManage(standingOf(tx, node, request.actor)))
    if (!node.persistItems) refuse('notPersistent')
    removeAll(tx, node)
    return request
  },
}

/** Removes every item of a node. */
export function removeAll(tx: Tx, { id: node }: Pick<NodeRow, 'id'>): void {
  const q = tx.use(writing)
  const newest = q.newest.get({ node })
  if (newest) q.dropped.run({ node, seq: newest.seq })
  q.purge.run({ node })
  q.purgeScopes.run({ node })
  q.zeroCounts.run({ node })
}
