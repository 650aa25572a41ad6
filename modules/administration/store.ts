/** What administration asks of storage: arguments and results of its operations, plain data. */

import type { AccountName, Operation } from '../../server/module/api.ts'

export type MessageKind = 'motd' | 'welcome'

export interface StandingMessage {
  readonly kind: MessageKind
  readonly body: string
  /** UTC milliseconds. */
  readonly setAt: number
}

export interface LoginRecord {
  /** UTC milliseconds. */
  readonly lastLoginAt: number
  /** Of the message of the day that the account has got. */
  readonly motdSetAt: number | undefined
}

export interface AdministrationStore {
  readonly readMessages: Operation<undefined, readonly StandingMessage[]>
  readonly setMessage: Operation<StandingMessage, undefined>
  /** False when there was none. */
  readonly deleteMessage: Operation<{ readonly kind: MessageKind }, boolean>
  /** Undefined: it has never logged in. */
  readonly readLogin: Operation<{ readonly bareJid: string }, LoginRecord | undefined>
  /** With the time of each, UTC milliseconds. */
  readonly noteLogins: Operation<{ readonly logins: readonly (readonly [bareJid: string, at: number])[] }, undefined>
  /** These accounts have got the message of the day that was set then. */
  readonly noteMotd: Operation<{ readonly bareJids: readonly string[]; readonly setAt: number }, undefined>
  readonly forgetAccount: Operation<AccountName, undefined>
}
