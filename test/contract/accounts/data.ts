/** What a module might keep of accounts, for tests of how they come and go. */

import { type AccountName, isAccountNew, noteRemoval } from '../../../server/auth/account-data.ts'
import { type Operation, Refusal } from '../../../server/storage/storage.ts'

export const begin: Operation<AccountName, undefined> = {
  name: 'test.begin',
  kind: 'write',
  run(tx, { bareJid }) {
    if (isAccountNew(tx) && bareJid === 'refused@test') throw new Refusal('noBeginning')
    return undefined
  },
}

export const forget: Operation<AccountName, string> = {
  name: 'test.forget',
  kind: 'write',
  run(tx, { bareJid }) {
    if (bareJid === 'kept@test') throw new Refusal('noEnd')
    noteRemoval(tx, `${bareJid} had a thing`)
    return `forgot ${bareJid}`
  },
}

export const dataOperations = [begin, forget] as const
