/**
 * The tokens that clients log in with instead of a password: issued, rotated, ended. XEP-0484 §3, §5.
 *
 * The mechanisms need the token itself to check a MAC, so a hash of it would not do. What is stored is a random seed;
 * the token is made from it with a key that lies in a file beside the database, so neither alone lets anybody in.
 *
 * A client has two places: `current`, and `new` for a token that it may not have received. The one it uses first out of
 * `new` becomes current and ends the one before. §5.1.
 */

import { createHmac, randomBytes } from 'node:crypto'
import { createFile, readIfPresent } from '../../certs/files.ts'
import { SaslError } from '../stanza/errors.ts'
import type { Storage } from '../storage/storage.ts'
import { findTokens, issueToken, type StoredToken, useToken } from './token-store.ts'

export interface IssuedToken {
  readonly token: string
  /** UTC milliseconds. */
  readonly expiresAt: number
}

/** Whom a token is for: one installation of one client, and the mechanism it asked for. */
export interface TokenOwner {
  /** Prepared. */
  readonly local: string
  readonly client: string
  readonly mechanism: string
}

export interface FoundToken {
  readonly owner: TokenOwner
  readonly token: string
  readonly stored: StoredToken
}

export interface TokenOptions {
  /** Holds the key; made when missing, mode 0600. */
  readonly keyFile: string
  readonly lifetimeMs: number
  readonly now?: () => number
}

const KEY_BYTES = 32
const SEED_BYTES = 24
/** A token is replaced once this part of its life is over, at a login. */
const ROTATE_AFTER = 0.25

export class TokenBook {
  readonly #storage: Storage
  readonly #key: Buffer
  readonly #lifetimeMs: number
  readonly #now: () => number

  constructor(storage: Storage, { keyFile, lifetimeMs, now }: TokenOptions) {
    this.#storage = storage
    this.#key = loadKey(keyFile)
    this.#lifetimeMs = lifetimeMs
    this.#now = now ?? Date.now
  }

  /**
   * The token of this owner that `proves` says yes to.
   * @throws SaslError not-authorized, also for an unknown account; credentials-expired for one that was good once
   */
  async find(owner: TokenOwner, proves: (token: string) => boolean): Promise<FoundToken> {
    const stored = await this.#storage.run(findTokens, { local: owner.local, client: owner.client })
    let found: FoundToken | undefined
    // Always two are tried, whether there is one, or such an account, or not.
    for (const slot of ['new', 'current'] as const) {
      const row = stored.find((each) => each.slot === slot)
      const token = this.#token(row?.seed ?? '')
      const isProved = proves(token)
      // XEP-0484 §3.4: a token is good for the mechanism it was asked for, and no other.
      if (row && isProved && row.mechanism === owner.mechanism) found ??= { owner, token, stored: row }
    }
    if (!found) throw new SaslError('not-authorized')
    if (found.stored.expiresAt <= this.#now()) throw new SaslError('credentials-expired')
    return found
  }

  /**
   * Counts the token as used, and gives its successor when it is due or asked for.
   * @throws SaslError not-authorized when it has been ended meanwhile
   */
  async use(
    { owner, stored }: FoundToken,
    { isLast, wanted }: { readonly isLast: boolean; readonly wanted: string | undefined },
  ): Promise<IssuedToken | undefined> {
    const age = this.#now() - stored.issuedAt
    const isDue = !isLast && age >= (stored.expiresAt - stored.issuedAt) * ROTATE_AFTER
    const next = wanted !== undefined || isDue ? this.#fresh(wanted ?? owner.mechanism) : undefined
    const isStanding = await this.#storage.run(useToken, { ...owner, seed: stored.seed, isLast, next })
    if (!isStanding) throw new SaslError('not-authorized')
    return next && { token: this.#token(next.seed), expiresAt: next.expiresAt }
  }

  /** On disk when it resolves. */
  async issue(owner: TokenOwner): Promise<IssuedToken> {
    const next = this.#fresh(owner.mechanism)
    await this.#storage.run(issueToken, { ...owner, next })
    return { token: this.#token(next.seed), expiresAt: next.expiresAt }
  }

  #fresh(mechanism: string): Omit<StoredToken, 'slot'> {
    const issuedAt = this.#now()
    const seed = randomBytes(SEED_BYTES).toString('base64url')
    return { mechanism, seed, issuedAt, expiresAt: issuedAt + this.#lifetimeMs }
  }

  #token(seed: string): string {
    return createHmac('sha256', this.#key).update(seed).digest('base64url')
  }
}

function loadKey(file: string): Buffer {
  const kept = readIfPresent(file)
  if (kept === undefined) createFile(file, `${randomBytes(KEY_BYTES).toString('base64')}\n`, 0o600)
  const key = Buffer.from(kept ?? readIfPresent(file) ?? '', 'base64')
  if (key.length !== KEY_BYTES)
    throw new Error(`${file} holds no key of ${KEY_BYTES} bytes; remove it to have a new one`)
  return key
}
