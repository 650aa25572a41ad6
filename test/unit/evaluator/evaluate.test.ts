/** Verdicts: statuses, truth tables, absence, evidence, score, and that it is fast enough. XCCDF 1.2 §6.6.4. */

import { describe, expect, it } from 'vitest'
import { evaluatePolicy, MAX_EVIDENCE, requiredNames, scoreOf } from '../../../clients/evaluator/system/evaluate.ts'
import type { AttributeStatus, PostureAttribute, RuleResult, Verdict } from '../../../modules/repository/xml.ts'
import type { AttributeTest, Check, Policy } from '../../../modules/scap/policy.ts'

function row(
  name: string,
  value?: string,
  status: AttributeStatus = value === undefined ? 'does-not-exist' : 'exists',
  reason?: string,
): PostureAttribute {
  return { name, value, type: 'string', status, ...(reason === undefined ? {} : { reason }) }
}
const failed = (name: string, reason = 'EIO') => row(name, undefined, 'error', reason)
const skipped = (name: string, reason = 'no permission') => row(name, undefined, 'not-collected', reason)

function attribute(
  name: string,
  operation: AttributeTest['operation'],
  values: readonly string[] = [],
  more: Partial<AttributeTest> = {},
): AttributeTest {
  return { kind: 'attribute', name, operation, datatype: 'string', values, match: 'all', ...more }
}

function policyOf(check: Check, applies?: Check): Policy {
  return {
    id: 'p',
    version: '1',
    title: 'P',
    description: 'D',
    rules: [
      {
        id: 'r',
        title: 'R',
        severity: 'high',
        rationale: 'W',
        remediation: 'Do',
        references: [{ text: 'Us' }],
        ...(applies ? { applies } : {}),
        check,
      },
    ],
  }
}

function evaluate(check: Check, posture: readonly PostureAttribute[], applies?: Check): RuleResult {
  const [rule] = evaluatePolicy(policyOf(check, applies), posture, { endpoint: 'e', now: 1 }).rules
  if (!rule) throw new Error('no rule')
  return rule
}

// One attribute of each truth, and a check that has it.
const posture = [row('t.x', 'yes'), skipped('u.x'), failed('e.x')]
const checks = {
  T: attribute('t.x', 'equals', ['yes']),
  F: attribute('t.x', 'equals', ['no']),
  U: attribute('u.x', 'equals', ['yes']),
  E: attribute('e.x', 'equals', ['yes']),
}
type Letter = keyof typeof checks
const verdicts: Readonly<Record<Letter, Verdict>> = { T: 'pass', F: 'fail', U: 'unknown', E: 'error' }

describe('truth tables', () => {
  // As in NIST IR 7275r4's tables of complex checks; rows and columns T F U E.
  const tables: Readonly<Record<'and' | 'or', readonly string[]>> = {
    and: ['TFUE', 'FFFF', 'UFUU', 'EFUE'],
    or: ['TTTT', 'TFUE', 'TUUU', 'TEUE'],
  }
  const letters = ['T', 'F', 'U', 'E'] as const
  const cases = (['and', 'or'] as const).flatMap((kind) =>
    letters.flatMap((a, i) => letters.map((b, j) => [a, kind, b, (tables[kind][i] ?? '')[j]] as const)),
  )
  it.each(cases)('%s %s %s is %s', (a, kind, b, expected) => {
    const wanted = verdicts[expected as Letter] // from the table above
    expect(evaluate({ kind, checks: [checks[a], checks[b]] }, posture).verdict).toBe(wanted)
    // `match` combines attributes by the same tables.
    const values: Record<Letter, PostureAttribute[]> = {
      T: [row('m.1', 'yes')],
      F: [row('m.1', 'no')],
      U: [skipped('m.1')],
      E: [failed('m.1')],
    }
    const both = [...values[a], ...values[b].map((each) => ({ ...each, name: 'm.2' }))]
    const match = kind === 'and' ? 'all' : 'any'
    expect(evaluate(attribute('m.*', 'equals', ['yes'], { match }), both).verdict).toBe(wanted)
  })

  it.each([
    ['T', 'F'],
    ['F', 'T'],
    ['U', 'U'],
    ['E', 'E'],
  ] as const)('not %s is %s', (a, expected) => {
    expect(evaluate({ kind: 'not', check: checks[a] }, posture).verdict).toBe(verdicts[expected])
    const { name, values } = checks[a]
    expect(evaluate(attribute(name, 'equals', values, { match: 'none' }), posture).verdict).toBe(verdicts[expected])
  })
})

