/**
 * Pages of all nodes of a service, as an asker is shown them: XEP-0060 §5.2, XEP-0059, XEP-0413. A page is found by its
 * place in the order of NodeIDs or of creation, and what is in front of it is reckoned from the nodes that are hidden, so its cost is that of
 * what is in it and of the nodes that not everybody is shown.
 */

import { firstNot, type Page, type RsmRequest } from '../../server/stanza/rsm.ts'
import { childOf, type Element } from '../../server/xml/element.ts'
import type { Asker, PubsubParts } from './context.ts'
import { pubsubError } from './errors.ts'
import { entriesMax } from './list-page.ts'
import type { NodeView } from './node-view.ts'
import { NS_ORDER_BY, parseOrder } from './order.ts'
import { creationKey, isListed, madeAs } from './service-nodes.ts'

/** What a list of nodes is in the order of, and what stands for a place in it. */
export interface NodeOrder {
  readonly by: 'name' | 'creation'
  readonly isDescending: boolean
}

/** XEP-0413: as it asks, else by NodeIDs. @throws StanzaError feature-not-implemented by modification, which nodes have not */
export function parseNodeOrder(query: Element): NodeOrder {
  if (!childOf(query, 'order', NS_ORDER_BY)) return { by: 'name', isDescending: false }
  const { by, isDescending } = parseOrder(query)
  if (by === 'modification') throw pubsubError('orderUnsupported', 'nodes come by their NodeIDs or by creation')
  return { by, isDescending }
}

export function keyOfNode({ record }: NodeView, { by }: NodeOrder): string {
  return by === 'name' ? record.nodeId : creationKey(record)
}

/** The page of a list that is read backwards, as one of the list. */
export function turned<T>(
  request: RsmRequest,
  count: number,
  max: number,
  read: (request: RsmRequest) => Page<T>,
): Page<T> {
  const size = Math.min(request.max ?? max, max)
  const { after, before, index } = request
  const found = read({
    max: index === undefined ? size : Math.max(0, Math.min(size, count - index)),
    ...(index !== undefined && { index: Math.max(0, count - index - size) }),
    ...(index === undefined && before === undefined && { before: after ?? '' }),
    ...(before !== undefined && before !== '' && { after: before }),
  })
  const { items, index: at, first, last } = found
  const turnedAt = at === undefined ? {} : { index: count - at - items.length }
  return { ...found, items: items.toReversed(), ...turnedAt, first: last, last: first }
}

/**
 * @param request  undefined: the first page, which is larger
 * @param isShown  to this asker, in this list
 */
export function pageOfNodes(
  parts: PubsubParts,
  asker: Asker,
  request: RsmRequest | undefined,
  order: NodeOrder,
  isShown: (node: NodeView) => boolean,
): Page<NodeView> {
  const max = entriesMax(parts, request)
  const read = (each: RsmRequest) => pageUpwards(parts, asker, each, max, order, isShown)
  const asked = request ?? { max }
  return order.isDescending ? turned(asked, read({ max: 0 }).count ?? 0, max, read) : read(asked)
}

function pageUpwards(
  parts: PubsubParts,
  { service, actor }: Asker,
  request: RsmRequest,
  max: number,
  order: NodeOrder,
  isShown: (node: NodeView) => boolean,
): Page<NodeView> {
  const { replica } = parts
  const ids = order.by === 'name' ? replica.listedNodeIds(service) : replica.listedByCreation(service)
  const restricted = replica.restrictedNodes(service)
  const hidden: string[] = []
  for (const node of restricted) if (!isShown(node)) hidden.push(keyOfNode(node, order))
  // Of all others, only an outcast is not shown one. Who follows the root has something to do with that, too.
  for (const node of replica.accounts.affiliatedNodes(actor.bareJid, service))
    if (isListed(node.record) && !restricted.has(node) && !isShown(node)) hidden.push(keyOfNode(node, order))
  const size = Math.min(request.max ?? max, max)
  const isBackward = request.before !== undefined
  const count = ids.length - hidden.length
  if (count === 0) return { items: [], count, first: undefined, last: undefined }
  const found: NodeView[] = []
  const step = isBackward ? -1 : 1
  for (let at = startOf(ids, hidden, request); found.length < size && at >= 0 && at < ids.length; at += step) {
    const id = ids[at] ?? ''
    const node = replica.get({ service, nodeId: order.by === 'name' ? id : madeAs(id) })
    if (node && isShown(node)) found.push(node)
  }
  const items = isBackward ? found.reverse() : found
  const [first, last] = [items[0], items.at(-1)].map((node) => node && keyOfNode(node, order))
  const index = first === undefined ? {} : { index: indexOf(ids, hidden, first) }
  return { items, count, ...index, first, last }
}

/** Where the walk begins. That order tells it even when the node it was named by is no more. XEP-0059 §2.4. */
function startOf(ids: readonly string[], hidden: readonly string[], { after, before, index = 0 }: RsmRequest): number {
  if (before === '') return ids.length - 1
  if (before !== undefined) return firstNot(ids, (id) => id < before) - 1
  if (after !== undefined) return firstNot(ids, (id) => id <= after)
  if (index === 0) return 0
  // §2.6: each hidden one in front moves it by one.
  let at = index
  for (const id of hidden.toSorted()) {
    if (firstNot(ids, (each) => each < id) > at) break
    at += 1
  }
  return at
}

function indexOf(ids: readonly string[], hidden: readonly string[], first: string): number {
  let index = firstNot(ids, (id) => id < first)
  for (const id of hidden) if (id < first) index -= 1
  return index
}
