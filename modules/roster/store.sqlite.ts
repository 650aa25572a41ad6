/** The operations of rosters on SQLite. Both sides of a subscription are here, so both change in one transaction. */

import { and, asc, eq, gt, or, sql } from 'drizzle-orm'
import { type Db, type Operation, Refusal, type SubscriptionType, type Tx } from '../../server/module/api.ts'
import { parseJid } from '../../server/stanza/jid.ts'
import { inbound, isFrom, isTo, outbound, STRANGER, type State } from './rules.ts'
import { rosterItems, rosterSeen, rosters } from './schema.sqlite.ts'
import type { RosterItem, RosterLimits, RosterStore, Step } from './store.ts'

/** Removals that a roster remembers for clients that were away. */
export const REMEMBERED_REMOVALS = 200

const { placeholder } = sql

const itemKey = and(eq(rosterItems.owner, placeholder('owner')), eq(rosterItems.contact, placeholder('contact')))
const isRemoval = and(
  eq(rosterItems.owner, placeholder('owner')),
  eq(rosterItems.isListed, false),
  gt(rosterItems.version, 0),
)

const queries = (db: Db) => ({
  head: db
    .select()
    .from(rosters)
    .where(eq(rosters.owner, placeholder('owner')))
    .prepare(),
  bump: db
    .insert(rosters)
    .values({ owner: placeholder('owner'), epoch: placeholder('epoch'), sequence: 1 })
    .onConflictDoUpdate({ target: rosters.owner, set: { sequence: sql`${rosters.sequence} + 1` } })
    .returning()
    .prepare(),
  forgetBefore: db
    .update(rosters)
    .set({ forgotten: sql`max(${rosters.forgotten}, ${placeholder('version')})` })
    .where(eq(rosters.owner, placeholder('owner')))
    .prepare(),
  dropHead: db
    .delete(rosters)
    .where(eq(rosters.owner, placeholder('owner')))
    .prepare(),

  item: db.select().from(rosterItems).where(itemKey).prepare(),
  itemsOf: db
    .select()
    .from(rosterItems)
    .where(
      and(
        eq(rosterItems.owner, placeholder('owner')),
        or(eq(rosterItems.isListed, true), eq(rosterItems.isAsked, true)),
      ),
    )
    .prepare(),
  changed: db
    .select()
    .from(rosterItems)
    .where(and(eq(rosterItems.owner, placeholder('owner')), gt(rosterItems.version, placeholder('version'))))
    .orderBy(asc(rosterItems.version))
    .prepare(),
  requests: db
    .select({ request: rosterItems.request })
    .from(rosterItems)
    .where(and(eq(rosterItems.owner, placeholder('owner')), eq(rosterItems.isAsked, true)))
    .prepare(),
  count: db
    .select({
      listed: sql<number>`coalesce(sum(${rosterItems.isListed}), 0)`,
      asked: sql<number>`coalesce(sum(${rosterItems.isAsked}), 0)`,
    })
    .from(rosterItems)
    .where(eq(rosterItems.owner, placeholder('owner')))
    .prepare(),
  save: db
    .insert(rosterItems)
    .values({
      owner: placeholder('owner'),
      contact: placeholder('contact'),
      name: placeholder('name'),
      groups: placeholder('groups'),
      subscription: placeholder('subscription'),
      isAsking: placeholder('isAsking'),
      isAsked: placeholder('isAsked'),
      isApproved: placeholder('isApproved'),
      isListed: placeholder('isListed'),
      version: placeholder('version'),
      request: placeholder('request'),
    })
    .onConflictDoUpdate({
      target: [rosterItems.owner, rosterItems.contact],
      set: {
        name: sql`excluded.name`,
        groups: sql`excluded.groups`,
        subscription: sql`excluded.subscription`,
        isAsking: sql`excluded.is_asking`,
        isAsked: sql`excluded.is_asked`,
        isApproved: sql`excluded.is_approved`,
        isListed: sql`excluded.is_listed`,
        version: sql`excluded.version`,
        request: sql`excluded.request`,
      },
    })
    .prepare(),
  drop: db.delete(rosterItems).where(itemKey).prepare(),
  dropOf: db
    .delete(rosterItems)
    .where(eq(rosterItems.owner, placeholder('owner')))
    .prepare(),
  owners: db
    .select({ owner: rosterItems.owner })
    .from(rosterItems)
    .where(eq(rosterItems.contact, placeholder('contact')))
    .prepare(),
  removals: db.select({ count: sql<number>`count(*)` }).from(rosterItems).where(isRemoval).prepare(),
  oldestRemoval: db
    .select({ contact: rosterItems.contact, version: rosterItems.version })
    .from(rosterItems)
    .where(and(isRemoval, eq(rosterItems.isAsked, false)))
    .orderBy(asc(rosterItems.version))
    .limit(1)
    .prepare(),

  saveSeen: db
    .insert(rosterSeen)
    .values({ bareJid: placeholder('bareJid'), unavailableAt: placeholder('at') })
    .onConflictDoUpdate({ target: rosterSeen.bareJid, set: { unavailableAt: sql`excluded.unavailable_at` } })
    .prepare(),
  seen: db
    .select()
    .from(rosterSeen)
    .where(eq(rosterSeen.bareJid, placeholder('bareJid')))
    .prepare(),
  dropSeen: db
    .delete(rosterSeen)
    .where(eq(rosterSeen.bareJid, placeholder('bareJid')))
    .prepare(),
})

type Row = typeof rosterItems.$inferSelect