describe('applies', () => {
  it.each([
    ['T', 'F', 'fail'],
    ['F', 'F', 'notapplicable'],
    ['U', 'F', 'unknown'],
    ['E', 'T', 'error'],
  ] as const)('%s before %s: %s', (applies, check, verdict) => {
    expect(evaluate(checks[check], posture, checks[applies]).verdict).toBe(verdict)
  })

  it('says why a rule does not apply, and with what evidence', () => {
    expect(evaluate(checks.T, posture, checks.F)).toMatchObject({
      message: "does not apply here: it is for hosts where t.x is 'no'",
      evidence: [{ name: 't.x', status: 'exists', value: 'yes' }],
    })
    expect(evaluate(checks.T, posture, checks.U).message).toBe(
      'whether the rule applies cannot be told: u.x: no permission',
    )
  })
})

describe('values', () => {
  it.each<
    [
      operation: AttributeTest['operation'],
      datatype: AttributeTest['datatype'],
      value: string,
      values: string[],
      verdict: Verdict,
    ]
  >([
    ['equals', 'string', '1', ['1'], 'pass'],
    ['equals', 'string', '01', ['1'], 'fail'],
    ['equals', 'integer', '01', ['1'], 'pass'],
    ['equals', 'integer', ' +7\t', ['7'], 'pass'],
    ['equals', 'integer', '-0', ['0'], 'pass'],
    ['equals', 'integer', '18446744073709551615', ['18446744073709551614'], 'fail'],
    ['equals', 'integer', '4 8', ['4'], 'error'],
    ['equals', 'integer', '', ['0'], 'error'],
    ['equals', 'integer', '0x10', ['16'], 'error'],
    ['equals', 'version', '1.0', ['1.00'], 'pass'],
    ['not-equal', 'string', 'a', ['b'], 'pass'],
    ['not-equal', 'integer', '1', ['01'], 'fail'],
    ['greater', 'integer', '10', ['9'], 'pass'],
    ['greater', 'integer', '9', ['9'], 'fail'],
    ['greater-or-equal', 'integer', '9', ['9'], 'pass'],
    ['greater-or-equal', 'integer', '-10', ['-9'], 'fail'],
    ['less', 'integer', '-10', ['-9'], 'pass'],
    ['less', 'version', '1.0~rc1', ['1.0'], 'pass'],
    ['less-or-equal', 'integer', '10', ['9'], 'fail'],
    ['less-or-equal', 'version', '1:1', ['2'], 'fail'],
    ['in', 'string', 'b', ['a', 'b'], 'pass'],
    ['in', 'string', 'c', ['a', 'b'], 'fail'],
    ['in', 'integer', '02', ['1', '2'], 'pass'],
    ['not-in', 'string', 'c', ['a', 'b'], 'pass'],
    ['not-in', 'version', '1.0', ['2', '1.00'], 'fail'],
    ['pattern', 'string', 'rw,nodev', ['(^|,)nodev(,|$)'], 'pass'],
    ['pattern', 'string', 'rw,nodevs', ['(^|,)nodev(,|$)'], 'fail'],
    ['not-pattern', 'string', 'abc', ['b'], 'fail'],
    ['not-pattern', 'string', 'x'.repeat(8_193), ['b'], 'error'],
    ['exists', 'string', 'anything', [], 'pass'],
    ['none-exist', 'string', 'anything', [], 'fail'],
  ])('%s as %s of %j against %j: %s', (operation, datatype, value, values, verdict) => {
    expect(evaluate(attribute('a.b', operation, values, { datatype }), [row('a.b', value)]).verdict).toBe(verdict)
  })

  it('says what is wrong with a value that does not compare', () => {
    const result = evaluate(attribute('a.b', 'less', ['1'], { datatype: 'integer' }), [row('a.b', 'many')])
    expect(result.message).toBe("a.b: its value 'many' is not an integer")
  })
})

