/** The operations of service administration on SQLite. */

import { eq, sql } from 'drizzle-orm'
import type { Db, Operation } from '../../server/module/api.ts'
import { administrationLogins as logins, administrationMessages as messages } from './schema.sqlite.ts'
import type { AdministrationStore } from './store.ts'

const { placeholder } = sql

const queries = (db: Db) => ({
  messages: db.select().from(messages).prepare(),
  putMessage: db
    .insert(messages)
    .values({ kind: placeholder('kind'), body: placeholder('body'), setAt: placeholder('setAt') })
    .onConflictDoUpdate({ target: messages.kind, set: { body: sql`excluded.body`, setAt: sql`excluded.set_at` } })
    .prepare(),
  deleteMessage: db
    .delete(messages)
    .where(eq(messages.kind, placeholder('kind')))
    .prepare(),
  login: db
    .select({ lastLoginAt: logins.lastLoginAt, motdSetAt: logins.motdSetAt })
    .from(logins)
    .where(eq(logins.bareJid, placeholder('bareJid')))
    .prepare(),
  putLogin: db
    .insert(logins)
    .values({ bareJid: placeholder('bareJid'), lastLoginAt: placeholder('at') })
    .onConflictDoUpdate({ target: logins.bareJid, set: { lastLoginAt: sql`excluded.last_login_at` } })
    .prepare(),
  putMotd: db
    .update(logins)
    .set({ motdSetAt: sql`${placeholder('setAt')}` })
    .where(eq(logins.bareJid, placeholder('bareJid')))
    .prepare(),
  forget: db
    .delete(logins)
    .where(eq(logins.bareJid, placeholder('bareJid')))
    .prepare(),
})

export const administrationStore: AdministrationStore = {
  readMessages: {
    name: 'administration.readMessages',
    kind: 'read',
    run: (tx) => tx.use(queries).messages.all(),
  },
  setMessage: {
    name: 'administration.setMessage',
    kind: 'write',
    run(tx, message) {
      tx.use(queries).putMessage.run({ ...message })
      return undefined
    },
  },
  deleteMessage: {
    name: 'administration.deleteMessage',
    kind: 'write',
    run: (tx, { kind }) => tx.use(queries).deleteMessage.run({ kind }).changes === 1,
  },
  readLogin: {
    name: 'administration.readLogin',
    kind: 'read',
    run(tx, { bareJid }) {
      const row = tx.use(queries).login.get({ bareJid })
      return row && { lastLoginAt: row.lastLoginAt, motdSetAt: row.motdSetAt ?? undefined }
    },
  },
  noteLogins: {
    name: 'administration.noteLogins',
    kind: 'write',
    run(tx, { logins }) {
      for (const [bareJid, at] of logins) tx.use(queries).putLogin.run({ bareJid, at })
      return undefined
    },
  },
  noteMotd: {
    name: 'administration.noteMotd',
    kind: 'write',
    run(tx, { bareJids, setAt }) {
      for (const bareJid of bareJids) tx.use(queries).putMotd.run({ bareJid, setAt })
      return undefined
    },
  },
  forgetAccount: {
    name: 'administration.forgetAccount',
    kind: 'write',
    run(tx, { bareJid }) {
      tx.use(queries).forget.run({ bareJid })
      return undefined
    },
  },
}

export const administrationOperations: readonly Operation<never>[] = Object.values(administrationStore)
