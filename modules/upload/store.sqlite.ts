/** File upload's storage operations: slots, files, and what becomes of them. */

import { and, eq, isNotNull, isNull, lte, or, sql } from 'drizzle-orm'
import { type AccountName, type Db, type Operation, Refusal } from '../../server/module/api.ts'
import { uploads } from './schema.sqlite.ts'
import type { KeepFile, ReserveSlot, Sweep, Upload } from './store.ts'

const { placeholder } = sql

/** What is taken, and when the first of it will be free again. */
const usage = {
  bytes: sql<number>`coalesce(sum(${uploads.size}), 0)`,
  files: sql<number>`count(*)`,
  freeAt: sql<number | null>`min(${uploads.expiresAt})`,
}

const queries = (db: Db) => ({
  find: db
    .select()
    .from(uploads)
    .where(eq(uploads.id, placeholder('id')))
    .prepare(),
  usageOf: db
    .select(usage)
    .from(uploads)
    .where(eq(uploads.bareJid, placeholder('bareJid')))
    .prepare(),
  usageOfAll: db.select(usage).from(uploads).prepare(),
  insert: db
    .insert(uploads)
    .values({
      id: placeholder('id'),
      bareJid: placeholder('bareJid'),
      name: placeholder('name'),
      size: placeholder('size'),
      contentType: placeholder('contentType'),
      expiresAt: placeholder('slotUntil'),
      keptUntil: placeholder('keptUntil'),
    })
    .prepare(),
  keep: db
    .update(uploads)
    .set({
      contentType: sql`coalesce(${uploads.contentType}, ${placeholder('contentType')})`,
      sha256: sql`${placeholder('sha256')}`,
      expiresAt: sql`${uploads.keptUntil}`,
    })
    .where(and(eq(uploads.id, placeholder('id')), isNull(uploads.sha256)))
    .prepare(),
  expired: db
    .select({ id: uploads.id })
    .from(uploads)
    .where(
      or(
        lte(uploads.expiresAt, placeholder('slotsBefore')),
        and(lte(uploads.expiresAt, placeholder('before')), isNotNull(uploads.sha256)),
      ),
    )
    .limit(placeholder('max'))
    .prepare(),
  kept: db.select({ id: uploads.id }).from(uploads).where(isNotNull(uploads.sha256)).prepare(),
  ofAccount: db
    .select({ id: uploads.id })
    .from(uploads)
    .where(eq(uploads.bareJid, placeholder('bareJid')))
    .prepare(),
  remove: db
    .delete(uploads)
    .where(eq(uploads.id, placeholder('id')))
    .prepare(),
  removeAccount: db
    .delete(uploads)
    .where(eq(uploads.bareJid, placeholder('bareJid')))
    .prepare(),
})

/** Gives out a slot when account and server have room for it. XEP-0363 §4, §6. */
export const reserveSlot: Operation<ReserveSlot, void> = {
  name: 'upload.reserveSlot',
  kind: 'write',
  run(tx, { limits, ...slot }) {
    const { usageOf, usageOfAll, insert } = tx.use(queries)
    const own = usageOf.get({ bareJid: slot.bareJid })
    if (own && (own.bytes + slot.size > limits.accountMaxBytes || own.files >= limits.accountMaxFiles))
      throw full('accountFull', own.freeAt)
    const all = usageOfAll.get()
    if (all && all.bytes + slot.size > limits.totalMaxBytes) throw full('totalFull', all.freeAt)
    insert.run({ ...slot, contentType: slot.contentType ?? null })
  },
}

function full(key: string, freeAt: number | null): Refusal {
  return new Refusal(key, '', freeAt === null ? {} : { retryAt: String(freeAt) })
}

export const findUpload: Operation<string, Upload | undefined> = {
  name: 'upload.findUpload',
  kind: 'read',
  run(tx, id) {
    const row = tx.use(queries).find.get({ id })
    if (!row) return undefined
    const { name, size, contentType, sha256, expiresAt } = row
    return { id, name, size, expiresAt, contentType: contentType ?? undefined, sha256: sha256 ?? undefined }
  },
}

/** The file is there; false when its slot is gone, or has been used. */
export const keepFile: Operation<KeepFile, boolean> = {
  name: 'upload.keepFile',
  kind: 'write',
  run: (tx, { id, contentType, sha256 }) =>
    tx.use(queries).keep.run({ id, contentType: contentType ?? null, sha256 }).changes > 0,
}

/** Forgets slots and files whose time is over. @returns their ids */
export const sweep: Operation<Sweep, readonly string[]> = {
  name: 'upload.sweep',
  kind: 'write',
  run(tx, { before, slotsBefore, max }) {
    const { expired, remove } = tx.use(queries)
    const ids = expired.all({ before, slotsBefore, max }).map(({ id }) => id)
    for (const id of ids) remove.run({ id })
    return ids
  },
}

/** Forgets all that an account has uploaded. @returns the ids */
export const forgetAccount: Operation<AccountName, readonly string[]> = {
  name: 'upload.forgetAccount',
  kind: 'write',
  run(tx, { bareJid }) {
    const { ofAccount, removeAccount } = tx.use(queries)
    const ids = ofAccount.all({ bareJid }).map(({ id }) => id)
    removeAccount.run({ bareJid })
    return ids
  },
}

/** Ids of all files that are kept. */
export const keptFiles: Operation<void, readonly string[]> = {
  name: 'upload.keptFiles',
  kind: 'read',
  run: (tx) =>
    tx
      .use(queries)
      .kept.all()
      .map(({ id }) => id),
}

export const uploadOperations = [reserveSlot, keepFile, sweep, forgetAccount] as const
