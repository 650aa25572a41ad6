/** Local accounts: who exists, with which roles; passwords are checked against SCRAM keys and never kept. */

import { randomBytes } from 'node:crypto'
import { SaslError } from '../stanza/errors.ts'
import { JidError, makeJid } from '../stanza/jid.ts'
import { opaqueString } from '../stanza/precis.ts'
import { type Call, call, Refusal, type Storage, StorageUnavailable } from '../storage/storage.ts'
import { type AccountData, type AccountName, type Forgotten, removalNotes } from './account-data.ts'
import { keyCosts, readKeys } from './key-store.ts'
import { deriveKeys, isEqual, newSalt, SCRAM_HASHES, type ScramHash, type ScramKeys } from './keys.ts'
import { PasswordCache } from './password-cache.ts'
import type { Grant, Role } from './roles.ts'
import { type ScramOptions, ScramServer } from './scram.ts'
import { keepSecret, keptSecret } from './secret-store.ts'
import {
  type AccountRecord,
  addGrant,
  bindSelfGrants,
  loadAccounts,
  putAccount,
  removeAccount,
  revokeGrant,
  setDisabled,
  setKeys,
} from './store.ts'
import { removeTokens } from './token-store.ts'
import { UnknownUsers } from './unknown-users.ts'
import { KeyUpgrades } from './upgrades.ts'

export type { AccountRecord } from './store.ts'

export interface AccountsOptions {
  readonly domain: string
  /** PBKDF2 iterations of keys made from now on. RFC 7677 §4 asks for 4096 at least. */
  readonly scramIterations: number
  /** Passwords that PLAIN has checked and need no PBKDF2 when they come again. */
  readonly passwordCacheEntries?: number
  /** What else is kept of accounts. */
  readonly data?: readonly AccountData[]
}

/** What a SCRAM login must know of its stream. */
type ScramChannel = Pick<ScramOptions, 'bindings' | 'isPlusOffered' | 'advertised'>

export type AccountChange =
  | { readonly kind: 'added' | 'changed'; readonly bareJid: string }
  /** Its removal is under way. */
  | { readonly kind: 'leaving'; readonly bareJid: string; readonly isGone: Promise<boolean> }
  | {
      readonly kind: 'removed'
      readonly bareJid: string
      readonly forgotten: Forgotten
      readonly notes: readonly string[]
    }

/** What a password was refused for, in words for its owner. */
export class PasswordError extends Error {
  override readonly name = 'PasswordError'
}

/**
 * Satisfies the stream's Authenticator, and the modules' AccountView but for who sees whose presence: that is the
 * rosters'. `local` is a prepared local part. What changes an account resolves when it is on disk, and rejects with
 * Refusal `noSuchAccount` or `accountExists`.
 */
export interface Accounts {
  exists(bareJid: string): boolean
  bareJids(): Iterable<string>
  roles(bareJid: string): ReadonlySet<Role>
  grants(bareJid: string): readonly Grant[]
  bindSelf(bareJid: string, endpointId: string): Promise<readonly Grant[]>

  /**
   * Makes an account. One that exists gets the password (unless undefined) and the grants in place of its own, or is
   * refused with `accountExists` when `replace` is false.
   * @returns true when it is new
   * @throws PasswordError
   */
  add(
    local: string,
    password: string | undefined,
    grants: readonly Grant[],
    options?: { readonly replace?: boolean },
  ): Promise<boolean>
  /** @throws PasswordError */
  setPassword(local: string, password: string): Promise<void>
  /** A disabled account is answered like one that does not exist, and keeps all it has. */
  setDisabled(local: string, isDisabled: boolean): Promise<void>
  /**
   * With all that is kept of it. From now on it is answered like one that does not exist.
   * @returns what whoever removes it should know, a sentence each; undefined when there was none
   */
  remove(local: string): Promise<readonly string[] | undefined>
  /** Being removed: whether it is gone in the end. */
  leaving(bareJid: string): Promise<boolean> | undefined
  grant(local: string, grant: Grant): Promise<readonly Grant[]>
  /** Takes a whole role away, or one grant of it; false when the account did not have it. */
  revoke(local: string, what: Role | Grant): Promise<boolean>
  /** In no order. */
  records(): Iterable<AccountRecord>
  /** By local part. */
  list(): readonly AccountRecord[]

  /** Keys to run SCRAM with; for an unknown user made up, the same each time, and no password fits them. */
  scramKeys(local: string, hash: ScramHash): Promise<ScramKeys>
  /** The server's side of one SCRAM login. */
  scram(hash: ScramHash, channel?: ScramChannel): ScramServer
  /** False for a wrong password and for no such account alike, in the same time. */
  verifyPassword(local: string, password: string): Promise<boolean>
  /** Accounts whose keys are not what keys are today. */
  readonly upgrades: KeyUpgrades
  /** There is such an account, and it is not disabled. */
  mayLogIn(local: string): boolean
  /** Ends the tokens that its clients log in with. */
  endTokens(local: string): Promise<void>
  /** Called at commit, in commit order; of one that leaves, when it begins to. Returns what stops it. */
  onChange(listener: (change: AccountChange) => void): () => void
}

