/** The offline store's operations on SQLite. */

import { and, asc, eq, lte, sql } from 'drizzle-orm'
import { type Db, type Operation, Refusal, type Tx } from '../../server/module/api.ts'
import { type BoxLimits, hasRoom } from './rules.ts'
import { offlineBoxes, offlineMessages } from './schema.sqlite.ts'
import type { Letter, OfflineStore, StoredLetter } from './store.ts'

const { placeholder } = sql

const queries = (db: Db) => ({
  fill: db
    .select({
      messages: sql<number>`coalesce(sum(${offlineBoxes.messages}), 0)`,
      chars: sql<number>`coalesce(sum(${offlineBoxes.chars}), 0)`,
      fromSender: sql<number>`coalesce(sum(${offlineBoxes.messages}) filter (where ${offlineBoxes.sender} = ${placeholder('sender')}), 0)`,
    })
    .from(offlineBoxes)
    .where(eq(offlineBoxes.owner, placeholder('owner')))
    .prepare(),
  insert: db
    .insert(offlineMessages)
    .values({
      owner: placeholder('owner'),
      sender: placeholder('sender'),
      type: placeholder('type'),
      scope: placeholder('scope'),
      storedAt: placeholder('now'),
      chars: placeholder('chars'),
      xml: placeholder('xml'),
    })
    .prepare(),
  count: db
    .insert(offlineBoxes)
    .values({
      owner: placeholder('owner'),
      sender: placeholder('sender'),
      messages: 1,
      chars: placeholder('chars'),
    })
    .onConflictDoUpdate({
      target: [offlineBoxes.owner, offlineBoxes.sender],
      set: {
        messages: sql`${offlineBoxes.messages} + 1`,
        chars: sql`${offlineBoxes.chars} + excluded.chars`,
      },
    })
    .prepare(),
  page: db
    .select({
      id: offlineMessages.id,
      sender: offlineMessages.sender,
      type: offlineMessages.type,
      scope: offlineMessages.scope,
      storedAt: offlineMessages.storedAt,
      chars: offlineMessages.chars,
      xml: offlineMessages.xml,
    })
    .from(offlineMessages)
    .where(eq(offlineMessages.owner, placeholder('owner')))
    .orderBy(asc(offlineMessages.id))
    .limit(placeholder('max'))
    .prepare(),
  forget: db
    .delete(offlineMessages)
    .where(and(eq(offlineMessages.owner, placeholder('owner')), lte(offlineMessages.id, placeholder('upTo'))))
    .prepare(),
  forgetAll: db
    .delete(offlineMessages)
    .where(eq(offlineMessages.owner, placeholder('owner')))
    .prepare(),
  left: db
    .select({
      sender: offlineMessages.sender,
      messages: sql<number>`count(*)`,
      chars: sql<number>`sum(${offlineMessages.chars})`,
    })
    .from(offlineMessages)
    .where(eq(offlineMessages.owner, placeholder('owner')))
    .groupBy(offlineMessages.sender)
    .prepare(),
  clearBoxes: db
    .delete(offlineBoxes)
    .where(eq(offlineBoxes.owner, placeholder('owner')))
    .prepare(),
  saveBox: db
    .insert(offlineBoxes)
    .values({
      owner: placeholder('owner'),
      sender: placeholder('sender'),
      messages: placeholder('messages'),
      chars: placeholder('chars'),
    })
    .prepare(),
})

/** False when there is no room. */
function put(tx: Tx, { owner, sender, scope, type, xml }: Letter, limits: BoxLimits): boolean {
  const q = tx.use(queries)
  const fill = q.fill.get({ owner, sender }) ?? { messages: 0, fromSender: 0, chars: 0 }
  const chars = xml.length
  if (!hasRoom(limits, fill, chars)) return false
  q.insert.run({ owner, sender, type: type ?? null, scope: scope ?? null, now: tx.now, chars, xml })
  q.count.run({ owner, sender, chars })
  return true
}

export const keep: OfflineStore['keep'] = {
  name: 'offline.keep',
  kind: 'write',
  run(tx, { letter, limits }) {
    if (!put(tx, letter, limits)) throw new Refusal('boxFull')
    return undefined
  },
}

export const keepAll: OfflineStore['keepAll'] = {
  name: 'offline.keepAll',
  kind: 'write',
  run: (tx, { letters, limits }) => ({ dropped: letters.filter((letter) => !put(tx, letter, limits)).length }),
}

export const readPage: OfflineStore['readPage'] = {
  name: 'offline.readPage',
  kind: 'read',
  run(tx, { owner, max, maxChars }) {
    const page: StoredLetter[] = []
    let chars = 0
    for (const { type, scope, chars: size, ...row } of tx.use(queries).page.all({ owner, max })) {
      chars += size
      if (page.length > 0 && chars > maxChars) break
      page.push({ ...row, type: type ?? undefined, scope: scope ?? undefined })
    }
    return page
  },
}

export const forget: OfflineStore['forget'] = {
  name: 'offline.forget',
  kind: 'write',
  run(tx, { owner, upTo }) {
    const q = tx.use(queries)
    q.forget.run({ owner, upTo })
    q.clearBoxes.run({ owner })
    for (const box of q.left.all({ owner })) q.saveBox.run({ owner, ...box })
    return undefined
  },
}

export const forgetAccount: OfflineStore['forgetAccount'] = {
  name: 'offline.forgetAccount',
  kind: 'write',
  run(tx, { bareJid: owner }) {
    const q = tx.use(queries)
    q.forgetAll.run({ owner })
    q.clearBoxes.run({ owner })
    return undefined
  },
}

export const offlineStore: OfflineStore = { keep, keepAll, readPage, forget, forgetAccount }

export const offlineOperations: readonly Operation<never>[] = Object.values(offlineStore)
