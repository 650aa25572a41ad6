/**
 * What the files of PubsubStore's contract share: one store on a real SQLite file, empty before each test, and its verbs
 * with what most tests ask of them.
 */

import { afterAll, beforeAll, beforeEach } from 'vitest'
import { defaultConfig, type NodeConfig } from '../../../modules/pubsub/node-config.ts'
import { PUBLICATION_ORDER } from '../../../modules/pubsub/order.ts'
import type { ReadPage } from '../../../modules/pubsub/reads.ts'
import { type Actor, SHARED_SERVICE } from '../../../modules/pubsub/records.ts'
import { sqliteStore as store } from '../../../modules/pubsub/store.sqlite.ts'
import type { PublishItem } from '../../../modules/pubsub/store.ts'
import { type OpenedStorage, openModules } from '../open-modules.ts'

export const BOUNDS = { itemsMax: 1_000_000, childrenMax: 100, payloadMaxBytes: 1_000 }
/** Most tests are about what a node keeps now; archive.test.ts is about the rest. */
export const NO_PAST = { archiveMax: 0 }
export const at = (nodeId: string, service = SHARED_SERVICE) => ({ service, nodeId })
export const n = at('n')
export const alice: Actor = { bareJid: 'alice@test', isAdmin: false }
export const bob: Actor = { bareJid: 'bob@test', isAdmin: false }
export const root: Actor = { bareJid: 'root@test', isAdmin: true }

/** The store of this file's tests. */
export let opened: OpenedStorage

export function usePubsubStore(): void {
  beforeAll(async () => {
    opened = await openModules()
  })
  afterAll(() => opened.close())
  beforeEach(async () => {
    const { nodes, relations } = await snapshot()
    for (const { service, nodeId, target } of nodes) {
      const isBelow = relations.some((relation) => relation.service === service && relation.nodeId === nodeId)
      // What belongs to another node goes with it.
      if (!isBelow && !target) await opened.storage.run(store.deleteNode, { ...NO_PAST, service, nodeId, actor: root })
    }
  })
}

export const snapshot = () => opened.storage.run(store.readSnapshot, undefined)

export const refused = (key: string) => ({ key: `pubsub.${key}` })

export function create(nodeId = 'n', config: Partial<NodeConfig> = {}, { bareJid } = alice) {
  const node = { ...at(nodeId), creator: bareJid, config: { ...defaultConfig(BOUNDS), ...config }, nodesMax: 5 }
  return opened.storage.run(store.createNode, node)
}

export function item(itemId: string | undefined, options: Partial<PublishItem> = {}): PublishItem {
  return {
    ...n,
    actor: alice,
    itemId,
    payload: `<p xmlns="urn:p">${itemId}</p>`,
    payloadNs: 'urn:p',
    preconditions: {},
    isAuthorized: false,
    scope: undefined,
    ...BOUNDS,
    ...NO_PAST,
    ...options,
  }
}

export const publish = (itemId: string | undefined, options: Partial<PublishItem> = {}) =>
  opened.storage.run(store.publishItem, item(itemId, options))

export const page = (options: Partial<ReadPage> = {}) =>
  opened.storage.run(store.readPage, {
    ...n,
    visible: 'all',
    start: { at: 'start' },
    order: PUBLICATION_ORDER,
    lastSeq: Number.MAX_SAFE_INTEGER - 1,
    indexMax: 3,
    passedMax: 3,
    max: 10,
    maxChars: 100_000,
    withPayloads: false,
    ...options,
  })
export const ids = async (options: Partial<ReadPage> = {}) => (await page(options)).items.map(({ itemId }) => itemId)

let subids = 0
export const subscribe = (actor: Actor, jid = actor.bareJid, options = {}) =>
  opened.storage.run(store.subscribe, {
    ...n,
    actor,
    jid,
    address: 'pubsub.test',
    subid: `s${++subids}`,
    options: undefined,
    isPublic: false,
    leaseMaxMs: 60_000,
    isAuthorized: false,
    perNodeMax: 3,
    perAccountMax: 2,
    ...options,
  })

export const affiliate = (changes: Parameters<typeof store.modifyAffiliations.run>[1]['changes'], actor = alice) =>
  opened.storage.run(store.modifyAffiliations, { ...n, actor, changes, perNodeMax: 3 })

export const affiliateAt = (ref: typeof n, affiliation: 'member') =>
  opened.storage.run(store.modifyAffiliations, {
    ...{ ...ref, actor: alice, perNodeMax: 9 },
    changes: [{ bareJid: 'bob@test', affiliation }],
  })
