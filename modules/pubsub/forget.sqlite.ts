/** The end of an account on SQLite: all that would pass to whoever has its name next. */

import { aliasedTable, and, asc, eq, ne, notExists, sql } from 'drizzle-orm'
import { type Db, noteRemoval, type Tx } from '../../server/module/api.ts'
import { forgetElsewhere } from './elsewhere.sqlite.ts'
import { forgetAll } from './known-nodes.sqlite.ts'
import { forgetAllMoved } from './moved.sqlite.ts'
import { forgetNewcomer } from './newcomers.sqlite.ts'
import { forgetCount } from './node-counts.sqlite.ts'
import { recordOf } from './queries.sqlite.ts'
import type { NodeRecord } from './records.ts'
import { affiliations, nodes } from './schema.sqlite.ts'
import type { PubsubStore } from './store.ts'
import { endAllOf } from './subscription-ends.sqlite.ts'

const ph = sql.placeholder

/** NodeIDs that a note names. */
const NAMED_MAX = 10

const others = aliasedTable(affiliations, 'others')

const queries = (db: Db) => ({
  forgetNodes: db
    .delete(nodes)
    .where(eq(nodes.service, ph('service')))
    .prepare(),
  forget: db
    .delete(affiliations)
    .where(eq(affiliations.bareJid, ph('bareJid')))
    .prepare(),
  ownedAlone: db
    .select({ nodeId: nodes.nodeId })
    .from(affiliations)
    .innerJoin(nodes, eq(nodes.id, affiliations.node))
    .where(
      and(
        eq(affiliations.bareJid, ph('bareJid')),
        eq(affiliations.affiliation, 'owner'),
        ne(nodes.service, ph('bareJid')),
        notExists(
          db
            .select({ node: others.node })
            .from(others)
            .where(
              and(
                eq(others.node, affiliations.node),
                eq(others.affiliation, 'owner'),
                ne(others.bareJid, affiliations.bareJid),
              ),
            ),
        ),
      ),
    )
    .orderBy(asc(nodes.nodeId))
    .prepare(),
  whitelists: db.select().from(nodes).where(sql`${nodes.childrenWhitelist} <> ''`).prepare(),
  // drizzle types a placeholder in set() as no value of the column, although it fills it in like any other.
  setWhitelist: db
    .update(nodes)
    .set({ childrenWhitelist: ph('childrenWhitelist') } as never)
    .where(eq(nodes.id, ph('id')))
    .returning()
    .prepare(),
})

export const forgetAccount: PubsubStore['forgetAccount'] = {
  name: 'pubsub.forgetAccount',
  kind: 'write',
  run(tx, { bareJid }) {
    forgetAll(tx)
    noteOwnerless(tx, bareJid)
    endAllOf(tx, bareJid)
    tx.use(queries).forget.run({ bareJid })
    forgetCount(tx, bareJid)
    forgetAllMoved(tx, bareJid)
    forgetNewcomer(tx, bareJid)
    forgetElsewhere(tx, bareJid)
    // Items, subscriptions and affiliations go with their node.
    tx.use(queries).forgetNodes.run({ service: bareJid })
    return { bareJid, unlisted: unlist(tx, bareJid) }
  },
}

/** Its nodes at a service that is not its own stay, for those who follow them; the service's administrators own all there. */
function noteOwnerless(tx: Tx, bareJid: string): void {
  const names = tx
    .use(queries)
    .ownedAlone.all({ bareJid })
    .map(({ nodeId }) => nodeId)
  if (names.length === 0) return
  const named = names.slice(0, NAMED_MAX).join(', ') + (names.length > NAMED_MAX ? ', …' : '')
  noteRemoval(tx, `Nodes without an owner, which only administrators can manage now: ${names.length} (${named}).`)
}

/** Takes it off the lists of who may put nodes into collections. XEP-0248 §7.2 */
function unlist(tx: Tx, bareJid: string): NodeRecord[] {
  const q = tx.use(queries)
  return q.whitelists.all().flatMap(({ id, childrenWhitelist }) => {
    const listed = childrenWhitelist.split('\n')
    if (!listed.includes(bareJid)) return []
    const left = listed.filter((each) => each !== bareJid).join('\n')
    return q.setWhitelist.all({ id, childrenWhitelist: left }).map(recordOf)
  })
}
