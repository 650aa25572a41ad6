/**
 * The check after an unclean end. SQLite itself mends what a killed process or a power cut leaves; what it cannot mend is
 * a disk that did not keep its word. The start waits for the check for a bounded time, which is enough for some
 * gigabytes; then the check goes on beside the server.
 */

import { statSync } from 'node:fs'
import type { Logger } from '../log.ts'
import { REMEDIES } from './faults.ts'
import { StorageRefused } from './storage.ts'
import { checkDatabase, type Place } from './threads.ts'

/** @throws StorageRefused for damage that is found in time; what is found later is in the log */
export async function checkWithin(waitMs: number, place: Place, log: Logger): Promise<void> {
  const { file } = place
  const bytes = statSync(file, { throwIfNoEntry: false })?.size ?? 0
  log.warn({ what: 'storage_checking', text: 'the last run did not end cleanly', bytes })
  const startedAt = Date.now()
  const checked = checkDatabase(place)
  const { promise: late, resolve } = Promise.withResolvers<'late'>()
  const timer = setTimeout(() => resolve('late'), waitMs)
  const sound = () => log.info({ what: 'storage_recovered', text: 'the database is sound', ms: Date.now() - startedAt })
  try {
    const damage = await Promise.race([checked, late])
    if (damage !== 'late') {
      if (damage !== undefined)
        throw new StorageRefused(`the database ${file} is damaged: ${damage}. ${REMEDIES.damaged}`)
      sound()
      return
    }
  } finally {
    clearTimeout(timer)
  }
  log.warn({ what: 'storage_check_continues', text: 'the database is large: it is served while it is checked' })
  checked.then(
    (damage) => {
      if (damage === undefined) sound()
      else log.error({ what: 'storage_damaged', damage, remedy: REMEDIES.damaged })
    },
    (error: unknown) => log.error({ what: 'storage_check_failed', error: String(error) }),
  )
}
