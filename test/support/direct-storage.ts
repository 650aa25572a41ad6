/** Storage without a worker: each call runs soon in a transaction of its own, on a real SQLite file. For unit tests. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { folderAssets } from '../../server/storage/assets.ts'
import { Memory } from '../../server/storage/batch.ts'
import { migrate } from '../../server/storage/migrate.ts'
import { openWriter } from '../../server/storage/sqlite.ts'
import type { Call, Results, Storage, Tx } from '../../server/storage/storage.ts'

export function openDirectStorage(): Storage {
  const folder = mkdtempSync(join(tmpdir(), 'sacm-direct-'))
  const connection = openWriter(join(folder, 'sacm.db'), undefined)
  const assets = folderAssets({
    workerEntry: new URL('../../modules/worker.ts', import.meta.url),
    migrations: new URL('../../migrations/sqlite/', import.meta.url),
  })
  migrate(connection.sqlite, assets.migrations())
  let submitted = 0

  function transact<R>(act: (tx: Tx) => R): R {
    const memory = new Memory()
    const tx = connection.tx(memory)
    const all = connection.sqlite.transaction(() => {
      const result = act(tx)
      memory.flush(tx)
      return result
    })
    try {
      return all()
    } catch (error) {
      memory.rollBack(0)
      throw error
    }
  }

  async function submit<const C extends readonly Call[]>(
    calls: C,
    applied?: (results: Results<C>) => void,
  ): Promise<Results<C>> {
    submitted += 1
    await Promise.resolve()
    // One result per call, in their order.
    const results = transact((tx) => calls.map(({ operation, args }) => operation.run(tx, args))) as Results<C>
    applied?.(results)
    return results
  }

  return {
    epoch: connection.epoch,
    submit,
    async run(operation, args, applied) {
      // Never within another one's `applied`.
      await Promise.resolve()
      const result = transact((tx) => operation.run(tx, args))
      applied?.(result)
      return result
    },
    scan: async (operation, args) => connection.sqlite.transaction(() => operation.run(connection.tx(), args))(),
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
