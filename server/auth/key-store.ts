/** SCRAM keys of accounts: the operations on their table. */

import { and, count, eq, isNull, sql } from 'drizzle-orm'
import { type Db, type Operation, Refusal, type Tx } from '../storage/storage.ts'
import { SCRAM_HASHES, type ScramHash, type ScramKeys } from './keys.ts'
import { accounts, fastTokens, scramKeys } from './schema.sqlite.ts'
import type { KeyCost } from './unknown-users.ts'

const queries = (db: Db) => ({
  account: db
    .select({ local: accounts.local })
    .from(accounts)
    .where(eq(accounts.local, sql.placeholder('local')))
    .prepare(),
  removeKeys: db
    .delete(scramKeys)
    .where(eq(scramKeys.local, sql.placeholder('local')))
    .prepare(),
  removeTokens: db
    .delete(fastTokens)
    .where(eq(fastTokens.local, sql.placeholder('local')))
    .prepare(),
  removeKeysOf: db
    .delete(scramKeys)
    .where(and(eq(scramKeys.local, sql.placeholder('local')), eq(scramKeys.hash, sql.placeholder('hash'))))
    .prepare(),
  insertKeys: db
    .insert(scramKeys)
    .values({
      local: sql.placeholder('local'),
      hash: sql.placeholder('hash'),
      salt: sql.placeholder('salt'),
      iterations: sql.placeholder('iterations'),
      storedKey: sql.placeholder('storedKey'),
      serverKey: sql.placeholder('serverKey'),
    })
    .prepare(),
  keysOf: db
    .select({
      hash: scramKeys.hash,
      salt: scramKeys.salt,
      iterations: scramKeys.iterations,
      storedKey: scramKeys.storedKey,
      serverKey: scramKeys.serverKey,
    })
    .from(scramKeys)
    .innerJoin(accounts, and(eq(accounts.local, scramKeys.local), isNull(accounts.disabledAt)))
    .where(and(eq(scramKeys.local, sql.placeholder('local')), eq(scramKeys.hash, sql.placeholder('hash'))))
    .prepare(),
  costs: db
    .select({
      iterations: scramKeys.iterations,
      accounts: sql<number>`count(distinct ${scramKeys.local})`,
      keys: count(),
    })
    .from(scramKeys)
    .groupBy(scramKeys.iterations)
    .prepare(),
  outdated: db
    .select({
      local: scramKeys.local,
      current: sql<
        string | null
      >`group_concat(case when ${scramKeys.iterations} >= ${sql.placeholder('iterations')} then ${scramKeys.hash} end)`,
    })
    .from(scramKeys)
    .groupBy(scramKeys.local)
    .having(
      sql`count(case when ${scramKeys.iterations} >= ${sql.placeholder('iterations')} then 1 end) < ${SCRAM_HASHES.length}`,
    )
    .prepare(),
})

/** In place of all that the account had. */
export function replaceKeys(tx: Tx, local: string, keys: readonly ScramKeys[]): void {
  const q = tx.use(queries)
  q.removeKeys.run({ local })
  // Whoever had the old password has no business with a token that it brought.
  q.removeTokens.run({ local })
  for (const key of keys) q.insertKeys.run({ local, ...key })
}

/** Keys of an account that may log in; undefined when it has no password, is disabled, or does not exist. */
export const readKeys: Operation<{ readonly local: string; readonly hash: ScramHash }, ScramKeys | undefined> = {
  name: 'accounts.keys',
  kind: 'read',
  run(tx, { local, hash }) {
    return tx.use(queries).keysOf.get({ local, hash })
  },
}

/** How many accounts have keys of how many iterations. */
export const keyCosts: Operation<undefined, KeyCost[]> = {
  name: 'accounts.keyCosts',
  kind: 'read',
  run: (tx) => tx.use(queries).costs.all(),
}

/** Which hashes an account with a password lacks, or has with fewer iterations than these. */
export const findOutdated: Operation<{ readonly iterations: number }, { local: string; hash: ScramHash }[]> = {
  name: 'accounts.outdated',
  kind: 'read',
  run(tx, { iterations }) {
    const rows = tx.use(queries).outdated.all({ iterations })
    return rows.flatMap(({ local, current }) =>
      SCRAM_HASHES.filter((hash) => !current?.split(',').includes(hash)).map((hash) => ({ local, hash })),
    )
  },
}

export interface UpgradeKeys {
  readonly local: string
  readonly keys: ScramKeys
  /** The stored key of this hash as it was when the upgrade began; another one is of another password. */
  readonly before: string | undefined
}

/** Replaces an account's keys of one hash by others of the same password. @throws Refusal passwordChanged */
export const upgradeKeys: Operation<UpgradeKeys, void> = {
  name: 'accounts.upgradeKeys',
  kind: 'write',
  run(tx, { local, keys, before }) {
    const q = tx.use(queries)
    if (!q.account.get({ local }) || q.keysOf.get({ local, hash: keys.hash })?.storedKey !== before)
      throw new Refusal('passwordChanged')
    q.removeKeysOf.run({ local, hash: keys.hash })
    q.insertKeys.run({ local, ...keys })
  },
}
