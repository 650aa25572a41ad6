/** All of pubsub that the main thread keeps a copy of, read once at a start. DESIGN decision 13. */

import { eq, max, sql } from 'drizzle-orm'
import type { Db } from '../../server/module/api.ts'
import { allLinks } from './graph.sqlite.ts'
import type { NodeConfig } from './node-config.ts'
import { config } from './nodes.sqlite.ts'
import { configOf, type NodeRow, recordWith } from './queries.sqlite.ts'
import type { Snapshot } from './records.ts'
import { allRelations } from './relations.sqlite.ts'
import { affiliations, items, nodes } from './schema.sqlite.ts'
import type { PubsubStore } from './store.ts'
import { allSubscriptions } from './subscription-rows.sqlite.ts'

type ConfigName = keyof typeof config

/** In the order in which they are read. */
const CONFIG_NAMES = Object.keys(config) as ConfigName[]
const configText = sql.join(
  CONFIG_NAMES.map((name) => nodes[name]),
  sql`, `,
)

const queries = (db: Db) => ({
  lastSeq: db
    .select({ seq: max(items.seq) })
    .from(items)
    .prepare(),
  nodes: db
    .select({
      service: nodes.service,
      nodeId: nodes.nodeId,
      creator: nodes.creator,
      createdAt: nodes.createdAt,
      seenType: nodes.seenType,
      target: nodes.target,
      config: sql<string>`json_array(${configText})`,
    })
    .from(nodes)
    .orderBy(nodes.id)
    .prepare(),
  affiliations: db
    .select({
      service: nodes.service,
      nodeId: nodes.nodeId,
      bareJid: affiliations.bareJid,
      affiliation: affiliations.affiliation,
    })
    .from(affiliations)
    .innerJoin(nodes, eq(nodes.id, affiliations.node))
    .prepare(),
})

export const readSnapshot: PubsubStore['readSnapshot'] = {
  name: 'pubsub.readSnapshot',
  kind: 'read',
  run(tx): Snapshot {
    const q = tx.use(queries)
    const configs = new Configs()
    return {
      nodes: q.nodes.all().map((row) => recordWith(configs.of(row.config), row)),
      affiliations: q.affiliations.all(),
      subscriptions: allSubscriptions(tx),
      lastSeq: q.lastSeq.get()?.seq ?? 0,
      links: allLinks(tx),
      relations: allRelations(tx),
    }
  },
}

/**
 * Of many nodes few have a configuration that no other has. So each comes as one text, and is made and kept once: its
 * thirty columns for each of 100,000 nodes were most of a start and of its memory.
 */
class Configs {
  readonly #made = new Map<string, NodeConfig>()

  of(text: string): NodeConfig {
    let made = this.#made.get(text)
    if (!made) {
      made = read(text)
      this.#made.set(text, made)
    }
    return made
  }
}

function read(text: string): NodeConfig {
  // Written by the query above.
  const values = JSON.parse(text) as unknown[]
  const columns = CONFIG_NAMES.map((name, at) => {
    const value = values[at]
    return [name, value === null ? null : nodes[name].mapFromDriverValue(value as never)]
  })
  // The columns of a row, as drizzle would have read them.
  return configOf(Object.fromEntries(columns) as Pick<NodeRow, ConfigName>)
}
