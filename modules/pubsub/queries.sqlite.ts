/** What the verbs of pubsub's store share on SQLite: rows and records, the node of a request, who the actor is there. */

import { type AnyColumn, and, count, eq, type SQL, sql } from 'drizzle-orm'
import { type Db, Refusal, type Tx } from '../../server/module/api.ts'
import { targetOf } from './attachment-names.ts'
import { type PubsubErrorKey, REFUSAL_PREFIX } from './errors.ts'
import { forget, type Past } from './known-nodes.sqlite.ts'
import type { NodeConfig } from './node-config.ts'
import { parentsOf } from './parents.sqlite.ts'
import type { Actor, NodeRecord, NodeRef } from './records.ts'
import { type Affiliation, affiliationAt, type Standing, type Verdict } from './rules.ts'
import { affiliations, nodes, subscriptions } from './schema.sqlite.ts'

export type NodeRow = typeof nodes.$inferSelect

const ph = sql.placeholder

const named = and(eq(nodes.service, ph('service')), eq(nodes.nodeId, ph('nodeId')))

/** Prepared once per connection. */
const queries = (db: Db) => ({
  node: db.select().from(nodes).where(named).prepare(),
  reading: db
    .select({
      id: nodes.id,
      itemCount: nodes.itemCount,
      scopedCount: nodes.scopedCount,
      droppedSeq: nodes.droppedSeq,
      pastCount: nodes.pastCount,
      prunedCount: nodes.prunedCount,
      prunedSeq: nodes.prunedSeq,
      archiveCut: nodes.archiveCut,
    })
    .from(nodes)
    .where(named)
    .prepare(),
  affiliation: db
    .select({ affiliation: affiliations.affiliation })
    .from(affiliations)
    .where(and(eq(affiliations.node, ph('node')), eq(affiliations.bareJid, ph('bareJid'))))
    .prepare(),
  ownerCount: db
    .select({ owners: count() })
    .from(affiliations)
    .where(and(eq(affiliations.node, ph('node')), eq(affiliations.affiliation, 'owner')))
    .prepare(),
  subscribed: db
    .select({ jid: subscriptions.jid })
    .from(subscriptions)
    .where(
      and(
        eq(subscriptions.bareJid, ph('bareJid')),
        eq(subscriptions.node, ph('node')),
        eq(subscriptions.state, 'subscribed'),
      ),
    )
    .limit(1)
    .prepare(),
  countSubscriptions: db
    .update(nodes)
    .set({ subscriptionCount: plus(nodes.subscriptionCount, 'by') })
    .where(eq(nodes.id, ph('node')))
    .prepare(),
})

/** `column + :name`, to change a count in place. */
export function plus(column: AnyColumn, name: string): SQL {
  return sql`${column} + ${ph(name)}`
}

/** Refuses by a key of errors.ts. */
export function refuse(key: PubsubErrorKey, text?: string): never {
  throw new Refusal(`${REFUSAL_PREFIX}${key}`, text)
}

/** Refuses when the verdict says so. */
export function enforce(verdict: Verdict): void {
  if (verdict) refuse(verdict)
}

/** @throws Refusal nodeNotFound */
export function nodeOf(tx: Tx, ref: NodeRef): NodeRow {
  return findNode(tx, ref) ?? refuse('nodeNotFound')
}

export function findNode(tx: Tx, ref: NodeRef): NodeRow | undefined {
  forget(tx, ref)
  return readNode(tx, ref)
}

/** Only to look at its configuration: the counts may be those of before this transaction. */
export function readNode(tx: Tx, { service, nodeId }: NodeRef): NodeRow | undefined {
  return tx.use(queries).node.get({ service, nodeId })
}

/** What a read of items needs of their node, where no write is under way. */
export type ReadNode = Pick<NodeRow, 'id' | 'itemCount' | 'scopedCount' | 'droppedSeq' | keyof Past>

/** @throws Refusal nodeNotFound */
export function readingOf(tx: Tx, { service, nodeId }: NodeRef): ReadNode {
  return tx.use(queries).reading.get({ service, nodeId }) ?? refuse('nodeNotFound')
}

export function affiliationOf(tx: Tx, node: number, bareJid: string): Affiliation {
  return tx.use(queries).affiliation.get({ node, bareJid })?.affiliation ?? 'none'
}

export function isLastOwner(tx: Tx, node: number, affiliation: Affiliation): boolean {
  return affiliation === 'owner' && (tx.use(queries).ownerCount.get({ node })?.owners ?? 0) <= 1
}

type Named = Pick<NodeRow, 'id' | 'service'> & { readonly target?: number | null }

/** The node whose affiliations and subscriptions hold: what one is at a node, one is at what is about it. XEP-0470 */
export function ruledBy({ id, target }: Pick<Named, 'id' | 'target'>): number {
  return target ?? id
}

