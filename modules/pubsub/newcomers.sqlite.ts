/**
 * Whose items are: a name may have belonged to another account before, whose items stay where they are and are not those
 * of who has the name now.
 */

import { eq, getTableName, sql } from 'drizzle-orm'
import { type AccountName, type Db, isAccountNew, type Operation, type Tx } from '../../server/module/api.ts'
import { items, newcomers } from './schema.sqlite.ts'

const ph = sql.placeholder

const queries = (db: Db) => ({
  // By the place, which only grows: a clock may be set back.
  begin: db
    .insert(newcomers)
    .values({
      bareJid: ph('bareJid'),
      seq: sql`coalesce((select seq from sqlite_sequence where name = ${getTableName(items)}), 0)`,
    })
    .onConflictDoUpdate({ target: newcomers.bareJid, set: { seq: sql`excluded.seq` } })
    .prepare(),
  began: db
    .select({ seq: newcomers.seq })
    .from(newcomers)
    .where(eq(newcomers.bareJid, ph('bareJid')))
    .prepare(),
  forget: db
    .delete(newcomers)
    .where(eq(newcomers.bareJid, ph('bareJid')))
    .prepare(),
})

export const beginAccount: Operation<AccountName, undefined> = {
  name: 'pubsub.beginAccount',
  kind: 'write',
  run(tx, { bareJid }) {
    if (isAccountNew(tx)) tx.use(queries).begin.run({ bareJid })
    return undefined
  },
}

export function forgetNewcomer(tx: Tx, bareJid: string): void {
  tx.use(queries).forget.run({ bareJid })
}

/** The place behind which an account's items begin; 0 for an entity that is no account here. */
function beginOf(tx: Tx, bareJid: string): number {
  return tx.use(queries).began.get({ bareJid })?.seq ?? 0
}

/** Is it this entity that published the item, and not somebody who had the name before? */
export function isOwnItem(
  tx: Tx,
  bareJid: string,
  item: { readonly publisher: string; readonly seq: number },
): boolean {
  return item.publisher === bareJid && item.seq > beginOf(tx, bareJid)
}
