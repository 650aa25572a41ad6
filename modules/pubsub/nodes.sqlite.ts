/** Nodes on SQLite: made, configured, deleted. XEP-0060 §8.1, §8.2, §8.4. */

import { and, between, count, eq, getTableName, sql } from 'drizzle-orm'
import type { Db, Tx } from '../../server/module/api.ts'
import { ATTACHMENT_NAMES } from './attachment-names.ts'
import { relink } from './graph.sqlite.ts'
import { pruneItems, removeAll, removeNode, unsummarize } from './item-writes.sqlite.ts'
import { forget } from './known-nodes.sqlite.ts'
import { forgetMoved, rememberMoved } from './moved.sqlite.ts'
import { itemLimit, normalized } from './node-config.ts'
import { countNode, nodeCount } from './node-counts.sqlite.ts'
import { branchOf, parentsOf } from './parents.sqlite.ts'
import { archiving, clearPast } from './past-items.sqlite.ts'
import { subscribersListOf } from './public-names.ts'
import {
  configColumns,
  configOf,
  enforce,
  findNode,
  type NodeRow,
  nodeOf,
  recordOf,
  refuse,
  standingOf,
} from './queries.sqlite.ts'
import type { NodeRecord, SubscriptionRecord } from './records.ts'
import { linkBeside, relate } from './relations.sqlite.ts'
import { mayManage } from './rules.ts'
import { affiliations, items, nodes } from './schema.sqlite.ts'
import type { CreateNode, PubsubStore } from './store.ts'
import { reviewSubscriptions } from './subscription-ends.sqlite.ts'

const ph = sql.placeholder

/** What stands for a configuration in a query, by its columns. */
export const config = {
  title: ph('title'),
  description: ph('description'),
  type: ph('type'),
  accessModel: ph('accessModel'),
  publishModel: ph('publishModel'),
  persistItems: ph('persistItems'),
  maxItems: ph('maxItems'),
  maxPayloadBytes: ph('maxPayloadBytes'),
  subscribe: ph('subscribe'),
  deliverNotifications: ph('deliverNotifications'),
  deliverPayloads: ph('deliverPayloads'),
  notifyConfig: ph('notifyConfig'),
  notifyDelete: ph('notifyDelete'),
  notifyRetract: ph('notifyRetract'),
  notificationType: ph('notificationType'),
  itemReply: ph('itemReply'),
  sendLastItem: ph('sendLastItem'),
  language: ph('language'),
  contact: ph('contact'),
  itemExpireSeconds: ph('itemExpireSeconds'),
  publishNodeFull: ph('publishNodeFull'),
  notifySub: ph('notifySub'),
  presenceBasedDelivery: ph('presenceBasedDelivery'),
  tempSub: ph('tempSub'),
  purgeOffline: ph('purgeOffline'),
  dataformXslt: ph('dataformXslt'),
  alwaysNotify: ph('alwaysNotify'),
  allowedForSuggestions: ph('allowedForSuggestions'),
  nodeType: ph('nodeType'),
  childrenPolicy: ph('childrenPolicy'),
  childrenWhitelist: ph('childrenWhitelist'),
  childrenMax: ph('childrenMax'),
  rosterGroupsAllowed: ph('rosterGroupsAllowed'),
}

const queries = (db: Db) => ({
  attachmentNodes: db
    .select({ nodes: count() })
    .from(nodes)
    .where(and(eq(nodes.service, ph('service')), between(nodes.nodeId, ...ATTACHMENT_NAMES)))
    .prepare(),
  insert: db
    .insert(nodes)
    .values({
      service: ph('service'),
      nodeId: ph('nodeId'),
      creator: ph('creator'),
      createdAt: ph('createdAt'),
      // A place of before is none here: a node of that name may have been there.
      droppedSeq: sql`coalesce((select seq from sqlite_sequence where name = ${getTableName(items)}), 0) + 1`,
      target: ph('target'),
      targetItem: ph('targetItem'),
      ...config,
    })
    .returning()
    .prepare(),
  // drizzle types a placeholder in set() as no value of the column, although it fills it in like any other.
  configure: db
    .update(nodes)
    .set(config as never)
    .where(eq(nodes.id, ph('id')))
    .returning()
    .prepare(),
  /** What is about a node is for whom that is; typed as above. XEP-0470 §4.3 */
  follow: db
    .update(nodes)
    .set({
      accessModel: ph('accessModel'),
      publishModel: ph('publishModel'),
      rosterGroupsAllowed: ph('groups'),
    } as never)
    .where(eq(nodes.target, ph('id')))
    .returning()
    .prepare(),
  hasAttachments: db
    .update(nodes)
    .set({ hasAttachments: true })
    .where(eq(nodes.id, ph('id')))
    .prepare(),
  addOwner: db
    .insert(affiliations)
    .values({ node: ph('node'), bareJid: ph('bareJid'), affiliation: 'owner' })
    .prepare(),
})

function insertNode(
  tx: Tx,
  node: Omit<CreateNode, 'nodesMax'>,
  about: Pick<NodeRow, 'target' | 'targetItem'> = { target: null, targetItem: null },
): NodeRow {
  const { service, nodeId, creator } = node
  countNode(tx, node, 1)
  forgetMoved(tx, node)
  const columns = { ...configColumns(normalized(node.config)), ...about }
  return tx.use(queries).insert.get({ service, nodeId, creator, createdAt: tx.now, ...columns })
}

