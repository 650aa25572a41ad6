/** Refuses what does not belong on a topic, and says when it will one day. */

import type { Element } from '../../server/xml/element.ts'
import { payloadInvalid } from '../repository/xml.ts'
import { sacmError } from './errors.ts'

/** @throws StanzaError always: feature-not-implemented for what is only not done yet, payload-invalid for the rest */
export function refuseOther(payload: Element, expected: string, section: string, isNotYet: boolean): never {
  const name = payload.getName()
  if (isNotYet) throw sacmError('unsupportedRequest', `<${name}/> is not carried out yet (PROTOCOL.md ${section})`)
  throw payloadInvalid({ path: `/${name}`, section }, '', `${expected} is expected here`)
}
