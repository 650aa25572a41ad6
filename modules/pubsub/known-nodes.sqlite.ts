/**
 * Nodes that are published to, as the storage worker knows them without asking the tables: configuration, affiliations
 * and counts. Two of three statements of a publish were reading what hardly ever changes, and writing a count that the
 * next publish writes again.
 *
 * The tables stay the truth. A node is known from its first publish on, until any other verb asks for it (`forget`):
 * that verb may change what is known, and finds the counts written. They are written at the latest before COMMIT, so a
 * count on disk is always that of the items beside it; what a savepoint changed here is undone with it.
 */

import { and, eq, sql } from 'drizzle-orm'
import type { Db, Tx } from '../../server/module/api.ts'
import { type RelationRow, relationOf } from './parents.sqlite.ts'
import type { NodeRef } from './records.ts'
import type { Affiliation } from './rules.ts'
import { affiliations, nodes } from './schema.sqlite.ts'

/** Nodes known at most: the one known longest goes. About 500 bytes each. */
const NODES_MAX = 20_000
/** Affiliations known at most per node; beyond, all are asked for anew. */
const AFFILIATIONS_MAX = 1_000

const ph = sql.placeholder

const queries = (db: Db) => ({
  node: db
    .select({
      id: nodes.id,
      seenType: nodes.seenType,
      itemCount: nodes.itemCount,
      scopedCount: nodes.scopedCount,
      droppedSeq: nodes.droppedSeq,
      prunedSeq: nodes.prunedSeq,
      prunedCount: nodes.prunedCount,
      pastCount: nodes.pastCount,
      archiveCut: nodes.archiveCut,
      type: nodes.type,
      nodeType: nodes.nodeType,
      publishModel: nodes.publishModel,
      accessModel: nodes.accessModel,
      rosterGroupsAllowed: nodes.rosterGroupsAllowed,
      persistItems: nodes.persistItems,
      maxItems: nodes.maxItems,
      maxPayloadBytes: nodes.maxPayloadBytes,
      deliverPayloads: nodes.deliverPayloads,
      itemExpireSeconds: nodes.itemExpireSeconds,
      publishNodeFull: nodes.publishNodeFull,
      purgeOffline: nodes.purgeOffline,
      hasAttachments: nodes.hasAttachments,
    })
    .from(nodes)
    .where(and(eq(nodes.service, ph('service')), eq(nodes.nodeId, ph('nodeId'))))
    .prepare(),
  affiliation: db
    .select({ affiliation: affiliations.affiliation })
    .from(affiliations)
    .where(and(eq(affiliations.node, ph('node')), eq(affiliations.bareJid, ph('bareJid'))))
    .prepare(),
  setCounts: db
    .update(nodes)
    .set({
      itemCount: sql`${ph('items')}`,
      scopedCount: sql`${ph('scoped')}`,
      droppedSeq: sql`${ph('dropped')}`,
      prunedSeq: sql`${ph('prunedSeq')}`,
      prunedCount: sql`${ph('prunedCount')}`,
      pastCount: sql`${ph('pastCount')}`,
      archiveCut: sql`${ph('archiveCut')}`,
    })
    .where(eq(nodes.id, ph('node')))
    .prepare(),
  setSeenType: db
    .update(nodes)
    .set({ seenType: sql`${ph('seenType')}` })
    .where(eq(nodes.id, ph('node')))
    .prepare(),
})

type Row = NonNullable<ReturnType<ReturnType<typeof queries>['node']['get']>>

/** What a node's archive has besides its items: schema.sqlite.ts. */
export type Past = Pick<typeof nodes.$inferSelect, 'pastCount' | 'prunedCount' | 'prunedSeq' | 'archiveCut'>

/** What a publish needs to know of its node. */
export class KnownNode {
  readonly row: Omit<Row, 'itemCount' | 'scopedCount' | 'droppedSeq' | 'seenType' | keyof Past>
  /** The one step up. XEP-0496 */
  readonly relation: RelationRow | undefined
  readonly #affiliations = new Map<string, Affiliation>()
  #seenType: string | null
  #items: number
  #scoped: number
  #dropped: number
  #past: Past

  constructor(
    { itemCount, scopedCount, droppedSeq, seenType, pastCount, prunedCount, prunedSeq, archiveCut, ...row }: Row,
    relation: RelationRow | undefined,
  ) {
    this.row = row
    this.relation = relation
    this.#items = itemCount
    this.#scoped = scopedCount
    this.#dropped = droppedSeq
    this.#past = { pastCount, prunedCount, prunedSeq, archiveCut }
    this.#seenType = seenType
  }

  get id(): number {
    return this.row.id
  }

  get itemCount(): number {
    return this.#items
  }

  get past(): Past {
    return this.#past
  }

  get pastCount(): number {
    return this.#past.pastCount
  }

  get prunedSeq(): number {
    return this.#past.prunedSeq
  }

