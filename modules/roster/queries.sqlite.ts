/** The tables of rosters, as the operations read and write them. */

import { and, asc, eq, gt, or, sql } from 'drizzle-orm'
import type { Db } from '../../server/module/api.ts'
import { rosterItems, rosterSeen, rosters } from './schema.sqlite.ts'
import type { RosterItem } from './store.ts'

const { placeholder } = sql

const itemKey = and(eq(rosterItems.owner, placeholder('owner')), eq(rosterItems.contact, placeholder('contact')))
const isRemoval = and(
  eq(rosterItems.owner, placeholder('owner')),
  eq(rosterItems.isListed, false),
  gt(rosterItems.version, 0),
)

export const queries = (db: Db) => ({
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

export function itemOf({ owner: _owner, request: _request, groups, ...row }: Row): RosterItem {
  // book.sqlite.ts writes them with JSON.stringify.
  return { ...row, groups: JSON.parse(groups) as string[] }
}
