/** The policy form: the writer's text reads back equal, and the schema says what the parser does. */

import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Check, type Policy, parsePolicy, parsePolicyText, renderPolicy } from '../../../modules/scap/policy.ts'
import { checked, full, policy, refusal, rule, test1 } from './policy-texts.ts'

const word = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._:-]{0,12}$/)
const prose = fc
  .string({ minLength: 1, maxLength: 40, unit: 'grapheme' })
  .map((text) =>
    text
      .replace(/[^\u0020-\uD7FF\uE000-\uFFFD]/g, '')
      .trim()
      .replace(/\s+/g, ' '),
  )
  .filter((text) => text !== '')
const raw = fc.string({ maxLength: 20 }).map((text) => text.replace(/[^\t\n\u0020-\uD7FF\uE000-\uFFFD]/g, ''))
const name = fc.stringMatching(/^[a-z]{1,6}(\.[a-z*[\]:/]{1,8}){0,3}$/)
const leaf = fc.oneof(
  fc.record({
    kind: fc.constant('attribute' as const),
    name,
    operation: fc.constantFrom('exists' as const, 'none-exist' as const),
    datatype: fc.constant('string' as const),
    values: fc.constant([]),
    match: fc.constant('all' as const),
  }),
  fc.record({
    kind: fc.constant('attribute' as const),
    name,
    operation: fc.constantFrom('in' as const, 'not-in' as const),
    datatype: fc.constant('string' as const),
    values: fc.array(raw, { minLength: 1, maxLength: 4 }),
    match: fc.constantFrom('all' as const, 'any' as const, 'none' as const),
  }),
  fc.record({
    kind: fc.constant('attribute' as const),
    name,
    operation: fc.constantFrom('less' as const, 'equals' as const),
    datatype: fc.constant('integer' as const),
    values: fc.tuple(fc.integer().map(String)),
    match: fc.constantFrom('all' as const, 'none' as const),
  }),
)
const { check } = fc.letrec<{ check: Check }>((tie) => ({
  check: fc.oneof(
    { maxDepth: 4 },
    leaf,
    fc.record({ kind: fc.constant('not' as const), check: tie('check') }),
    fc.record({
      kind: fc.constantFrom('and' as const, 'or' as const),
      checks: fc.array(tie('check'), { minLength: 1, maxLength: 3 }),
    }),
  ),
}))
const policies: fc.Arbitrary<Policy> = fc.record({
  id: word,
  version: word,
  title: prose,
  description: prose,
  rules: fc.uniqueArray(
    fc.record(
      {
        id: word,
        title: prose,
        severity: fc.constantFrom(
          'info' as const,
          'low' as const,
          'medium' as const,
          'high' as const,
          'critical' as const,
        ),
        rationale: prose,
        remediation: prose,
        references: fc.array(fc.oneof(fc.record({ text: prose }), fc.record({ href: fc.webUrl(), text: prose })), {
          minLength: 1,
          maxLength: 2,
        }),
        applies: check,
        check,
      },
      { requiredKeys: ['id', 'title', 'severity', 'rationale', 'remediation', 'references', 'check'] },
    ),
    { selector: (each) => each.id, minLength: 1, maxLength: 4 },
  ),
})

describe('renderPolicy', () => {
  it('reads back equal, from the Element and from its text', () => {
    fc.assert(
      fc.property(policies, (each) => {
        const element = renderPolicy(each)
        expect(parsePolicy(element)).toEqual(each)
        expect(parsePolicyText(element.toString())).toEqual(each)
      }),
      { numRuns: 200, seed: 20261122 },
    )
  })
})

const xmllint = spawnSync('xmllint', ['--version']).status === 0
// Needs libxml2-utils (Debian) or libxml2 (Red Hat); CI has it.
describe.skipIf(!xmllint && !process.env['CI'])('policy.xsd', () => {
  let folder = ''
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'sacm-policy-'))
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  function validate(xml: string): string {
    const file = join(folder, 'policy.xml')
    writeFileSync(file, xml)
    const run = spawnSync('xmllint', ['--noout', '--nonet', '--schema', 'modules/scap/xsd/policy.xsd', file])
    return run.status === 0 ? '' : run.stderr.toString()
  }

  it('takes what the writer writes', () => {
    for (const each of [full, ...fc.sample(policies, { numRuns: 20, seed: 20261122 })]) {
      expect(validate(renderPolicy(each).toString())).toBe('')
    }
  })

  it('takes the bundled baseline', () => {
    expect(validate(readFileSync('clients/evaluator/baseline/linux-baseline.xml', 'utf8'))).toBe('')
  })

  it.each([
    ['an id twice', policy(`${rule()}${rule()}`), 'ruleId'],
    ['an unknown element', policy('<group/>'), 'group'],
    ['a bad id', policy(rule(undefined, '-x')), '-x'],
    ['an unknown operation', policy().replace('equals', 'equal'), 'equal'],
    ['a star up front', policy().replace('sysctl.kernel', '*.kernel'), '*.kernel'],
    ['two checks', checked(`${test1}${test1}`), 'attribute'],
    ['no reference', policy(rule().replace('<reference>Us</reference>', '')), 'reference'],
  ])('refuses %s as the parser does', (_, xml, word) => {
    expect(validate(xml)).toContain(word)
    refusal(xml)
  })
})
