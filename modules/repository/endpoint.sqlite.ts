/** Endpoints and their identifiers: which one a report is about, and who is bound to it. SACM-XMPP §1. */

import { and, eq, sql } from 'drizzle-orm'
import { type Db, type Operation, Refusal, type Tx } from '../../server/module/api.ts'
import type { EndpointIdentifier } from './model.ts'
import { decideReach, mintEndpointId, type Reach, strongIdentifiers } from './rules.ts'
import { bindings, conflicts, endpoints, identifiers, labels } from './schema.sqlite.ts'
import type { RepositoryReplica } from './store.ts'

const { placeholder } = sql

const queries = (db: Db) => ({
  byId: db
    .select({ lastSeen: endpoints.lastSeen })
    .from(endpoints)
    .where(eq(endpoints.id, placeholder('id')))
    .prepare(),
  insert: db
    .insert(endpoints)
    .values({ id: placeholder('id'), firstSeen: placeholder('now'), lastSeen: placeholder('now') })
    .prepare(),
  touch: db
    .update(endpoints)
    .set({ lastSeen: sql`${placeholder('now')}` })
    .where(eq(endpoints.id, placeholder('id')))
    .prepare(),
  holders: db
    .select({ endpoint: identifiers.endpoint })
    .from(identifiers)
    .where(and(eq(identifiers.type, placeholder('type')), eq(identifiers.value, placeholder('value'))))
    .prepare(),
  identifiersOf: db
    .select({ type: identifiers.type, value: identifiers.value })
    .from(identifiers)
    .where(eq(identifiers.endpoint, placeholder('endpoint')))
    .prepare(),
  addIdentifier: db
    .insert(identifiers)
    .values({ endpoint: placeholder('endpoint'), type: placeholder('type'), value: placeholder('value') })
    .onConflictDoNothing()
    .prepare(),
  addConflict: db
    .insert(conflicts)
    .values({ endpoint: placeholder('endpoint'), other: placeholder('other') })
    .onConflictDoNothing()
    .prepare(),
  labelsOf: db
    .select({ label: labels.label })
    .from(labels)
    .where(eq(labels.endpoint, placeholder('endpoint')))
    .prepare(),
  allLabels: db.select().from(labels).prepare(),
  addLabel: db
    .insert(labels)
    .values({ endpoint: placeholder('endpoint'), label: placeholder('label') })
    .onConflictDoNothing()
    .prepare(),
  removeLabel: db
    .delete(labels)
    .where(and(eq(labels.endpoint, placeholder('endpoint')), eq(labels.label, placeholder('label'))))
    .prepare(),
  binding: db
    .select({ endpoint: bindings.endpoint })
    .from(bindings)
    .where(eq(bindings.bareJid, placeholder('bareJid')))
    .prepare(),
  allBindings: db.select().from(bindings).prepare(),
  bind: db
    .insert(bindings)
    .values({ bareJid: placeholder('bareJid'), endpoint: placeholder('endpoint') })
    .prepare(),
  unbind: db
    .delete(bindings)
    .where(eq(bindings.bareJid, placeholder('bareJid')))
    .prepare(),
})

export interface Identified {
  readonly id: string
  readonly isNew: boolean
  /** The time of this sight, never before the last one. */
  readonly seen: number
}

/**
 * Finds or makes the endpoint that has these identifiers, and notes that it was seen.
 *
 * A match on a strong identifier is the same endpoint. When they match different ones, the strongest decides, the
 * others keep what is theirs, and all are flagged. Without a strong one, exactly these identifiers make the id.
 */
export function identifyEndpoint(tx: Tx, given: readonly EndpointIdentifier[]): Identified {
  const q = tx.use(queries)
  const matched: string[] = []
  for (const identifier of strongIdentifiers(given)) {
    for (const { endpoint } of q.holders.all({ ...identifier })) {
      if (!matched.includes(endpoint)) matched.push(endpoint)
    }
  }
  const [found, ...others] = matched
  for (const other of others) {
    for (const pair of [
      { endpoint: found, other },
      { endpoint: other, other: found },
    ]) {
      q.addConflict.run(pair)
    }
  }
  const endpoint = found === undefined ? findOrMake(tx, given) : touch(tx, found)
  for (const identifier of given) {
    if (others.length > 0 && isHeldByAnother(tx, identifier, endpoint.id)) continue
    q.addIdentifier.run({ endpoint: endpoint.id, ...identifier })
  }
  return endpoint
}

