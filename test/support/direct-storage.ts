/** Storage without a worker: each call runs at once in a transaction of its own, on a real SQLite file. For unit tests. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { folderAssets } from '../../server/storage/assets.ts'
import { migrate } from '../../server/storage/migrate.ts'
import { openWriter } from '../../server/storage/sqlite.ts'
import type { Call, Results, Storage } from '../../server/storage/storage.ts'

export function openDirectStorage(): Storage {
  const folder = mkdtempSync(join(tmpdir(), 'sacm-direct-'))
  const connection = openWriter(join(folder, 'sacm.db'), undefined)
  const assets = folderAssets({
    workerEntry: new URL('../../modules/worker.ts', import.meta.url),
    migrations: new URL('../../migrations/sqlite/', import.meta.url),
  })
  migrate(connection.sqlite, assets.migrations())
  let submitted = 0

  async function submit<const C extends readonly Call[]>(
    calls: C,
    applied?: (results: Results<C>) => void,
  ): Promise<Results<C>> {
    submitted += 1
    const tx = connection.tx()
    const all = connection.sqlite.transaction(() => calls.map(({ operation, args }) => operation.run(tx, args)))
    // One result per call, in their order.
    const results = all() as Results<C>
    applied?.(results)
    return results
  }

  return {
    submit,
    async run(operation, args, applied) {
      const result = connection.sqlite.transaction(() => operation.run(connection.tx(), args))()
      applied?.(result)
      return result
    },
    get submitted() {
      return submitted
    },
    settled: () => undefined,
    async close() {
      connection.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