/** A node that is about another, which says who may read and publish. XEP-0470 §4.3, §4.6. */
export function makeBeside(
  tx: Tx,
  target: NodeRow,
  targetItem: string | null,
  node: Omit<CreateNode, 'nodesMax'>,
): NodeRow {
  const { accessModel, publishModel, rosterGroupsAllowed } = target
  const config = { ...node.config, accessModel, publishModel, rosterGroupsAllowed }
  // The summary comes first.
  if (targetItem === null) {
    forget(tx, target)
    tx.use(queries).hasAttachments.run({ id: target.id })
  }
  const row = insertNode(tx, { ...node, config }, { target: target.id, targetItem })
  linkBeside(tx, row.id, target.id)
  return row
}

/** How many items of a service have attachments. */
export function attachmentNodes(tx: Tx, service: string): number {
  return tx.use(queries).attachmentNodes.get({ service })?.nodes ?? 0
}

/** Who may read and publish at a node changed: so it did at what is about it. XEP-0470 §4.3. */
function follow(tx: Tx, before: NodeRow, target: NodeRow): SubscriptionRecord[] {
  const { accessModel, publishModel, rosterGroupsAllowed: groups } = target
  const isSame =
    accessModel === before.accessModel && publishModel === before.publishModel && groups === before.rosterGroupsAllowed
  if (!target.hasAttachments || isSame) return []
  const rows = tx.use(queries).follow.all({ id: target.id, accessModel, publishModel, groups })
  for (const row of rows) forget(tx, row)
  if (accessModel === before.accessModel) return []
  return rows.flatMap((row) => (row.subscriptionCount > 0 ? reviewSubscriptions(tx, row).ended : []))
}

export const createNode: PubsubStore['createNode'] = {
  name: 'pubsub.createNode',
  kind: 'write',
  run(tx, node) {
    if (findNode(tx, node)) refuse('nodeExists')
    return newNode(tx, node)
  },
}

export const createMissing: PubsubStore['createMissing'] = {
  name: 'pubsub.createMissing',
  kind: 'write',
  run(tx, { actor, place: { links, relationships }, childrenMax, parentsMax, depthMax, ...node }) {
    if (findNode(tx, node)) return undefined
    const { service, nodeId } = node
    const request = { service, nodeId, actor }
    return {
      node: newNode(tx, node),
      relinked: links.parents
        ? relink.run(tx, { ...request, links, childrenMax, parentsMax })
        : { added: [], removed: [] },
      related:
        Object.keys(relationships).length === 0
          ? undefined
          : relate.run(tx, { ...request, changes: relationships, depthMax }),
    }
  },
}

function newNode(tx: Tx, node: CreateNode): NodeRecord {
  if (nodeCount(tx, node.service) >= node.nodesMax) refuse('tooManyNodes')
  const row = insertNode(tx, node)
  tx.use(queries).addOwner.run({ node: row.id, bareJid: node.creator })
  return recordOf(row)
}

export const ensureNode: PubsubStore['ensureNode'] = {
  name: 'pubsub.ensureNode',
  kind: 'write',
  run(tx, node) {
    const existing = findNode(tx, node)
    if (!existing) return recordOf(insertNode(tx, node))
    return recordOf(tx.use(queries).configure.get({ id: existing.id, ...configColumns(node.config) }) ?? existing)
  },
}

export const configureNode: PubsubStore['configureNode'] = {
  name: 'pubsub.configureNode',
  kind: 'write',
  run(tx, { actor, changes, itemsMax, archiveMax, ...ref }) {
    const before = nodeOf(tx, ref)
    enforce(mayManage(standingOf(tx, before, actor)))
    const config = normalized({ ...configOf(before), ...changes })
    // XEP-0248 §7.2.3.4, §7.2.4: a leaf may become a collection
    if (before.nodeType === 'collection' && config.nodeType === 'leaf') refuse('nodeTypeFixed')
    // As that has no items any more, so has a node that is to keep none: else they would be back with the option.
    const isPurged = before.persistItems && !config.persistItems
    const row = tx.use(queries).configure.get({ id: before.id, ...configColumns(config) }) ?? before
    const hasNewAccess = config.accessModel !== before.accessModel
    if (isPurged) removeAll(tx, row, 'nothing')
    // What goes with its publisher is in no archive either.
    if (config.purgeOffline && !before.purgeOffline) clearPast(tx, row)
    return archiving(tx, { archiveMax }, () => ({
      node: recordOf(row),
      ...(hasNewAccess ? reviewSubscriptions(tx, row) : { ended: [], approved: [] }),
      endedBeside: follow(tx, before, row),
      pruned: isPurged ? [] : pruneItems(tx, nodeOf(tx, ref), itemLimit(config.maxItems, itemsMax)),
      isPurged: isPurged && before.itemCount > 0,
    }))
  },
}

export const deleteNode: PubsubStore['deleteNode'] = {
  name: 'pubsub.deleteNode',
  kind: 'write',
  run(tx, request) {
    const node = nodeOf(tx, request)
    enforce(mayManage(standingOf(tx, node, request.actor)))
    // XEP-0496 §4.3, §4.4: whoever owns them
    const branch = [node, ...branchOf(tx, node.id)]
    const isBelow = parentsOf(tx, node.id).length > 0
    for (const each of branch) {
      const list = findNode(tx, subscribersListOf(each))
      if (list) removeNode(tx, list)
      // Items, subscriptions and affiliations go with their node.
      removeNode(tx, each)
    }
    if (request.redirect) rememberMoved(tx, node, request.redirect, isBelow)
    return archiving(tx, request, () => {
      if (node.target !== null && node.targetItem !== null) unsummarize(tx, node.target, [{ itemId: node.targetItem }])
      return { nodes: branch.map(({ service, nodeId }) => ({ service, nodeId })) }
    })
  },
}
