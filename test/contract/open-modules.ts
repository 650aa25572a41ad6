/** Opens storage in a fresh folder with every module's operations and the real migrations. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLogger } from '../../server/log.ts'
import { folderAssets } from '../../server/storage/assets.ts'
import { openStorage } from '../../server/storage/client.ts'
import type { Storage } from '../../server/storage/storage.ts'

export interface OpenedStorage {
  storage: Storage
  /** Closes and opens again: what is there afterwards was on disk. */
  reopen(): Promise<void>
  close(): Promise<void>
}

export async function openModules(): Promise<OpenedStorage> {
  const folder = mkdtempSync(join(tmpdir(), 'sacm-contract-'))
  const open = () =>
    openStorage({
      file: join(folder, 'sacm.db'),
      assets: folderAssets({
        workerEntry: new URL('../../modules/worker.ts', import.meta.url),
        migrations: new URL('../../migrations/sqlite/', import.meta.url),
      }),
      log: createLogger('silent'),
    })
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
