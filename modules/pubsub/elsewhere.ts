/**
 * Subscriptions of accounts at services that are not this server's own: components. What is known of them is what the
 * service answered and told since, applied from what was committed as the replica is. XEP-0376.
 */

import type { ElsewhereKey, ManagedSubscription } from './records.ts'

/** How one of them changed: made without `before`, ended without `after`. */
export interface ElsewhereChanged {
  readonly before: ManagedSubscription | undefined
  readonly after: ManagedSubscription | undefined
}

export class Elsewhere {
  readonly #accounts = new Map<string, Map<string, ManagedSubscription>>()

  load(all: readonly ManagedSubscription[]): void {
    for (const each of all) this.#put(each)
  }

  of(account: string): Iterable<ManagedSubscription> {
    return this.#accounts.get(account)?.values() ?? []
  }

  accounts(): readonly string[] {
    return [...this.#accounts.keys()]
  }

  count(account: string): number {
    return this.#accounts.get(account)?.size ?? 0
  }

  /** Those that a key means: without an id, all at the node. */
  at({ jid, service, nodeId, subid }: ElsewhereKey): ManagedSubscription[] {
    return [...this.of(jid)].filter(
      (each) =>
        each.service === service && each.nodeId === nodeId && (subid === undefined || (each.subid ?? '') === subid),
    )
  }

  kept(after: ManagedSubscription): ElsewhereChanged {
    return { before: this.#put(after), after }
  }

  dropped(key: ElsewhereKey): ElsewhereChanged[] {
    const gone = this.at(key)
    const all = this.#accounts.get(key.jid)
    for (const each of gone) all?.delete(keyOf(each))
    if (all?.size === 0) this.#accounts.delete(key.jid)
    return gone.map((before) => ({ before, after: undefined }))
  }

  forget(account: string): void {
    this.#accounts.delete(account)
  }

  #put(subscription: ManagedSubscription): ManagedSubscription | undefined {
    const all = this.#accounts.get(subscription.jid) ?? new Map<string, ManagedSubscription>()
    this.#accounts.set(subscription.jid, all)
    const before = all.get(keyOf(subscription))
    all.set(keyOf(subscription), subscription)
    return before
  }
}

function keyOf({ service, nodeId, subid = '' }: ManagedSubscription): string {
  return JSON.stringify([service, nodeId, subid])
}
