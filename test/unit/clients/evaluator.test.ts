/** What the evaluator asks for, and a result that must fit a stanza. */

import { describe, expect, it } from 'vitest'
import { withoutContained } from '../../../clients/evaluator/fetch.ts'
import { fitting } from '../../../clients/evaluator/index.ts'
import { type EvaluationResult, renderResult } from '../../../modules/repository/xml.ts'
import { serialize } from '../../../server/xml/serialize.ts'

it('asks for no name twice', () => {
  expect(withoutContained(['package.*', 'package.bash.version', 'os.id', 'os.id', 'pack*', '*.x'])).toEqual([
    'os.id',
    'pack*',
    '*.x',
  ])
  expect(withoutContained(['*', 'a', 'b.*'])).toEqual(['*'])
  expect(withoutContained(['a*b*', 'ab'])).toEqual(['a*b*', 'ab'])
})

describe('a result', () => {
  const result: EvaluationResult = {
    endpoint: 'e-1',
    policy: 'p',
    evaluated: Date.UTC(2026, 0, 1),
    score: 0,
    rules: Array.from({ length: 100 }, (_, rule) => ({
      id: `rule-${rule}`,
      verdict: 'fail',
      evidence: Array.from({ length: 20 }, (__, index) => ({
        name: `a.${index}`,
        status: 'exists',
        value: 'x'.repeat(200),
      })),
    })),
  }
  const size = (each: EvaluationResult) => Buffer.byteLength(serialize(renderResult(each)))

  it('that fits is left alone', () => {
    expect(fitting(result, size(result))).toBe(result)
  })

  it('that does not keeps every rule and as much evidence as fits, and says what is missing', () => {
    const less = fitting(result, 200_000)
    expect(size(less)).toBeLessThanOrEqual(200_000)
    expect(less.rules.map(({ id, verdict }) => [id, verdict])).toEqual(
      result.rules.map(({ id, verdict }) => [id, verdict]),
    )
    expect(less.rules[0]?.evidence).toHaveLength(5)
    expect(less.rules[0]?.message).toBe('15 more attributes decided, left out for size')
  })

  it('that fits nowhere is an error', () => {
    expect(() => fitting(result, 1_000)).toThrow(RangeError)
  })
})
