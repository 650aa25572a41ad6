/** The repository's queries: endpoints, posture, policies, results and content. SACM-XMPP §4. */

import { and, asc, desc, eq, gt, gte, isNull, lt, lte, or, type SQL, sql } from 'drizzle-orm'
import type { SQLiteColumn } from 'drizzle-orm/sqlite-core'
import type { Db, Operation } from '../../server/module/api.ts'
import type { Evidence, PostureRow, RuleResult } from './model.ts'
import { given, perVariant, readPage } from './paging.sqlite.ts'
import { globOf, prefixEnd } from './rules.ts'
import {
  attributes,
  conflicts,
  endpoints,
  identifiers,
  labels,
  policies,
  results,
  ruleResults,
} from './schema.sqlite.ts'
import type {
  EndpointRows,
  ListEndpoints,
  ListPolicies,
  ListPosture,
  ListResults,
  PolicyRows,
  PostureRows,
  ResultRows,
} from './store.ts'

const { placeholder } = sql
const max = placeholder('max')
const bound = placeholder('bound')
const one = { one: sql<number>`1`.as('one') }
const counted = { count: sql<number>`count(*)` }

/** What holds now, or held at the moment `asOf`. */
function currentAt(asOf: number | undefined, from: SQLiteColumn, until: SQLiteColumn): SQL | undefined {
  if (asOf === undefined) return isNull(until)
  const at = placeholder('asOf')
  return and(lte(from, at), or(isNull(until), gt(until, at)))
}

const labelled = (column: SQLiteColumn) =>
  sql`${column} IN (SELECT ${labels.endpoint} FROM ${labels} WHERE ${labels.label} = ${placeholder('label')})`

const by = (column: SQLiteColumn, isBackward: boolean) => (isBackward ? desc(column) : asc(column))

const endpointQueries = (db: Db) => ({
  cursor: endpoints.seq,
  scope: endpoints.id,
  exists: db
    .select(one)
    .from(endpoints)
    .where(eq(endpoints.seq, placeholder('cursor')))
    .prepare(),
  page: perVariant((where: SQL | undefined, isBackward: boolean) =>
    db
      .select({
        cursor: endpoints.seq,
        id: endpoints.id,
        firstSeen: endpoints.firstSeen,
        lastSeen: endpoints.lastSeen,
      })
      .from(endpoints)
      .where(where)
      .orderBy(by(endpoints.seq, isBackward))
      .limit(max)
      .prepare(),
  ),
  count: perVariant((where: SQL | undefined) =>
    db.select(counted).from(db.select(one).from(endpoints).where(where).limit(bound).as('found')).prepare(),
  ),
  identifiersOf: db
    .select({ type: identifiers.type, value: identifiers.value })
    .from(identifiers)
    .where(eq(identifiers.endpoint, placeholder('id')))
    .prepare(),
  labelsOf: db
    .select({ label: labels.label })
    .from(labels)
    .where(eq(labels.endpoint, placeholder('id')))
    .prepare(),
  conflictsOf: db
    .select({ other: conflicts.other })
    .from(conflicts)
    .where(eq(conflicts.endpoint, placeholder('id')))
    .prepare(),
})

export const listEndpoints: Operation<ListEndpoints, EndpointRows> = {
  name: 'repository.listEndpoints',
  kind: 'read',
  run(tx, args) {
    const q = tx.use(endpointQueries)
    const filters = given(
      { name: 'id', value: args.id, condition: eq(endpoints.id, placeholder('id')) },
      { name: 'label', value: args.label, condition: labelled(endpoints.id) },
      { name: 'seenBefore', value: args.seenBefore, condition: lt(endpoints.lastSeen, placeholder('seenBefore')) },
    )
    return readPage(q, filters, args.visible, args.paging, (row) => ({
      ...row,
      identifiers: q.identifiersOf.all({ id: row.id }),
      labels: q.labelsOf.all({ id: row.id }).map(({ label }) => label),
      conflicts: q.conflictsOf.all({ id: row.id }).map(({ other }) => other),
    }))
  },
}

