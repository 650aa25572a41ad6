/** Tables of messages kept for absent accounts, and what each box holds by sender, so that nothing is counted. */

import { index, integer, primaryKey, sqliteTable, text } from 'drizzle-orm/sqlite-core'

export const offlineMessages = sqliteTable(
  'offline_messages',
  {
    /** The order of delivery. */
    id: integer().primaryKey({ autoIncrement: true }),
    /** Bare JID of the account. */
    owner: text().notNull(),
    /** Bare JID, with the group where there is one. */
    sender: text().notNull(),
    type: text(),
    /** What its sender wants to be told when it is delivered. */
    scope: text(),
    /** UTC milliseconds. */
    storedAt: integer().notNull(),
    chars: integer().notNull(),
    /** The stanza as it came. */
    xml: text().notNull(),
  },
  (table) => [index('offline_messages_by_owner').on(table.owner, table.id)],
)

export const offlineBoxes = sqliteTable(
  'offline_boxes',
  {
    owner: text().notNull(),
    sender: text().notNull(),
    messages: integer().notNull(),
    chars: integer().notNull(),
  },
  (table) => [primaryKey({ columns: [table.owner, table.sender] })],
)
