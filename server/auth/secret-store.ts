/** Secrets of the server itself that outlive it, by name. */

import { eq, sql } from 'drizzle-orm'
import type { Db, Operation } from '../storage/storage.ts'
import { secrets } from './schema.sqlite.ts'

const queries = (db: Db) => ({
  secret: db
    .select({ value: secrets.value })
    .from(secrets)
    .where(eq(secrets.name, sql.placeholder('name')))
    .prepare(),
  insertSecret: db
    .insert(secrets)
    .values({ name: sql.placeholder('name'), value: sql.placeholder('value') })
    .onConflictDoNothing()
    .prepare(),
})

/** The secret of this name, when there is one. Base64. */
export const keptSecret: Operation<{ readonly name: string }, string | undefined> = {
  name: 'accounts.keptSecret',
  kind: 'read',
  run: (tx, { name }) => tx.use(queries).secret.get({ name })?.value,
}

/** The secret of this name; the proposed value becomes it when there is none. Base64. */
export const keepSecret: Operation<{ readonly name: string; readonly proposed: string }, string> = {
  name: 'accounts.keepSecret',
  kind: 'write',
  run(tx, { name, proposed }) {
    const q = tx.use(queries)
    q.insertSecret.run({ name, value: proposed })
    return q.secret.get({ name })?.value ?? proposed
  },
}
