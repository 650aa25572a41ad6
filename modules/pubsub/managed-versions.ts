/**
 * The versions of accounts' lists of subscriptions, and what changed in between. A version is made from the list itself, so
 * it says the same after a restart; the changes are kept in memory, for clients that come back soon. XEP-0376 §3.4.
 */

import { createHash } from 'node:crypto'
import type { ManagedSubscription } from './records.ts'

/** One entry that came, became another, or went. */
export interface ManagedChange {
  readonly subscription: ManagedSubscription
  readonly isEnded: boolean
}

/** What led from one version to the next. */
export interface Step {
  readonly version: string
  readonly changes: readonly ManagedChange[]
}

interface Known {
  version: string
  /** Oldest first; each begins at the version that the one before it led to. */
  readonly steps: (Step & { readonly from: string })[]
}

export interface VersionBounds {
  readonly managedChangesMax: number
  readonly managedListsMax: number
}

export class ManagedVersions {
  /** The one used longest ago first. */
  readonly #accounts = new Map<string, Known>()
  readonly #bounds: () => VersionBounds

  constructor(bounds: () => VersionBounds) {
    this.#bounds = bounds
  }

  /** Does a client know a version of this list, as far as it is remembered? */
  has(account: string): boolean {
    return this.#accounts.has(account)
  }

  /** The list's version; from now on its changes are kept. */
  of(account: string, list: readonly ManagedSubscription[]): string {
    return this.#known(account, list).version
  }

  /** The list changed into this one. @returns its version */
  changed(account: string, list: readonly ManagedSubscription[], changes: readonly ManagedChange[]): string {
    const before = this.#accounts.get(account)
    if (!before) return this.of(account, list)
    const [from, version] = [before.version, versionOf(list)]
    before.version = version
    if (from !== version) before.steps.push({ from, version, changes })
    const extra = before.steps.length - this.#bounds().managedChangesMax
    if (extra > 0) before.steps.splice(0, extra)
    return version
  }

  /** What led from a version to the one that holds; undefined where that is not known. */
  since(account: string, version: string): readonly Step[] | undefined {
    const known = this.#accounts.get(account)
    if (!known) return undefined
    if (known.version === version) return []
    const at = known.steps.findLastIndex(({ from }) => from === version)
    return at < 0 ? undefined : known.steps.slice(at)
  }

  forget(account: string): void {
    this.#accounts.delete(account)
  }

  #known(account: string, list: readonly ManagedSubscription[]): Known {
    const known = this.#accounts.get(account) ?? { version: versionOf(list), steps: [] }
    this.#accounts.delete(account)
    this.#accounts.set(account, known)
    const oldest = this.#accounts.size > this.#bounds().managedListsMax ? this.#accounts.keys().next().value : undefined
    if (oldest !== undefined) this.#accounts.delete(oldest)
    return known
  }
}

function versionOf(list: readonly ManagedSubscription[]): string {
  const lines = list.map(({ service, nodeId, jid, subid, state, isPublic }) =>
    JSON.stringify([service, nodeId, jid, subid, state, isPublic]),
  )
  return createHash('sha256').update(lines.sort().join('\n')).digest('base64url').slice(0, 22)
}