const postureQueries = (db: Db) => ({
  cursor: attributes.seq,
  scope: attributes.endpoint,
  exists: db
    .select(one)
    .from(attributes)
    .where(eq(attributes.seq, placeholder('cursor')))
    .prepare(),
  page: perVariant((where: SQL | undefined, isBackward: boolean) =>
    db
      .select({
        cursor: attributes.seq,
        endpoint: attributes.endpoint,
        name: attributes.name,
        value: attributes.value,
        type: attributes.type,
        status: attributes.status,
        reason: attributes.reason,
        collected: attributes.collected,
        received: attributes.received,
        lastSeen: attributes.lastSeen,
        collector: attributes.collector,
        method: attributes.method,
        format: attributes.format,
      })
      .from(attributes)
      .where(where)
      .orderBy(by(attributes.seq, isBackward))
      .limit(max)
      .prepare(),
  ),
  count: perVariant((where: SQL | undefined) =>
    db.select(counted).from(db.select(one).from(attributes).where(where).limit(bound).as('found')).prepare(),
  ),
})

export const listPosture: Operation<ListPosture, PostureRows> = {
  name: 'repository.listPosture',
  kind: 'read',
  run(tx, args) {
    const pattern = args.name?.includes('*') ? args.name : undefined
    const prefix = pattern?.slice(0, pattern.indexOf('*')) || undefined
    const { asOf } = args
    const filters = given(
      {
        name: asOf === undefined ? 'now' : 'asOf',
        value: asOf ?? 0,
        condition: currentAt(asOf, attributes.validFrom, attributes.validUntil),
      },
      { name: 'endpoint', value: args.endpoint, condition: eq(attributes.endpoint, placeholder('endpoint')) },
      { name: 'label', value: args.label, condition: labelled(attributes.endpoint) },
      {
        name: 'name',
        value: pattern === undefined ? args.name : undefined,
        condition: eq(attributes.name, placeholder('name')),
      },
      { name: 'from', value: prefix, condition: gte(attributes.name, placeholder('from')) },
      { name: 'to', value: prefix && prefixEnd(prefix), condition: lt(attributes.name, placeholder('to')) },
      {
        name: 'glob',
        value: pattern && globOf(pattern),
        condition: sql`${attributes.name} GLOB ${placeholder('glob')}`,
      },
      { name: 'after', value: args.after, condition: gte(attributes.collected, placeholder('after')) },
      { name: 'before', value: args.before, condition: lt(attributes.collected, placeholder('before')) },
      { name: 'collector', value: args.collector, condition: eq(attributes.collector, placeholder('collector')) },
      { name: 'method', value: args.method, condition: eq(attributes.method, placeholder('method')) },
      { name: 'format', value: args.format, condition: eq(attributes.format, placeholder('format')) },
    )
    return readPage(tx.use(postureQueries), filters, args.visible, args.paging, (row) => {
      const { value, reason, type, status, method, ...rest } = row
      return {
        ...rest,
        value: value ?? undefined,
        ...(reason === null ? {} : { reason }),
        // These three came out of a parsed report.
        type: type as PostureRow['type'],
        status: status as PostureRow['status'],
        method: method as PostureRow['method'],
      }
    })
  },
}

const policyQueries = (db: Db) => ({
  cursor: policies.seq,
  exists: db
    .select(one)
    .from(policies)
    .where(eq(policies.seq, placeholder('cursor')))
    .prepare(),
  page: perVariant((where: SQL | undefined, isBackward: boolean) =>
    db
      .select({
        cursor: policies.seq,
        id: policies.id,
        version: policies.version,
        title: policies.title,
        type: policies.type,
        rules: policies.rules,
        published: policies.published,
        publisher: policies.publisher,
      })
      .from(policies)
      .where(where)
      .orderBy(by(policies.seq, isBackward))
      .limit(max)
      .prepare(),
  ),
  count: perVariant((where: SQL | undefined) =>
    db.select(counted).from(db.select(one).from(policies).where(where).limit(bound).as('found')).prepare(),
  ),
  latest: db
    .select({ document: policies.document })
    .from(policies)
    .where(eq(policies.id, placeholder('id')))
    .orderBy(desc(policies.seq))
    .limit(1)
    .prepare(),
})

