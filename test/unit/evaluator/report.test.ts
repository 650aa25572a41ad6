/** The readable report: order, evidence lines, remediation, summary. */

import { describe, expect, it } from 'vitest'
import { describeResult } from '../../../clients/evaluator/system/report.ts'
import type { EvaluationResult, RuleResult, Verdict } from '../../../modules/repository/xml.ts'
import type { Policy, Severity } from '../../../modules/scap/policy.ts'

function rule(id: string, verdict: Verdict, severity: string, more: Partial<RuleResult> = {}): RuleResult {
  return { id, title: id.toUpperCase(), severity, verdict, evidence: [], ...more }
}
function result(...rules: RuleResult[]): EvaluationResult {
  return { endpoint: 'e', policy: 'p', evaluated: 5, score: 50, rules }
}
function policy(id: string, severity: Severity): Policy {
  const check = {
    kind: 'attribute',
    name: 'a.b',
    operation: 'exists',
    datatype: 'string',
    values: [],
    match: 'all',
  } as const
  const references = [{ href: 'https://example.org/', text: 'Example' }, { text: 'A book' }]
  return {
    id: 'p',
    version: '1',
    title: 'Policy',
    description: 'D',
    rules: [{ id, title: 'From the policy', severity, rationale: 'Why', remediation: 'Do this', references, check }],
  }
}

describe('describeResult', () => {
  it('puts the worst failure first, what could not be told apart, and the rest after', () => {
    const report = describeResult(
      result(
        rule('low1', 'fail', 'low'),
        rule('crit', 'fail', 'critical'),
        rule('low2', 'fail', 'low'),
        rule('odd', 'fail', 'purple'),
        rule('unk', 'unknown', 'medium'),
        rule('err', 'error', 'high'),
        rule('ok', 'pass', 'low'),
        rule('na', 'notapplicable', 'high'),
      ),
    )
    expect(report.failed.map(({ id }) => id)).toEqual(['crit', 'low1', 'low2', 'odd'])
    expect(report.undecided.map(({ id }) => id)).toEqual(['err', 'unk'])
    expect(report.rest.map(({ id }) => id)).toEqual(['ok', 'na'])
    expect(report.failed.at(-1)?.severity).toBe('info')
    expect(report.counts).toEqual({
      pass: 1,
      fail: 4,
      error: 1,
      unknown: 1,
      notapplicable: 1,
      notchecked: 0,
      notselected: 0,
      informational: 0,
    })
    expect(report.summary).toBe(
      'Score 50: 1 of 7 rules passed, 4 failed, 1 unknown, 1 could not be checked; 1 do not apply.',
    )
  })

  it('says when there is nothing to score', () => {
    expect(describeResult(result(rule('na', 'notapplicable', 'low'))).summary).toBe(
      'No score: no rule could be decided here; 1 do not apply.',
    )
    expect(describeResult(result()).summary).toBe('No score: no rule could be decided here.')
  })

  it('writes a line for each attribute', () => {
    const evidence: RuleResult['evidence'] = [
      { name: 'a.b', status: 'exists', value: '0' },
      { name: 'a.c', status: 'exists', value: '' },
      { name: 'a.d', status: 'exists', value: 'two\nlines' },
      { name: 'a.e', status: 'does-not-exist' },
      { name: 'a.f', status: 'error' },
      { name: 'a.g', status: 'not-collected' },
      { name: 'a.h', status: 'exists', value: 'x'.repeat(400) },
    ]
    const lines = describeResult(result(rule('r', 'fail', 'low', { evidence }))).failed[0]?.evidence ?? []
    expect(lines.slice(0, 6)).toEqual([
      'a.b = 0',
      "a.c = ''",
      'a.d = two lines',
      'a.e does not exist',
      'a.f could not be read',
      'a.g was not collected',
    ])
    expect(lines[6]).toHaveLength(200)
  })

  it('takes remediation and references from the policy, and does without it', () => {
    const bare: RuleResult = { id: 'r', verdict: 'fail', evidence: [], message: 'expected: more' }
    expect(describeResult(result(bare), policy('r', 'high')).failed[0]).toEqual({
      id: 'r',
      title: 'From the policy',
      severity: 'high',
      verdict: 'fail',
      message: 'expected: more',
      evidence: [],
      rationale: 'Why',
      remediation: 'Do this',
      references: ['Example <https://example.org/>', 'A book'],
    })
    expect(describeResult(result(bare), policy('other', 'high')).failed[0]).toMatchObject({
      title: 'r',
      severity: 'info',
      remediation: '',
    })
  })
})
