/** Ad-hoc evaluation: what may be asked, directed and by broadcast. SACM-XMPP §3; ARCH §Ad-Hoc (Evaluation). */

import { type Element, isElement } from '../../server/xml/element.ts'
import { type Evaluate, NS_EVALUATION } from './model.ts'
import { refuseOther } from './unsupported.ts'
import { parseEvaluate } from './work-xml.ts'

/** Parts of the contract that are not carried out yet. */
const NOT_YET = ['schedule', 'cancel']

/** True for what belongs to evaluation, also when it is not taken yet. */
export function isEvaluation(payload: Element): boolean {
  return payload.getNS() === NS_EVALUATION
}

/** @throws StanzaError payload-invalid, unsupported-format */
export function readEvaluation(payload: Element): Evaluate {
  if (isElement(payload, 'evaluate', NS_EVALUATION)) return parseEvaluate(payload)
  return refuseOther(payload, '<evaluate/>', '§3.7', isEvaluation(payload) && NOT_YET.includes(payload.getName()))
}
