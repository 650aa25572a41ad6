/**
 * Fills a data folder of ours with more than a bench could publish in its time: the store's own operations on the
 * database itself, without a server, and without waiting for the disk.
 */

import { join } from 'node:path'
import { defaultConfig, type NodeConfig } from '../../../modules/pubsub/node-config.ts'
import { SHARED_SERVICE } from '../../../modules/pubsub/records.ts'
import { pubsubOperations, sqliteStore } from '../../../modules/pubsub/store.sqlite.ts'
import type { PublishItem } from '../../../modules/pubsub/store.ts'
import { groupCommit } from '../../../server/storage/batch.ts'
import { DATABASE_NAME, openWriter } from '../../../server/storage/sqlite.ts'
import { type Call, call } from '../../../server/storage/storage.ts'
import { PAYLOAD_NS, payloadXml } from '../load/items.ts'
import type { Stock } from '../works.ts'
import { DOMAIN } from './server.ts'

const BATCH = 1_000
const BOUNDS = { itemsMax: 100_000_000, childrenMax: 0, payloadMaxBytes: 262_144 }
const CONFIG: NodeConfig = { ...defaultConfig(BOUNDS), publishModel: 'open', sendLastItem: 'never' }
const ACTOR = { bareJid: `u0@${DOMAIN}`, isAdmin: true }

/** Makes the nodes and items that are not there, in a folder that a server has made and that none uses now. */
export function fillFolder(folder: string, stock: Stock): void {
  const connection = openWriter(join(folder, DATABASE_NAME), undefined)
  try {
    connection.sqlite.pragma('synchronous = OFF')
    const commit = groupCommit(connection, pubsubOperations)
    const write = (calls: readonly Call[]): void => {
      const outcomes = commit(calls.map(({ operation, args }) => [[operation.name, args]]))
      const failed = outcomes.find((outcome) => 'kind' in outcome)
      if (failed) throw new Error(`the bench cannot fill its database: ${JSON.stringify(failed)}`)
    }
    for (const batch of batches(stock.nodes.length)) {
      const named = stock.nodes.slice(batch.from, batch.to)
      write(named.map((nodeId) => call(sqliteStore.ensureNode, { ...at(nodeId), creator: DOMAIN, config: CONFIG })))
    }
    for (const batch of batches(stock.items)) {
      const numbers = Array.from({ length: batch.to - batch.from }, (_, offset) => batch.from + offset)
      write(numbers.map((number) => call(sqliteStore.publishItem, item(stock.itemsAt, `i${number}`))))
    }
  } finally {
    connection.close()
  }
}

function* batches(count: number): Generator<{ readonly from: number; readonly to: number }> {
  for (let from = 0; from < count; from += BATCH) yield { from, to: Math.min(from + BATCH, count) }
}

const at = (nodeId: string) => ({ service: SHARED_SERVICE, nodeId })

function item(nodeId: string, itemId: string): PublishItem {
  return {
    ...at(nodeId),
    actor: ACTOR,
    itemId,
    payload: payloadXml(itemId),
    payloadNs: PAYLOAD_NS,
    preconditions: {},
    archiveMax: 0,
    isAuthorized: false,
    scope: undefined,
    itemsMax: BOUNDS.itemsMax,
    payloadMaxBytes: BOUNDS.payloadMaxBytes,
  }
}
