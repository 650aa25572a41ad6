/** Tables of the Integration Service: components with what they can do, and the jobs asked of them. */

import { index, integer, primaryKey, sqliteTable, text } from 'drizzle-orm/sqlite-core'

export const components = sqliteTable('sacm_components', {
  id: text().primaryKey(),
  /** One component per account. */
  bareJid: text().notNull().unique(),
  type: text().notNull(),
  name: text().notNull(),
  description: text(),
  state: text({ enum: ['registered', 'gone', 'back'] }).notNull(),
  /** UTC milliseconds of the last change of state. */
  since: integer().notNull(),
  /** Capability[] as JSON. */
  capabilities: text().notNull(),
})

export const jobs = sqliteTable(
  'sacm_jobs',
  {
    /** Bare JID. */
    requester: text().notNull(),
    id: text().notNull(),
    /** Component id, or the topic of a broadcast. */
    component: text().notNull(),
    /** JobState as JSON. */
    state: text().notNull(),
    createdAt: integer().notNull(),
    updatedAt: integer().notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.requester, table.id, table.component] }),
    index('sacm_jobs_by_age').on(table.createdAt),
  ],
)