describe('statuses', () => {
  const value = attribute('a.x', 'equals', ['1'])
  const none = attribute('a.x', 'equals', ['1'], { match: 'none' })
  const any = attribute('a.x', 'equals', ['1'], { match: 'any' })
  const exists = attribute('a.x', 'exists')
  const noneExist = attribute('a.x', 'none-exist')
  const elsewhere = row('a.y', '1')

  it.each<
    [
      what: string,
      rows: PostureAttribute[],
      verdicts: [value: Verdict, any: Verdict, none: Verdict, exists: Verdict, noneExist: Verdict],
    ]
  >([
    ['exists', [row('a.x', '1')], ['pass', 'pass', 'fail', 'pass', 'fail']],
    ['does-not-exist', [row('a.x')], ['fail', 'fail', 'pass', 'fail', 'pass']],
    ['not-collected', [skipped('a.x')], ['unknown', 'unknown', 'unknown', 'unknown', 'unknown']],
    ['error', [failed('a.x')], ['error', 'error', 'error', 'error', 'error']],
    ['never reported, neighbour known', [elsewhere], ['unknown', 'unknown', 'pass', 'fail', 'pass']],
    ['never reported, neighbour absent', [row('a.y')], ['unknown', 'unknown', 'pass', 'fail', 'pass']],
    [
      'never reported, neighbours not collected',
      [skipped('a.y')],
      ['unknown', 'unknown', 'unknown', 'unknown', 'unknown'],
    ],
    [
      'never reported, neighbours in error',
      [skipped('a.y'), failed('a.z')],
      ['error', 'error', 'error', 'error', 'error'],
    ],
    [
      'never reported, nothing of the area',
      [row('ab.x', '1')],
      ['unknown', 'unknown', 'unknown', 'unknown', 'unknown'],
    ],
    [
      'the whole area in error, a neighbour known',
      [failed('a'), elsewhere],
      ['error', 'error', 'error', 'error', 'error'],
    ],
  ])('%s', (_, rows, expected) => {
    expect([value, any, none, exists, noneExist].map((check) => evaluate(check, rows).verdict)).toEqual(expected)
  })

  it('says why it is unknown or an error', () => {
    expect(evaluate(value, [elsewhere])).toMatchObject({ message: 'a.x: never reported', evidence: [] })
    expect(evaluate(value, [skipped('a.x')])).toMatchObject({
      message: 'a.x: no permission',
      evidence: [{ name: 'a.x', status: 'not-collected' }],
    })
    expect(evaluate(noneExist, [failed('a.y')])).toMatchObject({
      message: 'a.y: EIO',
      evidence: [{ name: 'a.y', status: 'error' }],
    })
    expect(evaluate(noneExist, [elsewhere])).toMatchObject({ message: 'no a.x on the host', evidence: [] })
  })
})

