/** Where nodes are now that were deleted with the address of another, on SQLite. XEP-0060 §6.1.3.11, §8.4. */

import { and, desc, eq, lt, sql } from 'drizzle-orm'
import { type Db, Refusal, type Tx } from '../../server/module/api.ts'
import { REFUSAL_PREFIX } from './errors.ts'
import { findNode, type NodeRow, refuse } from './queries.sqlite.ts'
import type { NodeRef } from './records.ts'
import { moved } from './schema.sqlite.ts'
import type { Redirect } from './store.ts'

const ph = sql.placeholder

const atNode = and(eq(moved.service, ph('service')), eq(moved.nodeId, ph('nodeId')))

const queries = (db: Db) => ({
  insert: db
    .insert(moved)
    .values({ service: ph('service'), nodeId: ph('nodeId'), uri: ph('uri') })
    .prepare(),
  of: db.select({ uri: moved.uri }).from(moved).where(atNode).prepare(),
  /** The newest that is one too many. */
  beyond: db
    .select({ id: moved.id })
    .from(moved)
    .where(eq(moved.service, ph('service')))
    .orderBy(desc(moved.id))
    .limit(1)
    .offset(ph('max'))
    .prepare(),
  forgetUpTo: db
    .delete(moved)
    .where(and(eq(moved.service, ph('service')), lt(moved.id, ph('end'))))
    .prepare(),
  forget: db.delete(moved).where(atNode).prepare(),
  forgetService: db
    .delete(moved)
    .where(eq(moved.service, ph('service')))
    .prepare(),
})

/** A node is deleted. What not everybody was let know is not told to everybody now. */
export function rememberMoved(tx: Tx, node: NodeRow, { uri, keptMax }: Redirect, isBelow: boolean): void {
  const isTold = node.accessModel !== 'whitelist' && node.accessModel !== 'roster' && !isBelow
  if (!isTold) return
  const q = tx.use(queries)
  const { service, nodeId } = node
  q.insert.run({ service, nodeId, uri })
  const beyond = q.beyond.get({ service, max: keptMax })
  if (beyond) q.forgetUpTo.run({ service, end: beyond.id + 1 })
}

/** A node of that name is made. */
export function forgetMoved(tx: Tx, { service, nodeId }: NodeRef): void {
  tx.use(queries).forget.run({ service, nodeId })
}

/** An account is no more. */
export function forgetAllMoved(tx: Tx, service: string): void {
  tx.use(queries).forgetService.run({ service })
}

/** The node to subscribe to. @throws Refusal nodeNotFound, or nodeMoved with its new address */
export function nodeToSubscribe(tx: Tx, ref: NodeRef): NodeRow {
  const node = findNode(tx, ref)
  if (node) return node
  const to = tx.use(queries).of.get({ service: ref.service, nodeId: ref.nodeId })
  if (to) throw new Refusal(`${REFUSAL_PREFIX}nodeMoved`, '', { uri: to.uri })
  return refuse('nodeNotFound')
}
