/** Reads an order to evaluate. SACM-XMPP §2, §3. */

import { type Evaluate, NS_EVALUATION, parseEvaluate } from '../../modules/sacm/xml.ts'
import { StanzaError } from '../../server/stanza/errors.ts'
import { type Element, isElement } from '../../server/xml/element.ts'
import { checkResponseTopic } from '../core/worker.ts'

export const TOPIC_RESULTS = '/repository/results'
const MAX_ENDPOINTS = 10_000

/**
 * @param requester  who asked; the only one whose response topic may be named
 * @throws StanzaError forbidden for another's response topic, bad-request
 */
export function parseOrder(payload: Element, requester: string): Evaluate {
  if (!isElement(payload, 'evaluate', NS_EVALUATION)) {
    throw new StanzaError('cancel', 'feature-not-implemented', `${payload.getName()} is not taken here`)
  }
  const evaluate = parseEvaluate(payload)
  if (evaluate.endpoints.length > MAX_ENDPOINTS) {
    throw new StanzaError('modify', 'not-acceptable', `more than ${MAX_ENDPOINTS} endpoints`)
  }
  checkResponseTopic(evaluate.responseTopic, TOPIC_RESULTS, requester)
  return evaluate
}
