/**
 * Relationships of nodes on SQLite. XEP-0496 §4.
 *
 * A node is stored with one step up at most: the node that it links to, or its parent. The parent of a linking node is
 * that of its target, found when it is asked for, so that there is nothing to pass on when a target moves, and a cycle
 * of both kinds is a cycle of these steps.
 */

import { aliasedTable, asc, eq, sql } from 'drizzle-orm'
import type { Db, Tx } from '../../server/module/api.ts'
import { branchOf, chainOf, parentsOf, type RelatedRow, type RelationRow, relationOf } from './parents.sqlite.ts'
import { enforce, type NodeRow, nodeOf, refuse, standingOf } from './queries.sqlite.ts'
import type { NodeRef, RelationRecord } from './records.ts'
import {
  type RelationshipChanges,
  type RelationshipKind,
  type Relationships,
  UNRELATED,
} from './relationship-fields.ts'
import { mayManage, mayRelate } from './rules.ts'
import { nodes, relations } from './schema.sqlite.ts'
import type { PubsubStore, Relate } from './store.ts'

const ph = sql.placeholder

const targets = aliasedTable(nodes, 'targets')

const queries = (db: Db) => ({
  all: db
    .select({ service: nodes.service, nodeId: nodes.nodeId, kind: relations.kind, target: targets.nodeId })
    .from(relations)
    .innerJoin(nodes, eq(nodes.id, relations.node))
    .innerJoin(targets, eq(targets.id, relations.target))
    .orderBy(asc(relations.node))
    .prepare(),
  put: db
    .insert(relations)
    .values({ node: ph('node'), kind: ph('kind'), target: ph('target') })
    .onConflictDoUpdate({
      target: relations.node,
      set: { kind: sql`excluded.kind`, target: sql`excluded.target` },
    })
    .prepare(),
  remove: db
    .delete(relations)
    .where(eq(relations.node, ph('node')))
    .prepare(),
})

/** A node that the service makes beside another is linked to that, however deep it stands. XEP-0496 §6 */
export function linkBeside(tx: Tx, node: number, target: number): void {
  tx.use(queries).put.run({ node, kind: 'link', target })
}

/** Every relationship there is, for the copy in memory. */
export function allRelations(tx: Tx): RelationRecord[] {
  return tx.use(queries).all.all()
}

/** As forms tell them. */
export function relationshipsAt(tx: Tx, node: number): Relationships {
  const step = relationOf(tx, node)
  if (!step) return UNRELATED
  const link = step.kind === 'link' ? step.node.nodeId : ''
  return { link, parent: parentsOf(tx, node)[0]?.nodeId ?? '' }
}

export const relate: PubsubStore['relate'] = {
  name: 'pubsub.relate',
  kind: 'write',
  run(tx, { changes, ...request }) {
    const { service, nodeId, actor } = request
    const node = nodeOf(tx, { service, nodeId })
    enforce(mayManage(standingOf(tx, node, actor)))
    const before = relationOf(tx, node.id)
    const target = (id: string) => (id === '' ? undefined : targetOf(tx, { service, nodeId: id }))
    const link = target(changes.link ?? (before?.kind === 'link' ? before.node.nodeId : ''))
    if (link) {
      checkParent(tx, changes, before, link)
      move(tx, request, node.id, before, { kind: 'link', node: link })
      return { service, nodeId, relation: { service, nodeId, kind: 'link', target: link.nodeId } }
    }
    // Who links no more stays where it was.
    const parent = target(changes.parent ?? parentsOf(tx, node.id)[0]?.nodeId ?? '')
    move(tx, request, node.id, before, parent && { kind: 'parent', node: parent })
    return { service, nodeId, relation: parent && { service, nodeId, kind: 'parent', target: parent.nodeId } }
  },
}

/** Nothing belongs to what the service makes beside other nodes, and takes away again. XEP-0470 */
function targetOf(tx: Tx, ref: NodeRef): NodeRow {
  const target = nodeOf(tx, ref)
  if (target.target !== null) refuse('mayNotRelate', `${ref.nodeId} is the service's own`)
  return target
}

/** §4.2: a linking node has the parent of its target. To say so, as a form that is sent back whole does, sets nothing. */
function checkParent(
  tx: Tx,
  changes: RelationshipChanges,
  before: RelationRow | undefined,
  link: Pick<RelatedRow, 'id' | 'nodeId'>,
): void {
  const above = parentsOf(tx, link.id)[0]?.nodeId ?? ''
  const own = changes.parent ?? (before?.kind === 'parent' ? before.node.nodeId : above)
  const linksAlready = before?.kind === 'link' && before.node.id === link.id
  if (own === above || (own === '' && !linksAlready)) return
  refuse('parentFixed', `a linking node has the parent of ${link.nodeId}: ${above === '' ? 'none' : above}`)
}

function move(
  tx: Tx,
  { actor, depthMax }: Omit<Relate, 'changes'>,
  node: number,
  before: RelationRow | undefined,
  after: { readonly kind: RelationshipKind; readonly node: RelatedRow } | undefined,
): void {
  if (before?.kind === after?.kind && before?.node.id === after?.node.id) return
  if (!after) {
    tx.use(queries).remove.run({ node })
    return
  }
  const { kind, node: target } = after
  const isParentAlready = kind === 'parent' && parentsOf(tx, node)[0]?.id === target.id
  if (!isParentAlready) enforce(mayRelate(kind, target, standingOf(tx, target, actor)))
  const above = [...chainOf(tx, target.id)]
  if ([target, ...above.map((step) => step.node)].some(({ id }) => id === node))
    refuse('relationshipCycle', `${target.nodeId} is, or belongs to, this node`)
  const below = branchOf(tx, node).reduce((deepest, { depth }) => Math.max(deepest, depth), 0)
  if (above.length + 1 + below > depthMax)
    refuse('relationshipsTooDeep', `a branch is ${depthMax} relationships deep at most`)
  tx.use(queries).put.run({ node, kind, target: target.id })
}
