/** Items on SQLite: published, retracted, purged, pruned. XEP-0060 §7, §8.5. */

import type { Tx } from '../../server/module/api.ts'
import { SHARED_SCOPE } from './api.ts'
import { collectionsOf } from './graph.sqlite.ts'
import {
  publicationTime,
  removeAll,
  removeExpired,
  storeItem,
  take,
  unsummarize,
  writing,
} from './item-writes.sqlite.ts'
import { type KnownNode, knownNode, knownParents } from './known-nodes.sqlite.ts'
import { isOwnItem } from './newcomers.sqlite.ts'
import { archiveTaken, archiving, beginArchiving, clearVersions, droppedSoFar, versionOf } from './past-items.sqlite.ts'
import { unmetPrecondition } from './preconditions.ts'
import { publishedWire, publishWire } from './publish-wire.ts'
import { configOf, enforce, findNode, nodeOf, readNode, refuse, standingAt, standingOf } from './queries.sqlite.ts'
import { SHARED_SERVICE } from './records.ts'
import { relationshipsAt } from './relations.sqlite.ts'
import { fitsNode, mayManage, mayPublish, mayRetract, type Standing } from './rules.ts'
import { PRUNE_BATCH, type PublishItem, type PubsubStore } from './store.ts'

export const expireItems: PubsubStore['expireItems'] = {
  name: 'pubsub.expireItems',
  kind: 'write',
  run(tx, { service, nodeId, archiveMax }) {
    const node = findNode(tx, { service, nodeId })
    return archiving(tx, { archiveMax }, () => ({
      service,
      nodeId,
      expired: node ? removeExpired(tx, node, node.itemExpireSeconds) : [],
    }))
  },
}

export const purgeAbsent: PubsubStore['purgeAbsent'] = {
  name: 'pubsub.purgeAbsent',
  kind: 'write',
  run(tx, { service, nodeId, publisher, archiveMax, from = { seq: 0, before: publicationTime(tx) } }) {
    const node = findNode(tx, { service, nodeId })
    if (!node?.purgeOffline) return { service, nodeId, gone: [], isEmpty: false, next: undefined, unarchived: 0 }
    const after = Math.max(from.seq, node.prunedSeq)
    const rows = tx.use(writing).following.all({ node: node.id, seq: after, max: PRUNE_BATCH })
    // What was published since is of somebody who came back.
    const isAbsent = (row: (typeof rows)[number]) =>
      row.publishedAt <= from.before && (publisher === undefined || isOwnItem(tx, publisher, row))
    const taken = archiving(tx, { archiveMax }, () => ({ gone: take(tx, node, rows.filter(isAbsent)) }))
    const last = rows.length < PRUNE_BATCH ? undefined : rows.at(-1)
    const next = last && { seq: last.seq, before: from.before }
    return { service, nodeId, ...taken, isEmpty: taken.gone.length === node.itemCount, next }
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
    // At a claimed node the claimer knows the payloads, and their namespaces are its own matter.
    const checked = request.isAuthorized ? { ...row, type: '' } : row
    enforce(fitsNode(checked, { hasItem: itemId !== undefined, payloadNs, payload }, payloadMaxBytes))
    const shared: unknown = tx.shared.get(SHARED_SCOPE)
    const scope = request.scope ?? (typeof shared === 'string' ? shared : undefined)
    const seenType = node.see(tx, payloadNs)
    const isKept = row.persistItems && itemId !== undefined
    const before = beginArchiving(tx, request.archiveMax)
    const expired = isKept ? removeExpired(tx, node, row.itemExpireSeconds) : []
    const stored = isKept
      ? storeItem(tx, node, request, { itemId, scope })
      : { position: undefined, publishedAt: tx.now, pruned: [] }
    const { service, nodeId, actor } = request
    const { position, publishedAt, pruned } = stored
    return {
      service,
      nodeId,
      itemId,
      publisher: actor.bareJid,
      publishedAt,
      scope,
      seenType,
      position,
      pruned,
      expired,
      unarchived: droppedSoFar(tx) - before,
    }
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
  const { preconditions, itemsMax, payloadMaxBytes, service } = request
  // Most publishes have none, and then the whole configuration need not be read.
  if (Object.keys(preconditions).length === 0) return
  const bounds = { itemsMax, payloadMaxBytes, childrenMax: 0, isAccount: service !== SHARED_SERVICE } // no collection gets here
  const node = readNode(tx, request) ?? refuse('nodeNotFound')
  const place = () => ({ parents: collectionsOf(tx, node.id), relationships: relationshipsAt(tx, node.id) })
  const unmet = unmetPrecondition(configOf(node), preconditions, bounds, place)
  if (unmet !== undefined) refuse('preconditionNotMet', `${unmet} is not so`)
}

export const retractItem: PubsubStore['retractItem'] = {
  name: 'pubsub.retractItem',
  kind: 'write',
  run(tx, { service, nodeId, actor, itemId, authorized, archiveMax }) {
    const node = nodeOf(tx, { service, nodeId })
    const config = configOf(node)
    if (!config.persistItems) refuse('notPersistent')
    const q = tx.use(writing)
    const standing = standingOf(tx, node, actor)
    // What is in the archive alone can be taken out of it too.
    const row = q.rowOf.get({ node: node.id, itemId })
    const item = row ?? versionOf(tx, node, itemId)
    const isOwn = item === undefined || isOwnItem(tx, actor.bareJid, item)
    // Who may retract nothing is not told which items exist.
    if (authorized === 'own') enforce(isOwn ? undefined : 'mayNotRetract')
    else if (authorized === undefined) enforce(mayRetract(config, standing, isOwn))
    const { scope } = item ?? refuse('itemNotFound')
    return archiving(tx, { archiveMax }, () => {
      if (row && row.seq > node.prunedSeq) take(tx, node, [{ ...row, itemId }])
      else if (row) archiveTaken(tx, node, [{ ...row, itemId }])
      else clearVersions(tx, node, itemId)
      return { service, nodeId, itemId, scope: scope ?? undefined }
    })
  },
}

export const purgeNode: PubsubStore['purgeNode'] = {
  name: 'pubsub.purgeNode',
  kind: 'write',
  run(tx, request) {
    const node = nodeOf(tx, request)
    enforce(mayManage(standingOf(tx, node, request.actor)))
    if (!node.persistItems) refuse('notPersistent')
    return archiving(tx, request, () => {
      removeAll(tx, node, 'places')
      if (node.target !== null && node.targetItem !== null) unsummarize(tx, node.target, [{ itemId: node.targetItem }])
      return { service: request.service, nodeId: request.nodeId }
    })
  },
}
