/** The roster that all accounts with a SACM role share: mutual subscriptions that nobody made and nobody can change. */

import { createHash } from 'node:crypto'
import type { AccountView } from '../../server/module/api.ts'
import { STRANGER } from './rules.ts'
import type { RosterItem } from './store.ts'

const GROUP = 'SACM'
const NOBODY: readonly string[] = []

export class SharedRoster {
  readonly #accounts: Pick<AccountView, 'bareJids' | 'roles'>
  readonly #members = new Set<string>()
  #version: string | undefined

  constructor(accounts: Pick<AccountView, 'bareJids' | 'roles'>) {
    this.#accounts = accounts
  }

  load(): void {
    for (const bareJid of this.#accounts.bareJids()) this.refresh(bareJid)
  }

  /** Looks at an account's roles again. @returns whether it came or went; undefined when nothing changed */
  refresh(bareJid: string): 'joined' | 'left' | undefined {
    const belongs = this.#accounts.roles(bareJid).size > 0
    if (belongs === this.#members.has(bareJid)) return undefined
    if (belongs) this.#members.add(bareJid)
    else this.#members.delete(bareJid)
    this.#version = undefined
    return belongs ? 'joined' : 'left'
  }

  /** Do these two see each other by it? */
  joins(one: string, other: string): boolean {
    return one !== other && this.#members.has(one) && this.#members.has(other)
  }

  has(bareJid: string): boolean {
    return this.#members.has(bareJid)
  }

  /** All members but this one; nobody when it is none. */
  *others(bareJid: string): Iterable<string> {
    if (!this.#members.has(bareJid)) return NOBODY
    for (const member of this.#members) if (member !== bareJid) yield member
  }

  /** Stands for the set of members in a member's roster version. */
  get version(): string {
    this.#version ??= createHash('sha256')
      .update([...this.#members].sort().join('\n'))
      .digest('base64url')
      .slice(0, 16)
    return this.#version
  }
}

/** The member's item as the others see it; an item of their own gives its name and groups. */
export function sharedItem(contact: string, own: RosterItem | undefined): RosterItem {
  return {
    ...STRANGER,
    contact,
    name: own?.isListed ? own.name : '',
    groups: [...new Set([GROUP, ...(own?.isListed ? own.groups : [])])],
    subscription: 'both',
    isListed: true,
    version: own?.version ?? 0,
  }
}
