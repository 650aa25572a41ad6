/** What is kept of accounts: the operations on their tables. Roles and keys cross as plain data. */

import { and, eq, sql } from 'drizzle-orm'
import { type Db, type Operation, Refusal } from '../storage/storage.ts'
import { removalNotes, setAccountNew } from './account-data.ts'
import { replaceKeys, upgradeKeys } from './key-store.ts'
import type { ScramKeys } from './keys.ts'
import type { Grant, Role } from './roles.ts'
import { accounts, grants } from './schema.sqlite.ts'
import { keepSecret } from './secret-store.ts'
import { tokenOperations } from './token-store.ts'

export interface AccountRecord {
  readonly local: string
  /** UTC milliseconds. */
  readonly createdAt: number
  readonly isDisabled: boolean
  readonly grants: readonly Grant[]
}

const queries = (db: Db) => ({
  find: db
    .select()
    .from(accounts)
    .where(eq(accounts.local, sql.placeholder('local')))
    .prepare(),
  insert: db
    .insert(accounts)
    .values({ local: sql.placeholder('local'), createdAt: sql.placeholder('now') })
    .onConflictDoNothing()
    .prepare(),
  remove: db
    .delete(accounts)
    .where(eq(accounts.local, sql.placeholder('local')))
    .prepare(),
  setDisabled: db
    .update(accounts)
    .set({ disabledAt: sql`${sql.placeholder('at')}` })
    .where(eq(accounts.local, sql.placeholder('local')))
    .prepare(),
  grantsOf: db
    .select()
    .from(grants)
    .where(eq(grants.local, sql.placeholder('local')))
    .prepare(),
  insertGrant: db
    .insert(grants)
    .values({
      local: sql.placeholder('local'),
      role: sql.placeholder('role'),
      scope: sql.placeholder('scope'),
      target: sql.placeholder('target'),
    })
    .onConflictDoNothing()
    .prepare(),
  removeGrants: db
    .delete(grants)
    .where(eq(grants.local, sql.placeholder('local')))
    .prepare(),
  removeRole: db
    .delete(grants)
    .where(and(eq(grants.local, sql.placeholder('local')), eq(grants.role, sql.placeholder('role'))))
    .prepare(),
  removeGrant: db
    .delete(grants)
    .where(
      and(
        eq(grants.local, sql.placeholder('local')),
        eq(grants.role, sql.placeholder('role')),
        eq(grants.scope, sql.placeholder('scope')),
        eq(grants.target, sql.placeholder('target')),
      ),
    )
    .prepare(),
  removeSelf: db
    .delete(grants)
    .where(
      and(
        eq(grants.local, sql.placeholder('local')),
        eq(grants.role, sql.placeholder('role')),
        eq(grants.scope, 'self'),
      ),
    )
    .prepare(),
  all: db.select().from(accounts).prepare(),
  allGrants: db.select().from(grants).orderBy(grants.local, grants.role).prepare(),
})

type GrantRow = typeof grants.$inferSelect

function grantOf(row: GrantRow): Grant {
  // Only this file writes the column, from a Grant.
  const role = row.role as Grant['role']
  switch (row.scope) {
    case 'any':
      return { role, scope: 'any' }
    case 'id':
      return { role, scope: 'id', endpointId: row.target }
    case 'label':
      return { role, scope: 'label', label: row.target }
    case 'self':
      return { role, scope: 'self', endpointId: row.target === '' ? undefined : row.target }
  }
}

function targetOf(grant: Grant): string {
  switch (grant.scope) {
    case 'any':
      return ''
    case 'label':
      return grant.label
    default:
      return grant.endpointId ?? ''
  }
}

type Queries = ReturnType<typeof queries>

function insertGrant(q: Queries, local: string, grant: Grant): void {
  // An account has one endpoint of its own, so a role has one `self` grant; a bound one stays bound.
  if (grant.scope === 'self') {
    const bound = q.grantsOf.all({ local }).find((row) => row.role === grant.role && row.scope === 'self')
    if (bound && (grant.endpointId === undefined || bound.target === grant.endpointId)) return
    q.removeSelf.run({ local, role: grant.role })
  }
  q.insertGrant.run({ local, role: grant.role, scope: grant.scope, target: targetOf(grant) })
}

function requireAccount(q: Queries, local: string): void {
  if (!q.find.get({ local })) throw new Refusal('noSuchAccount', `there is no account ${local}`, { local })
}

const grantsNow = (q: Queries, local: string): Grant[] => q.grantsOf.all({ local }).map(grantOf)

export interface PutAccount {
  readonly local: string
  /** Empty: no password, so no SCRAM and no PLAIN (a certificate only). */
  readonly keys: readonly ScramKeys[]
  readonly grants: readonly Grant[]
  readonly replace: boolean
}

/**
 * Makes an account; with `replace`, one that exists gets these keys (unless none are given) and grants in place of its
 * own, and its bound endpoint stays. Resolves with whether it is new, and its grants.
 */