  get purgeOffline(): boolean {
    return this.row.purgeOffline
  }

  get hasAttachments(): boolean {
    return this.row.hasAttachments
  }

  /** Remembers the namespace of the first payload. @returns it when this was the first */
  see(tx: Tx, payloadNs: string | undefined): string | undefined {
    if (this.#seenType !== null || payloadNs === undefined) return undefined
    tx.use(queries).setSeenType.run({ node: this.id, seenType: payloadNs })
    this.#seenType = payloadNs
    tx.onRollback(() => {
      this.#seenType = null
    })
    return payloadNs
  }

  /** Counts items that came or went. */
  count(tx: Tx, items: number, scoped: number): void {
    this.#items += items
    this.#scoped += scoped
    this.#changed(tx, () => {
      this.#items -= items
      this.#scoped -= scoped
    })
  }

  /** The oldest items went, up to that one. */
  dropped(tx: Tx, seq: number): void {
    const before = this.#dropped
    this.#dropped = seq
    this.#changed(tx, () => {
      this.#dropped = before
    })
  }

  setPast(tx: Tx, past: Past): void {
    const before = this.#past
    if (past === before) return
    this.#past = past
    this.#changed(tx, () => {
      this.#past = before
    })
  }

  writeCounts(tx: Tx): void {
    const counts = { items: this.#items, scoped: this.#scoped, dropped: this.#dropped, ...this.#past }
    tx.use(queries).setCounts.run({ node: this.id, ...counts })
  }

  #changed(tx: Tx, undo: () => void): void {
    const { uncounted } = tx.use(knownNodes)
    const isFirst = !uncounted.has(this)
    uncounted.add(this)
    tx.onRollback(() => {
      undo()
      if (isFirst) uncounted.delete(this)
    })
    tx.beforeCommit(writeCounts)
  }

  affiliationOf(tx: Tx, bareJid: string): Affiliation {
    const known = this.#affiliations.get(bareJid)
    if (known !== undefined) return known
    const found = tx.use(queries).affiliation.get({ node: this.id, bareJid })?.affiliation ?? 'none'
    if (this.#affiliations.size >= AFFILIATIONS_MAX) this.#affiliations.clear()
    this.#affiliations.set(bareJid, found)
    return found
  }
}

const knownNodes = () => ({
  byName: new Map<string, KnownNode>(),
  /** Their counts are not in the tables yet. */
  uncounted: new Set<KnownNode>(),
})

/** No service has a space in its address, so no two nodes share a name. */
function nameOf({ service, nodeId }: NodeRef): string {
  return `${service} ${nodeId}`
}

/** The node to publish to; undefined: there is none. */
export function knownNode(tx: Tx, ref: NodeRef): KnownNode | undefined {
  const { byName, uncounted } = tx.use(knownNodes)
  const name = nameOf(ref)
  const known = byName.get(name)
  if (known) return known
  const row = tx.use(queries).node.get({ service: ref.service, nodeId: ref.nodeId })
  if (!row) return undefined
  if (byName.size >= NODES_MAX) {
    for (const [oldest, node] of byName) {
      if (uncounted.has(node)) continue
      byName.delete(oldest)
      break
    }
  }
  const node = new KnownNode(row, relationOf(tx, row.id))
  byName.set(name, node)
  // It may have been made or changed in this very savepoint.
  tx.onRollback(() => byName.delete(name))
  return node
}

/** Its parents, the next one first. Each is known by itself, so what changes there is seen here. XEP-0496 §4.4 */
export function knownParents(tx: Tx, service: string, node: KnownNode): KnownNode[] {
  const parents: KnownNode[] = []
  for (let { relation } = node; relation; ) {
    const to = knownNode(tx, { service, nodeId: relation.node.nodeId })
    if (to && relation.kind === 'parent') parents.push(to)
    relation = to?.relation
  }
  return parents
}

/** Any other verb than a publish is about to read the node, and perhaps to change it. */
export function forget(tx: Tx, ref: NodeRef): void {
  const { byName } = tx.use(knownNodes)
  if (byName.size === 0) return
  const name = nameOf(ref)
  const node = byName.get(name)
  if (node) drop(tx, name, node)
}

/** An account is no more: it may have been affiliated anywhere. */
export function forgetAll(tx: Tx): void {
  for (const [name, node] of tx.use(knownNodes).byName) drop(tx, name, node)
}

function drop(tx: Tx, name: string, node: KnownNode): void {
  const { byName, uncounted } = tx.use(knownNodes)
  byName.delete(name)
  if (!uncounted.delete(node)) return
  node.writeCounts(tx)
  // The counts that earlier savepoints left to COMMIT go back to waiting for it.
  tx.onRollback(() => {
    byName.set(name, node)
    uncounted.add(node)
  })
}

function writeCounts(tx: Tx): void {
  const { uncounted } = tx.use(knownNodes)
  for (const node of uncounted) node.writeCounts(tx)
  uncounted.clear()
}
