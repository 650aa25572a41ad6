/** Checks in words, for messages and reports. */

import type { AttributeTest, Check, Operation } from '../../../modules/scap/policy.ts'

const MAX_VALUES = 8
const MAX_DESCRIPTION = 600

const WORDS: Readonly<Record<Operation, string>> = {
  equals: 'is',
  'not-equal': 'is not',
  pattern: 'matches',
  'not-pattern': 'does not match',
  greater: 'is greater than',
  'greater-or-equal': 'is at least',
  less: 'is less than',
  'less-or-equal': 'is at most',
  in: 'is one of',
  'not-in': 'is none of',
  exists: 'exists',
  'none-exist': 'does not exist',
}

/** `sysctl.net.ipv4.ip_forward is '0' or …`, at most 600 characters. */
export function describeCheck(check: Check): string {
  const text = describe(check)
  return text.length <= MAX_DESCRIPTION ? text : `${text.slice(0, MAX_DESCRIPTION - 1)}…`
}

export function describeTest(test: AttributeTest): string {
  const { operation, match, values } = test
  const name = test.except ? `${test.name} (other than ${test.except.join(', ')})` : test.name
  if (operation === 'none-exist') return name.includes('*') ? `no ${name} exists` : `${name} does not exist`
  if (operation === 'exists') return `${name.includes('*') ? 'some ' : ''}${name} exists`
  const shown = values.slice(0, MAX_VALUES).map((value) => `'${value}'`)
  if (values.length > shown.length) shown.push(`${values.length - shown.length} more`)
  const claim = `${WORDS[operation]} ${shown.join(', ')}`
  if (match === 'none') return `no ${name} ${claim}`
  if (!name.includes('*')) return `${name} ${claim}`
  return `${match === 'all' ? 'every' : 'some'} ${name} ${claim}`
}

function describe(check: Check): string {
  switch (check.kind) {
    case 'attribute':
      return describeTest(check)
    case 'not':
      // `not none` is how a policy says `any` where absence is to count as no.
      if (check.check.kind === 'attribute' && check.check.match === 'none') {
        return describeTest({ ...check.check, match: 'any' })
      }
      return `not (${describe(check.check)})`
    case 'and':
    case 'or':
      return check.checks
        .map((each) => (each.kind === 'and' || each.kind === 'or' ? `(${describe(each)})` : describe(each)))
        .join(` ${check.kind} `)
  }
}
