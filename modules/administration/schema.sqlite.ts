/** Tables of service administration: when who logged in, and the messages that stand for everybody. */

import { integer, sqliteTable, text } from 'drizzle-orm/sqlite-core'

export const administrationLogins = sqliteTable('administration_logins', {
  bareJid: text().primaryKey(),
  /** UTC milliseconds. */
  lastLoginAt: integer().notNull(),
  /** When the message of the day was set that the account has got; null: none yet. */
  motdSetAt: integer(),
})

export const administrationMessages = sqliteTable('administration_messages', {
  kind: text({ enum: ['motd', 'welcome'] }).primaryKey(),
  body: text().notNull(),
  /** UTC milliseconds; a correction leaves it as it is. */
  setAt: integer().notNull(),
})
