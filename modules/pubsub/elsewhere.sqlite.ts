/** Subscriptions of accounts at services that are not this server's own, on SQLite. XEP-0376. */

import { and, eq, sql } from 'drizzle-orm'
import type { Db, Tx } from '../../server/module/api.ts'
import type { ManagedSubscription } from './records.ts'
import { elsewhere } from './schema.sqlite.ts'
import type { PubsubStore } from './store.ts'

const ph = sql.placeholder

const atNode = and(
  eq(elsewhere.account, ph('jid')),
  eq(elsewhere.service, ph('service')),
  eq(elsewhere.nodeId, ph('nodeId')),
)

const queries = (db: Db) => ({
  all: db.select().from(elsewhere).prepare(),
  keep: db
    .insert(elsewhere)
    .values({
      account: ph('jid'),
      service: ph('service'),
      nodeId: ph('nodeId'),
      subid: ph('subid'),
      state: ph('state'),
      isPublic: ph('isPublic'),
      publicSince: ph('publicSince'),
    })
    .onConflictDoUpdate({
      target: [elsewhere.account, elsewhere.service, elsewhere.nodeId, elsewhere.subid],
      set: {
        state: sql`excluded.state`,
        isPublic: sql`excluded.is_public`,
        // Kept as long as it stays public.
        publicSince: sql`iif(excluded.public_since is null, null, coalesce(${elsewhere.publicSince}, excluded.public_since))`,
      },
    })
    .returning()
    .prepare(),
  drop: db
    .delete(elsewhere)
    .where(and(atNode, eq(elsewhere.subid, ph('subid'))))
    .prepare(),
  dropNode: db.delete(elsewhere).where(atNode).prepare(),
  forget: db
    .delete(elsewhere)
    .where(eq(elsewhere.account, ph('account')))
    .prepare(),
})

type Row = typeof elsewhere.$inferSelect

function recordOf({ account: jid, service, nodeId, subid, state, isPublic, publicSince }: Row): ManagedSubscription {
  const since = publicSince ?? undefined
  return { service, nodeId, jid, subid: subid === '' ? undefined : subid, state, isPublic, publicSince: since }
}

export const allElsewhere: PubsubStore['allElsewhere'] = {
  name: 'pubsub.allElsewhere',
  kind: 'read',
  run: (tx) => tx.use(queries).all.all().map(recordOf),
}

export const keepElsewhere: PubsubStore['keepElsewhere'] = {
  name: 'pubsub.keepElsewhere',
  kind: 'write',
  run(tx, subscription) {
    const { isPublic, state, subid = '' } = subscription
    const publicSince = isPublic && state === 'subscribed' ? tx.now : null
    return recordOf(tx.use(queries).keep.get({ ...subscription, subid, publicSince }))
  },
}

export const dropElsewhere: PubsubStore['dropElsewhere'] = {
  name: 'pubsub.dropElsewhere',
  kind: 'write',
  run(tx, key) {
    const q = tx.use(queries)
    if (key.subid === undefined) q.dropNode.run({ ...key })
    else q.drop.run({ ...key })
    return key
  },
}

/** An account is no more. */
export function forgetElsewhere(tx: Tx, account: string): void {
  tx.use(queries).forget.run({ account })
}
