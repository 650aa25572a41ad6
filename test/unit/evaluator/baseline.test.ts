/** The bundled baseline: it parses, every rule can pass and fail, and it decides on the machine that runs the test. */

import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { allProbes } from '../../../clients/collector/probes/all.ts'
import { evaluatePolicy } from '../../../clients/evaluator/system/evaluate.ts'
import type { PostureAttribute, Verdict } from '../../../modules/repository/xml.ts'
import { parsePolicy, parsePolicyText, renderPolicy } from '../../../modules/scap/policy.ts'
import { baselineCases, type Posture } from './baseline-cases.ts'

const baseline = parsePolicyText(readFileSync('clients/evaluator/baseline/linux-baseline.xml', 'utf8'))

function verdictOf(id: string, posture: Posture): Verdict | undefined {
  const attributes = Object.entries(posture).map(
    ([name, value]): PostureAttribute => ({
      name,
      value: value ?? undefined,
      type: 'string',
      status: value === null ? 'does-not-exist' : 'exists',
    }),
  )
  const rules = baseline.rules.filter((rule) => rule.id === id)
  return evaluatePolicy({ ...baseline, rules }, attributes, { endpoint: 'e', now: 1 }).rules[0]?.verdict
}

describe('the baseline', () => {
  it('has 40 rules or more, each with a public reference, and survives the wire', () => {
    expect(baseline.rules.length).toBeGreaterThanOrEqual(40)
    expect(parsePolicy(renderPolicy(baseline))).toEqual(baseline)
    // One stanza carries it: half of the default limit, so that the envelope and escapes fit too.
    expect(Buffer.byteLength(renderPolicy(baseline).toString())).toBeLessThan(131_072)
  })

  it('has cases for every rule, and no others', () => {
    expect(Object.keys(baselineCases).sort()).toEqual(baseline.rules.map((rule) => rule.id).sort())
  })
})

describe.each(baseline.rules.map((rule) => [rule.id, rule] as const))('%s', (id, rule) => {
  const cases = baselineCases[id] ?? { pass: [], fail: [] }
  it('passes, fails, and knows where it does not apply', () => {
    expect(cases.pass.length).toBeGreaterThan(0)
    expect(cases.fail.length).toBeGreaterThan(0)
    expect((cases.notapplicable ?? []).length > 0).toBe(rule.applies !== undefined)
    for (const verdict of ['pass', 'fail', 'notapplicable', 'unknown'] as const) {
      for (const posture of cases[verdict] ?? []) expect([posture, verdictOf(id, posture)]).toEqual([posture, verdict])
    }
  })

  it('guesses nothing of a host that nothing is known of', () => {
    expect(verdictOf(id, {})).toBe('unknown')
  })
})

describe('this host', () => {
  it('is decided: every rule has a verdict with evidence or a reason', async () => {
    const context = { now: Date.now(), signal: AbortSignal.timeout(50_000), root: '/' }
    const attributes: PostureAttribute[] = []
    for (const probe of allProbes) attributes.push(...(await probe.collect(context)))
    const result = evaluatePolicy(baseline, attributes, { endpoint: 'e', now: context.now })
    expect(result.rules).toHaveLength(baseline.rules.length)
    for (const { id, verdict, evidence, message } of result.rules) {
      const isExplained = evidence.length > 0 || message !== undefined
      expect([id, isExplained]).toEqual([id, true])
      // A rule that fails names what failed, or says what was expected.
      if (verdict === 'fail') expect([id, message]).toEqual([id, expect.stringContaining('expected: ')])
    }
    const pass = result.rules.filter(({ verdict }) => verdict === 'pass').length
    expect(pass).toBeGreaterThan(10)
  })
})
