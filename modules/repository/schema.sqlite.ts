/**
 * Tables of the repository. An attribute row is one value over one span of time: a change closes it and adds another,
 * sameness moves its `lastSeen`. Spans are by time of receipt, which never runs backwards within an endpoint.
 */

import { sql } from 'drizzle-orm'
import { index, integer, primaryKey, real, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core'

export const endpoints = sqliteTable('repository_endpoints', {
  /** Grows in the order of first sight: the cursor of a page. */
  seq: integer().primaryKey({ autoIncrement: true }),
  id: text().notNull().unique(),
  /** UTC milliseconds of receipt. */
  firstSeen: integer().notNull(),
  lastSeen: integer().notNull(),
})

const endpointRef = () =>
  text()
    .notNull()
    .references(() => endpoints.id, { onDelete: 'cascade' })

export const identifiers = sqliteTable(
  'repository_identifiers',
  { endpoint: endpointRef(), type: text().notNull(), value: text().notNull() },
  (table) => [
    primaryKey({ columns: [table.endpoint, table.type, table.value] }),
    index('repository_identifiers_by_value').on(table.type, table.value),
  ],
)

/** Endpoints whose identifiers were found in one report, both ways round. */
export const conflicts = sqliteTable(
  'repository_conflicts',
  { endpoint: endpointRef(), other: endpointRef() },
  (table) => [primaryKey({ columns: [table.endpoint, table.other] })],
)

export const labels = sqliteTable(
  'repository_labels',
  { endpoint: endpointRef(), label: text().notNull() },
  (table) => [
    primaryKey({ columns: [table.endpoint, table.label] }),
    index('repository_labels_by_label').on(table.label),
  ],
)

/** The endpoint to which an account's `self` grant is bound. */
export const bindings = sqliteTable('repository_bindings', {
  bareJid: text().primaryKey(),
  endpoint: endpointRef(),
})

/** Every accepted report by its item id, parts too: a repeat is told from a conflict by the hash. */
export const reports = sqliteTable('repository_reports', {
  id: text().primaryKey(),
  hash: text().notNull(),
  endpoint: endpointRef(),
  collector: text().notNull(),
  received: integer().notNull(),
})

/** Parts of reports that are not yet complete. */
export const parts = sqliteTable(
  'repository_parts',
  {
    collector: text().notNull(),
    set: text().notNull(),
    number: integer().notNull(),
    of: integer().notNull(),
    endpoint: endpointRef(),
    received: integer().notNull(),
    /** Item id: when the part is dropped, its report is forgotten too and may be sent again. */
    item: text().notNull(),
    /** The part's PostureReport as JSON. */
    report: text().notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.collector, table.set, table.number] }),
    index('repository_parts_by_age').on(table.received),
  ],
)

export const attributes = sqliteTable(
  'repository_attributes',
  {
    /** Grows with every change: the cursor of a page, and the order of last change. */
    seq: integer().primaryKey({ autoIncrement: true }),
    endpoint: endpointRef(),
    name: text().notNull(),
    value: text(),
    type: text().notNull(),
    status: text().notNull(),
    reason: text(),
    /** When the value was first found; UTC milliseconds, the collector's clock. */
    collected: integer().notNull(),
    received: integer().notNull(),
    /** When it was last found to be still so; never after its receipt. */
    lastSeen: integer().notNull(),
    collector: text().notNull(),
    method: text().notNull(),
    format: text().notNull(),
    /** Item id of the report that brought it. */
    report: text().notNull(),
    /** The span in which this was what the repository knew; null: it still is. */
    validFrom: integer().notNull(),
    validUntil: integer(),
  },
  (table) => [
    uniqueIndex('repository_attributes_current').on(table.endpoint, table.name).where(sql`${table.validUntil} IS NULL`),
    index('repository_attributes_by_order').on(table.endpoint, table.seq),
    index('repository_attributes_by_name').on(table.name, table.endpoint),
  ],
)

export const policies = sqliteTable(
  'repository_policies',
  {
    seq: integer().primaryKey({ autoIncrement: true }),
    id: text().notNull(),
    version: text().notNull(),
    title: text().notNull(),
    type: text().notNull(),
    rules: integer().notNull(),
    published: integer().notNull(),
    publisher: text().notNull(),
    hash: text().notNull(),
    /** Self-contained XML. */
    document: text().notNull(),
  },
  (table) => [uniqueIndex('repository_policies_by_id').on(table.id, table.version)],
)

/** One evaluation of one endpoint by one policy; of several, the last received is current. */
export const results = sqliteTable(
  'repository_results',
  {
    id: text().primaryKey(),
    hash: text().notNull(),
    endpoint: endpointRef(),
    policy: text().notNull(),
    policyVersion: text(),
    /** Empty: none was named. */
    profile: text().notNull(),
    evaluated: integer().notNull(),
    received: integer().notNull(),
    evaluator: text().notNull(),
    job: text(),
    score: real().notNull(),
    validUntil: integer(),
  },
  (table) => [index('repository_results_by_subject').on(table.endpoint, table.policy, table.profile)],
)

export const ruleResults = sqliteTable(
  'repository_rule_results',
  {
    seq: integer().primaryKey({ autoIncrement: true }),
    result: text()
      .notNull()
      .references(() => results.id, { onDelete: 'cascade' }),
    rule: text().notNull(),
    title: text(),
    severity: text(),
    verdict: text().notNull(),
    message: text(),
    /** Evidence[] as JSON. */
    evidence: text().notNull(),
  },
  (table) => [index('repository_rule_results_by_result').on(table.result, table.seq)],
)
