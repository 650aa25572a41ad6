/** Publish and retract. XEP-0060 §7; DESIGN decisions 5, 13, 17. */

import { randomUUID } from 'node:crypto'
import { call, Refusal } from '../../server/module/api.ts'
import { StanzaError } from '../../server/stanza/errors.ts'
import type { Jid } from '../../server/stanza/jid.ts'
import type { Element } from '../../server/xml/element.ts'
import { renderPublished } from './answer-xml.ts'
import type { ClaimedNodes, PreparedPublish } from './api.ts'
import { applyCreated, refuseClaimed } from './collections.ts'
import {
  type Asker,
  archivingOf,
  boundsOf,
  checkNewId,
  dropAttachments,
  isThere,
  mayCreate,
  notifyExpired,
  notifyPruned,
  type PubsubParts,
  run,
  tellRemoved,
} from './context.ts'
import { asPubsubError, pubsubError } from './errors.ts'
import { configFor, placeFor } from './preconditions.ts'
import { type NodeRef, SHARED_SERVICE } from './records.ts'
import type { EntityRequest, Payload } from './requests.ts'
import type { ItemPublished, PublishItem } from './store.ts'

type Request<K extends EntityRequest['kind']> = Extract<EntityRequest, { kind: K }>

/** §7.1. */
export function publish(parts: PubsubParts, asker: Asker, request: Request<'publish'>): Promise<Element> {
  const { nodeId, payload, preconditions } = request
  const { service, actor } = asker
  const claim = parts.claims.of({ service, nodeId })
  const prepared = claim && prepare(claim, asker, request)
  // §7.1.1: an item without an id gets one of the service's
  const itemId = request.hasItem ? (request.itemId ?? randomUUID()) : undefined
  const { itemsMax, payloadMaxBytes } = boundsOf(parts.config(), service)
  const item: PublishItem = {
    service,
    nodeId,
    actor,
    itemId,
    payload: payload?.xml,
    payloadNs: payload?.ns,
    preconditions,
    isAuthorized: claim !== undefined,
    scope: undefined,
    itemsMax,
    payloadMaxBytes,
    ...archivingOf(parts),
  }
  return submitPublish(parts, asker, item, prepared).then(() => renderPublished(nodeId, itemId))
}

function submitPublish(
  parts: PubsubParts,
  asker: Asker,
  item: PublishItem,
  prepared: PreparedPublish | undefined,
): Promise<unknown> {
  if (prepared) return publishPrepared(parts, item, prepared)
  if (!isThere(parts, item) && mayCreate(parts, asker)) return createAndPublish(parts, item, asker.jid)
  return publishItem(parts, item, asker.jid)
}

/** @param by  the publishing resource */
export function publishItem(parts: PubsubParts, item: PublishItem, by?: Jid): Promise<unknown> {
  return run(parts, parts.store.publishItem, item, (result) => applyPublished(parts, result, item.payload, by))
}

/**
 * §7.1.4, §7.1.5: a node that does not exist is made for who may create it, as the preconditions want it.
 * @param fields  of the node's configuration, as the preconditions have them
 */
export async function createAndPublish(
  parts: PubsubParts,
  item: PublishItem,
  by?: Jid,
  fields = item.preconditions,
): Promise<void> {
  const { nodesMax, ...bounds } = boundsOf(parts.config(), item.service)
  const { childrenMax, parentsMax, relationshipDepthMax: depthMax } = parts.config()
  const { service, nodeId, actor } = item
  checkNewId(nodeId)
  const place = placeFor(fields)
  refuseClaimed(parts, service, place)
  const config = configFor(fields, bounds)
  const creator = actor.bareJid
  const node = { service, nodeId, actor, creator, config, place, nodesMax, childrenMax, parentsMax, depthMax }
  // Somebody may have made it since we looked; asking again then would let others overtake this one.
  const calls = [call(parts.store.createMissing, node), call(parts.store.publishItem, item)] as const
  try {
    await parts.storage.submit(calls, ([made, published]) => {
      if (made) applyCreated(parts, made)
      applyPublished(parts, published, item.payload, by)
    })
  } catch (error) {
    throw asPubsubError(error)
  }
}

