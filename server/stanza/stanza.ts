/** What every stanza has: its kind, addresses, id; and the replies to one. RFC 6120 §8. */

import { attr, type Element, el } from '../xml/element.ts'
import { NS_CLIENT } from '../xml/namespaces.ts'
import { escapeAttribute, serialize } from '../xml/serialize.ts'
import type { StanzaError } from './errors.ts'
import { tryParseJid } from './jid.ts'

export type StanzaName = 'message' | 'presence' | 'iq'

/** The element's local name when it is a stanza's. */
export function stanzaName(element: Element): StanzaName | undefined {
  const name = element.getName()
  return name === 'message' || name === 'presence' || name === 'iq' ? name : undefined
}

/**
 * The error reply to a stanza: addresses swapped, id kept; undefined where none may be sent.
 * @param by  the entity that raised the error, when it is not the addressee
 * RFC 6120 §8.3.1.
 */
export function errorReply(stanza: Element, error: StanzaError, by?: string): Element | undefined {
  const type = attr(stanza, 'type')
  // RFC 6120 §8.3.1, rule 8: an error is never answered with an error; §8.2.3: nor is a result with anything.
  if (type === 'error' || (type === 'result' && stanza.getName() === 'iq')) return undefined
  const to = attr(stanza, 'to')
  return el(
    stanza.getName(),
    {
      xmlns: NS_CLIENT,
      type: 'error',
      id: attr(stanza, 'id'),
      // RFC 6120 §8.3.1, rule 2: swap, unless that would send a malformed address.
      from: to !== undefined && tryParseJid(to) ? to : undefined,
      to: attr(stanza, 'from'),
    },
    error.payload,
    error.toElement(by),
  )
}

/** The result of an IQ: addresses swapped, id kept, one payload or none. RFC 6120 §8.2.3. */
export function resultReply(iq: Element, payload?: Element): Element {
  return el(
    'iq',
    { xmlns: NS_CLIENT, type: 'result', id: attr(iq, 'id'), from: attr(iq, 'to'), to: attr(iq, 'from') },
    payload,
  )
}

/** `resultReply` as `serialize` would write it: every request has one, and nobody looks into it. */
export function writeResult(iq: Element, payload?: Element): string {
  const id = written('id', attr(iq, 'id'))
  const addresses = `${written('from', attr(iq, 'to'))}${written('to', attr(iq, 'from'))}`
  const tag = `<iq type="result"${id}${addresses}`
  return payload ? `${tag}>${serialize(payload, NS_CLIENT)}</iq>` : `${tag}/>`
}

function written(name: string, value: string | undefined): string {
  return value === undefined ? '' : ` ${name}="${escapeAttribute(value)}"`
}

/** A shallow copy with another `to`; the children stay shared, since nothing changes them after this. */
export function readdressed(stanza: Element, to: string): Element {
  const copy = el(stanza.name, { ...stanza.attrs, to })
  copy.children = stanza.children
  copy.parent = stanza.parent
  return copy
}
