/**
 * Clients that show themselves to an account whose presence they do not see: as long as they do, they are subscribed to
 * its open nodes. XEP-0060 §9.1.3.
 */

import type { SessionHandle } from '../../server/module/api.ts'

/** Accounts that one client visits at a time; more are not noted. */
const MAX_VISITED = 100

export class Visitors {
  readonly #at = new Map<string, Set<SessionHandle>>()
  readonly #visited = new WeakMap<SessionHandle, Set<string>>()

  /** @returns true when it came just now */
  came(session: SessionHandle, account: string): boolean {
    const visited = this.#visited.get(session) ?? new Set()
    if (visited.has(account) || visited.size >= MAX_VISITED) return false
    this.#visited.set(session, visited.add(account))
    const sessions = this.#at.get(account) ?? new Set()
    this.#at.set(account, sessions.add(session))
    return true
  }

  went(session: SessionHandle, account: string): void {
    if (!this.#visited.get(session)?.delete(account)) return
    const sessions = this.#at.get(account)
    sessions?.delete(session)
    if (sessions?.size === 0) this.#at.delete(account)
  }

  /** It became unavailable. */
  left(session: SessionHandle): void {
    for (const account of [...(this.#visited.get(session) ?? [])]) this.went(session, account)
  }

  /** The accounts that it visits. */
  of(session: SessionHandle): Iterable<string> {
    return this.#visited.get(session) ?? []
  }

  at(account: string): Iterable<SessionHandle> {
    return this.#at.get(account) ?? []
  }

  isAt(session: SessionHandle, account: string): boolean {
    return this.#visited.get(session)?.has(account) ?? false
  }
}
