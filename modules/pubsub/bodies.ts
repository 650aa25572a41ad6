/** A message body for people whose clients do not know the payload's format. XEP-0060 §12.8. */

import { attr, childOf, type Element, isElement, textOf } from '../../server/xml/element.ts'
import { parseStored } from '../../server/xml/parser.ts'

const NS_ATOM = 'http://www.w3.org/2005/Atom' // RFC 4287

/** A longer body is cut: the whole of it is in the payload. */
const MAX_BODY_CHARS = 4_096

/**
 * Can payloads of this namespace be put in words?
 * @param payloadNs  what the node is for, or its first payload was; undefined: not known yet
 */
export function canHaveBody(payloadNs: string | undefined): boolean {
  return payloadNs === undefined || payloadNs === NS_ATOM
}

/** The payload in words; undefined when its format is not known, and then there SHOULD be no body. §12.8 */
export function bodyOf(payload: string): string | undefined {
  // Namespaces are told apart by the parser; this spares it the payloads that cannot be meant.
  if (!payload.includes(NS_ATOM)) return undefined
  const entry = parseStored(payload)
  if (!isElement(entry, 'entry', NS_ATOM)) return undefined
  const title = textAt(entry, 'title')
  const text = textAt(entry, 'summary') ?? textAt(entry, 'content')
  const body = [title, text].filter((part) => part !== undefined).join('\n')
  if (body === '') return undefined
  return body.length > MAX_BODY_CHARS ? `${body.slice(0, MAX_BODY_CHARS - 1).toWellFormed()}…` : body
}

/** RFC 4287 §3.1: text as it stands; XHTML and HTML are no words for people. */
function textAt(entry: Element, name: string): string | undefined {
  const element = childOf(entry, name, NS_ATOM)
  if (!element || (attr(element, 'type') ?? 'text') !== 'text') return undefined
  const text = textOf(element).trim()
  return text === '' ? undefined : text
}
