/**
 * Evaluates a policy against one endpoint's posture: pure, no I/O, no clock. XCCDF 1.2 (NIST IR 7275r4) §6.6.4.
 *
 * A check is true, false, unknown or error. They combine as the truth tables of XCCDF 1.2's complex checks say, in
 * which unknown outweighs error; `match` combines its attributes by the same tables (`all` as and, `any` as or, `none`
 * as not any):
 *
 *   and | T F U E      or | T F U E      not |
 *   ----+---------    ----+---------     ----+---
 *    T  | T F U E      T  | T T T T       T  | F
 *    F  | F F F F      F  | T F U E       F  | T
 *    U  | U F U U      U  | T U U U       U  | U
 *    E  | E F U E      E  | T E U E       E  | E
 *
 * What one attribute says to a test of values: `exists` compares, and is an error when the value is not of the test's
 * datatype; `error` is an error; `not-collected` is unknown; `does-not-exist` has no value, hence satisfies nothing.
 * A test with `all` or `any` of attributes that do not exist is false; `none` is then true.
 * `exists` is true when an attribute exists, false when it is known not to; `none-exist` is its opposite.
 *
 * A name for which nothing is reported: a test of a value is unknown. For `exists`, `none-exist` and `none`, absence is
 * an answer when the name's area was collected (`Posture.coverage`), else they are unknown or an error like the area.
 *
 * Verdicts: `applies` false: notapplicable; `applies` unknown or error: that. Else the check: true is pass, false is
 * fail, unknown is unknown, error is error.
 */

import type {
  EvaluationResult,
  Evidence,
  PostureAttribute,
  RuleResult,
  Verdict,
} from '../../../modules/repository/xml.ts'
import type { AttributeTest, Check, Policy, PolicyRule } from '../../../modules/scap/policy.ts'
import { type Comparison, comparisonOf } from './compare.ts'
import { describeCheck, describeTest } from './describe.ts'
import { globOf, indexPosture, type Posture, prefixesOf } from './posture.ts'

export const MAX_EVIDENCE = 20
const MAX_EVIDENCE_VALUE = 512
const MAX_REASONS = 3
const MAX_MESSAGE = 1_000

type Truth = 'true' | 'false' | 'unknown' | 'error'

/** A check's outcome with what decided it. */
interface Finding {
  readonly truth: Truth
  readonly decided: readonly PostureAttribute[]
  /** False: what was expected instead. Unknown, error: why. True: empty, or what absence was concluded. */
  readonly reasons: readonly string[]
}

export interface EvaluationOptions {
  readonly endpoint: string
  /** UTC milliseconds. */
  readonly now: number
  readonly job?: string
  readonly profile?: string
}

/**
 * Evaluates every rule. `attributes` is the endpoint's current posture, in any order; several rows of one name (two
 * collectors) all count. Evidence is the attributes that decided, at most `MAX_EVIDENCE` per rule, values cut at
 * 512 characters; the message says how many more there are.
 */
export function evaluatePolicy(
  policy: Policy,
  attributes: Iterable<PostureAttribute>,
  options: EvaluationOptions,
): EvaluationResult {
  const posture = indexPosture(attributes)
  const rules = policy.rules.map((rule) => evaluateRule(rule, posture))
  return {
    endpoint: options.endpoint,
    policy: policy.id,
    policyVersion: policy.version,
    ...(options.profile === undefined ? {} : { profile: options.profile }),
    evaluated: options.now,
    ...(options.job === undefined ? {} : { job: options.job }),
    score: scoreOf(rules),
    rules,
  }
}

/** The percentage of passed among passed, failed, error and unknown, to two decimals; 0 when there is none of them. */
export function scoreOf(rules: readonly { readonly verdict: Verdict }[]): number {
  const count = (verdict: Verdict) => rules.filter((rule) => rule.verdict === verdict).length
  const decided = count('pass') + count('fail') + count('error') + count('unknown')
  return decided === 0 ? 0 : Math.round((count('pass') * 10_000) / decided) / 100
}

/**
 * The attribute name patterns that a policy needs, sorted. Where absence is an answer the whole area is named
 * (`package.*`), since without neighbours a name that is not there is only unknown; and beside a pattern the names
 * under which a gap in its area would be reported (`package`).
 */
