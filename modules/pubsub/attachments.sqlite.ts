/**
 * Attachments on SQLite: what an account attaches to an item, and the summary of it, in one transaction. XEP-0470.
 *
 * A change reads three rows of items, however much is attached: the target, what the account had attached before, and the
 * summary of that item, which holds the counts.
 */

import { and, eq, gt, sql } from 'drizzle-orm'
import type { Db, Tx } from '../../server/module/api.ts'
import { type Attached, attachedBefore, counted, parseSummary, renderSummary } from './attachment-counts.ts'
import { summaryOf } from './attachment-names.ts'
import { storeItem, take, unsummarize } from './item-writes.sqlite.ts'
import { knownNode } from './known-nodes.sqlite.ts'
import { isOwnItem } from './newcomers.sqlite.ts'
import { attachmentNodes, makeBeside } from './nodes.sqlite.ts'
import { archiving } from './past-items.sqlite.ts'
import {
  configOf,
  enforce,
  findNode,
  type NodeRow,
  nodeOf,
  readNode,
  recordOf,
  refuse,
  standingOf,
} from './queries.sqlite.ts'
import type { NodeRecord, NodeRef } from './records.ts'
import { isOwner, mayPublish, mayRead, mayRetract, mayRetrieve } from './rules.ts'
import { items } from './schema.sqlite.ts'
import type { ItemPublished, PublishAttachment, PubsubStore, SummaryChange } from './store.ts'

const ph = sql.placeholder

const queries = (db: Db) => ({
  item: db
    .select({ payload: items.payload, publishedAt: items.publishedAt, publisher: items.publisher, seq: items.seq })
    .from(items)
    .where(and(eq(items.node, ph('node')), eq(items.itemId, ph('itemId')), gt(items.seq, ph('pruned'))))
    .prepare(),
})

export const publishAttachment: PubsubStore['publishAttachment'] = {
  name: 'pubsub.publishAttachment',
  kind: 'write',
  run(tx, request) {
    const { service, nodeId, actor, about, payload, attachmentsMax: itemsMax } = request
    const target = nodeOf(tx, { service, nodeId: about.nodeId })
    const standing = standingOf(tx, target, actor)
    // First, so that who may not read the items learns nothing of them here either.
    enforce(mayRetrieve(configOf(target), standing))
    enforce(mayPublish(target, standing))
    if (!hasItem(tx, target, about.itemId)) refuse('itemNotFound', `there is no item ${about.itemId}`)
    if (Buffer.byteLength(payload) > request.attachmentsConfig.maxPayloadBytes) refuse('payloadTooBig')
    const created = makeNodes(tx, target, request)
    const before = attachedBefore(payloadOf(tx, nodeOf(tx, { service, nodeId }), actor.bareJid))
    const own = { itemId: actor.bareJid, publisher: actor.bareJid, payload, itemsMax }
    return archiving(tx, request, () => ({
      created,
      item: store(tx, { service, nodeId }, own),
      summary: summarize(tx, request, { before, after: request.attached }),
    }))
  },
}

export const retractAttachment: PubsubStore['retractAttachment'] = {
  name: 'pubsub.retractAttachment',
  kind: 'write',
  run(tx, { service, nodeId, actor, about, itemId, creator, archiveMax }) {
    const target = readNode(tx, { service, nodeId: about.nodeId }) ?? refuse('nodeNotFound')
    const standing = standingOf(tx, target, actor)
    const node = findNode(tx, { service, nodeId })
    const item =
      node?.target === target.id
        ? tx.use(queries).item.get({ node: node.id, itemId, pruned: node.prunedSeq })
        : undefined
    // Who attached something may always take it back, whatever else it may do by now; who has that name by now may not.
    const isOwn = item !== undefined && isOwnItem(tx, actor.bareJid, item)
    if (!node || !item || !(isOwn || isOwner(standing))) {
      enforce(mayRead(configOf(target), standing))
      enforce(mayRetract(configOf(target), standing, item ? isOwn : itemId === actor.bareJid))
      return refuse(node?.target === target.id ? 'itemNotFound' : 'nodeNotFound')
    }
    const before = attachedBefore(item.payload)
    return archiving(tx, { archiveMax }, () => {
      take(tx, node, [{ itemId, seq: item.seq, scope: null }])
      const summary =
        node.itemCount > 1
          ? summarize(tx, { service, about, creator }, { before, after: undefined })
          : unsummarized(tx, target, about.itemId)
      return { service, nodeId, gone: { itemId, scope: undefined }, summary }
    })
  },
}

