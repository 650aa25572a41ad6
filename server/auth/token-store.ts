/** What is kept of tokens: the operations on their table. */

import { and, desc, eq, isNull, lte, sql } from 'drizzle-orm'
import type { Db, Operation } from '../storage/storage.ts'
import { accounts, fastTokens } from './schema.sqlite.ts'

export interface StoredToken {
  readonly slot: 'current' | 'new'
  readonly mechanism: string
  readonly seed: string
  /** UTC milliseconds. */
  readonly issuedAt: number
  readonly expiresAt: number
}

interface Client {
  readonly local: string
  readonly client: string
}
type NextToken = Omit<StoredToken, 'slot'>

/** Installations with tokens per account; beyond it the ones that were issued longest ago end. */
const MAX_CLIENTS = 50

const ofClient = () =>
  and(eq(fastTokens.local, sql.placeholder('local')), eq(fastTokens.client, sql.placeholder('client')))

const queries = (db: Db) => ({
  find: db
    .select()
    .from(fastTokens)
    .innerJoin(accounts, and(eq(accounts.local, fastTokens.local), isNull(accounts.disabledAt)))
    .where(ofClient())
    .prepare(),
  insert: db
    .insert(fastTokens)
    .values({
      local: sql.placeholder('local'),
      client: sql.placeholder('client'),
      slot: sql.placeholder('slot'),
      mechanism: sql.placeholder('mechanism'),
      seed: sql.placeholder('seed'),
      issuedAt: sql.placeholder('issuedAt'),
      expiresAt: sql.placeholder('expiresAt'),
    })
    .prepare(),
  removeSlot: db
    .delete(fastTokens)
    .where(and(ofClient(), eq(fastTokens.slot, sql.placeholder('slot'))))
    .prepare(),
  removeClient: db.delete(fastTokens).where(ofClient()).prepare(),
  removeAccount: db
    .delete(fastTokens)
    .where(eq(fastTokens.local, sql.placeholder('local')))
    .prepare(),
  removeExpired: db
    .delete(fastTokens)
    .where(and(eq(fastTokens.local, sql.placeholder('local')), lte(fastTokens.expiresAt, sql.placeholder('now'))))
    .prepare(),
  promote: db
    .update(fastTokens)
    .set({ slot: 'current' })
    .where(and(ofClient(), eq(fastTokens.slot, 'new')))
    .prepare(),
  clients: db
    .selectDistinct({ client: fastTokens.client })
    .from(fastTokens)
    .where(eq(fastTokens.local, sql.placeholder('local')))
    .orderBy(desc(fastTokens.issuedAt))
    .prepare(),
})
type Queries = ReturnType<typeof queries>

function putNew(q: Queries, owner: Client, next: NextToken): void {
  q.removeSlot.run({ ...owner, slot: 'new' })
  q.insert.run({ ...owner, slot: 'new', ...next })
}

/** The tokens of one client of an account that may log in: none, one or two. */
export const findTokens: Operation<Client, StoredToken[]> = {
  name: 'tokens.find',
  kind: 'read',
  run: (tx, { local, client }) =>
    tx
      .use(queries)
      .find.all({ local, client })
      .map(({ fast_tokens: { slot, mechanism, seed, issuedAt, expiresAt } }) => ({
        slot,
        mechanism,
        seed,
        issuedAt,
        expiresAt,
      })),
}

/** Keeps a new token; what has expired goes, and the clients beyond the bound. */
export const issueToken: Operation<Client & { readonly next: NextToken }, void> = {
  name: 'tokens.issue',
  kind: 'write',
  run(tx, { local, client, next }) {
    const q = tx.use(queries)
    q.removeExpired.run({ local, now: next.issuedAt })
    putNew(q, { local, client }, next)
    const beyond = q.clients.all({ local }).slice(MAX_CLIENTS)
    for (const row of beyond) if (row.client !== client) q.removeClient.run({ local, client: row.client })
  },
}

/** Counts a token as used; false when it is there no more. XEP-0484 §3.5, §3.6. */
export const useToken: Operation<
  Client & { readonly seed: string; readonly isLast: boolean; readonly next: NextToken | undefined },
  boolean
> = {
  name: 'tokens.use',
  kind: 'write',
  run(tx, { local, client, seed, isLast, next }) {
    const q = tx.use(queries)
    const used = q.find.all({ local, client }).find((row) => row.fast_tokens.seed === seed)?.fast_tokens
    if (!used) return false
    if (isLast) q.removeClient.run({ local, client })
    else if (used.slot === 'new') {
      q.removeSlot.run({ local, client, slot: 'current' })
      q.promote.run({ local, client })
    }
    if (next) putNew(q, { local, client }, next)
    return true
  },
}

/** Ends all tokens of an account. */
export const removeTokens: Operation<string, void> = {
  name: 'tokens.remove',
  kind: 'write',
  run(tx, local) {
    tx.use(queries).removeAccount.run({ local })
  },
}

export const tokenOperations = [findTokens, issueToken, useToken, removeTokens] as const