export function requiredNames(policy: Policy): readonly string[] {
  const names = new Set<string>()
  const add = (check: Check): void => {
    if (check.kind !== 'attribute') {
      for (const each of check.kind === 'not' ? [check.check] : check.checks) add(each)
      return
    }
    const dot = check.name.indexOf('.')
    const name = isAbsenceAnAnswer(check) && dot !== -1 ? `${check.name.slice(0, dot)}.*` : check.name
    names.add(name)
    if (name.includes('*')) for (const prefix of prefixesOf(name)) names.add(prefix.slice(0, -1))
  }
  for (const rule of policy.rules) {
    if (rule.applies) add(rule.applies)
    add(rule.check)
  }
  const isWithinArea = (name: string) => {
    const area = name.replace(/\..*$/s, '.*')
    return name.includes('.') && name !== area && names.has(area)
  }
  return [...names].filter((name) => !isWithinArea(name)).sort()
}

function isAbsenceAnAnswer({ match, operation }: AttributeTest): boolean {
  return match === 'none' || operation === 'exists' || operation === 'none-exist'
}

function evaluateRule(rule: PolicyRule, posture: Posture): RuleResult {
  const applies = rule.applies ? evaluateCheck(rule.applies, posture) : undefined
  if (rule.applies && applies && applies.truth !== 'true') {
    if (applies.truth === 'false') {
      const reasons = [`does not apply here: it is for hosts where ${describeCheck(rule.applies)}`]
      return resultOf(rule, 'notapplicable', { ...applies, reasons })
    }
    const reasons = applies.reasons.map((reason) => `whether the rule applies cannot be told: ${reason}`)
    return resultOf(rule, applies.truth, { ...applies, reasons })
  }
  const finding = evaluateCheck(rule.check, posture)
  return resultOf(rule, VERDICTS[finding.truth], finding)
}

const VERDICTS: Readonly<Record<Truth, Verdict>> = { true: 'pass', false: 'fail', unknown: 'unknown', error: 'error' }

function resultOf(rule: PolicyRule, verdict: Verdict, finding: Finding): RuleResult {
  const decided = [...new Set(finding.decided)]
  // What exists speaks for itself; only what passed by absence alone needs words.
  const notes = verdict === 'pass' && decided.length > 0 ? [] : listed(finding.reasons)
  if (decided.length > MAX_EVIDENCE) notes.push(`${decided.length - MAX_EVIDENCE} more attributes decided alike`)
  const message = cut(notes.join('; '), MAX_MESSAGE)
  return {
    id: rule.id,
    title: rule.title,
    severity: rule.severity,
    verdict,
    ...(message === '' ? {} : { message }),
    evidence: decided.slice(0, MAX_EVIDENCE).map(evidenceOf),
  }
}

function listed(reasons: readonly string[]): string[] {
  const unique = [...new Set(reasons)]
  const shown = unique.slice(0, MAX_REASONS)
  if (unique.length > shown.length) shown.push(`and ${unique.length - shown.length} more reasons`)
  return shown
}

function evidenceOf(attribute: PostureAttribute): Evidence {
  return {
    name: attribute.name,
    status: attribute.status,
    ...(attribute.value === undefined ? {} : { value: cut(attribute.value, MAX_EVIDENCE_VALUE) }),
    ...(attribute.collected === undefined ? {} : { collected: attribute.collected }),
  }
}

function cut(text: string, max: number): string {
  // A surrogate pair is not cut in two: what is sent must stay well-formed.
  return text.length <= max ? text : `${text.slice(0, max - 1).replace(/[\uD800-\uDBFF]$/, '')}…`
}

function evaluateCheck(check: Check, posture: Posture): Finding {
  switch (check.kind) {
    case 'attribute':
      return evaluateTest(check, posture)
    case 'not': {
      const finding = evaluateCheck(check.check, posture)
      if (finding.truth === 'true') {
        return { ...finding, truth: 'false', reasons: [`expected: ${describeCheck(check)}`] }
      }
      return finding.truth === 'false' ? { ...finding, truth: 'true', reasons: [] } : finding
    }
    case 'and':
    case 'or':
      return combine(
        check.kind,
        check.checks.map((each) => evaluateCheck(each, posture)),
      )
  }
}

/** By the tables above: the first of these that any part has. */
const DOMINANT: Readonly<Record<'and' | 'or', readonly Truth[]>> = {
  and: ['false', 'unknown', 'error', 'true'],
  or: ['true', 'unknown', 'error', 'false'],
}

