/** What parts of the house keep of accounts, and change in the transaction that makes or removes one. */

import type { Operation, Tx } from '../storage/storage.ts'

/** An account by its name, which others may have after it. */
export interface AccountName {
  readonly bareJid: string
}

/** All of it is done or nothing, whoever makes or removes the account, and whether or not a server runs. */
export interface AccountData {
  /** When an account is made, and when one that exists is given other keys or grants: `isAccountNew` says which. */
  readonly begin?: Operation<AccountName, unknown>
  /** Drops all that would pass to whoever gets an account of this name next. */
  readonly forget?: Operation<AccountName, unknown>
}

/** What one of the AccountData's `forget` returned. */
export type Forgotten = <R>(forget: Operation<AccountName, R>) => R

/** Tx.shared keys. */
const IS_NEW = 'accounts.isNew'
const NOTES = 'accounts.notes'

/** For what `begin`s with an account: is it a new one? */
export function isAccountNew(tx: Tx): boolean {
  return tx.shared.get(IS_NEW) === true
}

export function setAccountNew(tx: Tx, isNew: boolean): void {
  tx.shared.set(IS_NEW, isNew)
}

/** Tells whoever removes the account of this transaction something that they should know. */
export function noteRemoval(tx: Tx, sentence: string): void {
  tx.shared.set(NOTES, [...notesOf(tx), sentence])
}

// Only noteRemoval sets it.
const notesOf = (tx: Tx) => (tx.shared.get(NOTES) as readonly string[] | undefined) ?? []

/** What `noteRemoval` was told in this transaction. */
export const removalNotes: Operation<undefined, readonly string[]> = {
  name: 'accounts.removalNotes',
  kind: 'write',
  run: notesOf,
}
