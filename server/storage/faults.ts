/** What a person reads when storage cannot serve: once when it begins, now and then while it lasts, and when it is over. */

import type { Logger } from '../log.ts'
import type { UnavailableReason } from './protocol.ts'

/** What a person must do, by reason. */
export const REMEDIES: Readonly<Record<UnavailableReason, string>> = {
  'queue-full':
    'More is asked than the disk takes: fewer clients, a faster disk, or a larger limits.storageQueue (writes) or limits.scanQueue (queries).',
  'disk-full': 'Free some space on the disk of the data folder; a running server then goes on by itself.',
  'read-only': 'Make the data folder writable for this user again; a running server then goes on by itself.',
  locked: 'Another program holds the database: end it; a running server then goes on by itself.',
  damaged:
    'Stop the server, keep a copy of the data folder, see after the disk, and put the last backup in its place (sacm restore).',
  closed: 'Nothing: the server is stopping.',
  failed:
    "The system's own log says what is wrong with the disk; when it is mended, a running server goes on by itself.",
}

/** Between two lines about the same fault: a full disk would else fill its log too. */
const REPEAT_MS = 10_000

export class FaultLog {
  readonly #log: Logger
  readonly #what: 'reading' | 'writing'
  /** When each reason was told last; a fault that comes and goes is told no more often than one that stays. */
  readonly #toldAt = new Map<UnavailableReason, number>()
  #fault: { readonly reason: UnavailableReason; readonly since: number; refused: number; isTold: boolean } | undefined

  constructor(log: Logger, what: 'reading' | 'writing') {
    this.#log = log
    this.#what = what
  }

  /** Calls were refused for this reason. */
  refused(reason: UnavailableReason, text: string, calls = 1): void {
    const now = Date.now()
    if (this.#fault?.reason !== reason) this.#fault = { reason, since: now, refused: 0, isTold: false }
    this.#fault.refused += calls
    if (now - (this.#toldAt.get(reason) ?? Number.NEGATIVE_INFINITY) < REPEAT_MS) return
    this.#toldAt.set(reason, now)
    this.#fault.isTold = true
    const { refused } = this.#fault
    const fields = { while: this.#what, reason, text, refused, remedy: REMEDIES[reason] }
    this.#log.error({ what: 'storage_unavailable', ...fields })
  }

  /** A call was served. Damage is not over because another page could be read. */
  served(): void {
    if (!this.#fault || this.#fault.reason === 'damaged') return
    const { reason, since, refused, isTold } = this.#fault
    this.#fault = undefined
    if (!isTold) return
    this.#log.warn({ what: 'storage_available', while: this.#what, reason, refused, afterMs: Date.now() - since })
  }
}
