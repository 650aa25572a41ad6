/** The service's own keys on SQLite. */

import { eq, sql } from 'drizzle-orm'
import type { Db } from '../../server/module/api.ts'
import { keys } from './schema.sqlite.ts'
import type { PubsubStore } from './store.ts'

const ph = sql.placeholder
const CURSORS = 'cursors'

const queries = (db: Db) => ({
  insert: db
    .insert(keys)
    .values({ name: CURSORS, key: ph('key') })
    .onConflictDoNothing()
    .prepare(),
  read: db.select({ key: keys.key }).from(keys).where(eq(keys.name, CURSORS)).prepare(),
})

export const readKey: PubsubStore['readKey'] = {
  name: 'pubsub.readKey',
  kind: 'read',
  run: (tx) => tx.use(queries).read.get(),
}

export const ensureKey: PubsubStore['ensureKey'] = {
  name: 'pubsub.ensureKey',
  kind: 'write',
  run(tx, { key }) {
    const q = tx.use(queries)
    q.insert.run({ key })
    return q.read.get() ?? { key }
  },
}