describe('areas', () => {
  const noTelnet = attribute('listen.tcp.*:23.uid', 'none-exist')
  it('knows that no socket is open from the sockets that are', () => {
    expect(evaluate(noTelnet, []).verdict).toBe('unknown')
    expect(evaluate(noTelnet, [row('listen.tcp.0.0.0.0:22.uid', '0')]).verdict).toBe('pass')
    expect(evaluate(noTelnet, [row('listen.udp.0.0.0.0:68.uid', '0')]).verdict).toBe('pass')
    expect(evaluate(noTelnet, [row('listen.tcp.0.0.0.0:23.uid', '0')]).verdict).toBe('fail')
    expect(evaluate(noTelnet, [row('listen.tcp.[::]:23.uid', '0')]).verdict).toBe('fail')
    expect(evaluate(noTelnet, [row('listen.tcp.[::ffff:23.0.0.1]:80.uid', '0')]).verdict).toBe('pass')
  })

  it('takes a table that could not be read for a gap, whatever else is known', () => {
    expect(evaluate(noTelnet, [failed('listen.tcp'), row('listen.tcp.[::]:22.uid', '0')]).verdict).toBe('error')
    expect(evaluate(noTelnet, [failed('listen.udp'), row('listen.tcp.[::]:22.uid', '0')]).verdict).toBe('pass')
    // What is seen decides all the same.
    expect(evaluate(noTelnet, [failed('listen.tcp'), row('listen.tcp.[::]:23.uid', '0')]).verdict).toBe('fail')
  })

  it('judges by the nearest area: an rpm database that could not be read says nothing of packages', () => {
    const noTelnetd = attribute('package.rpm.telnet-server.version', 'none-exist')
    expect(evaluate(noTelnetd, [row('package.manager', 'rpm'), failed('package.rpm.database')]).verdict).toBe('error')
    expect(evaluate(noTelnetd, [row('package.manager', 'dpkg'), row('package.dpkg.bash.version', '5')]).verdict).toBe(
      'pass',
    )
  })
})

describe('names', () => {
  const rows = ['user.a.uid', 'user.a.b.uid', 'user.root.uid', 'user.uid', 'users.c.uid'].map((name) => row(name, '0'))
  it.each([
    ['user.*.uid', [], ['user.a.b.uid', 'user.a.uid', 'user.root.uid']],
    ['user.*.uid', ['user.root.uid'], ['user.a.b.uid', 'user.a.uid']],
    ['user.*.uid', ['user.*.b.*', 'user.r*'], ['user.a.uid']],
    ['user.*', [], ['user.a.b.uid', 'user.a.uid', 'user.root.uid', 'user.uid']],
    ['user.*a*.*uid', [], ['user.a.b.uid', 'user.a.uid']],
    ['user.a.uid', [], ['user.a.uid']],
  ])('%s except %j matches %j', (name, except, expected) => {
    const result = evaluate(attribute(name, 'equals', ['0'], except.length > 0 ? { except } : {}), rows)
    expect(result.evidence.map((each) => each.name)).toEqual(expected)
  })

  it('does not let the parts of a pattern overlap', () => {
    expect(evaluate(attribute('x.ab*ba', 'exists'), [row('x.aba', '1')]).verdict).toBe('fail')
    expect(evaluate(attribute('x.ab*ba', 'exists'), [row('x.abba', '1')]).verdict).toBe('pass')
  })

  it('counts rows of one name by several collectors', () => {
    expect(evaluate(attribute('a.b', 'equals', ['1']), [row('a.b', '1'), row('a.b', '2')]).verdict).toBe('fail')
  })
})

describe('evidence', () => {
  const rows = [row('m.1', 'yes'), row('m.2', 'no'), row('m.3', 'no')]
  it('is what failed for a failed rule, what passed for a passed one', () => {
    expect(evaluate(attribute('m.*', 'equals', ['yes']), rows)).toMatchObject({
      verdict: 'fail',
      message: "expected: every m.* is 'yes'",
      evidence: [
        { name: 'm.2', value: 'no' },
        { name: 'm.3', value: 'no' },
      ],
    })
    expect(evaluate(attribute('m.*', 'equals', ['yes'], { match: 'any' }), rows)).toMatchObject({
      verdict: 'pass',
      evidence: [{ name: 'm.1' }],
    })
    const either: Check = {
      kind: 'or',
      checks: [attribute('m.2', 'equals', ['yes']), attribute('m.3', 'equals', ['yes'])],
    }
    expect(evaluate(either, rows)).toMatchObject({
      message: "expected: m.2 is 'yes'; expected: m.3 is 'yes'",
      evidence: [{ name: 'm.2' }, { name: 'm.3' }],
    })
    expect(evaluate({ kind: 'not', check: attribute('m.1', 'exists') }, rows)).toMatchObject({
      verdict: 'fail',
      message: 'expected: not (m.1 exists)',
      evidence: [{ name: 'm.1' }],
    })
  })

  it('is bounded, and says how much more there is', () => {
    const many = Array.from({ length: 55 }, (_, n) => row(`m.${String(n).padStart(2, '0')}`, 'x'.repeat(2_000)))
    const result = evaluate(attribute('m.*', 'equals', ['yes']), many)
    expect(result.evidence).toHaveLength(MAX_EVIDENCE)
    expect(result.message).toBe("expected: every m.* is 'yes'; 35 more attributes decided alike")
    expect(result.evidence[0]?.value).toHaveLength(512)
  })

  it('names each attribute once, with the time it was collected', () => {
    const twice: Check = { kind: 'and', checks: [attribute('m.1', 'exists'), attribute('m.1', 'equals', ['yes'])] }
    expect(evaluate(twice, [{ ...row('m.1', 'yes'), collected: 42 }]).evidence).toEqual([
      { name: 'm.1', status: 'exists', value: 'yes', collected: 42 },
    ])
  })
})

