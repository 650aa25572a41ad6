/** An evaluation result as a person wants to read it: what failed, worst first, with what was found and what to do. */

import type { EvaluationResult, Evidence, RuleResult, Verdict } from '../../../modules/repository/xml.ts'
import type { Policy, PolicyRule, Severity } from '../../../modules/scap/policy.ts'

export interface ReportRule {
  readonly id: string
  readonly title: string
  readonly severity: Severity
  readonly verdict: Verdict
  /** Why: what was expected, or what could not be told; empty when there is nothing to say. */
  readonly message: string
  /** One line per attribute: `sysctl.kernel.dmesg_restrict = 0`. */
  readonly evidence: readonly string[]
  /** Empty when the policy at hand has no such rule. */
  readonly rationale: string
  readonly remediation: string
  readonly references: readonly string[]
}

export interface ResultReport {
  readonly endpoint: string
  readonly policy: string
  readonly title: string
  /** UTC milliseconds. */
  readonly evaluated: number
  readonly score: number
  /** `Score 75.44: 43 of 57 rules passed, 14 failed; 18 do not apply.` */
  readonly summary: string
  readonly counts: Readonly<Record<Verdict, number>>
  /** Failed rules, worst severity first, in the policy's order within one. */
  readonly failed: readonly ReportRule[]
  /** Error and unknown, likewise. */
  readonly undecided: readonly ReportRule[]
  /** The others, in the policy's order. */
  readonly rest: readonly ReportRule[]
}

const WORST_FIRST: readonly Severity[] = ['critical', 'high', 'medium', 'low', 'info']
const MAX_EVIDENCE_LINE = 200

/**
 * @param policy  the policy that was evaluated; without it, or for rules that it does not have, remediation is empty
 */
export function describeResult(result: EvaluationResult, policy?: Policy): ResultReport {
  const known = new Map(policy?.rules.map((rule) => [rule.id, rule]))
  const rules = result.rules.map((rule) => describeRule(rule, known.get(rule.id)))
  const counts = countVerdicts(result.rules)
  const bySeverity = (verdicts: readonly Verdict[]) =>
    rules
      .filter((rule) => verdicts.includes(rule.verdict))
      .sort((a, b) => WORST_FIRST.indexOf(a.severity) - WORST_FIRST.indexOf(b.severity))
  return {
    endpoint: result.endpoint,
    policy: result.policy,
    title: policy?.title ?? result.policy,
    evaluated: result.evaluated,
    score: result.score,
    summary: summarise(result.score, counts),
    counts,
    failed: bySeverity(['fail']),
    undecided: bySeverity(['error', 'unknown']),
    rest: rules.filter((rule) => !['fail', 'error', 'unknown'].includes(rule.verdict)),
  }
}

function describeRule(rule: RuleResult, known: PolicyRule | undefined): ReportRule {
  const severity = WORST_FIRST.find((each) => each === (rule.severity ?? known?.severity)) ?? 'info'
  return {
    id: rule.id,
    title: rule.title ?? known?.title ?? rule.id,
    severity,
    verdict: rule.verdict,
    message: rule.message ?? '',
    evidence: rule.evidence.map(describeEvidence),
    rationale: known?.rationale ?? '',
    remediation: known?.remediation ?? '',
    references: known?.references.map(({ href, text }) => (href === undefined ? text : `${text} <${href}>`)) ?? [],
  }
}

function describeEvidence({ name, status, value }: Evidence): string {
  switch (status) {
    case 'exists': {
      const shown = value === undefined || value === '' ? "''" : value.replace(/\s+/g, ' ')
      const line = `${name} = ${shown}`
      return line.length <= MAX_EVIDENCE_LINE ? line : `${line.slice(0, MAX_EVIDENCE_LINE - 1)}…`
    }
    case 'does-not-exist':
      return `${name} does not exist`
    case 'error':
      return `${name} could not be read`
    case 'not-collected':
      return `${name} was not collected`
  }
}

function countVerdicts(rules: readonly RuleResult[]): Readonly<Record<Verdict, number>> {
  const counts: Record<Verdict, number> = {
    pass: 0,
    fail: 0,
    error: 0,
    unknown: 0,
    notapplicable: 0,
    notchecked: 0,
    notselected: 0,
    informational: 0,
  }
  for (const { verdict } of rules) counts[verdict] += 1
  return counts
}

function summarise(score: number, counts: Readonly<Record<Verdict, number>>): string {
  const decided = counts.pass + counts.fail + counts.error + counts.unknown
  const inapplicable = counts.notapplicable > 0 ? `; ${counts.notapplicable} do not apply` : ''
  if (decided === 0) return `No score: no rule could be decided here${inapplicable}.`
  const parts = [
    `${counts.pass} of ${decided} rules passed`,
    `${counts.fail} failed`,
    ...(counts.unknown > 0 ? [`${counts.unknown} unknown`] : []),
    ...(counts.error > 0 ? [`${counts.error} could not be checked`] : []),
  ]
  return `Score ${score}: ${parts.join(', ')}${inapplicable}.`
}
