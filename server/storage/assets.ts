/** Where storage finds what is not code of this thread: the worker's entry, the migrations, the native addon. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** One step of the schema, as drizzle-kit generated it. */
export interface Migration {
  readonly name: string
  readonly sql: string
}

/** One implementation per way of shipping: source tree, bundle, single binary. */
export interface Assets {
  /** A file to start the worker from, or its source (CommonJS, one file). */
  workerEntry(): URL | { readonly code: string }
  /** In the order to apply them. */
  migrations(): readonly Migration[]
  /** Path of better-sqlite3's addon; undefined lets the package find its own. */
  nativeBinding(): string | undefined
}

/**
 * Assets that lie in folders: the source tree and the bundle.
 * @param migrations  folder with drizzle-kit's `meta/_journal.json`, ending in a slash
 */
export function folderAssets(at: {
  readonly workerEntry: URL
  readonly migrations: URL
  readonly nativeBinding?: string
}): Assets {
  const folder = fileURLToPath(at.migrations)
  return {
    workerEntry: () => at.workerEntry,
    migrations: () =>
      journalOrder(readFileSync(join(folder, 'meta/_journal.json'), 'utf8')).map((name) => ({
        name,
        sql: readFileSync(join(folder, `${name}.sql`), 'utf8'),
      })),
    nativeBinding: () => at.nativeBinding,
  }
}

/** The names of the migrations in the order of drizzle-kit's journal. */
export function journalOrder(journal: string): string[] {
  // drizzle-kit writes this file, and it ships with the program: its shape is known.
  const { entries } = JSON.parse(journal) as { readonly entries: readonly { readonly tag: string }[] }
  return entries.map((entry) => entry.tag)
}
