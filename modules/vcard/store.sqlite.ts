/** The operations of vCards on SQLite. */

import { eq, sql } from 'drizzle-orm'
import type { AccountName, Db, Operation } from '../../server/module/api.ts'
import { vcards } from './schema.sqlite.ts'

const { placeholder } = sql

const queries = (db: Db) => ({
  read: db
    .select({ xml: vcards.xml })
    .from(vcards)
    .where(eq(vcards.bareJid, placeholder('bareJid')))
    .prepare(),
  save: db
    .insert(vcards)
    .values({ bareJid: placeholder('bareJid'), xml: placeholder('xml') })
    .onConflictDoUpdate({ target: vcards.bareJid, set: { xml: sql`excluded.xml` } })
    .prepare(),
  remove: db
    .delete(vcards)
    .where(eq(vcards.bareJid, placeholder('bareJid')))
    .prepare(),
})

/** The vCard of an account; undefined when it has none. */
export const readVcard: Operation<string, string | undefined> = {
  name: 'vcard.read',
  kind: 'read',
  run: (tx, bareJid) => tx.use(queries).read.get({ bareJid })?.xml,
}

/** Puts a vCard in the place of what was there. */
export const saveVcard: Operation<{ readonly bareJid: string; readonly xml: string }, void> = {
  name: 'vcard.save',
  kind: 'write',
  run(tx, vcard) {
    tx.use(queries).save.run(vcard)
  },
}

export const removeVcard: Operation<AccountName, void> = {
  name: 'vcard.remove',
  kind: 'write',
  run(tx, { bareJid }) {
    tx.use(queries).remove.run({ bareJid })
  },
}

export const vcardOperations = [readVcard, saveVcard, removeVcard]
