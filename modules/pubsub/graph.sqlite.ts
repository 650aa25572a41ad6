/** Collections on SQLite: which node is in which. Within a service, and without a cycle. XEP-0248 §4.1, §7.2, §7.5, §7.6. */

import { aliasedTable, and, asc, count, eq, sql } from 'drizzle-orm'
import type { Db, Tx } from '../../server/module/api.ts'
import { enforce, type NodeRow, nodeOf, refuse, standingOf } from './queries.sqlite.ts'
import type { Actor, LinkRecord } from './records.ts'
import { mayAssociate, mayManage } from './rules.ts'
import { links, nodes } from './schema.sqlite.ts'
import type { LinkBounds, PubsubStore } from './store.ts'

const ph = sql.placeholder

const parents = aliasedTable(nodes, 'parents')
const children = aliasedTable(nodes, 'children')

const ofParent = eq(links.parent, ph('node'))
const ofChild = eq(links.child, ph('node'))
const one = and(eq(links.parent, ph('parent')), eq(links.child, ph('child')))

const queries = (db: Db) => ({
  all: db
    .select({ service: parents.service, parent: parents.nodeId, child: children.nodeId })
    .from(links)
    .innerJoin(parents, eq(parents.id, links.parent))
    .innerJoin(children, eq(children.id, links.child))
    .orderBy(asc(sql`${links}.rowid`))
    .prepare(),
  parentsOf: db.select({ id: links.parent }).from(links).where(ofChild).prepare(),
  parentNodesOf: db
    .select({ node: nodes })
    .from(links)
    .innerJoin(nodes, eq(nodes.id, links.parent))
    .where(ofChild)
    .prepare(),
  childNodesOf: db
    .select({ node: nodes })
    .from(links)
    .innerJoin(nodes, eq(nodes.id, links.child))
    .where(ofParent)
    .prepare(),
  childCount: db.select({ nodes: count() }).from(links).where(ofParent).prepare(),
  has: db.select({ child: links.child }).from(links).where(one).prepare(),
  insert: db
    .insert(links)
    .values({ parent: ph('parent'), child: ph('child') })
    .prepare(),
  delete: db.delete(links).where(one).prepare(),
})

/** Every link there is, oldest first, for the copy in memory. */
export function allLinks(tx: Tx): LinkRecord[] {
  return tx.use(queries).all.all()
}

/** The NodeIDs of the collections that a node is in. */
export function collectionsOf(tx: Tx, node: number): string[] {
  return tx
    .use(queries)
    .parentNodesOf.all({ node })
    .map((row) => row.node.nodeId)
}

/** Does the one stand above the other, or is it the other? */
function isAbove(tx: Tx, upper: NodeRow, lower: NodeRow): boolean {
  const seen = new Set<number>([lower.id])
  for (const id of seen) {
    if (id === upper.id) return true
    // A set is walked to its end, what is added on the way too.
    for (const parent of tx.use(queries).parentsOf.all({ node: id })) seen.add(parent.id)
  }
  return false
}

function recordOf(parent: NodeRow, child: NodeRow): LinkRecord {
  return { service: parent.service, parent: parent.nodeId, child: child.nodeId }
}

/** Both sides have a say: who owns the node, and whom the collection lets put nodes into it. */
function link(tx: Tx, actor: Actor, parent: NodeRow, child: NodeRow, bounds: LinkBounds): LinkRecord {
  const q = tx.use(queries)
  const isListed = parent.childrenWhitelist.split('\n').includes(actor.bareJid)
  enforce(mayAssociate(parent, standingOf(tx, parent, actor), isListed))
  if (child.target !== null) refuse('mayNotAssociate', `${child.nodeId} stands beside what it is about`) // XEP-0470
  if (mayManage(standingOf(tx, child, actor))) refuse('mayNotAssociate', `${child.nodeId} is not yours`)
  if (isAbove(tx, child, parent)) refuse('cycle', `${parent.nodeId} is in ${child.nodeId}`)
  const childrenMax = Math.min(parent.childrenMax ?? bounds.childrenMax, bounds.childrenMax)
  const held = q.childCount.get({ node: parent.id })?.nodes ?? 0
  if (held >= childrenMax) refuse('tooManyAssociated', `${parent.nodeId} holds ${childrenMax} nodes`)
  if (q.parentsOf.all({ node: child.id }).length >= bounds.parentsMax)
    refuse('tooManyAssociated', `a node is in ${bounds.parentsMax} collections at most`)
  q.insert.run({ parent: parent.id, child: child.id })
  return recordOf(parent, child)
}

function unlink(tx: Tx, parent: NodeRow, child: NodeRow): LinkRecord {
  tx.use(queries).delete.run({ parent: parent.id, child: child.id })
  return recordOf(parent, child)
}

/** What is wanted beside what is there. */
function difference(there: readonly NodeRow[], wanted: readonly string[] | undefined) {
  const missing = wanted?.filter((nodeId) => !there.some((row) => row.nodeId === nodeId)) ?? []
  return { missing, surplus: wanted ? there.filter(({ nodeId }) => !wanted.includes(nodeId)) : [] }
}

export const relink: PubsubStore['relink'] = {
  name: 'pubsub.relink',
  kind: 'write',
  run(tx, { service, nodeId, actor, links: wanted, ...bounds }) {
    const node = nodeOf(tx, { service, nodeId })
    enforce(mayManage(standingOf(tx, node, actor)))
    if (wanted.children?.length && node.nodeType === 'leaf') refuse('notACollection')
    const q = tx.use(queries)
    const rowsOf = (rows: readonly { readonly node: NodeRow }[]) => rows.map((row) => row.node)
    const above = difference(rowsOf(q.parentNodesOf.all({ node: node.id })), wanted.parents)
    const below = difference(rowsOf(q.childNodesOf.all({ node: node.id })), wanted.children)
    // What goes makes room for what comes.
    const removed = [
      ...above.surplus.map((parent) => unlink(tx, parent, node)),
      ...below.surplus.map((child) => unlink(tx, node, child)),
    ]
    const rowOf = (id: string) => nodeOf(tx, { service, nodeId: id })
    const added = [
      ...above.missing.map((parent) => link(tx, actor, rowOf(parent), node, bounds)),
      ...below.missing.map((child) => link(tx, actor, node, rowOf(child), bounds)),
    ]
    return { added, removed }
  },
}

export const associate: PubsubStore['associate'] = {
  name: 'pubsub.associate',
  kind: 'write',
  run(tx, { service, parent, child, actor, ...bounds }) {
    const [upper, lower] = [nodeOf(tx, { service, nodeId: parent }), nodeOf(tx, { service, nodeId: child })]
    const isThere = tx.use(queries).has.get({ parent: upper.id, child: lower.id }) !== undefined
    return { added: isThere ? [] : [link(tx, actor, upper, lower, bounds)], removed: [] }
  },
}

export const dissociate: PubsubStore['dissociate'] = {
  name: 'pubsub.dissociate',
  kind: 'write',
  run(tx, { service, parent, child, actor }) {
    const [upper, lower] = [nodeOf(tx, { service, nodeId: parent }), nodeOf(tx, { service, nodeId: child })]
    const mayUnlink = [upper, lower].some((each) => mayManage(standingOf(tx, each, actor)) === undefined)
    if (!mayUnlink) refuse('mayNotAssociate', 'for owners of either node')
    if (!tx.use(queries).has.get({ parent: upper.id, child: lower.id })) refuse('notAssociated')
    return { added: [], removed: [unlink(tx, upper, lower)] }
  },
}
