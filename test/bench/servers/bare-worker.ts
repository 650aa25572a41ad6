/** The bare server's storage: what has come since the last commit is one transaction; an answer is how many are on disk. */

import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import Database from 'better-sqlite3'

/** node, item id, item, how many the node keeps. */
export type BarePublish = readonly [nodeId: string, itemId: string, item: string, max: number]

const port: MessagePort | null = parentPort
if (!port) throw new Error('this is a worker')
const database = new Database(String(workerData))
database.pragma('journal_mode = WAL')
database.pragma('synchronous = FULL')
database.exec(`
  CREATE TABLE IF NOT EXISTS item (seq INTEGER PRIMARY KEY, node TEXT NOT NULL, id TEXT NOT NULL, xml TEXT NOT NULL);
  CREATE UNIQUE INDEX IF NOT EXISTS item_id ON item (node, id);
  CREATE INDEX IF NOT EXISTS item_seq ON item (node, seq);`)
const put = database.prepare<[string, string, string]>('INSERT OR REPLACE INTO item (node, id, xml) VALUES (?, ?, ?)')
const prune = database.prepare<[string, string, number]>(
  'DELETE FROM item WHERE node = ? AND seq <= (SELECT seq FROM item WHERE node = ? ORDER BY seq DESC LIMIT 1 OFFSET ?)',
)
const commit = database.transaction((publishes: readonly BarePublish[]) => {
  for (const [nodeId, itemId, item, max] of publishes) {
    put.run(nodeId, itemId, item)
    if (Number.isFinite(max)) prune.run(nodeId, nodeId, max)
  }
})
port.on('message', (first: readonly BarePublish[]) => {
  const publishes = [...first]
  for (let next = receiveMessageOnPort(port); next; next = receiveMessageOnPort(port)) publishes.push(...next.message)
  commit(publishes)
  port.postMessage(publishes.length)
})
port.postMessage(0)
