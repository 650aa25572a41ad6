/** The small grammars inside XML: declarations and references; and how faults are named. XML 1.0 §2.8, §4.1. */

import { type StreamCondition, StreamError } from '../stanza/errors.ts'
import { isNameStart, isXmlChar } from './names.ts'

/** Characters of the longest XML declaration that is looked at, without its brackets. */
export const MAX_DECLARATION = 128

/** XMLDecl after `<?xml` and up to `?`. XML 1.0 §2.8, production 23. */
const XML_DECLARATION =
  /^[ \t\r\n]+version[ \t\r\n]*=[ \t\r\n]*(["'])(1\.[0-9]+)\1(?:[ \t\r\n]+encoding[ \t\r\n]*=[ \t\r\n]*(["'])([A-Za-z][\w.-]*)\3)?(?:[ \t\r\n]+standalone[ \t\r\n]*=[ \t\r\n]*(["'])(?:yes|no)\5)?[ \t\r\n]*\?$/

/** XML 1.0 §4.6. */
const PREDEFINED = new Map([
  ['amp', '&'],
  ['lt', '<'],
  ['gt', '>'],
  ['quot', '"'],
  ['apos', "'"],
])

/**
 * Checks what stands between `<?xml` and `>`.
 * @throws StreamError not-well-formed, bad-format, unsupported-encoding
 */
export function checkDeclaration(declaration: string): void {
  const match = declaration.length <= MAX_DECLARATION ? XML_DECLARATION.exec(declaration) : null
  if (!match) throw fault('not-well-formed', 'a malformed XML declaration')
  // RFC 6120 §11.8: XML 1.0. §11.6: UTF-8 alone. §11.5: a standalone declaration is ignored.
  if (match[2] !== '1.0') throw fault('bad-format', 'XML of another version than 1.0')
  const encoding = match[4]
  if (encoding !== undefined && encoding.toLowerCase() !== 'utf-8') {
    throw fault('unsupported-encoding', 'another encoding than UTF-8')
  }
}

/**
 * The character that a reference stands for, its `&` and `;` left out.
 * @throws StreamError restricted-xml for an entity, not-well-formed for what is no reference
 */
export function resolveReference(reference: string): string {
  const predefined = PREDEFINED.get(reference)
  if (predefined !== undefined) return predefined
  if (reference.startsWith('#')) {
    const match = /^#(?:x([0-9a-fA-F]+)|([0-9]+))$/.exec(reference)
    const codePoint = match ? Number.parseInt(match[1] ?? match[2] ?? '', match[1] === undefined ? 10 : 16) : Number.NaN
    if (!isXmlChar(codePoint)) throw fault('not-well-formed', 'a reference to no character')
    return String.fromCodePoint(codePoint)
  }
  if (!isNameStart(reference.codePointAt(0) ?? 0)) throw fault('not-well-formed', '& that begins no reference')
  throw fault('restricted-xml', 'a reference to an entity')
}

export function illegal(): StreamError {
  return fault('not-well-formed', 'a character that XML does not allow')
}

export function fault(condition: StreamCondition, text: string): StreamError {
  return new StreamError(condition, text)
}