const DEFAULT_CACHE_ENTRIES = 10_000
/** The hash that PLAIN is checked with. */
const PLAIN_HASH: ScramHash = 'sha256'
const SECRET_BYTES = 32
/** Of which keys for unknown users are made. */
const SECRET_NAME = 'scram.unknown-users'
const NO_ROLES: ReadonlySet<Role> = new Set()
const NO_GRANTS: readonly Grant[] = []

/** Loads the accounts of a database. */
export async function openAccounts(storage: Storage, options: AccountsOptions): Promise<Accounts> {
  const secret = (await storage.run(keptSecret, { name: SECRET_NAME })) ?? (await makeSecret(storage))
  const records = await storage.run(loadAccounts, undefined)
  const costs = await storage.run(keyCosts, undefined)
  const unknown = new UnknownUsers(Buffer.from(secret, 'base64'), options.scramIterations, costs)
  const book = new AccountBook(storage, options, unknown, records)
  await book.upgrades.load(costs)
  return book
}

function makeSecret(storage: Storage): Promise<string> {
  return storage.run(keepSecret, { name: SECRET_NAME, proposed: randomBytes(SECRET_BYTES).toString('base64') })
}

interface Entry {
  readonly record: AccountRecord
  readonly roles: ReadonlySet<Role>
}

/** The replica in memory of existence and grants, fed by committed results. DESIGN decision 13. */
class AccountBook implements Accounts {
  readonly #storage: Storage
  readonly #options: AccountsOptions
  readonly #unknown: UnknownUsers
  readonly #byJid = new Map<string, Entry>()
  readonly #listeners = new Set<(change: AccountChange) => void>()
  readonly #leaving = new Map<string, Promise<boolean>>()
  readonly #checked: PasswordCache
  readonly upgrades: KeyUpgrades

  constructor(storage: Storage, options: AccountsOptions, unknown: UnknownUsers, records: readonly AccountRecord[]) {
    this.#storage = storage
    this.#options = options
    this.#unknown = unknown
    this.#checked = new PasswordCache(options.passwordCacheEntries ?? DEFAULT_CACHE_ENTRIES)
    this.upgrades = new KeyUpgrades(storage, options.scramIterations)
    for (const record of records) this.#set(record)
  }

  exists(bareJid: string): boolean {
    return this.#byJid.has(bareJid) && !this.#leaving.has(bareJid)
  }

  bareJids(): Iterable<string> {
    return this.#byJid.keys()
  }

  roles(bareJid: string): ReadonlySet<Role> {
    return this.#byJid.get(bareJid)?.roles ?? NO_ROLES
  }

  grants(bareJid: string): readonly Grant[] {
    return this.#byJid.get(bareJid)?.record.grants ?? NO_GRANTS
  }

  async bindSelf(bareJid: string, endpointId: string): Promise<readonly Grant[]> {
    const local = this.#byJid.get(bareJid)?.record.local ?? bareJid
    return await this.#storage.run(bindSelfGrants, { local, endpointId }, (grants) => this.#changeGrants(local, grants))
  }

