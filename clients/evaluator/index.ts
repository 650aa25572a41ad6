/** The evaluator: judges endpoints' posture by a policy when asked, and publishes the results. SACM-XMPP §2, §3; ARCH §Posture Evaluation Service. */

import { type EvaluationResult, renderResult } from '../../modules/repository/xml.ts'
import type { Evaluate } from '../../modules/sacm/xml.ts'
import type { Policy } from '../../modules/scap/policy.ts'
import { serialize } from '../../server/xml/serialize.ts'
import type { Component } from '../core/component.ts'
import { describeError } from '../core/describe-error.ts'
import type { JobControl, JobResult } from '../core/jobs.ts'
import { deterministicId } from '../core/report.ts'
import { sendFindings, startWorker, type Worker, type WorkerOptions } from '../core/worker.ts'
import { fetchEndpoints, fetchPolicy, fetchPosture, type RepositoryPort } from './fetch.ts'
import { parseOrder, TOPIC_RESULTS } from './order.ts'
import { evaluatePolicy, requiredNames } from './system/evaluate.ts'

export const CAPABILITY_SYSTEM = 'urn:sacm-xmpp:capability:evaluation:system'
/** What stands around a result on the wire. */
const ENVELOPE_BYTES = 2_048

export interface EvaluatorOptions extends WorkerOptions {
  /** Told each result, once it is stored. */
  readonly onResult?: ((result: EvaluationResult) => void) | undefined
}

export type Evaluator = Worker

/** One order on its way. */
interface Work {
  readonly evaluate: Evaluate
  readonly requester: string
  readonly component: Component
  readonly signal: AbortSignal
  readonly onResult: EvaluatorOptions['onResult']
}

/**
 * Connects and takes orders; resolves when the login has succeeded, see `ready` for the onboarding.
 * @throws SaslError, a certificate or network error
 */
export function startEvaluator(options: EvaluatorOptions): Promise<Evaluator> {
  return startWorker(options, {
    type: 'posture-evaluation-service',
    name: 'sacm evaluator',
    description: 'judges system posture by policies',
    capabilities: [{ urn: CAPABILITY_SYSTEM, kind: 'evaluation', endpoints: [] }],
    work: 'evaluate',
    order(payload, requester) {
      const evaluate = parseOrder(payload, requester)
      return {
        id: evaluate.id,
        expires: evaluate.expires,
        run: (control, component) =>
          runEvaluation(
            { evaluate, requester, component, signal: control.signal, onResult: options.onResult },
            control,
          ),
      }
    },
  })
}

/** Evaluates every endpoint; one that fails does not stop the others. */
async function runEvaluation(work: Work, control: JobControl): Promise<JobResult> {
  const { evaluate, component, signal } = work
  const port: RepositoryPort = { client: component.client, repository: component.services.repository, signal }
  const policy = await component.persist(() => fetchPolicy(port, evaluate.policy), signal)
  const endpoints =
    evaluate.endpoints.length > 0 ? evaluate.endpoints : await component.persist(() => fetchEndpoints(port), signal)
  if (endpoints.length === 0) return { outcome: 'failed', errors: ['there is no endpoint to evaluate'] }
  const errors: string[] = []
  control.progress(0, endpoints.length)
  for (const [index, endpoint] of endpoints.entries()) {
    try {
      await evaluateEndpoint(endpoint, policy, port, work)
    } catch (error) {
      signal.throwIfAborted()
      errors.push(`${endpoint}: ${describeError(error)}`)
    }
    control.progress(index + 1, endpoints.length)
  }
  if (errors.length === 0) return { outcome: 'success', errors }
  return { outcome: errors.length < endpoints.length ? 'partial' : 'failed', errors }
}

async function evaluateEndpoint(endpoint: string, policy: Policy, port: RepositoryPort, work: Work): Promise<void> {
  const { evaluate, requester, component, signal } = work
  const { id: job, maxAgeSeconds, profile } = evaluate
  const names = requiredNames(policy)
  const attributes = await component.persist(() => fetchPosture(port, endpoint, names, maxAgeSeconds), signal)
  if (attributes.length === 0) throw new Error('nothing that the policy asks about has been collected')
  const now = Date.now()
  const evaluated = evaluatePolicy(policy, attributes, {
    endpoint,
    now,
    job,
    ...(profile === undefined ? {} : { profile }),
  })
  const result = fitting(evaluated, component.client.maxStanzaBytes - ENVELOPE_BYTES)
  const to = evaluate.responseTopic ?? TOPIC_RESULTS
  const id = deterministicId(component.id, requester, job, endpoint)
  const render = () => renderResult(result)
  await sendFindings(component, { to, isPublished: to === TOPIC_RESULTS, id, render }, signal)
  work.onResult?.(result)
}

/** Pieces of evidence per rule that are tried, until the result fits a stanza. */
const EVIDENCE_STEPS = [10, 5, 2, 1, 0]

/** The result, with less evidence per rule where all of it is too much; each rule that lost some says so. */
export function fitting(result: EvaluationResult, maxBytes: number): EvaluationResult {
  const fits = (candidate: EvaluationResult) => Buffer.byteLength(serialize(renderResult(candidate))) <= maxBytes
  if (fits(result)) return result
  for (const keep of EVIDENCE_STEPS) {
    const rules = result.rules.map((rule) => {
      const dropped = rule.evidence.length - keep
      if (dropped <= 0) return rule
      const note = `${dropped} more attributes decided, left out for size`
      return {
        ...rule,
        evidence: rule.evidence.slice(0, keep),
        message: [rule.message, note].filter(Boolean).join('; '),
      }
    })
    if (fits({ ...result, rules })) return { ...result, rules }
  }
  throw new RangeError(`the result of ${result.rules.length} rules does not fit a stanza`)
}
