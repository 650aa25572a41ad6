/** The conditions that rosters raise, and the roster set's own of RFC 6121 §2.3.3 and §2.5.3. */

import { Refusal } from '../../server/module/api.ts'
import { errorTable } from '../../server/stanza/errors.ts'

const rows = {
  notYours: ['auth', 'forbidden'], // RFC 6121 §2.3.3
  malformed: ['modify', 'bad-request'], // §2.1.3, §2.1.5, §2.3.3: not one item, no address, duplicate groups
  malformedJid: ['modify', 'jid-malformed'],
  unacceptable: ['modify', 'not-acceptable'], // §2.3.3: name or group too long, group empty, too many groups
  readOnly: ['cancel', 'not-allowed'], // §2.3.3: oneself, or an item of the shared roster
  itemUnknown: ['modify', 'item-not-found'], // §2.5.3
  rosterFull: ['wait', 'resource-constraint'],
  requestsFull: ['wait', 'resource-constraint'], // §3.1.3, security warning
} as const

/** No row has an application condition, so the namespace is never written. */
export const rosterError = errorTable('', rows)

const TEXTS: Readonly<Record<string, string>> = {
  itemUnknown: 'no such item in the roster',
  rosterFull: 'the roster is full',
  requestsFull: 'too many requests wait for an answer there',
}

/** What a store's refusal is to the client; anything else passes. */
export function asRosterError(error: unknown): unknown {
  if (!(error instanceof Refusal) || !Object.hasOwn(rows, error.key)) return error
  // Checked in the line above.
  return rosterError(error.key as keyof typeof rows, TEXTS[error.key])
}
