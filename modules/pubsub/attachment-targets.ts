/** What an attachment node or a summary is about, by its name: whether or not there is such a node. XEP-0470. */

import { isKept, type Target, targetOf } from './attachment-names.ts'
import { type Asker, addressesOf, type PubsubParts } from './context.ts'
import { pubsubError } from './errors.ts'
import type { NodeView } from './node-view.ts'
import { isPublicList } from './public-names.ts'
import type { ItemName, NodeRef } from './records.ts'
import { mayRead } from './rules.ts'

/** The node that it is about; undefined: there is none. */
export function targetView(parts: PubsubParts, ref: NodeRef): NodeView | undefined {
  const target = targetAt(parts, ref)
  return target && parts.replica.get({ service: ref.service, nodeId: target.nodeId })
}

/** The item that it is about. @throws StanzaError item-not-found */
export function itemAt(parts: PubsubParts, ref: NodeRef): ItemName {
  const { nodeId, itemId } = targetAt(parts, ref) ?? {}
  if (nodeId === undefined || itemId === undefined) throw pubsubError('nodeNotFound', 'that names no item here')
  return { nodeId, itemId }
}

function targetAt(parts: PubsubParts, { service, nodeId }: NodeRef): Target | undefined {
  const target = targetOf(nodeId, addressesOf(parts, service))
  // What other modules keep has readers of its own for each item, and lists hold nothing that was published.
  const isOpen = target && !isPublicList(target.nodeId) && !parts.claims.of({ service, nodeId: target.nodeId })
  return isOpen ? target : undefined
}

/** @throws StanzaError when what the node is about is not for the asker, whether or not there is such a node */
export function refuseReader(parts: PubsubParts, { service, actor }: Asker, nodeId: string): void {
  const target = isKept(nodeId) ? targetView(parts, { service, nodeId }) : undefined
  const refusal = target && mayRead(target.record.config, parts.replica.standing(target, actor))
  if (refusal) throw pubsubError(refusal)
}
