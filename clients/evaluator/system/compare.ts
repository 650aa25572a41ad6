/** Compares one attribute's value with what a test asks for. */

import { compilePattern } from '../../../modules/scap/pattern.ts'
import type { AttributeTest } from '../../../modules/scap/policy.ts'
import { compareVersions } from './version.ts'

/** A longer value is an error for pattern tests: matching takes time in its length. */
const MAX_PATTERN_TEXT = 8_192

/** True, false, or in words why the value cannot be compared. */
export type Comparison = (value: string) => boolean | { readonly reason: string }

/**
 * What a test demands of one value. `string` compares exactly, `integer` as whole decimal numbers of any size,
 * `version` as `compareVersions`.
 */
export function comparisonOf(test: AttributeTest): Comparison {
  switch (test.operation) {
    case 'pattern':
      return patternOf(test, true)
    case 'not-pattern':
      return patternOf(test, false)
    case 'equals':
    case 'in':
      return ordered(test, (orders) => orders.includes(0))
    case 'not-equal':
    case 'not-in':
      return ordered(test, (orders) => !orders.includes(0))
    case 'greater':
      return ordered(test, ([order = 0]) => order > 0)
    case 'greater-or-equal':
      return ordered(test, ([order = 0]) => order >= 0)
    case 'less':
      return ordered(test, ([order = 0]) => order < 0)
    case 'less-or-equal':
      return ordered(test, ([order = 0]) => order <= 0)
    case 'exists':
      return () => true
    case 'none-exist':
      return () => false
  }
}

function patternOf(test: AttributeTest, wanted: boolean): Comparison {
  const pattern = compilePattern(test.values[0] ?? '')
  return (value) =>
    value.length > MAX_PATTERN_TEXT
      ? { reason: `its value has more than ${MAX_PATTERN_TEXT} characters, too many for a pattern` }
      : pattern.test(value) === wanted
}

/** `decide` gets the order of the value against each of the test's values. */
function ordered(test: AttributeTest, decide: (orders: readonly number[]) => boolean): Comparison {
  if (test.datatype === 'string') return (value) => decide(test.values.map((each) => (value === each ? 0 : 1)))
  if (test.datatype === 'version') return (value) => decide(test.values.map((each) => compareVersions(value, each)))
  const wanted = test.values.map(integer)
  return (value) => {
    const found = integer(value)
    if (found === undefined) return { reason: `its value '${value.slice(0, 80)}' is not an integer` }
    // The parser lets only integers into `values`.
    return decide(wanted.map((each) => (each === undefined || found > each ? 1 : found < each ? -1 : 0)))
  }
}

function integer(text: string): bigint | undefined {
  const digits = /^\s*\+?(-?[0-9]{1,40})\s*$/.exec(text)?.[1]
  return digits === undefined ? undefined : BigInt(digits)
}
