/** Tables of accounts: existence, SCRAM keys per hash, roles with what they reach, and secrets of this installation. */

import { index, integer, primaryKey, sqliteTable, text } from 'drizzle-orm/sqlite-core'

export const accounts = sqliteTable('accounts', {
  /** Prepared local part; the domain is the server's one. */
  local: text().primaryKey(),
  createdAt: integer().notNull(),
  /** UTC milliseconds since when the account may not log in; null while it may. */
  disabledAt: integer(),
})

/** What a SCRAM server keeps instead of a password. RFC 5802 §3. Binary values are base64. */
export const scramKeys = sqliteTable(
  'scram_keys',
  {
    local: text()
      .notNull()
      .references(() => accounts.local, { onDelete: 'cascade' }),
    hash: text({ enum: ['sha1', 'sha256', 'sha512'] }).notNull(),
    salt: text().notNull(),
    iterations: integer().notNull(),
    storedKey: text().notNull(),
    serverKey: text().notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.local, table.hash] }),
    // Each start asks how many accounts have keys of how many iterations: the rows themselves are long.
    index('scram_keys_by_cost').on(table.iterations, table.local),
  ],
)

/** One row per grant. `target` is the endpoint id or the label; empty for `any`, and for `self` until bound. */
export const grants = sqliteTable(
  'grants',
  {
    local: text()
      .notNull()
      .references(() => accounts.local, { onDelete: 'cascade' }),
    role: text().notNull(),
    scope: text({ enum: ['any', 'id', 'label', 'self'] }).notNull(),
    target: text().notNull().default(''),
  },
  (table) => [primaryKey({ columns: [table.local, table.role, table.scope, table.target] })],
)

/** Seeds of the tokens that clients log in with; the tokens themselves are nowhere. XEP-0484. */
export const fastTokens = sqliteTable(
  'fast_tokens',
  {
    local: text()
      .notNull()
      .references(() => accounts.local, { onDelete: 'cascade' }),
    /** The client's own id of its installation. */
    client: text().notNull(),
    slot: text({ enum: ['current', 'new'] }).notNull(),
    mechanism: text().notNull(),
    seed: text().notNull(),
    issuedAt: integer().notNull(),
    expiresAt: integer().notNull(),
  },
  (table) => [primaryKey({ columns: [table.local, table.client, table.slot] })],
)

/** Random values made once per installation, base64. */
export const secrets = sqliteTable('secrets', {
  name: text().primaryKey(),
  value: text().notNull(),
})

/** External components that may connect, and what they share with the server. XEP-0114 needs the secret itself. */
export const components = sqliteTable('components', {
  /** Prepared domain. */
  domain: text().primaryKey(),
  secret: text().notNull(),
  createdAt: integer().notNull(),
})
