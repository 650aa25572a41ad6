/**
 * Storage in a fresh folder with the real migrations, on a real SQLite file: through the worker with every module's
 * operations, or without it, which starts in a hundredth of the time.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLogger } from '../../server/log.ts'
import { folderAssets } from '../../server/storage/assets.ts'
import { openStorage } from '../../server/storage/client.ts'
import { migrate } from '../../server/storage/migrate.ts'
import { type Connection, openWriter } from '../../server/storage/sqlite.ts'
import type { Call, Results, Storage } from '../../server/storage/storage.ts'

export interface OpenedStorage {
  storage: Storage
  /** Closes and opens again: what is there afterwards was on disk. */
  reopen(): Promise<void>
  close(): Promise<void>
}

const ASSETS = folderAssets({
  workerEntry: new URL('../../modules/worker.ts', import.meta.url),
  migrations: new URL('../../migrations/sqlite/', import.meta.url),
})

export async function openModules(road: 'worker' | 'direct' = 'worker'): Promise<OpenedStorage> {
  const folder = mkdtempSync(join(tmpdir(), 'sacm-contract-'))
  const file = join(folder, 'sacm.db')
  const open = async (): Promise<Storage> =>
    road === 'worker' ? openStorage({ file, assets: ASSETS, log: createLogger('silent') }) : openDirect(file)
  const opened: OpenedStorage = {
    storage: await open(),
    async reopen() {
      await opened.storage.close()
      opened.storage = await open()
    },
    async close() {
      await opened.storage.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
  return opened
}

/** One transaction per call or submit; arguments and results are cloned, as the way to the worker would. */
function openDirect(file: string): Storage {
  const connection = openWriter(file, undefined)
  migrate(connection.sqlite, ASSETS.migrations())
  let submitted = 0
  async function submit<const C extends readonly Call[]>(
    calls: C,
    applied?: (results: Results<C>) => void,
  ): Promise<Results<C>> {
    submitted += 1
    // One result per call, in their order.
    const results = runAll(connection, calls) as Results<C>
    applied?.(results)
    return results
  }
  return {
    epoch: connection.epoch,
    submit,
    scan: async (operation, args) => operation.run(connection.tx(), args),
    run: async (operation, args, applied) => {
      const [result] = await submit([{ operation, args }] as const)
      // The one result is this operation's.
      const own = result as Awaited<ReturnType<typeof operation.run>>
      applied?.(own)
      return own
    },
    get submitted() {
      return submitted
    },
    settled: () => undefined,
    close: async () => connection.close(),
  }
}

function runAll(connection: Connection, calls: readonly Call[]): unknown[] {
  const tx = connection.tx()
  const run = connection.sqlite.transaction(() =>
    calls.map(({ operation, args }) => structuredClone(operation.run(tx, structuredClone(args)))),
  )
  return run.immediate()
}