describe('evaluatePolicy', () => {
  it('carries what it was asked with', () => {
    const result = evaluatePolicy(policyOf(checks.T), posture, { endpoint: 'e1', now: 7, job: 'j', profile: 'strict' })
    expect(result).toEqual({
      endpoint: 'e1',
      policy: 'p',
      policyVersion: '1',
      profile: 'strict',
      evaluated: 7,
      job: 'j',
      score: 100,
      rules: [
        {
          id: 'r',
          title: 'R',
          severity: 'high',
          verdict: 'pass',
          evidence: [{ name: 't.x', status: 'exists', value: 'yes' }],
        },
      ],
    })
  })

  it('scores passed of decided, and 0 when nothing was decided', () => {
    const score = (...list: Verdict[]) => scoreOf(list.map((verdict) => ({ verdict })))
    expect(score('pass', 'pass', 'fail')).toBe(66.67)
    expect(score('pass', 'error', 'unknown', 'notapplicable')).toBe(33.33)
    expect(score('notapplicable', 'notapplicable')).toBe(0)
    expect(score()).toBe(0)
  })

  it('takes 10,000 attributes and 200 rules', () => {
    const areas = ['sysctl', 'package', 'file', 'unit', 'user']
    const rows = Array.from({ length: 10_000 }, (_, n) => row(`${areas[n % 5]}.k${n}.value`, String(n)))
    const rules = Array.from({ length: 200 }, (_, n) => ({
      ...policyOf(checks.T).rules[0],
      id: `r${n}`,
      check:
        n % 4 === 0
          ? attribute(`${areas[n % 5]}.*.value`, 'pattern', ['^[0-9]+$'])
          : attribute(`${areas[n % 5]}.k${n % 10}*.value`, 'none-exist'),
    })) as Policy['rules'] // rules[0] is there: policyOf makes one
    const policy = { ...policyOf(checks.T), rules }
    const { rules: verdicts } = evaluatePolicy(policy, rows, { endpoint: 'e', now: 1 })
    expect(verdicts.filter((rule) => rule.verdict === 'pass')).toHaveLength(50)
    expect(verdicts.filter((rule) => rule.verdict === 'fail')).toHaveLength(150)
  })
})

describe('requiredNames', () => {
  it('names attributes, whole areas where absence is an answer, and where gaps are reported', () => {
    const check: Check = {
      kind: 'or',
      checks: [
        attribute('sshd.port', 'equals', ['22']),
        { kind: 'not', check: attribute('listen.tcp.*:23.uid', 'none-exist') },
        attribute('listen.udp.*', 'equals', ['x']),
        attribute('user.*.uid', 'equals', ['0'], { match: 'none' }),
        attribute('mount.*.options', 'pattern', ['x']),
        attribute('plain', 'exists'),
        attribute('users', 'exists'),
      ],
    }
    expect(requiredNames(policyOf(check, attribute('sshd.installed', 'equals', ['true'])))).toEqual([
      'listen',
      'listen.*',
      'mount',
      'mount.*.options',
      'plain',
      'sshd.installed',
      'sshd.port',
      'user',
      'user.*',
      'users',
    ])
  })
})
