/** Tables of rosters: one row per side of a relation, the counter of each roster, and when accounts were last seen. */

import { index, integer, primaryKey, sqliteTable, text } from 'drizzle-orm/sqlite-core'

export const rosters = sqliteTable('rosters', {
  /** Bare JID. */
  owner: text().primaryKey(),
  /** Tells this roster from one that an account of the same name had before. */
  epoch: text().notNull(),
  /** Grows by one with each change of the roster. */
  sequence: integer().notNull(),
  /** Removals up to this one are forgotten: a client that knows no later version gets the whole roster. */
  forgotten: integer().notNull().default(0),
})

export const rosterItems = sqliteTable(
  'roster_items',
  {
    owner: text().notNull(),
    /** Bare JID. */
    contact: text().notNull(),
    name: text().notNull(),
    /** string[] as JSON. */
    groups: text().notNull(),
    subscription: text({ enum: ['none', 'to', 'from', 'both'] }).notNull(),
    isAsking: integer({ mode: 'boolean' }).notNull(),
    isAsked: integer({ mode: 'boolean' }).notNull(),
    isApproved: integer({ mode: 'boolean' }).notNull(),
    /** In the roster as its owner sees it; a request alone does not put it there, a removal takes it out. */
    isListed: integer({ mode: 'boolean' }).notNull(),
    /** The sequence of the last change that its owner saw; 0: never. */
    version: integer().notNull(),
    /** The whole stanza of the request while `isAsked`. RFC 6121 §3.1.3. */
    request: text(),
  },
  (table) => [
    primaryKey({ columns: [table.owner, table.contact] }),
    index('roster_items_by_contact').on(table.contact),
    index('roster_items_by_version').on(table.owner, table.version),
  ],
)

export const rosterSeen = sqliteTable('roster_seen', {
  bareJid: text().primaryKey(),
  /** UTC milliseconds when the last available resource went; null while one is there. */
  unavailableAt: integer(),
})
