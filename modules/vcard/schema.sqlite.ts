/** The table of vCards. */

import { sqliteTable, text } from 'drizzle-orm/sqlite-core'

export const vcards = sqliteTable('vcards', {
  bareJid: text().primaryKey(),
  /** The whole `<vCard/>`, self-contained. */
  xml: text().notNull(),
})
