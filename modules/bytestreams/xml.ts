/** `<query/>` of XEP-0065: requests to the proxy, and its answers. */

import { StanzaError } from '../../server/stanza/errors.ts'
import { type Jid, tryParseJid } from '../../server/stanza/jid.ts'
import { attr, childOf, type Element, el, textOf } from '../../server/xml/element.ts'

export const NS_BYTESTREAMS = 'http://jabber.org/protocol/bytestreams'

export interface ActivationRequest {
  readonly sid: string
  readonly target: Jid
}

/** XEP-0065 §6.3.5. @throws StanzaError bad-request, jid-malformed */
export function parseActivation(query: Element): ActivationRequest {
  const sid = attr(query, 'sid')
  const activate = childOf(query, 'activate', NS_BYTESTREAMS)
  if (!sid || !activate) throw new StanzaError('modify', 'bad-request', 'a sid and an <activate/> are needed')
  const target = tryParseJid(textOf(activate).trim())
  if (!target) throw new StanzaError('modify', 'jid-malformed', '<activate/> holds no address')
  return { sid, target }
}

/** XEP-0065 §4. */
export function renderStreamHost(host: string, jid: string, port: number): Element {
  return el('query', { xmlns: NS_BYTESTREAMS }, el('streamhost', { host, jid, port }))
}
