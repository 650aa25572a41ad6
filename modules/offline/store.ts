/** What the offline store asks of storage: arguments and results of its operations, plain data. */

import type { AccountName, Operation } from '../../server/module/api.ts'
import type { BoxLimits } from './rules.ts'

export interface Letter {
  /** Bare JID. */
  readonly owner: string
  /** Bare JID, with the group of what is bounded by more than its sender. */
  readonly sender: string
  readonly scope?: string | undefined
  readonly type: string | undefined
  readonly xml: string
}

export interface StoredLetter {
  readonly id: number
  readonly sender: string
  readonly scope: string | undefined
  readonly type: string | undefined
  /** UTC milliseconds. */
  readonly storedAt: number
  readonly xml: string
}

export interface OfflineStore {
  /** @throws Refusal boxFull */
  readonly keep: Operation<{ readonly letter: Letter; readonly limits: BoxLimits }, undefined>
  /** Keeps what there is room for. @returns the owners whose box had none, once per letter */
  readonly keepAll: Operation<
    { readonly letters: readonly Letter[]; readonly limits: BoxLimits },
    { readonly dropped: number }
  >
  /** The oldest, up to a number of them or of characters, one at least. */
  readonly readPage: Operation<
    { readonly owner: string; readonly max: number; readonly maxChars: number },
    readonly StoredLetter[]
  >
  /** Forgets what is delivered. */
  readonly forget: Operation<{ readonly owner: string; readonly upTo: number }, undefined>
  readonly forgetAccount: Operation<AccountName, undefined>
}