/** What the actor is at the node and at its parents. */
export function standingOf(tx: Tx, { id, service, target }: Named, actor: Actor): Standing {
  const node = { id: target ?? id, service }
  return standingAt(tx, node, actor, affiliationOf(tx, node.id, actor.bareJid), () =>
    parentsOf(tx, node.id).map((parent) => ({ config: parent, standing: standingAt(tx, parent, actor) })),
  )
}

/** The same of who knows the affiliation, and how to find the parents. */
export function standingAt(
  tx: Tx,
  { id, service }: Named,
  actor: Actor,
  affiliation = affiliationOf(tx, id, actor.bareJid),
  parents?: () => Standing['parents'],
): Standing {
  return new StoredStanding(tx, id, actor, affiliationAt(service, actor.bareJid, affiliation), parents)
}

/** Subscription and parents are read only where a rule asks: most do not. */
class StoredStanding implements Standing {
  readonly affiliation: Affiliation
  readonly isAdmin: boolean
  readonly relation: Actor['relation']
  readonly #tx: Tx
  readonly #node: number
  readonly #bareJid: string
  readonly #parents: (() => Standing['parents']) | undefined

  constructor(
    tx: Tx,
    node: number,
    { bareJid, isAdmin, relation }: Actor,
    affiliation: Affiliation,
    parents: (() => Standing['parents']) | undefined,
  ) {
    this.affiliation = affiliation
    this.isAdmin = isAdmin
    this.relation = relation
    this.#tx = tx
    this.#node = node
    this.#bareJid = bareJid
    this.#parents = parents
  }

  get isSubscribed(): boolean {
    return this.#tx.use(queries).subscribed.get({ node: this.#node, bareJid: this.#bareJid }) !== undefined
  }

  get parents(): Standing['parents'] {
    return this.#parents?.()
  }
}

export function countSubscriptions(tx: Tx, node: number, by: number): void {
  tx.use(queries).countSubscriptions.run({ node, by })
}

export function configOf(row: Pick<NodeRow, keyof NodeConfig>): NodeConfig {
  const { title, description, type, accessModel, publishModel, persistItems, maxPayloadBytes, subscribe } = row
  const { deliverNotifications, deliverPayloads, notifyConfig, notifyDelete, notifyRetract } = row
  const { notificationType, itemReply, sendLastItem, language, contact, publishNodeFull, notifySub } = row
  return {
    title,
    description,
    type,
    accessModel,
    publishModel,
    persistItems,
    maxItems: row.maxItems ?? 'max',
    maxPayloadBytes,
    subscribe,
    deliverNotifications,
    deliverPayloads,
    notifyConfig,
    notifyDelete,
    notifyRetract,
    notificationType,
    itemReply,
    sendLastItem,
    language,
    contact,
    itemExpireSeconds: row.itemExpireSeconds ?? 'max',
    publishNodeFull,
    notifySub,
    presenceBasedDelivery: row.presenceBasedDelivery,
    tempSub: row.tempSub,
    purgeOffline: row.purgeOffline,
    dataformXslt: row.dataformXslt,
    alwaysNotify: row.alwaysNotify,
    allowedForSuggestions: row.allowedForSuggestions,
    nodeType: row.nodeType,
    childrenPolicy: row.childrenPolicy,
    childrenWhitelist: row.childrenWhitelist,
    childrenMax: row.childrenMax ?? 'max',
    rosterGroupsAllowed: row.rosterGroupsAllowed,
  }
}

/** Options that are numbers or `max`: null in their columns. */
type Unbounded = 'maxItems' | 'itemExpireSeconds' | 'childrenMax'

/** The columns of a configuration. */
export function configColumns(config: NodeConfig): Omit<NodeConfig, Unbounded> & Record<Unbounded, number | null> {
  const { maxItems, itemExpireSeconds, childrenMax } = config
  const columnOf = (value: number | 'max') => (value === 'max' ? null : value)
  return {
    ...config,
    maxItems: columnOf(maxItems),
    itemExpireSeconds: columnOf(itemExpireSeconds),
    childrenMax: columnOf(childrenMax),
  }
}

type RecordRow = Pick<NodeRow, 'service' | 'nodeId' | 'creator' | 'createdAt' | 'seenType' | 'target'>

export function recordOf(row: NodeRow): NodeRecord {
  return recordWith(configOf(row), row)
}

/** @param config  of that node, read otherwise */
export function recordWith(config: NodeConfig, row: RecordRow): NodeRecord {
  const { service, nodeId, creator, createdAt } = row
  const target = row.target === null ? undefined : targetOf(nodeId)
  return { service, nodeId, creator, createdAt, config, seenType: row.seenType ?? undefined, ...(target && { target }) }
}
