/** Subscriptions in their table: read, added, approved, removed; a node counts its own. */

import { and, asc, count, eq, lte, sql } from 'drizzle-orm'
import type { Db, Tx } from '../../server/module/api.ts'
import { countSubscriptions, type NodeRow } from './queries.sqlite.ts'
import type { NodeRef, SubscriptionRecord } from './records.ts'
import { nodes, subscriptions } from './schema.sqlite.ts'
import { areSameOptions, DEFAULT_OPTIONS, endOf, type SubscriptionOptions } from './subscription-options.ts'

const ph = sql.placeholder

export type SubscriptionRow = typeof subscriptions.$inferSelect

const ofJid = and(eq(subscriptions.node, ph('node')), eq(subscriptions.jid, ph('jid')))
const one = and(ofJid, eq(subscriptions.subid, ph('subid')))
const inOrder = asc(sql`${subscriptions}.rowid`)

export const queries = (db: Db) => ({
  all: db
    .select({ subscription: subscriptions, service: nodes.service, nodeId: nodes.nodeId })
    .from(subscriptions)
    .innerJoin(nodes, eq(nodes.id, subscriptions.node))
    .orderBy(inOrder)
    .prepare(),
  ofJid: db.select().from(subscriptions).where(ofJid).orderBy(inOrder).prepare(),
  ofNode: db
    .select()
    .from(subscriptions)
    .where(eq(subscriptions.node, ph('node')))
    .prepare(),
  ofAccount: db
    .select()
    .from(subscriptions)
    .where(and(eq(subscriptions.bareJid, ph('bareJid')), eq(subscriptions.node, ph('node'))))
    .prepare(),
  countOf: db
    .select({ subscriptions: count() })
    .from(subscriptions)
    .where(eq(subscriptions.bareJid, ph('bareJid')))
    .prepare(),
  nodesOf: db
    .selectDistinct({ node: nodes })
    .from(nodes)
    .innerJoin(subscriptions, eq(subscriptions.node, nodes.id))
    .where(eq(subscriptions.bareJid, ph('bareJid')))
    .prepare(),
  ending: db
    .select({ subscription: subscriptions, node: nodes })
    .from(subscriptions)
    .innerJoin(nodes, eq(subscriptions.node, nodes.id))
    .where(lte(subscriptions.expiresAt, ph('now')))
    .limit(ph('max'))
    .prepare(),
  insert: db
    .insert(subscriptions)
    .values({
      node: ph('node'),
      jid: ph('jid'),
      bareJid: ph('bareJid'),
      address: ph('address'),
      subid: ph('subid'),
      state: ph('state'),
      isPublic: ph('isPublic'),
      publicSince: ph('publicSince'),
      options: ph('options'),
      expiresAt: ph('expiresAt'),
    })
    .prepare(),
  move: db
    .update(subscriptions)
    .set({
      address: sql`${ph('address')}`,
      isPublic: sql`${ph('isPublic')}`,
      publicSince: sql`${ph('publicSince')}`,
    })
    .where(one)
    .prepare(),
  approve: db
    .update(subscriptions)
    .set({ state: 'subscribed', publicSince: sql`${ph('publicSince')}` })
    .where(one)
    .prepare(),
  // drizzle types a placeholder in set() as no value of the column, although it fills it in like any other.
  setOptions: db
    .update(subscriptions)
    .set({ options: ph('options'), expiresAt: ph('expiresAt') } as never)
    .where(one)
    .prepare(),
  delete: db.delete(subscriptions).where(one).prepare(),
})

export function recordOf({ service, nodeId }: NodeRef, row: SubscriptionRow): SubscriptionRecord {
  const { jid, bareJid, address, subid, state, isPublic } = row
  const publicSince = row.publicSince ?? undefined
  return { service, nodeId, jid, bareJid, address, subid, state, isPublic, publicSince, options: optionsOf(row) }
}

/** An option that is newer than its subscription has its default. */
export function optionsOf({ options }: Pick<SubscriptionRow, 'options'>): SubscriptionOptions {
  return options ? { ...DEFAULT_OPTIONS, ...options } : DEFAULT_OPTIONS
}

/** Every subscription there is, oldest first, for the copy in memory. */
export function allSubscriptions(tx: Tx): SubscriptionRecord[] {
  const rows = tx.use(queries).all.all()
  return rows.map(({ subscription, ...ref }) => recordOf(ref, subscription))
}

export function columnsOf(options: SubscriptionOptions): Pick<SubscriptionRow, 'options' | 'expiresAt'> {
  const isDefault = options.expire === undefined && areSameOptions(options, DEFAULT_OPTIONS)
  return { options: isDefault ? null : options, expiresAt: endOf(options) ?? null }
}

export function addSubscription(tx: Tx, node: NodeRow, subscription: SubscriptionRecord): void {
  const { jid, bareJid, address, subid, state, isPublic, publicSince = null, options } = subscription
  const columns = { ...columnsOf(options), publicSince }
  tx.use(queries).insert.run({ node: node.id, jid, bareJid, address, subid, state, isPublic, ...columns })
  countSubscriptions(tx, node.id, 1)
}

export function removeSubscription(tx: Tx, node: NodeRow, row: SubscriptionRow): SubscriptionRecord {
  tx.use(queries).delete.run({ node: node.id, jid: row.jid, subid: row.subid })
  countSubscriptions(tx, node.id, -1)
  return recordOf(node, row)
}

export function approve(tx: Tx, node: NodeRow, row: SubscriptionRow): SubscriptionRecord {
  const publicSince = row.isPublic ? tx.now : null
  tx.use(queries).approve.run({ node: node.id, jid: row.jid, subid: row.subid, publicSince })
  return recordOf(node, { ...row, state: 'subscribed', publicSince })
}
