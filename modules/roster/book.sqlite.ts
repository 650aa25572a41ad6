/** What an operation does to rosters: items by the rules, their versions, and the removals that are remembered. */

import { Refusal, type SubscriptionType, type Tx } from '../../server/module/api.ts'
import { itemOf, queries } from './queries.sqlite.ts'
import { inbound, isFrom, outbound, STRANGER, type State } from './rules.ts'
import type { RosterItem, RosterLimits, Step } from './store.ts'

/** Removals that a roster remembers for clients that were away. */
export const REMEMBERED_REMOVALS = 200

/** One operation's work on rosters, and the steps that came of it. */
export class Book {
  readonly steps: Step[] = []
  readonly #q: ReturnType<typeof queries>
  readonly #tx: Tx
  readonly #limits: RosterLimits

  constructor(tx: Tx, limits: RosterLimits) {
    this.#tx = tx
    this.#q = tx.use(queries)
    this.#limits = limits
  }

  item(owner: string, contact: string): RosterItem {
    const row = this.#q.item.get({ owner, contact })
    return row ? itemOf(row) : { contact, name: '', groups: [], ...STRANGER, isListed: false, version: 0 }
  }

  /** A stanza of the owner's own: its state after the change, and whether the stanza goes on. */
  outbound(owner: string, contact: string, type: SubscriptionType): boolean {
    const before = this.item(owner, contact)
    const { next, isRouted } = outbound(before, type)
    if (isFrom(before) && !isFrom(next)) this.steps.push({ kind: 'hidden', of: owner, to: contact })
    this.#change(owner, before, next)
    return isRouted
  }

  /** A stanza of the contact's to the owner, whose server answers where it should. @returns whether the owner hears of it */
  inbound(
    owner: string,
    contact: string,
    type: SubscriptionType,
    contactIsAccount: boolean,
    request?: string,
  ): boolean {
    const before = this.item(owner, contact)
    const { next, isDelivered, reply } = inbound(before, type)
    // RFC 6121 §3.1.6, §3.2.3, §3.3.3: the stanza before the push, so that its reason is known
    if (isDelivered) this.steps.push({ kind: 'told', to: owner, from: contact, type })
    this.#change(owner, before, next, request)
    if (isFrom(before) && !isFrom(next)) this.steps.push({ kind: 'hidden', of: owner, to: contact })
    if (reply) {
      const isNews = !contactIsAccount || this.inbound(contact, owner, reply, true)
      if (!contactIsAccount) this.steps.push({ kind: 'routed', to: contact, from: owner, type: reply })
      if (isNews && reply === 'subscribed') this.steps.push({ kind: 'shown', of: owner, to: contact })
    }
    return isDelivered
  }

  /**
   * The contact's account is gone: it neither wants nor gives presence; the item itself is its owner's. RFC 6121 §3.4: no
   * approval outlasts it, since whoever asks by that name later is somebody else.
   */
  leave(owner: string, contact: string): void {
    this.inbound(owner, contact, 'unsubscribed', true)
    const before = this.item(owner, contact)
    const { next, isDelivered } = inbound(before, 'unsubscribe')
    if (isDelivered) this.steps.push({ kind: 'told', to: owner, from: contact, type: 'unsubscribe' })
    this.#change(owner, before, { ...next, isApproved: false })
  }

  set(owner: string, contact: string, name: string, groups: readonly string[]): void {
    const before = this.item(owner, contact)
    this.#save(owner, before, { ...before, name, groups, isListed: true }, true)
  }

  /** Takes a listed item out, with all that it was to the contact. */
  remove(owner: string, contact: string): void {
    const before = this.item(owner, contact)
    if (!before.isListed) return
    this.#save(owner, before, { ...before, ...STRANGER, name: '', groups: [], isListed: false }, true)
    if ((this.#q.removals.get({ owner })?.count ?? 0) > REMEMBERED_REMOVALS) this.#forgetOldest(owner)
  }

  #forgetOldest(owner: string): void {
    const oldest = this.#q.oldestRemoval.get({ owner })
    if (!oldest) return
    this.#q.drop.run({ owner, contact: oldest.contact })
    this.#q.forgetBefore.run({ owner, version: oldest.version })
  }

  #change(owner: string, before: RosterItem, next: State, request?: string): void {
    const isListed = before.isListed || next.subscription !== 'none' || next.isAsking || next.isApproved
    const isPushed =
      isListed !== before.isListed ||
      (isListed &&
        (next.subscription !== before.subscription ||
          next.isAsking !== before.isAsking ||
          next.isApproved !== before.isApproved))
    if (!isPushed && next.isAsked === before.isAsked) return
    this.#save(owner, before, { ...before, ...next, isListed }, isPushed, request)
  }

  #save(owner: string, before: RosterItem, item: RosterItem, isPushed: boolean, request?: string): void {
    if ((item.isListed && !before.isListed) || (item.isAsked && !before.isAsked)) this.#checkLimits(owner, before, item)
    const head = this.#q.bump.get({ owner, epoch: this.#tx.now.toString(36) })
    const saved = isPushed ? { ...item, version: head.sequence } : item
    if (!saved.isListed && !saved.isAsked && saved.version === 0) {
      // RFC 6121 §3.3.3: a request that is withdrawn leaves nothing behind
      this.#q.drop.run({ owner, contact: item.contact })
    } else {
      const kept = request ?? this.#q.item.get({ owner, contact: item.contact })?.request
      this.#q.save.run({
        ...saved,
        owner,
        groups: JSON.stringify(saved.groups),
        isAsking: Number(saved.isAsking),
        isAsked: Number(saved.isAsked),
        isApproved: Number(saved.isApproved),
        isListed: Number(saved.isListed),
        request: saved.isAsked ? (kept ?? null) : null,
      })
    }
    this.steps.push({ kind: 'changed', owner, epoch: head.epoch, sequence: head.sequence, item: saved, isPushed })
  }

  #checkLimits(owner: string, before: RosterItem, item: RosterItem): void {
    const { listed, asked } = this.#q.count.get({ owner }) ?? { listed: 0, asked: 0 }
    if (item.isListed && !before.isListed && listed >= this.#limits.items) throw new Refusal('rosterFull')
    if (item.isAsked && !before.isAsked && asked >= this.#limits.requests) throw new Refusal('requestsFull')
  }
}
