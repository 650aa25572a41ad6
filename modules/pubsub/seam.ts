/** Pubsub as other modules use it: api.ts on top of the use cases. */

import { randomUUID } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import type { Pubsub, ServerNode } from './api.ts'
import { type PubsubParts, run } from './context.ts'
import { defaultConfig, type NodeConfig } from './node-config.ts'
import { personalNodes } from './personal.ts'
import { publishAsServer, retractItem } from './publisher.ts'
import { type NodeRef, SHARED_SERVICE } from './records.ts'
import { payloadOf } from './xml.ts'

/** Claims, and what the server publishes, are of the shared service. */
const shared = (nodeId: string): NodeRef => ({ service: SHARED_SERVICE, nodeId })

export function pubsubSeam(parts: PubsubParts): Pubsub {
  return {
    personal: personalNodes(parts),
    claim: (nodes) => parts.claims.add(nodes),
    async ensureNode(nodeId, node) {
      const args = { ...shared(nodeId), creator: parts.domain, config: serverConfig(parts, node) }
      if (isKnownSo(parts, args)) return
      await run(parts, parts.store.ensureNode, args, (record) => parts.replica.ensured(record))
    },
    hasNode: (nodeId) => parts.replica.get(shared(nodeId)) !== undefined,
    async publish(nodeId, itemId = randomUUID(), payload, scope) {
      await publishAsServer(parts, shared(nodeId), itemId, payloadOf(payload), scope)
      return itemId
    },
    async retract(nodeId, itemId) {
      const actor = { bareJid: parts.domain, isAdmin: false }
      await retractItem(parts, actor, { ...shared(nodeId), itemId, notify: true, authorized: 'any' })
    },
    isSubscribed(bareJid, nodeId) {
      const node = parts.replica.get(shared(nodeId))
      return node !== undefined && parts.replica.accounts.isSubscribed(bareJid, node)
    },
  }
}

/** A restart finds nearly all as they are to be; the replica tells when no write is under way. */
function isKnownSo({ replica, storage }: PubsubParts, { config, ...ref }: NodeRef & { config: NodeConfig }): boolean {
  return storage.settled(storage.submitted) === undefined && isDeepStrictEqual(replica.get(ref)?.record.config, config)
}

/** A node of the server's own: whoever the claimer lets read may, and nobody publishes but through it. */
function serverConfig(parts: PubsubParts, node: ServerNode): NodeConfig {
  const { title = '', description = '', type = '', persistItems, maxItems } = node
  return {
    ...defaultConfig(parts.config()),
    title,
    description,
    type,
    persistItems,
    maxItems,
    notifyRetract: true,
    sendLastItem: 'never',
  }
}
