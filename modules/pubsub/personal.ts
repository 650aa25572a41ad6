/** The nodes of accounts as other modules use them: api.ts on top of the use cases, as the account itself. XEP-0163 */

import { randomUUID } from 'node:crypto'
import type { PersonalNode, PersonalNodes } from './api.ts'
import { archivingOf, boundsOf, freshen, isThere, type PubsubParts, run } from './context.ts'
import { pubsubError } from './errors.ts'
import { lastOf } from './last-item.ts'
import type { Preconditions } from './preconditions.ts'
import { createAndPublish, publishItem, retractItem } from './publisher.ts'
import type { Actor, ItemRecord, NodeRef } from './records.ts'
import type { PublishItem } from './store.ts'
import { payloadOf } from './xml.ts'

export function personalNodes(parts: PubsubParts): PersonalNodes {
  return {
    async publish(account, nodeId, { itemId = randomUUID(), payload }, node = {}) {
      // What is written for an account that is just being removed would be its successor's.
      if (!parts.accounts.exists(account)) throw pubsubError('nodeNotFound', `there is no account ${account}`)
      const ref = { service: account, nodeId }
      const { xml, ns } = payloadOf(payload)
      const { itemsMax, payloadMaxBytes } = boundsOf(parts.config(), account)
      const item: PublishItem = {
        ...ref,
        actor: owner(account),
        itemId,
        payload: xml,
        payloadNs: ns,
        preconditions: {},
        isAuthorized: false,
        scope: undefined,
        itemsMax,
        payloadMaxBytes,
        ...archivingOf(parts),
      }
      if (isThere(parts, ref)) await publishItem(parts, item)
      else await createAndPublish(parts, item, undefined, fieldsOf(node))
      return itemId
    },
    async item(account, nodeId, itemId) {
      const ref = { service: account, nodeId }
      const node = parts.replica.get(ref)
      if (!node) return undefined
      await freshen(parts, node)
      const record = itemId === undefined ? await lastOf(parts, ref, 'all') : await itemOf(parts, ref, itemId)
      return record && { itemId: record.itemId, payload: record.payload, publishedAt: record.publishedAt }
    },
    accountsWith(nodeId) {
      return parts.replica.owners().filter((account) => parts.replica.get({ service: account, nodeId }) !== undefined)
    },
    async mayRead(account, nodeId, reader) {
      const node = parts.replica.get({ service: account, nodeId })
      if (!node) return false
      await parts.audience.ready(account)
      return parts.audience.mayRead(node, reader)
    },
    async retract(account, nodeId, itemId) {
      await retractItem(parts, owner(account), { service: account, nodeId, itemId, notify: true, authorized: 'any' })
    },
  }
}

/** Rights come with the address: rules.ts, `affiliationAt`. */
function owner(account: string): Actor {
  return { bareJid: account, isAdmin: false }
}

function fieldsOf({ accessModel, maxItems }: PersonalNode): Preconditions {
  return {
    ...(accessModel && { 'pubsub#access_model': accessModel }),
    ...(maxItems !== undefined && { 'pubsub#max_items': String(maxItems) }),
  }
}

async function itemOf(parts: PubsubParts, ref: NodeRef, itemId: string): Promise<ItemRecord | undefined> {
  const args = { ...ref, visible: 'all', itemIds: [itemId], maxChars: parts.config().pageMaxChars } as const
  return (await run(parts, parts.store.readItems, args))[0]
}