function isHeldByAnother(tx: Tx, identifier: EndpointIdentifier, endpoint: string): boolean {
  if (strongIdentifiers([identifier]).length === 0) return false
  return tx
    .use(queries)
    .holders.all({ ...identifier })
    .some((row) => row.endpoint !== endpoint)
}

/** No strong identifier is known: an endpoint with none has been seen before, or this one is new. */
function findOrMake(tx: Tx, given: readonly EndpointIdentifier[]): Identified {
  const q = tx.use(queries)
  const hasStrong = strongIdentifiers(given).length > 0
  for (let attempt = 0; attempt < 100; attempt++) {
    const id = mintEndpointId(given, attempt)
    const existing = q.byId.get({ id })
    if (!existing) {
      q.insert.run({ id, now: tx.now })
      return { id, isNew: true, seen: tx.now }
    }
    // An id made of a strong identifier that nobody holds belongs to another endpoint.
    if (!hasStrong && hasExactly(q.identifiersOf.all({ endpoint: id }), given)) return touch(tx, id)
  }
  throw new Error('a hundred endpoint ids are taken: the hash does not spread')
}

function hasExactly(held: readonly EndpointIdentifier[], given: readonly EndpointIdentifier[]): boolean {
  const keys = new Set(held.map(({ type, value }) => `${type} ${value}`))
  return keys.size === given.length && given.every(({ type, value }) => keys.has(`${type} ${value}`))
}

function touch(tx: Tx, id: string): Identified {
  const q = tx.use(queries)
  // Should the clock be set back, the endpoint's own time stands still instead.
  const seen = Math.max(tx.now, q.byId.get({ id })?.lastSeen ?? 0)
  q.touch.run({ id, now: seen })
  return { id, isNew: false, seen }
}

/**
 * Lets the account act for the endpoint, binding its `self` grant on the first time.
 * @returns true when the endpoint is what the account's `self` grant is bound to, by this or before
 * @throws Refusal endpointNotGranted
 */
export function requireReach(tx: Tx, bareJid: string, reach: Reach, endpoint: string): boolean {
  const q = tx.use(queries)
  const labelsOf = q.labelsOf.all({ endpoint }).map(({ label }) => label)
  const bound = q.binding.get({ bareJid })?.endpoint
  const decision = decideReach(reach, { id: endpoint, labels: labelsOf }, bound)
  if (decision === 'refused') throw new Refusal('endpointNotGranted', '', { endpoint })
  if (decision === 'bind') q.bind.run({ bareJid, endpoint })
  return decision === 'bind' || bound === endpoint
}

/** True when the endpoint is known. */
export function hasEndpoint(tx: Tx, id: string): boolean {
  return tx.use(queries).byId.get({ id }) !== undefined
}

export const loadReplica: Operation<undefined, RepositoryReplica> = {
  name: 'repository.loadReplica',
  kind: 'read',
  run(tx) {
    const q = tx.use(queries)
    return { labels: q.allLabels.all(), bindings: q.allBindings.all() }
  },
}

/** Forgets the endpoint bound to an account whose `self` grant is gone. */
export const unbind: Operation<{ bareJid: string }, undefined> = {
  name: 'repository.unbind',
  kind: 'write',
  run(tx, { bareJid }) {
    tx.use(queries).unbind.run({ bareJid })
    return undefined
  },
}

/**
 * Gives an endpoint a label, or takes it away.
 * @throws Refusal endpointUnknown
 */
export const setLabel: Operation<{ endpoint: string; label: string; isSet: boolean }, undefined> = {
  name: 'repository.setLabel',
  kind: 'write',
  run(tx, { endpoint, label, isSet }) {
    const q = tx.use(queries)
    if (!hasEndpoint(tx, endpoint)) throw new Refusal('endpointUnknown')
    if (isSet) q.addLabel.run({ endpoint, label })
    else q.removeLabel.run({ endpoint, label })
    return undefined
  },
}

/** The endpoint that a strong identifier names; undefined when none or several do. */
export const findEndpoint: Operation<{ identifiers: readonly EndpointIdentifier[] }, string | undefined> = {
  name: 'repository.findEndpoint',
  kind: 'read',
  run(tx, { identifiers: given }) {
    const q = tx.use(queries)
    const found = new Set(
      strongIdentifiers(given).flatMap((each) => q.holders.all({ ...each }).map((row) => row.endpoint)),
    )
    return found.size === 1 ? [...found][0] : undefined
  },
}
