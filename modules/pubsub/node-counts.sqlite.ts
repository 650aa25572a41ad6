/**
 * How many nodes were made at a service, as the storage worker knows without counting them again. XEP-0060 §8.1.1
 *
 * A service is counted once, before the first change there: so a count is true before that change, each change is undone
 * with its savepoint, and what is known is what is on disk.
 */

import { and, count, eq, ne, notBetween, notLike, sql } from 'drizzle-orm'
import type { Db, Tx } from '../../server/module/api.ts'
import { ATTACHMENT_NAMES, isKept, SUMMARY_NAMES } from './attachment-names.ts'
import { isPublicList, SUBSCRIBERS_PREFIX, SUBSCRIPTIONS_LIST } from './public-names.ts'
import { type NodeRef, ROOT_ID } from './records.ts'
import { nodes } from './schema.sqlite.ts'

/** Services known at most: the one known longest goes. About 100 bytes each. */
const SERVICES_MAX = 10_000

const queries = (db: Db) => ({
  count: db
    .select({ nodes: count() })
    .from(nodes)
    // By their names: the index has those. The same as isCounted.
    .where(
      and(
        eq(nodes.service, sql.placeholder('service')),
        ne(nodes.nodeId, ROOT_ID),
        ne(nodes.nodeId, SUBSCRIPTIONS_LIST),
        notLike(nodes.nodeId, `${SUBSCRIBERS_PREFIX}%`),
        notBetween(nodes.nodeId, ...ATTACHMENT_NAMES),
        notBetween(nodes.nodeId, ...SUMMARY_NAMES),
      ),
    )
    .prepare(),
})

/**
 * The root is none that anybody made, nor are lists of public subscriptions: one per node and one per account; what is
 * about other nodes has a limit of its own.
 */
function isCounted(nodeId: string): boolean {
  return nodeId !== ROOT_ID && !isPublicList(nodeId) && !isKept(nodeId)
}

const counts = () => new Map<string, number>()

export function nodeCount(tx: Tx, service: string): number {
  const known = tx.use(counts)
  const kept = known.get(service)
  if (kept !== undefined) return kept
  const found = tx.use(queries).count.get({ service })?.nodes ?? 0
  const [oldest] = known.size >= SERVICES_MAX ? known.keys() : []
  if (oldest !== undefined) known.delete(oldest)
  known.set(service, found)
  return found
}

/** A node is about to be made, or to go: 1 or -1. */
export function countNode(tx: Tx, { service, nodeId }: NodeRef, by: number): void {
  if (!isCounted(nodeId)) return
  const known = tx.use(counts)
  known.set(service, nodeCount(tx, service) + by)
  tx.onRollback(() => {
    const now = known.get(service)
    if (now !== undefined) known.set(service, now - by)
  })
}

/** All nodes of a service are about to go. */
export function forgetCount(tx: Tx, service: string): void {
  const known = tx.use(counts)
  const before = known.get(service)
  known.delete(service)
  tx.onRollback(() => {
    if (before === undefined) known.delete(service)
    else known.set(service, before)
  })
}
