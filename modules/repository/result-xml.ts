/** Evaluation results with their evidence, Element to typed value and back. SACM-XMPP §3, urn:sacm-xmpp:result:0. */

import { formatDateTime } from '../../server/stanza/time.ts'
import { type Element, el } from '../../server/xml/element.ts'
import { type EvaluationResult, type Evidence, NS_RESULT, type RuleResult, type Verdict } from './model.ts'
import {
  childPlaces,
  defined,
  onlyAttributes,
  openPayload,
  optional,
  optionalNumber,
  optionalOf,
  optionalTime,
  type Place,
  payloadInvalid,
  required,
  requiredOf,
  requiredTime,
  textContent,
} from './payload.ts'
import { STATUSES } from './report-xml.ts'

export const VERDICTS: readonly Verdict[] = [
  'pass',
  'fail',
  'error',
  'unknown',
  'notapplicable',
  'notchecked',
  'notselected',
  'informational',
]
const SECTION = '§3.6'

/** @throws StanzaError payload-invalid */
export function parseResult(element: Element): EvaluationResult {
  const place = openPayload(element, 'result', NS_RESULT, SECTION)
  onlyAttributes(place, ['endpoint', 'policy', 'policy-version', 'profile', 'evaluated', 'job', 'score'])
  const score = optionalNumber(place, 'score', 0, 100)
  if (score === undefined) throw payloadInvalid(place, '@score', "'score' is missing")
  const ids = new Set<string>()
  const rules = childPlaces(place, NS_RESULT, ['rule']).map((child) => {
    const rule = parseRule(child, NS_RESULT)
    if (ids.has(rule.id)) throw payloadInvalid(child, '@id', `'${rule.id}' stands there twice`)
    ids.add(rule.id)
    return rule
  })
  return defined({
    endpoint: required(place, 'endpoint', 64),
    policy: required(place, 'policy'),
    policyVersion: optional(place, 'policy-version', 128),
    profile: optional(place, 'profile'),
    evaluated: requiredTime(place, 'evaluated'),
    job: optional(place, 'job', 128),
    score,
    rules,
  })
}

/** `<rule id verdict title? severity?><message/>?<evidence/>…</rule>` in the namespace of its parent. */
export function parseRule(place: Place, ns: string): RuleResult {
  onlyAttributes(place, ['id', 'title', 'severity', 'verdict'])
  const evidence: Evidence[] = []
  let message: string | undefined
  for (const child of childPlaces(place, ns, ['message', 'evidence'])) {
    if (child.element.getName() === 'evidence') evidence.push(parseEvidence(child))
    else if (message !== undefined) throw payloadInvalid(child, '', 'a rule has at most one <message/>')
    else {
      onlyAttributes(child, [])
      message = textContent(child)
    }
  }
  return defined({
    id: required(place, 'id'),
    title: optional(place, 'title', 1024),
    severity: optional(place, 'severity', 64),
    verdict: requiredOf(place, 'verdict', VERDICTS),
    message,
    evidence,
  })
}

function parseEvidence(place: Place): Evidence {
  onlyAttributes(place, ['name', 'status', 'collected'])
  const status = optionalOf(place, 'status', STATUSES) ?? 'exists'
  const text = textContent(place)
  if (status !== 'exists' && text !== '') {
    throw payloadInvalid(place, 'text()', `a value does not go with status '${status}'`)
  }
  return defined({
    name: required(place, 'name'),
    status,
    value: status === 'exists' ? text : undefined,
    collected: optionalTime(place, 'collected'),
  })
}

export function renderResult(result: EvaluationResult): Element {
  return el(
    'result',
    {
      xmlns: NS_RESULT,
      endpoint: result.endpoint,
      policy: result.policy,
      'policy-version': result.policyVersion,
      profile: result.profile,
      evaluated: formatDateTime(result.evaluated),
      job: result.job,
      score: result.score,
    },
    ...result.rules.map(renderRule),
  )
}

export function renderRule(rule: RuleResult): Element {
  return el(
    'rule',
    { id: rule.id, title: rule.title, severity: rule.severity, verdict: rule.verdict },
    rule.message === undefined ? undefined : el('message', {}, rule.message),
    ...rule.evidence.map((each) =>
      el(
        'evidence',
        {
          name: each.name,
          status: each.status === 'exists' ? undefined : each.status,
          collected: each.collected === undefined ? undefined : formatDateTime(each.collected),
        },
        each.value,
      ),
    ),
  )
}