/** One that is kept, and whose time is not over. */
function hasItem(tx: Tx, { id, itemExpireSeconds, prunedSeq }: NodeRow, itemId: string): boolean {
  const item = tx.use(queries).item.get({ node: id, itemId, pruned: prunedSeq })
  return item !== undefined && (itemExpireSeconds === null || item.publishedAt > tx.now - itemExpireSeconds * 1000)
}

/** Undefined: there is no such item. */
function payloadOf(tx: Tx, { id, prunedSeq }: NodeRow, itemId: string): string | null | undefined {
  return tx.use(queries).item.get({ node: id, itemId, pruned: prunedSeq })?.payload
}

/** Both are there from the first attachment on. XEP-0470 §4.3, §4.6 */
function makeNodes(tx: Tx, target: NodeRow, request: PublishAttachment): NodeRecord[] {
  const { service, nodeId, creator, about } = request
  const summary = { service, nodeId: summaryOf(about.nodeId), creator, config: request.summaryConfig }
  const attachments = { service, nodeId, creator, config: request.attachmentsConfig }
  const created = isThere(tx, summary, target) ? [] : [makeBeside(tx, target, null, summary)]
  if (!isThere(tx, attachments, target)) {
    if (attachmentNodes(tx, service) >= request.attachedItemsMax) refuse('tooManyNodes')
    created.push(makeBeside(tx, target, about.itemId, attachments))
  }
  return created.map(recordOf)
}

/** @throws Refusal nodeExists: a node of before such names were the service's own, which its owner may delete */
function isThere(tx: Tx, ref: NodeRef, target: NodeRow): boolean {
  const node = readNode(tx, ref)
  if (node && node.target !== target.id) refuse('nodeExists', `an older node is called ${ref.nodeId}`)
  return node !== undefined
}

function store(
  tx: Tx,
  ref: NodeRef,
  { itemId, publisher, payload, itemsMax }: { itemId: string; publisher: string; payload: string; itemsMax: number },
): ItemPublished {
  const node = knownNode(tx, ref) ?? refuse('nodeNotFound')
  const actor = { bareJid: publisher, isAdmin: false }
  const item = { itemId, scope: undefined }
  const stored = storeItem(tx, node, { payload, actor, itemsMax }, item)
  // What archives dropped is told of the whole.
  return { ...ref, ...item, publisher, seenType: undefined, ...stored, expired: [], unarchived: 0 }
}

/** What is attached to an item changed by one account's part: the rest is in the counts. XEP-0470 §4.6 to §4.8. */
function summarize(
  tx: Tx,
  { service, about, creator, reactionsMax }: Summarized,
  { before, after }: { readonly before: Attached; readonly after: Attached | undefined },
): SummaryChange {
  const ref = { service, nodeId: summaryOf(about.nodeId) }
  const { itemId } = about
  const written = payloadOf(tx, nodeOf(tx, ref), itemId)
  const old = parseSummary(written)
  const now = counted(old, before, after)
  const { size } = now.reactions
  if (reactionsMax !== undefined && size > reactionsMax && size > old.reactions.size)
    refuse('tooManyReactions', `at most ${reactionsMax} different reactions to an item`)
  const payload = renderSummary(now)
  if (payload === written) return undefined
  // One for each item that has attachments, which are bounded.
  const itemsMax = Number.MAX_SAFE_INTEGER
  return { kind: 'published', item: store(tx, ref, { itemId, publisher: creator, payload, itemsMax }), payload }
}

interface Summarized extends Pick<PublishAttachment, 'service' | 'about' | 'creator'> {
  /** Undefined: nothing was added. */
  readonly reactionsMax?: number
}

/** Nothing is attached to the item any more. */
function unsummarized(tx: Tx, target: NodeRow, itemId: string): SummaryChange {
  const [gone] = unsummarize(tx, target.id, [{ itemId }])
  return gone && { kind: 'retracted', service: target.service, nodeId: summaryOf(target.nodeId), ...gone }
}
