/** The table of uploads: a slot that is given out becomes a file that is kept. */

import { index, integer, sqliteTable, text } from 'drizzle-orm/sqlite-core'

export const uploads = sqliteTable(
  'uploads',
  {
    /** Random; in the address, and the file's name on disk. */
    id: text().primaryKey(),
    /** Whose it is. */
    bareJid: text().notNull(),
    name: text().notNull(),
    size: integer().notNull(),
    /** As asked for, or as sent where nothing was asked for; null: not known. */
    contentType: text(),
    /** SHA-256 in base64; null until the file is there. */
    sha256: text(),
    /** UTC milliseconds: end of the slot, then of the file. */
    expiresAt: integer().notNull(),
    /** UTC milliseconds: end of the file, once it is there. */
    keptUntil: integer().notNull(),
  },
  (table) => [index('uploads_by_account').on(table.bareJid), index('uploads_by_expiry').on(table.expiresAt)],
)
