/** Reads an order to collect. It names what to collect, never what to run (RFC 8248 OP-002). SACM-XMPP §2, §3. */

import { type Collect, NS_COLLECTION, parseCollect } from '../../modules/sacm/xml.ts'
import { StanzaError } from '../../server/stanza/errors.ts'
import { childElements, type Element, isElement } from '../../server/xml/element.ts'
import { checkResponseTopic } from '../core/worker.ts'

export const TOPIC_POSTURE = '/repository/posture'
/** The Script Check Engine's namespace: checks that are programs. */
const NS_SCE = 'http://open-scap.org/page/SCE'
/** Names under which a command line, script or path to execute would come. */
const RUNS = /^(cmd|command|exec|execute|program|script|shell|run|path|sce|cmdlet)/i
const MAX_PATTERNS = 1_000
const MAX_DEPTH = 64

/**
 * @param requester  who asked; the only one whose response topic may be named
 * @throws StanzaError not-acceptable for what names something to run, forbidden for another's response topic, bad-request
 */
export function parseOrder(payload: Element, requester: string): Collect {
  if (!isElement(payload, 'collect', NS_COLLECTION)) {
    throw new StanzaError('cancel', 'feature-not-implemented', `${payload.getName()} is not taken here`)
  }
  refuseWhatRuns(payload)
  const collect = parseCollect(payload)
  if (collect.attributes.length > MAX_PATTERNS) {
    throw new StanzaError('modify', 'not-acceptable', `more than ${MAX_PATTERNS} attribute names`)
  }
  checkResponseTopic(collect.responseTopic, TOPIC_POSTURE, requester)
  return collect
}

/** Looks through everything, known or not, before any of it is read. */
function refuseWhatRuns(element: Element, depth = 0): void {
  const isRunning =
    element.getNS() === NS_SCE ||
    RUNS.test(element.getName()) ||
    Object.entries(element.attrs).some(
      ([name, value]) => RUNS.test(name) || (/^system$/i.test(name) && value === NS_SCE),
    )
  if (isRunning || depth > MAX_DEPTH) {
    throw new StanzaError('modify', 'not-acceptable', 'a request names what to collect, never what to run')
  }
  for (const child of childElements(element)) refuseWhatRuns(child, depth + 1)
}
