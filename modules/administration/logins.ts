/**
 * When each account logged in last (XEP-0133 §4.9). Written a moment later, and all of that moment in one transaction:
 * nobody waits for it, and a sync for each login would cost the server a tenth of what a login does. A server that is
 * killed forgets the logins of its last moment; one that is closed does not.
 */

import type { ModuleContext } from '../../server/module/api.ts'
import type { AdministrationStore } from './store.ts'

export interface LoginsParts {
  readonly ctx: Pick<ModuleContext, 'storage' | 'clock' | 'log' | 'closing'>
  readonly store: Pick<AdministrationStore, 'noteLogins' | 'readLogin'>
}

const WRITE_AFTER_MS = 1_000
/** Accounts that wait; with so many the moment is over. */
const WAITING_MAX = 1_000

export class Logins {
  readonly #parts: LoginsParts
  /** UTC milliseconds by account: what is to be written. */
  #waiting = new Map<string, number>()
  /** What a read does not find yet: that, and what is on its way to disk. */
  readonly #unwritten = new Map<string, number>()
  #timer: NodeJS.Timeout | undefined

  constructor(parts: LoginsParts) {
    this.#parts = parts
    parts.ctx.closing.addEventListener('abort', () => this.#write())
  }

  note(bareJid: string): void {
    const now = this.#parts.ctx.clock.now()
    this.#waiting.set(bareJid, now)
    this.#unwritten.set(bareJid, now)
    if (this.#waiting.size >= WAITING_MAX) this.#write()
    else this.#timer ??= setTimeout(() => this.#write(), WRITE_AFTER_MS)
  }

  /** It has logged in, and a read does not find that yet. */
  isUnwritten(bareJid: string): boolean {
    return this.#unwritten.has(bareJid)
  }

  /** Resolves when all that was noted is on disk. */
  async written(): Promise<void> {
    const { storage } = this.#parts.ctx
    this.#write()
    await storage.settled(storage.submitted)
  }

  /** UTC milliseconds; undefined: never. */
  async last(bareJid: string): Promise<number | undefined> {
    const { ctx, store } = this.#parts
    await this.written()
    return (await ctx.storage.run(store.readLogin, { bareJid }))?.lastLoginAt
  }

  /** Before the account's own record is removed: nothing may be written after that. */
  forget(bareJid: string): void {
    this.#waiting.delete(bareJid)
    this.#unwritten.delete(bareJid)
  }

  #write(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const logins = [...this.#waiting]
    if (logins.length === 0) return
    this.#waiting = new Map()
    const { ctx, store } = this.#parts
    ctx.storage
      .run(store.noteLogins, { logins })
      .catch((error: unknown) => ctx.log.warn({ what: 'logins_not_noted', error: String(error) }))
      // A read of this turn of the loop may still see what was there before.
      .finally(() => setImmediate(() => this.#noted(logins)))
  }

  #noted(logins: readonly (readonly [bareJid: string, at: number])[]): void {
    // Who has logged in again since waits again.
    for (const [bareJid, at] of logins) if (this.#unwritten.get(bareJid) === at) this.#unwritten.delete(bareJid)
  }
}