export const putAccount: Operation<
  PutAccount,
  { readonly isNew: boolean; readonly grants: Grant[]; readonly createdAt: number }
> = {
  name: 'accounts.put',
  kind: 'write',
  run(tx, { local, keys, grants: wanted, replace }) {
    const q = tx.use(queries)
    const isNew = q.insert.run({ local, now: tx.now }).changes === 1
    if (!isNew && !replace) throw new Refusal('accountExists', `the account ${local} exists`, { local })
    if (isNew || keys.length > 0) replaceKeys(tx, local, keys)
    const before = q.grantsOf.all({ local })
    q.removeGrants.run({ local })
    for (const grant of wanted) {
      const bound = before.find((row) => row.scope === 'self' && grant.scope === 'self' && row.role === grant.role)
      insertGrant(q, local, bound ? grantOf(bound) : grant)
    }
    setAccountNew(tx, isNew)
    return { isNew, grants: grantsNow(q, local), createdAt: q.find.get({ local })?.createdAt ?? tx.now }
  },
}

/** Replaces the keys of an account. */
export const setKeys: Operation<{ readonly local: string; readonly keys: readonly ScramKeys[] }, void> = {
  name: 'accounts.setKeys',
  kind: 'write',
  run(tx, { local, keys }) {
    const q = tx.use(queries)
    requireAccount(q, local)
    replaceKeys(tx, local, keys)
  },
}

/** Removes an account with its keys and grants; false when there was none. */
export const removeAccount: Operation<string, boolean> = {
  name: 'accounts.remove',
  kind: 'write',
  run: (tx, local) => tx.use(queries).remove.run({ local }).changes === 1,
}

/** Keeps an account from logging in, or lets it again; what it is stays. */
export const setDisabled: Operation<{ readonly local: string; readonly isDisabled: boolean }, void> = {
  name: 'accounts.setDisabled',
  kind: 'write',
  run(tx, { local, isDisabled }) {
    const q = tx.use(queries)
    requireAccount(q, local)
    q.setDisabled.run({ local, at: isDisabled ? tx.now : null })
  },
}

/** Adds a grant; resolves with all grants of the account after it. */
export const addGrant: Operation<{ readonly local: string; readonly grant: Grant }, Grant[]> = {
  name: 'accounts.grant',
  kind: 'write',
  run(tx, { local, grant }) {
    const q = tx.use(queries)
    requireAccount(q, local)
    insertGrant(q, local, grant)
    return grantsNow(q, local)
  },
}

/**
 * Takes a role away with whatever it reaches, or one grant of it (a `self` grant bound or not); resolves with the
 * grants that remain and whether there was one to take.
 */
export const revokeGrant: Operation<
  { readonly local: string; readonly what: Role | Grant },
  { readonly revoked: boolean; readonly grants: Grant[] }
> = {
  name: 'accounts.revoke',
  kind: 'write',
  run(tx, { local, what }) {
    const q = tx.use(queries)
    requireAccount(q, local)
    const { changes } =
      typeof what === 'string'
        ? q.removeRole.run({ local, role: what })
        : what.scope === 'self'
          ? q.removeSelf.run({ local, role: what.role })
          : q.removeGrant.run({ local, role: what.role, scope: what.scope, target: targetOf(what) })
    return { revoked: changes > 0, grants: grantsNow(q, local) }
  },
}

/** Binds the `self` grants that are not bound yet to an endpoint; resolves with the grants after it. */
export const bindSelfGrants: Operation<{ readonly local: string; readonly endpointId: string }, Grant[]> = {
  name: 'accounts.bindSelf',
  kind: 'write',
  run(tx, { local, endpointId }) {
    const q = tx.use(queries)
    requireAccount(q, local)
    for (const grant of grantsNow(q, local))
      if (grant.scope === 'self' && grant.endpointId === undefined) insertGrant(q, local, { ...grant, endpointId })
    return grantsNow(q, local)
  },
}

const NO_GRANTS: readonly Grant[] = []

/** Every account with its grants, in no order. */
export const loadAccounts: Operation<undefined, AccountRecord[]> = {
  name: 'accounts.load',
  kind: 'read',
  run(tx) {
    const q = tx.use(queries)
    const granted = Map.groupBy(q.allGrants.all(), (row) => row.local)
    return q.all.all().map((row) => ({
      local: row.local,
      createdAt: row.createdAt,
      isDisabled: row.disabledAt !== null,
      grants: granted.get(row.local)?.map(grantOf) ?? NO_GRANTS,
    }))
  },
}

export const accountOperations = [
  putAccount,
  upgradeKeys,
  setKeys,
  setDisabled,
  removeAccount,
  removalNotes,
  addGrant,
  revokeGrant,
  bindSelfGrants,
  keepSecret,
  ...tokenOperations,
] as const
