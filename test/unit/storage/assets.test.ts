/** Migrations as they lie in the source tree: readable in journal order, and in step with the schemas. */

import { execFileSync } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import Database from 'better-sqlite3'
import { expect, test } from 'vitest'
import { folderAssets, journalOrder } from '../../../server/storage/assets.ts'
import { migrate } from '../../../server/storage/migrate.ts'

const ROOT = new URL('../../../', import.meta.url)
const MIGRATIONS = new URL('migrations/sqlite/', ROOT)
const assets = folderAssets({ workerEntry: new URL('modules/worker.ts', ROOT), migrations: MIGRATIONS })

test('the journal lists every migration, and each applies to what the ones before it made', () => {
  const migrations = assets.migrations()
  const files = readdirSync(MIGRATIONS).filter((name) => name.endsWith('.sql'))
  expect(migrations.map(({ name }) => `${name}.sql`).sort()).toEqual(files.sort())
  const sqlite = new Database(':memory:')
  try {
    expect(migrate(sqlite, migrations)).toEqual(migrations.map(({ name }) => name))
    expect(migrate(sqlite, migrations)).toEqual([])
    expect(sqlite.pragma('foreign_key_check')).toEqual([])
  } finally {
    sqlite.close()
  }
})

test('the order is the journal’s, not that of names or times', () => {
  const entry = (tag: string, when: number) => ({ idx: 0, version: '6', when, tag, breakpoints: true })
  const journal = {
    version: '7',
    dialect: 'sqlite',
    entries: [entry('0001_b', 9), entry('0000_z', 3), entry('0001_a', 1)],
  }
  expect(journalOrder(JSON.stringify(journal))).toEqual(['0001_b', '0000_z', '0001_a'])
})

test('the migrations say all that the schemas say', () => {
  const folder = mkdtempSync(join(tmpdir(), 'migrations-'))
  try {
    cpSync(MIGRATIONS, folder, { recursive: true })
    const root = fileURLToPath(ROOT)
    const kit = join(root, 'node_modules/drizzle-kit/bin.cjs')
    // It puts `./` before the folder, and leaves with 0 whatever happens: the words count.
    const options = ['--dialect', 'sqlite', '--casing', 'snake_case', '--out', relative(root, folder)]
    const schemas = ['--schema', './{server/auth,modules/*}/schema.sqlite.ts']
    const output = execFileSync(process.execPath, [kit, 'generate', ...options, ...schemas], {
      cwd: root,
      encoding: 'utf8',
      timeout: 60_000,
      stdio: 'pipe',
    })
    expect(output, 'run: drizzle-kit generate --name WHAT').toContain('nothing to migrate')
  } finally {
    rmSync(folder, { recursive: true })
  }
})