/** What decided are the parts that have the outcome's truth. */
function combine(kind: 'and' | 'or', findings: readonly Finding[]): Finding {
  const truth = DOMINANT[kind].find((each) => findings.some((finding) => finding.truth === each)) ?? 'unknown'
  const deciding = findings.filter((finding) => finding.truth === truth)
  return {
    truth,
    decided: deciding.flatMap((finding) => finding.decided),
    reasons: deciding.flatMap((finding) => finding.reasons),
  }
}

function evaluateTest(test: AttributeTest, posture: Posture): Finding {
  const rows = matchingOf(test, posture)
  if (rows.length === 0) return evaluateMissing(test, posture)
  if (test.operation === 'exists' || test.operation === 'none-exist') {
    const finding = evaluateRows('or', rows, () => true)
    return settle(test, test.operation === 'exists' ? finding : negate(finding))
  }
  const present = rows.filter((row) => row.status !== 'does-not-exist')
  if (present.length === 0) return absence(test, rows, test.match === 'none' ? 'true' : 'false')
  const finding = evaluateRows(test.match === 'all' ? 'and' : 'or', present, comparisonOf(test))
  return settle(test, test.match === 'none' ? negate(finding) : finding)
}

function matchingOf(test: AttributeTest, posture: Posture): readonly PostureAttribute[] {
  const rows = posture.matching(test.name)
  if (!test.except) return rows
  const excepted = test.except.map(globOf)
  return rows.filter((row) => !excepted.some((isMatch) => isMatch(row.name)))
}

/** As `combine`, of one finding for each attribute; there may be many, so none is made. */
function evaluateRows(kind: 'and' | 'or', rows: readonly PostureAttribute[], compare: Comparison): Finding {
  const decided: Record<Truth, PostureAttribute[]> = { true: [], false: [], unknown: [], error: [] }
  const reasons: Record<Truth, string[]> = { true: [], false: [], unknown: [], error: [] }
  for (const row of rows) {
    const outcome = outcomeOf(row, compare)
    decided[outcome.truth].push(row)
    if (outcome.reason !== undefined) reasons[outcome.truth].push(outcome.reason)
  }
  const truth = DOMINANT[kind].find((each) => decided[each].length > 0) ?? 'unknown'
  return { truth, decided: decided[truth], reasons: reasons[truth] }
}

const TRUE = { truth: 'true' } as const
const FALSE = { truth: 'false' } as const

function outcomeOf(row: PostureAttribute, compare: Comparison): { readonly truth: Truth; readonly reason?: string } {
  switch (row.status) {
    case 'does-not-exist':
      return FALSE
    case 'error':
      return { truth: 'error', reason: reasonOf(row, 'could not be read') }
    case 'not-collected':
      return { truth: 'unknown', reason: reasonOf(row, 'not collected') }
    case 'exists': {
      const outcome = compare(row.value ?? '')
      if (typeof outcome === 'boolean') return outcome ? TRUE : FALSE
      return { truth: 'error', reason: `${row.name}: ${outcome.reason}` }
    }
  }
}

/** No attribute of that name is reported. */
function evaluateMissing(test: AttributeTest, posture: Posture): Finding {
  const { state, because } = posture.coverage(test.name)
  if (state === 'absent' && isAbsenceAnAnswer(test)) {
    return absence(test, [], test.operation === 'exists' ? 'false' : 'true')
  }
  const reasons = because.map((row) => reasonOf(row, 'not collected'))
  if (state === 'error') return { truth: 'error', decided: because, reasons }
  return {
    truth: 'unknown',
    decided: because,
    reasons: reasons.length > 0 ? reasons : [`${test.name}: never reported`],
  }
}

function absence(test: AttributeTest, rows: readonly PostureAttribute[], truth: 'true' | 'false'): Finding {
  return settle(test, { truth, decided: rows, reasons: truth === 'true' ? [`no ${test.name} on the host`] : [] })
}

function negate(finding: Finding): Finding {
  if (finding.truth === 'true') return { ...finding, truth: 'false' }
  return finding.truth === 'false' ? { ...finding, truth: 'true' } : finding
}

/** A test that is false says what it expected. */
function settle(test: AttributeTest, finding: Finding): Finding {
  return finding.truth === 'false' ? { ...finding, reasons: [`expected: ${describeTest(test)}`] } : finding
}

function reasonOf(row: PostureAttribute, otherwise: string): string {
  return `${row.name}: ${row.reason || otherwise}`
}
