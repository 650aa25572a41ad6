/**
 * Pages of all nodes of a service, as an asker is shown them: XEP-0060 §5.2, XEP-0059. A page is found by its place in
 * the order of NodeIDs, and what is in front of it is reckoned from the nodes that are hidden, so its cost is that of
 * what is in it and of the nodes that not everybody is shown.
 */

import { firstNot, type Page, type RsmRequest } from '../../server/stanza/rsm.ts'
import type { Asker, PubsubParts } from './context.ts'
import type { NodeView } from './replica.ts'

/** @param isShown  to this asker, in this list */
export function pageOfNodes(
  parts: PubsubParts,
  { service, actor }: Asker,
  request: RsmRequest,
  isShown: (node: NodeView) => boolean,
): Page<NodeView> {
  const { replica } = parts
  const ids = replica.listedNodeIds(service)
  const restricted = replica.restrictedNodes(service)
  const hidden: string[] = []
  for (const node of restricted) if (!isShown(node)) hidden.push(node.record.nodeId)
  // Of all others, only an outcast is not shown one.
  for (const node of replica.affiliatedNodes(actor.bareJid, service))
    if (!restricted.has(node) && !isShown(node)) hidden.push(node.record.nodeId)
  const { pageMaxItems } = parts.config()
  const size = Math.min(request.max ?? pageMaxItems, pageMaxItems)
  const isBackward = request.before !== undefined
  const count = ids.length - hidden.length
  if (count === 0) return { items: [], count, first: undefined, last: undefined }
  const found: NodeView[] = []
  const step = isBackward ? -1 : 1
  for (let at = startOf(ids, hidden, request); found.length < size && at >= 0 && at < ids.length; at += step) {
    const node = replica.get({ service, nodeId: ids[at] ?? '' })
    if (node && isShown(node)) found.push(node)
  }
  const items = isBackward ? found.reverse() : found
  const [first, last] = [items[0], items.at(-1)].map((node) => node?.record.nodeId)
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
