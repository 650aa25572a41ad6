/** Affiliations on SQLite. XEP-0060 §4.1, §8.9. */

import { and, count, eq, sql } from 'drizzle-orm'
import type { Db } from '../../server/module/api.ts'
import { affiliationOf, enforce, isLastOwner, nodeOf, standingOf } from './queries.sqlite.ts'
import type { AffiliationRecord, SubscriptionRecord } from './records.ts'
import { mayBe, mayChangeAffiliation, mayManage } from './rules.ts'
import { affiliations } from './schema.sqlite.ts'
import type { PubsubStore } from './store.ts'
import { reviewBeside, reviewSubscriptions } from './subscription-ends.sqlite.ts'

const ph = sql.placeholder

const queries = (db: Db) => ({
  affiliate: db
    .insert(affiliations)
    .values({ node: ph('node'), bareJid: ph('bareJid'), affiliation: ph('affiliation') })
    .onConflictDoUpdate({
      target: [affiliations.node, affiliations.bareJid],
      set: { affiliation: sql`excluded.affiliation` },
    })
    .prepare(),
  unaffiliate: db
    .delete(affiliations)
    .where(and(eq(affiliations.node, ph('node')), eq(affiliations.bareJid, ph('bareJid'))))
    .prepare(),
  affiliatedCount: db
    .select({ entities: count() })
    .from(affiliations)
    .where(eq(affiliations.node, ph('node')))
    .prepare(),
})

export const modifyAffiliations: PubsubStore['modifyAffiliations'] = {
  name: 'pubsub.modifyAffiliations',
  kind: 'write',
  run(tx, { service, nodeId, actor, changes, perNodeMax }) {
    const node = nodeOf(tx, { service, nodeId })
    enforce(mayManage(standingOf(tx, node, actor)))
    const q = tx.use(queries)
    const changed: AffiliationRecord[] = []
    const refused: AffiliationRecord[] = []
    const ended: SubscriptionRecord[] = []
    const approved: SubscriptionRecord[] = []
    const endedBeside: SubscriptionRecord[] = []
    let entities = q.affiliatedCount.get({ node: node.id })?.entities ?? 0
    for (const { bareJid, affiliation } of changes) {
      const before = affiliationOf(tx, node.id, bareJid)
      const isMore = before === 'none' && affiliation !== 'none'
      const mayChange =
        affiliation !== undefined &&
        mayBe(service, bareJid, affiliation) &&
        mayChangeAffiliation(before, affiliation, isLastOwner(tx, node.id, before))
      if (!mayChange || (isMore && entities >= perNodeMax)) {
        refused.push({ service, nodeId, bareJid, affiliation: before })
        continue
      }
      if (before === affiliation) continue
      if (affiliation === 'none') q.unaffiliate.run({ node: node.id, bareJid })
      else q.affiliate.run({ node: node.id, bareJid, affiliation })
      entities += isMore ? 1 : affiliation === 'none' ? -1 : 0
      changed.push({ service, nodeId, bareJid, affiliation })
      const reviewed = reviewSubscriptions(tx, node, bareJid)
      ended.push(...reviewed.ended)
      approved.push(...reviewed.approved)
      endedBeside.push(...reviewBeside(tx, node, bareJid))
    }
    return { service, nodeId, changed, refused, ended, endedBeside, approved }
  },
}