function prepare(claim: ClaimedNodes, asker: Asker, request: Request<'publish'>): PreparedPublish {
  const { nodeId, itemId, payload } = request
  claim.authorizePublish(asker.jid, nodeId)
  if (!payload) throw pubsubError('payloadRequired')
  return claim.preparePublish({ nodeId, itemId, payload: payload.element, publisher: asker.jid })
}

/** The claimer's calls and pubsub's own in one savepoint: all is stored, or nothing. DESIGN decision 17. */
async function publishPrepared(parts: PubsubParts, item: PublishItem, prepared: PreparedPublish): Promise<void> {
  const calls = [...prepared.calls, call(parts.store.publishItem, item)]
  try {
    await parts.storage.submit(calls, (results) => {
      prepared.applied?.(results.slice(0, -1))
      // Results are in the order of the calls, and pubsub's own is the last.
      applyPublished(parts, results.at(-1) as ItemPublished, item.payload)
    })
  } catch (error) {
    const own = asPubsubError(error)
    if (own !== error || !(error instanceof Refusal)) throw own
    const outcome = prepared.refused?.(error)
    if (outcome instanceof StanzaError) throw outcome
    if (outcome !== 'acknowledge') throw error
  }
}

/**
 * At commit: the copy in memory first, then whoever is subscribed at that moment. DESIGN decision 13.
 * @param by  the publishing resource
 */
export function applyPublished(parts: PubsubParts, result: ItemPublished, payload: string | undefined, by?: Jid): void {
  const node = parts.replica.published(result)
  parts.counts.published += 1
  parts.counts.unarchived += result.unarchived
  if (!node) return
  const { itemId, publisher, publishedAt, scope, position, pruned, expired } = result
  parts.notifier.published(node, { itemId, publisher, publishedAt, payload, position }, scope, by)
  parts.awaiting.published(node.record)
  notifyExpired(parts, node, expired)
  notifyPruned(parts, node, pruned)
  const { service: account, nodeId } = node.record
  if (account !== SHARED_SERVICE)
    parts.emit('pubsub.personal-published', { account, nodeId, publisher, item: { itemId, payload, publishedAt } })
}

/** Publishes as the server itself, whoever claims the node. */
export async function publishAsServer(
  parts: PubsubParts,
  { service, nodeId }: NodeRef,
  itemId: string,
  payload: Payload,
  scope: string | undefined,
): Promise<void> {
  const { itemsMax, payloadMaxBytes } = parts.config()
  const item: PublishItem = {
    service,
    nodeId,
    actor: { bareJid: parts.domain, isAdmin: false },
    itemId,
    payload: payload.xml,
    payloadNs: payload.ns,
    preconditions: {},
    isAuthorized: true,
    scope,
    itemsMax,
    payloadMaxBytes,
    ...archivingOf(parts),
  }
  await publishItem(parts, item)
}

/** §7.2. */
export async function retract(parts: PubsubParts, asker: Asker, request: Request<'retract'>): Promise<undefined> {
  const { nodeId, itemId, notify } = request
  const { service, actor } = asker
  const claim = parts.claims.of({ service, nodeId })
  if (claim) {
    if (!claim.authorizeRetract) throw pubsubError('claimedNode', 'items are not retracted there')
    claim.authorizeRetract(asker.jid, nodeId)
  }
  await retractItem(parts, actor, { service, nodeId, itemId, notify, authorized: claim && 'own' })
}

/** Retracts with the notification that the request or the node wants. §7.2.2.1. */
export async function retractItem(
  parts: PubsubParts,
  actor: Asker['actor'],
  item: NodeRef & {
    readonly itemId: string
    readonly notify: boolean
    readonly authorized: 'own' | 'any' | undefined
  },
): Promise<void> {
  const { service, nodeId, itemId, notify, authorized } = item
  const args = { service, nodeId, actor, itemId, authorized, ...archivingOf(parts) }
  await run(parts, parts.store.retractItem, args, (gone) => {
    parts.counts.unarchived += gone.unarchived
    const node = parts.replica.get(gone)
    if (node) dropAttachments(parts, node, [gone])
    if (node && (notify || node.record.config.notifyRetract)) parts.notifier.retracted(node, [gone])
    tellRemoved(parts, gone)
  })
}
