/** The operations of rosters on SQLite. Both sides of a subscription are here, so both change in one transaction. */

import { type Operation, Refusal, type Tx } from '../../server/module/api.ts'
import { parseJid } from '../../server/stanza/jid.ts'
import { Book } from './book.sqlite.ts'
import { itemOf, queries } from './queries.sqlite.ts'
import { isFrom, isTo, type State } from './rules.ts'
import type { RosterLimits, RosterRecord, RosterStore } from './store.ts'

export const load: RosterStore['load'] = {
  name: 'roster.load',
  kind: 'read',
  run: (tx, { owner }) => readRoster(tx, owner),
}

function readRoster(tx: Tx, owner: string): RosterRecord {
  const q = tx.use(queries)
  const head = q.head.get({ owner })
  return { epoch: head?.epoch ?? '0', sequence: head?.sequence ?? 0, items: q.itemsOf.all({ owner }).map(itemOf) }
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
    const last = readRoster(tx, bareJid)
    const book = new Book(tx, UNBOUNDED)
    for (const { owner } of q.owners.all({ contact: bareJid })) {
      const before = book.item(owner, bareJid)
      if (isTo(before)) book.steps.push({ kind: 'hidden', of: bareJid, to: owner })
      book.leave(owner, bareJid)
    }
    // At this server's own accounts that is done already; services keep what they were told.
    const domain = parseJid(bareJid).domain
    for (const { contact, ...state } of last.items) {
      if (parseJid(contact).domain === domain) continue
      for (const type of ['unsubscribe', 'unsubscribed'] as const)
        if (concerns(state, type)) book.steps.push({ kind: 'routed', to: contact, from: bareJid, type })
    }
    q.dropOf.run({ owner: bareJid })
    q.dropHead.run({ owner: bareJid })
    q.dropSeen.run({ bareJid })
    return { last, steps: book.steps.filter((step) => ('owner' in step ? step.owner : step.to) !== bareJid) }
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
