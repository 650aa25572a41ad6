/** Ad-hoc collection: what may be asked, directed and by broadcast. SACM-XMPP §3; ARCH §Ad-Hoc (Collection). */

import { type Element, isElement } from '../../server/xml/element.ts'
import { type Collect, NS_COLLECTION } from './model.ts'
import { refuseOther } from './unsupported.ts'
import { parseCollect } from './work-xml.ts'

/** Parts of the contract that are not carried out yet. */
const NOT_YET = ['schedule', 'cancel', 'observe', 'unobserve', 'schedules', 'jobs']

/** True for what belongs to collection, also when it is not taken yet. */
export function isCollection(payload: Element): boolean {
  return payload.getNS() === NS_COLLECTION
}

/**
 * Reads an order to collect. Only names come through: no payload holds anything to run (OP-002).
 * @throws StanzaError payload-invalid, unsupported-format
 */
export function readCollection(payload: Element): Collect {
  if (isElement(payload, 'collect', NS_COLLECTION)) return parseCollect(payload)
  return refuseOther(payload, '<collect/>', '§3.4', isCollection(payload) && NOT_YET.includes(payload.getName()))
}
