/** Opens storage in a folder with the test's operations and migrations. */

import { join } from 'node:path'
import { createLogger } from '../../../server/log.ts'
import type { Assets, Migration } from '../../../server/storage/assets.ts'
import { type OpenStorage, openStorage, type StorageOptions } from '../../../server/storage/client.ts'
import { MIGRATION } from './operations.ts'

export interface OpenOptions extends Partial<Omit<StorageOptions, 'file' | 'assets'>> {
  readonly folder: string
  readonly migrations?: readonly Migration[]
  /** Source of a bundled worker; the worker's .ts file when not given. */
  readonly code?: string
  readonly nativeBinding?: string
}

export const WORKER = new URL('./worker.ts', import.meta.url)

export function open({
  folder,
  migrations = [MIGRATION],
  code,
  nativeBinding,
  ...options
}: OpenOptions): Promise<OpenStorage> {
  const assets: Assets = {
    workerEntry: () => (code === undefined ? WORKER : { code }),
    migrations: () => migrations,
    nativeBinding: () => nativeBinding,
  }
  return openStorage({ file: join(folder, 'test.db'), assets, log: createLogger('silent'), ...options })
}