function itemOf({ owner: _owner, request: _request, groups, ...row }: Row): RosterItem {
  // Written below with JSON.stringify.
  return { ...row, groups: JSON.parse(groups) as string[] }
}

/** One operation's work on rosters, and the steps that came of it. */
class Book {
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

export const load: RosterStore['load'] = {
  name: 'roster.load',
  kind: 'read',
  run(tx, { owner }) {
    const q = tx.use(queries)
    const head = q.head.get({ owner })
    return {
      epoch: head?.epoch ?? '0',
      sequence: head?.sequence ?? 0,
      items: q.itemsOf.all({ owner }).map(itemOf),
    }
  },
}

export const changesSince: RosterStore['changesSince'] = {
  name: 'roster.changesSince',
  kind: 'read',
  run(tx, { owner, epoch, version }) {
    const q = tx.use(queries)
    const head = q.head.get({ owner })
    if (!head || head.epoch !== epoch || version < head.forgotten || version > head.sequence) return undefined
    return q.changed.all({ owner, version }).map(itemOf)
  },
}

export const requestsTo: RosterStore['requestsTo'] = {
  name: 'roster.requestsTo',
  kind: 'read',
  run: (tx, { owner }) =>
    tx
      .use(queries)
      .requests.all({ owner })
      .map(({ request }) => request)
      .filter((request) => request !== null),
}

export const setItem: RosterStore['setItem'] = {
  name: 'roster.setItem',
  kind: 'write',
  run(tx, { owner, contact, name, groups, limits }) {
    const book = new Book(tx, limits)
    book.set(owner, contact, name, groups)
    return book.steps
  },
}

export const removeItem: RosterStore['removeItem'] = {
  name: 'roster.removeItem',
  kind: 'write',
  run(tx, { owner, contact, contactIs, limits }) {
    const book = new Book(tx, limits)
    const before = book.item(owner, contact)
    if (!before.isListed) throw new Refusal('itemUnknown')
    if (isFrom(before)) book.steps.push({ kind: 'hidden', of: owner, to: contact })
    book.remove(owner, contact)
    // RFC 6121 §2.5.2; open requests both ways end with the item too
    for (const type of ['unsubscribe', 'unsubscribed'] as const) {
      if (!concerns(before, type)) continue
      if (contactIs === 'account') book.inbound(contact, owner, type, true)
      else if (contactIs === 'service') book.steps.push({ kind: 'routed', to: contact, from: owner, type })
    }
    return book.steps
  },
}

/** Would the stanza change anything at the contact's side? */
function concerns(state: State, type: 'unsubscribe' | 'unsubscribed'): boolean {
  if (type === 'unsubscribed') return isFrom(state) || state.isAsked
  return isTo(state) || state.isAsking
}

export const negotiate: RosterStore['negotiate'] = {
  name: 'roster.negotiate',
  kind: 'write',
  run(tx, { from, to, type, fromIs, toIs, request, limits }) {
    const book = new Book(tx, limits)
    const isRouted = fromIs !== 'account' || book.outbound(from, to, type)
    if (!isRouted) return book.steps
    if (toIs === 'account') book.inbound(to, from, type, fromIs === 'account', request)
    else if (toIs === 'service') book.steps.push({ kind: 'routed', to, from, type })
    // RFC 6121 §3.1.5: whoever was approved gets current presence
    if (type === 'subscribed' && fromIs === 'account') book.steps.push({ kind: 'shown', of: from, to })
    return book.steps
  },
}

const UNBOUNDED: RosterLimits = { items: Number.MAX_SAFE_INTEGER, requests: Number.MAX_SAFE_INTEGER }

export const forgetAccount: RosterStore['forgetAccount'] = {
  name: 'roster.forgetAccount',
  kind: 'write',
  run(tx, { bareJid }) {
    const q = tx.use(queries)
    const book = new Book(tx, UNBOUNDED)
    for (const { owner } of q.owners.all({ contact: bareJid })) {
      const before = book.item(owner, bareJid)
      if (isTo(before)) book.steps.push({ kind: 'hidden', of: bareJid, to: owner })
      book.leave(owner, bareJid)
    }
    // At this server's own accounts that is done already; services keep what they were told.
    const domain = parseJid(bareJid).domain
    for (const { contact, ...state } of q.itemsOf.all({ owner: bareJid }).map(itemOf)) {
      if (parseJid(contact).domain === domain) continue
      for (const type of ['unsubscribe', 'unsubscribed'] as const)
        if (concerns(state, type)) book.steps.push({ kind: 'routed', to: contact, from: bareJid, type })
    }
    q.dropOf.run({ owner: bareJid })
    q.dropHead.run({ owner: bareJid })
    q.dropSeen.run({ bareJid })
    return book.steps.filter((step) => ('owner' in step ? step.owner : step.to) !== bareJid)
  },
}

export const noteSeen: RosterStore['noteSeen'] = {
  name: 'roster.noteSeen',
  kind: 'write',
  run(tx, { bareJid, at }) {
    tx.use(queries).saveSeen.run({ bareJid, at: at ?? null })
    return undefined
  },
}

export const lastSeen: RosterStore['lastSeen'] = {
  name: 'roster.lastSeen',
  kind: 'read',
  run: (tx, { bareJid }) => tx.use(queries).seen.get({ bareJid })?.unavailableAt ?? undefined,
}

export const rosterStore: RosterStore = {
  load,
  changesSince,
  requestsTo,
  setItem,
  removeItem,
  negotiate,
  forgetAccount,
  noteSeen,
  lastSeen,
}

export const rosterOperations: readonly Operation<never>[] = Object.values(rosterStore)
