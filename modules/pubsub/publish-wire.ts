/** A publish and its result as they cross to the storage worker and back: field by field, since nothing runs more often. */

import { answerWire, wire } from '../../server/module/api.ts'
import type { ItemPublished, PublishItem } from './store.ts'

/** Mostly there are none, and then none cross. */
const NONE = {}
const NOTHING: readonly never[] = []

export const publishWire = wire(
  (item: PublishItem) => [
    item.service,
    item.nodeId,
    item.actor.bareJid,
    item.actor.isAdmin,
    item.itemId,
    item.payload,
    item.payloadNs,
    Object.keys(item.preconditions).length === 0 ? undefined : item.preconditions,
    item.isAuthorized,
    item.scope,
    item.itemsMax,
    item.archiveMax,
    item.payloadMaxBytes,
  ],
  (
    service,
    nodeId,
    bareJid,
    isAdmin,
    itemId,
    payload,
    payloadNs,
    preconditions = NONE,
    isAuthorized,
    scope,
    itemsMax,
    archiveMax,
    payloadMaxBytes,
  ) => ({
    service,
    nodeId,
    actor: { bareJid, isAdmin },
    itemId,
    payload,
    payloadNs,
    preconditions,
    isAuthorized,
    scope,
    itemsMax,
    archiveMax,
    payloadMaxBytes,
  }),
)

/** Without what the publisher's own side knows of it. */
export const publishedWire = answerWire(
  ({ publishedAt, scope, seenType, position, pruned, expired, unarchived }: ItemPublished) => [
    publishedAt,
    position?.seq,
    position?.creation === position?.seq ? undefined : position?.creation,
    scope,
    seenType,
    pruned.length === 0 ? undefined : pruned,
    expired.length === 0 ? undefined : expired,
    unarchived === 0 ? undefined : unarchived,
  ],
  (
    { service, nodeId, itemId, actor }: PublishItem,
    publishedAt,
    seq,
    creation = seq,
    scope,
    seenType,
    pruned = NOTHING,
    expired = NOTHING,
    unarchived = 0,
  ) => ({
    service,
    nodeId,
    itemId,
    publisher: actor.bareJid,
    publishedAt,
    scope,
    seenType,
    position: seq === undefined || creation === undefined ? undefined : { seq, creation },
    pruned,
    expired,
    unarchived,
  }),
)