  async add(
    local: string,
    password: string | undefined,
    grants: readonly Grant[],
    { replace = true }: { readonly replace?: boolean } = {},
  ): Promise<boolean> {
    const keys = password === undefined ? [] : await this.#keysFrom(password)
    const calls = [call(putAccount, { local, keys, grants, replace }), ...this.#data('begin', local)] as const
    const [{ isNew }] = await this.#storage.submit(calls, ([put]) => {
      const isDisabled = this.#byJid.get(this.#jid(local))?.record.isDisabled ?? false
      this.#set({ local, createdAt: put.createdAt, isDisabled, grants: put.grants })
      if (keys.length > 0) this.#keysMade(local)
      this.#tell({ kind: put.isNew ? 'added' : 'changed', bareJid: this.#jid(local) })
    })
    return isNew
  }

  async setPassword(local: string, password: string): Promise<void> {
    const keys = await this.#keysFrom(password)
    await this.#storage.run(setKeys, { local, keys }, () => this.#keysMade(local))
  }

  async setDisabled(local: string, isDisabled: boolean): Promise<void> {
    await this.#storage.run(setDisabled, { local, isDisabled }, () => {
      const entry = this.#byJid.get(this.#jid(local))
      if (entry) this.#set({ ...entry.record, isDisabled })
    })
  }

  async remove(local: string): Promise<readonly string[] | undefined> {
    const bareJid = this.#jid(local)
    const forgets = this.#data('forget', local)
    let notes: readonly string[] | undefined
    const calls = [call(removeAccount, local), ...forgets, call(removalNotes, undefined)] as const
    const removal = this.#storage.submit(calls, (results) => {
      this.#leaving.delete(bareJid)
      this.#byJid.delete(bareJid)
      this.upgrades.settled(local)
      if (!results[0]) return
      // The last call's, whose place a tuple's type does not tell.
      notes = results.at(-1) as readonly string[]
      const byName = new Map(forgets.map(({ operation }, at) => [operation.name, results[at + 1]]))
      // What an operation of this name returned.
      this.#tell({ kind: 'removed', bareJid, notes, forgotten: (forget) => byName.get(forget.name) as never })
    })
    const isGone = removal.then(
      () => true,
      () => false,
    )
    // Whatever is submitted for it from now on would be there after it.
    this.#leaving.set(bareJid, isGone)
    this.#tell({ kind: 'leaving', bareJid, isGone })
    if (!(await isGone)) this.#leaving.delete(bareJid)
    await removal
    return notes
  }

  leaving(bareJid: string): Promise<boolean> | undefined {
    return this.#leaving.get(bareJid)
  }

  async grant(local: string, grant: Grant): Promise<readonly Grant[]> {
    return await this.#storage.run(addGrant, { local, grant }, (grants) => this.#changeGrants(local, grants))
  }

  async revoke(local: string, what: Role | Grant): Promise<boolean> {
    const { revoked } = await this.#storage.run(revokeGrant, { local, what }, (result) =>
      this.#changeGrants(local, result.grants),
    )
    return revoked
  }

  *records(): Iterable<AccountRecord> {
    for (const { record } of this.#byJid.values()) yield record
  }

  list(): readonly AccountRecord[] {
    return [...this.records()].sort((a, b) => (a.local < b.local ? -1 : a.local > b.local ? 1 : 0))
  }

  async scramKeys(local: string, hash: ScramHash): Promise<ScramKeys> {
    // Both are made, whichever is needed, so that the time is the same.
    const madeUp = this.#unknown.keys(local, hash)
    return (await this.#storage.run(readKeys, { local, hash })) ?? madeUp
  }

  scram(hash: ScramHash, channel?: ScramChannel): ScramServer {
    return new ScramServer({ ...channel, hash, keysOf: (username) => this.scramKeys(this.#localOf(username), hash) })
  }

  async verifyPassword(local: string, password: string): Promise<boolean> {
    const prepared = opaqueString(password)
    if (!prepared) return false
    const kept = await this.scramKeys(local, PLAIN_HASH)
    if (this.#checked.has(kept, prepared)) return true
    const derived = await deriveKeys(PLAIN_HASH, prepared, kept.salt, kept.iterations)
    const isRight = isEqual(Buffer.from(derived.storedKey, 'base64'), Buffer.from(kept.storedKey, 'base64'))
    if (!isRight) return false
    this.#checked.add(kept, prepared)
    if (this.upgrades.of(local).length > 0) await this.#upgrade(local, prepared, kept)
    return true
  }

  mayLogIn(local: string): boolean {
    const bareJid = this.#jid(local)
    return this.exists(bareJid) && this.#byJid.get(bareJid)?.record.isDisabled === false
  }

  async endTokens(local: string): Promise<void> {
    await this.#storage.run(removeTokens, local)
  }

  onChange(listener: (change: AccountChange) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  #jid(local: string): string {
    return `${local}@${this.#options.domain}`
  }

  #set(record: AccountRecord): void {
    const { local, grants } = record
    // Most accounts have none.
    const roles = grants.length === 0 ? NO_ROLES : new Set(grants.map((grant) => grant.role))
    this.#byJid.set(this.#jid(local), { record, roles })
  }

  #changeGrants(local: string, grants: readonly Grant[]): void {
    const entry = this.#byJid.get(this.#jid(local))
    if (!entry) return
    this.#set({ ...entry.record, grants })
    this.#tell({ kind: 'changed', bareJid: this.#jid(local) })
  }

  #tell(change: AccountChange): void {
    for (const listener of this.#listeners) listener(change)
  }

  #data(when: keyof AccountData, local: string): Call<AccountName>[] {
    const operations = (this.#options.data ?? []).flatMap((each) => each[when] ?? [])
    return operations.map((operation) => call(operation, { bareJid: this.#jid(local) }))
  }

  async #keysFrom(password: string): Promise<ScramKeys[]> {
    const prepared = opaqueString(password)
    if (!prepared)
      throw new PasswordError('a password holds at least one character, and no control characters or line breaks')
    const { scramIterations } = this.#options
    return await Promise.all(SCRAM_HASHES.map((hash) => deriveKeys(hash, prepared, newSalt(), scramIterations)))
  }

  /** The login is good, whatever becomes of its keys: the next one tries again. */
  async #upgrade(local: string, prepared: string, kept: ScramKeys): Promise<void> {
    await this.upgrades.withPassword(local, prepared, kept).catch((error: unknown) => {
      if (!(error instanceof Refusal || error instanceof StorageUnavailable)) throw error
    })
  }

  #keysMade(local: string): void {
    this.upgrades.settled(local)
    this.#unknown.keysMade()
  }

  #localOf(username: string): string {
    try {
      return makeJid(username, this.#options.domain).local
    } catch (error) {
      if (!(error instanceof JidError)) throw error
      // A name that cannot exist is answered like one that does not, but needs no exchange for it.
      throw new SaslError('not-authorized', '', { cause: error })
    }
  }
}
