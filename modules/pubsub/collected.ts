/**
 * Items of a collection: those of all leaf nodes below it, as if they were one node, in the same orders and with the same
 * cursors. XEP-0248 §6.2; XEP-0060 §6.5; XEP-0059.
 *
 * A collection shows nobody more than its nodes would. Each node on the road has its say: what is below a collection that
 * the asker may not read is not found by that way.
 */

import type { Element } from '../../server/xml/element.ts'
import { renderCollected } from './answer-xml.ts'
import { rootFor } from './collections.ts'
import { type Asker, freshen, type PubsubParts, run } from './context.ts'
import { pubsubError } from './errors.ts'
import { type NodeView, publisherShown } from './node-view.ts'
import type { CollectedItem } from './reads.ts'
import { ROOT_ID } from './records.ts'
import type { EntityRequest } from './requests.ts'
import { checkSubid, pageBounds, toldOf } from './retrieval.ts'
import { mayGetThrough, mayRetrieve } from './rules.ts'

/** The collection of that name; the root has none, and is there before anybody follows it too. */
export function collectionAsked(parts: PubsubParts, { service }: Asker, nodeId: string): NodeView | undefined {
  const node = parts.replica.get({ service, nodeId }) ?? (nodeId === ROOT_ID ? freshRoot(parts, service) : undefined)
  return node?.record.config.nodeType === 'collection' ? node : undefined
}

function freshRoot(parts: PubsubParts, service: string): NodeView {
  return {
    record: { ...rootFor(parts, service), createdAt: 0, seenType: undefined },
    affiliations: new Map(),
    subscribers: new Map(),
    pending: new Map(),
    parents: new Set(),
    children: new Set(),
    target: undefined,
    beside: undefined,
    relation: undefined,
    related: undefined,
  }
}

/** §6.2. @throws StanzaError feature-not-implemented for items by id, and where too many nodes are below */
export async function collectedItems(
  parts: PubsubParts,
  asker: Asker,
  collection: NodeView,
  request: Extract<EntityRequest, { kind: 'items' }>,
): Promise<Element> {
  const { nodeId, service } = collection.record
  const refusal = mayRetrieve(collection.record.config, parts.replica.standing(collection, asker.actor))
  if (refusal) throw pubsubError(refusal)
  checkSubid(collection, asker, request.subid)
  // An id is an item's in its node.
  if (request.itemIds.length > 0) throw pubsubError('noItemsHere', 'ask the nodes in the collection for items by id')
  const leaves = new Map(leavesBelow(parts, asker, collection).map((leaf) => [leaf.record.nodeId, leaf]))
  await Promise.all([...leaves.values()].map((leaf) => freshen(parts, leaf)))
  const bounds = pageBounds(parts, { ...request, withPayloads: true })
  const page = await run(parts, parts.store.readCollected, { service, nodeIds: [...leaves.keys()], ...bounds })
  const groups = new Map<string, CollectedItem[]>()
  for (const item of page.items) {
    const group = groups.get(item.nodeId)
    if (group) group.push(item)
    else groups.set(item.nodeId, [item])
  }
  const lists = [...groups].flatMap(([each, list]) => {
    const leaf = leaves.get(each)
    return leaf ? [{ nodeId: each, list, publisherOf: publisherShown(leaf) }] : []
  })
  const none = { nodeId, list: [], publisherOf: () => undefined }
  return renderCollected(lists.length > 0 ? lists : [none], toldOf(parts, page, request))
}

/**
 * The leaf nodes that keep items, by whatever road the asker may take to them, each once. The way is through what it may
 * retrieve, and through what it gets events of by following the collection that it asks. §6.1, §6.2
 */
function leavesBelow(parts: PubsubParts, asker: Asker, top: NodeView): NodeView[] {
  const { collectionReadNodesMax: nodesMax } = parts.config()
  const followed = depthFollowed(parts, asker, top)
  const leaves: NodeView[] = []
  const distances = new Map([[top, 0]])
  const closed = new Set<NodeView>()
  // A map is walked to its end, what is added on the way too; nearer nodes come first.
  for (const [collection, distance] of distances)
    for (const node of inside(parts, collection)) {
      if (distances.has(node) || closed.has(node)) continue
      if (distances.size + closed.size > nodesMax)
        throw pubsubError('noItemsHere', `more than ${nodesMax} nodes; ask what is in the collection one by one`)
      const { config } = node.record
      const standing = parts.replica.standing(node, asker.actor)
      const isOpen =
        mayRetrieve(config, standing) === undefined || (followed > distance && mayGetThrough(config, standing))
      if (!isOpen) closed.add(node)
      else distances.set(node, distance + 1)
      if (isOpen && config.nodeType === 'leaf' && config.persistItems) leaves.push(node)
    }
  return leaves
}

/** How far below the collection the asker gets events by its subscription to it; 0: not at all. §6.1 */
function depthFollowed(parts: PubsubParts, { actor }: Asker, { record: { service, nodeId } }: NodeView): number {
  const depths = parts.replica.accounts
    .subscriptionsOf(actor.bareJid, { service, nodeId })
    .filter(({ state }) => state === 'subscribed')
    .map(({ options: { subscriptionDepth: depth } }) => (depth === 'all' ? Number.POSITIVE_INFINITY : depth))
  return Math.max(0, ...depths)
}

/** What is in a collection; in the root, what is in no other. §8.1 */
function* inside({ replica, claims }: PubsubParts, { record: { service, nodeId }, children }: NodeView) {
  if (nodeId !== ROOT_ID) {
    yield* children
    return
  }
  for (const each of replica.listedNodeIds(service)) {
    const node = replica.get({ service, nodeId: each })
    // Nodes of other modules are in no collection, the root neither.
    if (node?.parents.size === 0 && !claims.of(node.record)) yield node
  }
}
