/** Stores policies by id and version, and evaluation results with their evidence. SACM-XMPP §2, §3. */

import { and, eq, isNull, sql } from 'drizzle-orm'
import { type Db, type Operation, Refusal } from '../../server/module/api.ts'
import { SHARED_SCOPE } from '../pubsub/api.ts'
import { hasEndpoint, requireReach } from './endpoint.sqlite.ts'
import type { EvaluationResult } from './model.ts'
import { policies, results, ruleResults } from './schema.sqlite.ts'
import type { SavePolicy, SaveResult } from './store.ts'

const { placeholder } = sql

const queries = (db: Db) => ({
  policy: db
    .select({ hash: policies.hash })
    .from(policies)
    .where(and(eq(policies.id, placeholder('id')), eq(policies.version, placeholder('version'))))
    .prepare(),
  insertPolicy: db
    .insert(policies)
    .values({
      id: placeholder('id'),
      version: placeholder('version'),
      title: placeholder('title'),
      type: placeholder('type'),
      rules: placeholder('rules'),
      published: placeholder('published'),
      publisher: placeholder('publisher'),
      hash: placeholder('hash'),
      document: placeholder('document'),
    })
    .prepare(),
  result: db
    .select({ hash: results.hash, evaluator: results.evaluator })
    .from(results)
    .where(eq(results.id, placeholder('id')))
    .prepare(),
  supersede: db
    .update(results)
    .set({ validUntil: sql`${placeholder('now')}` })
    .where(
      and(
        eq(results.endpoint, placeholder('endpoint')),
        eq(results.policy, placeholder('policy')),
        eq(results.profile, placeholder('profile')),
        isNull(results.validUntil),
      ),
    )
    .prepare(),
  insertResult: db
    .insert(results)
    .values({
      id: placeholder('id'),
      hash: placeholder('hash'),
      endpoint: placeholder('endpoint'),
      policy: placeholder('policy'),
      policyVersion: placeholder('policyVersion'),
      profile: placeholder('profile'),
      evaluated: placeholder('evaluated'),
      received: placeholder('received'),
      evaluator: placeholder('evaluator'),
      job: placeholder('job'),
      score: placeholder('score'),
    })
    .prepare(),
  insertRule: db
    .insert(ruleResults)
    .values({
      result: placeholder('result'),
      rule: placeholder('rule'),
      title: placeholder('title'),
      severity: placeholder('severity'),
      verdict: placeholder('verdict'),
      message: placeholder('message'),
      evidence: placeholder('evidence'),
    })
    .prepare(),
})

/**
 * Stores one version of a policy, which never changes afterwards.
 * @throws Refusal policyRepeated (same bytes), policyVersionTaken
 */
export const savePolicy: Operation<SavePolicy, undefined> = {
  name: 'repository.savePolicy',
  kind: 'write',
  run(tx, policy) {
    const q = tx.use(queries)
    const known = q.policy.get({ id: policy.id, version: policy.version })
    if (known) throw new Refusal(known.hash === policy.hash ? 'policyRepeated' : 'policyVersionTaken')
    q.insertPolicy.run({ ...policy, published: tx.now })
    return undefined
  },
}

/**
 * Stores an evaluation, which replaces the current one of the same endpoint, policy and profile.
 * Hands the endpoint on as the item's scope.
 * @throws Refusal resultRepeated (same id, same bytes), resultIdTaken, endpointUnknown, endpointNotGranted
 */
export const saveResult: Operation<SaveResult, { endpoint: string }> = {
  name: 'repository.saveResult',
  kind: 'write',
  run(tx, args) {
    const q = tx.use(queries)
    const known = q.result.get({ id: args.itemId })
    if (known) {
      const isRepeat = known.hash === args.hash && known.evaluator === args.evaluator
      throw new Refusal(isRepeat ? 'resultRepeated' : 'resultIdTaken')
    }
    // Written by the main thread with JSON.stringify from a parsed result.
    const result = JSON.parse(args.result) as EvaluationResult
    const { endpoint, policy } = result
    if (!hasEndpoint(tx, endpoint)) throw new Refusal('endpointUnknown', '', { endpoint })
    requireReach(tx, args.evaluator, args.reach, endpoint)
    tx.shared.set(SHARED_SCOPE, endpoint)
    const profile = result.profile ?? ''
    q.supersede.run({ endpoint, policy, profile, now: tx.now })
    q.insertResult.run({
      id: args.itemId,
      hash: args.hash,
      endpoint,
      policy,
      policyVersion: result.policyVersion ?? null,
      profile,
      evaluated: result.evaluated,
      received: tx.now,
      evaluator: args.evaluator,
      job: result.job ?? null,
      score: result.score,
    })
    for (const rule of result.rules) {
      q.insertRule.run({
        result: args.itemId,
        rule: rule.id,
        title: rule.title ?? null,
        severity: rule.severity ?? null,
        verdict: rule.verdict,
        message: rule.message ?? null,
        evidence: JSON.stringify(rule.evidence),
      })
    }
    return { endpoint }
  },
}
