/**
 * Keys to run SCRAM with for users that do not exist, so that nobody learns who does: the same each time, after a restart
 * too, and with iterations as the keys of others have them. RFC 5802 §9.
 */

import { hmac, SALT_BYTES, type ScramHash, type ScramKeys, SIZES } from './keys.ts'

/** So many accounts have keys of so many iterations. */
export interface KeyCost {
  readonly iterations: number
  readonly accounts: number
  readonly keys: number
}

export class UnknownUsers {
  readonly #secret: Buffer
  readonly #iterations: number
  /** Accounts by the iterations of their keys. */
  readonly #accounts = new Map<number, number>()

  /** @param iterations  of keys made today */
  constructor(secret: Buffer, iterations: number, costs: readonly KeyCost[]) {
    this.#secret = secret
    this.#iterations = iterations
    for (const { iterations: count, accounts } of costs) this.#accounts.set(count, accounts)
  }

  /** Somebody's keys were made today. */
  keysMade(): void {
    this.#accounts.set(this.#iterations, (this.#accounts.get(this.#iterations) ?? 0) + 1)
  }

  /** No password fits them: they are digests of nothing. What is beyond the salt is told to nobody. */
  keys(local: string, hash: ScramHash): ScramKeys {
    const value = this.#value('salt', hash, local)
    const key = Buffer.alloc(SIZES[hash].digest, value.subarray(SALT_BYTES)).toString('base64')
    return {
      hash,
      salt: value.toString('base64', 0, SALT_BYTES),
      iterations: this.#iterationsOf(local),
      storedKey: key,
      serverKey: key,
    }
  }

  /**
   * Where keys of several costs are kept, as after `scram.iterations` was raised, each cost stands for as large a part
   * of the unknown users as of the known ones; each user keeps its place in that order.
   */
  #iterationsOf(local: string): number {
    if (this.#accounts.size < 2) return this.#accounts.keys().next().value ?? this.#iterations
    const all = [...this.#accounts].sort(([a], [b]) => a - b)
    const total = all.reduce((sum, [, accounts]) => sum + accounts, 0)
    let place = (this.#value('iterations', 'all', local).readUInt32BE(0) / 2 ** 32) * total
    for (const [iterations, accounts] of all) {
      place -= accounts
      if (place < 0) return iterations
    }
    return this.#iterations
  }

  #value(what: string, hash: string, local: string): Buffer {
    return hmac('sha512', this.#secret, `${what}:${hash}:${local}`)
  }
}
