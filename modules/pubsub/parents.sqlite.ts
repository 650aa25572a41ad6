/** What a node belongs to, and what belongs to it, on SQLite. XEP-0496 */

import { asc, eq, sql } from 'drizzle-orm'
import type { Db, Tx } from '../../server/module/api.ts'
import type { NodeRef } from './records.ts'
import type { RelationshipKind } from './relationship-fields.ts'
import { nodes, relations } from './schema.sqlite.ts'

const ph = sql.placeholder

const related = {
  id: nodes.id,
  service: nodes.service,
  nodeId: nodes.nodeId,
  accessModel: nodes.accessModel,
  rosterGroupsAllowed: nodes.rosterGroupsAllowed,
  publishModel: nodes.publishModel,
}

const queries = (db: Db) => ({
  relation: db
    .select({ kind: relations.kind, node: related })
    .from(relations)
    .innerJoin(nodes, eq(nodes.id, relations.target))
    .where(eq(relations.node, ph('node')))
    .prepare(),
  below: db
    .select({ id: nodes.id, service: nodes.service, nodeId: nodes.nodeId })
    .from(relations)
    .innerJoin(nodes, eq(nodes.id, relations.node))
    .where(eq(relations.target, ph('node')))
    .orderBy(asc(relations.node))
    .prepare(),
})

export interface RelationRow {
  readonly kind: RelationshipKind
  readonly node: RelatedRow
}
export type RelatedRow = NonNullable<ReturnType<ReturnType<typeof queries>['relation']['get']>>['node']

/** The one step up; there is no node that both links and has a parent of its own. */
export function relationOf(tx: Tx, node: number): RelationRow | undefined {
  return tx.use(queries).relation.get({ node })
}

/** All steps up. */
export function* chainOf(tx: Tx, node: number): Generator<RelationRow> {
  for (let step = relationOf(tx, node); step; step = relationOf(tx, step.node.id)) yield step
}

/** The nodes that decide with this one who may use it, the next one first: a link leads to where its target stands. */
export function parentsOf(tx: Tx, node: number): RelatedRow[] {
  return [...chainOf(tx, node)].filter(({ kind }) => kind === 'parent').map((step) => step.node)
}

export interface BranchRow extends NodeRef {
  readonly id: number
  /** Steps down. */
  readonly depth: number
}

/** All that belong to a node, by whatever steps: nearer ones first. */
export function branchOf(tx: Tx, node: number): BranchRow[] {
  const found: BranchRow[] = []
  const below = (id: number, depth: number) =>
    tx
      .use(queries)
      .below.all({ node: id })
      .map((row) => ({ ...row, depth }))
  found.push(...below(node, 1))
  // A list is walked to its end, what is added on the way too.
  for (const each of found) found.push(...below(each.id, each.depth + 1))
  return found
}
