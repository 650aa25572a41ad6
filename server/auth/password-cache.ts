/** Remembers passwords that were right, so that PLAIN's next check needs no PBKDF2. Bounded, keyed, in memory only. */

import { randomBytes } from 'node:crypto'
import { hmac, type ScramKeys } from './keys.ts'

/**
 * Holds a keyed digest of the password together with the keys it was checked against: a new password, or another
 * account, never finds an old entry. The key is made per process and leaves it never.
 */
export class PasswordCache {
  readonly #key = randomBytes(32)
  readonly #maxEntries: number
  /** Oldest use first. */
  readonly #entries = new Set<string>()

  constructor(maxEntries: number) {
    this.#maxEntries = maxEntries
  }

  has(keys: ScramKeys, password: string): boolean {
    const entry = this.#entry(keys, password)
    if (!this.#entries.delete(entry)) return false
    this.#entries.add(entry)
    return true
  }

  add(keys: ScramKeys, password: string): void {
    if (this.#maxEntries === 0) return
    for (const oldest of this.#entries) {
      if (this.#entries.size < this.#maxEntries) break
      this.#entries.delete(oldest)
    }
    this.#entries.add(this.#entry(keys, password))
  }

  get size(): number {
    return this.#entries.size
  }

  #entry(keys: ScramKeys, password: string): string {
    return hmac('sha256', this.#key, `${keys.salt}:${keys.storedKey}:${password}`).toString('base64')
  }
}
