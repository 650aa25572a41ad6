/** All of pubsub that the main thread keeps a copy of, read once at a start. DESIGN decision 13. */

import { eq, getTableName, sql } from 'drizzle-orm'
import { alias } from 'drizzle-orm/sqlite-core'
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

/** The node made before another, if it is still there. */
const previous = alias(nodes, 'previous')
const isAsPrevious = sql.join(
  CONFIG_NAMES.map((name) => sql`${nodes[name]} IS ${previous[name]}`),
  sql` AND `,
)

const queries = (db: Db) => ({
  // The newest item may be in an archive alone by now.
  lastSeq: db
    .select({ seq: sql<number>`seq` })
    .from(sql`sqlite_sequence`)
    .where(sql`name = ${sql.raw(`'${getTableName(items)}'`)}`)
    .prepare(),
  nodes: db
    .select({
      service: nodes.service,
      nodeId: nodes.nodeId,
      creator: nodes.creator,
      createdAt: nodes.createdAt,
      seenType: nodes.seenType,
      target: nodes.target,
      // Null: as the row's before it. Nodes are made in rows, and to compare costs less than to make a text.
      config: sql<
        string | null
      >`CASE WHEN ${previous.id} NOT NULL AND ${isAsPrevious} THEN NULL ELSE json_array(${configText}) END`,
    })
    .from(nodes)
    .leftJoin(previous, eq(previous.id, sql`${nodes.id} - 1`))
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
  #last: NodeConfig | undefined

  /** @param text  null: the configuration that was asked for last */
  of(text: string | null): NodeConfig {
    if (text !== null) this.#last = this.#named(text)
    if (!this.#last) throw new Error('the first of all nodes has nothing before it')
    return this.#last
  }

  #named(text: string): NodeConfig {
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
