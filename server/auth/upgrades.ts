/**
 * Which accounts have SCRAM keys that are missing, or weaker than keys made today: scram.iterations was raised since.
 * Only who knows the password can make others. XEP-0480.
 */

import { Refusal, type Storage } from '../storage/storage.ts'
import { findOutdated, readKeys, upgradeKeys } from './key-store.ts'
import { deriveKeys, keysOf, newSalt, SCRAM_HASHES, type ScramHash, type ScramKeys, SIZES } from './keys.ts'
import type { KeyCost } from './unknown-users.ts'

/** One hash of one account, being upgraded. */
export interface Upgrade {
  readonly hash: ScramHash
  /** Base64. */
  readonly salt: string
  readonly iterations: number
  /**
   * Keeps the keys that follow from RFC 5802's SaltedPassword.
   * @returns false for another length than the hash's, and when the password was changed meanwhile
   */
  finish(salted: Buffer): Promise<boolean>
}

export class KeyUpgrades {
  readonly #storage: Storage
  readonly #iterations: number
  /** Local parts, by hash. */
  readonly #outdated = new Map<ScramHash, Set<string>>(SCRAM_HASHES.map((hash) => [hash, new Set()]))

  constructor(storage: Storage, iterations: number) {
    this.#storage = storage
    this.#iterations = iterations
  }

  /** @param costs  of all keys: mostly they tell that there is nobody to look for */
  async load(costs: readonly KeyCost[]): Promise<void> {
    const isWhole = ({ iterations, accounts, keys }: KeyCost) =>
      iterations >= this.#iterations && keys === accounts * SCRAM_HASHES.length
    if (costs.every(isWhole)) return
    for (const { local, hash } of await this.#storage.run(findOutdated, { iterations: this.#iterations }))
      this.#outdated.get(hash)?.add(local)
  }

  /** Is there any account that could do with it? This is told to everyone, and tells of no account. */
  isWanted(hash: ScramHash): boolean {
    return (this.#outdated.get(hash)?.size ?? 0) > 0
  }

  /** What an account lacks. */
  of(local: string): readonly ScramHash[] {
    return SCRAM_HASHES.filter((hash) => this.#outdated.get(hash)?.has(local))
  }

  /** The account has keys of today, or none at all. */
  settled(local: string): void {
    for (const hash of SCRAM_HASHES) this.#outdated.get(hash)?.delete(local)
  }

  async begin(local: string, hash: ScramHash): Promise<Upgrade> {
    const [salt, iterations] = [newSalt(), this.#iterations]
    const before = (await this.#storage.run(readKeys, { local, hash }))?.storedKey
    const finish = async (salted: Buffer): Promise<boolean> => {
      if (salted.length !== SIZES[hash].digest) return false
      const keys = keysOf(hash, salted, salt, iterations)
      try {
        await this.#replace(local, keys, before)
        return true
      } catch (error) {
        if (error instanceof Refusal) return false
        throw error
      }
    }
    return { hash, salt, iterations, finish }
  }

  /**
   * Who has just shown the password itself needs no help of the client's.
   * @param password  prepared
   * @param checked  the keys that it was checked against
   */
  async withPassword(local: string, password: string, checked: ScramKeys): Promise<void> {
    const read = (hash: ScramHash) => this.#storage.run(readKeys, { local, hash })
    const lacking = this.of(local)
    // All are read in one turn: keys of the same password as those that were checked.
    const [now, ...before] = await Promise.all([checked.hash, ...lacking].map(read))
    if (now?.storedKey !== checked.storedKey) return
    for (const [at, hash] of lacking.entries()) {
      const keys = await deriveKeys(hash, password, newSalt(), this.#iterations)
      await this.#replace(local, keys, before[at]?.storedKey)
    }
  }

  async #replace(local: string, keys: ScramKeys, before: string | undefined): Promise<void> {
    const applied = () => this.#outdated.get(keys.hash)?.delete(local)
    await this.#storage.run(upgradeKeys, { local, keys, before }, applied)
  }
}
