/** Applies drizzle-kit's migrations in the order of its journal, each once, each in its own transaction. */

import { hash } from 'node:crypto'
import type { Database } from 'better-sqlite3'
import type { Migration } from './assets.ts'
import { StorageRefused } from './storage.ts'

/**
 * Brings the schema to what the program knows. What is missing is found by name, so that a migration merged late is
 * applied even though later ones are there already.
 * @returns the names applied now
 * @throws StorageRefused when the database holds migrations that are unknown here, or that differ from those here
 */
export function migrate(sqlite: Database, migrations: readonly Migration[]): string[] {
  sqlite.exec(
    'CREATE TABLE IF NOT EXISTS schema_migrations (name TEXT PRIMARY KEY NOT NULL, hash TEXT NOT NULL, applied_at INTEGER NOT NULL)',
  )
  const applied = checkSchema(sqlite, migrations)
  const missing = migrations.filter((migration) => !applied.has(migration.name))
  for (const migration of missing) apply(sqlite, migration)
  return missing.map((migration) => migration.name)
}

/**
 * What has been applied, by name.
 * @throws StorageRefused as `migrate` does
 */
export function checkSchema(sqlite: Database, migrations: readonly Migration[]): ReadonlyMap<string, string> {
  const applied = new Map<string, string>()
  for (const row of sqlite
    .prepare<[], { name: string; hash: string }>('SELECT name, hash FROM schema_migrations')
    .all())
    applied.set(row.name, row.hash)
  checkKnown(applied, migrations)
  return applied
}

function checkKnown(applied: ReadonlyMap<string, string>, migrations: readonly Migration[]): void {
  const known = new Map(migrations.map((migration) => [migration.name, hashOf(migration)]))
  const unknown = [...applied.keys()].filter((name) => !known.has(name))
  if (unknown.length > 0)
    throw new StorageRefused(
      `the database's schema is newer than this program: it has ${unknown.join(', ')}, which this version does not know. ` +
        'Start the version that wrote it, or a later one; or restore a backup made with this version.',
    )
  for (const [name, hash] of applied)
    if (known.get(name) !== hash)
      throw new StorageRefused(
        `migration ${name} is not the one that was applied to this database. ` +
          'Start the version that wrote it; a migration never changes after it was released.',
      )
}

function apply(sqlite: Database, migration: Migration): void {
  // SQLite rebuilds a table by dropping the old one, which would delete what refers to it; and the pragma does
  // nothing inside a transaction. So references are off around it and checked before COMMIT.
  sqlite.pragma('foreign_keys = OFF')
  try {
    sqlite
      .transaction(() => {
        sqlite.exec(migration.sql)
        const broken = sqlite.pragma('foreign_key_check')
        if (Array.isArray(broken) && broken.length > 0)
          throw new StorageRefused(`migration ${migration.name} would leave ${broken.length} broken references`)
        sqlite
          .prepare('INSERT INTO schema_migrations (name, hash, applied_at) VALUES (?, ?, ?)')
          .run(migration.name, hashOf(migration), Date.now())
      })
      .immediate()
  } finally {
    sqlite.pragma('foreign_keys = ON')
  }
}

function hashOf(migration: Migration): string {
  return hash('sha256', migration.sql.replaceAll('\r\n', '\n'))
}