export const listPolicies: Operation<ListPolicies, PolicyRows> = {
  name: 'repository.listPolicies',
  kind: 'read',
  run(tx, args) {
    const pattern = args.name?.includes('*')
    const filters = given(
      { name: 'type', value: args.type, condition: eq(policies.type, placeholder('type')) },
      { name: 'id', value: pattern ? undefined : args.name, condition: eq(policies.id, placeholder('id')) },
      {
        name: 'glob',
        value: pattern ? globOf(args.name ?? '') : undefined,
        condition: sql`${policies.id} GLOB ${placeholder('glob')}`,
      },
      { name: 'version', value: args.version, condition: eq(policies.version, placeholder('version')) },
    )
    return readPage(tx.use(policyQueries), filters, 'any', args.paging, (row) => row)
  },
}

/** The XML of the version of a policy that was published last. */
export const readPolicy: Operation<{ id: string }, string | undefined> = {
  name: 'repository.readPolicy',
  kind: 'read',
  run: (tx, { id }) => tx.use(policyQueries).latest.get({ id })?.document,
}

const resultQueries = (db: Db) => ({
  cursor: ruleResults.seq,
  scope: results.endpoint,
  exists: db
    .select(one)
    .from(ruleResults)
    .where(eq(ruleResults.seq, placeholder('cursor')))
    .prepare(),
  page: perVariant((where: SQL | undefined, isBackward: boolean) =>
    db
      .select({
        cursor: ruleResults.seq,
        id: results.id,
        endpoint: results.endpoint,
        policy: results.policy,
        evaluated: results.evaluated,
        evaluator: results.evaluator,
        rule: ruleResults.rule,
        title: ruleResults.title,
        severity: ruleResults.severity,
        verdict: ruleResults.verdict,
        message: ruleResults.message,
        evidence: ruleResults.evidence,
      })
      .from(ruleResults)
      .innerJoin(results, eq(results.id, ruleResults.result))
      .where(where)
      .orderBy(by(ruleResults.seq, isBackward))
      .limit(max)
      .prepare(),
  ),
  count: perVariant((where: SQL | undefined) =>
    db
      .select(counted)
      .from(
        db
          .select(one)
          .from(ruleResults)
          .innerJoin(results, eq(results.id, ruleResults.result))
          .where(where)
          .limit(bound)
          .as('found'),
      )
      .prepare(),
  ),
})

export const listResults: Operation<ListResults, ResultRows> = {
  name: 'repository.listResults',
  kind: 'read',
  run(tx, args) {
    const { asOf } = args
    const filters = given(
      {
        name: asOf === undefined ? 'now' : 'asOf',
        value: asOf ?? 0,
        condition: currentAt(asOf, results.received, results.validUntil),
      },
      { name: 'endpoint', value: args.endpoint, condition: eq(results.endpoint, placeholder('endpoint')) },
      { name: 'policy', value: args.policy, condition: eq(results.policy, placeholder('policy')) },
      { name: 'rule', value: args.rule, condition: eq(ruleResults.rule, placeholder('rule')) },
      { name: 'verdict', value: args.verdict, condition: eq(ruleResults.verdict, placeholder('verdict')) },
    )
    return readPage(tx.use(resultQueries), filters, args.visible, args.paging, (row) => ({
      id: row.id,
      endpoint: row.endpoint,
      policy: row.policy,
      evaluated: row.evaluated,
      evaluator: row.evaluator,
      rule: ruleOf(row),
    }))
  },
}

type RuleRow = { rule: string; verdict: string; evidence: string } & Record<
  'title' | 'severity' | 'message',
  string | null
>

function ruleOf({ rule, title, severity, verdict, message, evidence }: RuleRow): RuleResult {
  return {
    id: rule,
    ...(title === null ? {} : { title }),
    ...(severity === null ? {} : { severity }),
    // Verdict and evidence came out of a parsed result.
    verdict: verdict as RuleResult['verdict'],
    ...(message === null ? {} : { message }),
    evidence: JSON.parse(evidence) as Evidence[],
  }
}
