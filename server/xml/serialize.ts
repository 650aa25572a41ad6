/** Elements to text: canonical form, strict escaping, every namespace declared where it is needed. RFC 6120 §11. */

import { Element, RawXml } from './element.ts'
import { isQualifiedName, isXmlChar } from './names.ts'
import { NS_CLIENT, NS_STREAM } from './namespaces.ts'
import { unique } from './spellings.ts'
import { UnreadElement } from './unread.ts'

/** A tree that has no XML form: an illegal character or name, a prefix without a namespace. A defect of ours. */
export class SerializeError extends Error {
  override readonly name = 'SerializeError'
}

/**
 * Writes the element with all that it needs at the place it goes to: each prefix it uses is declared inside, each
 * default namespace where it begins. Double quotes, `<empty/>`, attributes in their order.
 * @param parentNs  the default namespace where the text will stand, which need not be repeated. Left out:
 *                  jabber:client for a stanza (no parent, or a stream's root as parent), and none for an element
 *                  taken out of a stanza
 * @throws SerializeError on an illegal character, an illegal name, an undeclared prefix
 * DESIGN decision 5.
 */
export function serialize(element: Element, parentNs: string = namespaceAround(element)): string {
  if (element instanceof RawXml) return element.xml
  return write(element, ownDefault(element) ?? parentNs, parentNs, undefined, element.parent)
}

/** Text between tags. @throws SerializeError on a character that XML cannot carry */
export function escapeText(text: string): string {
  return needsCare(text, IN_TEXT, TEXT_NEEDS_CARE) ? checked(text).replace(/[&<>\r]/g, escapeOne) : text
}

/** An attribute's value, to stand in double quotes. @throws SerializeError on a character that XML cannot carry */
export function escapeAttribute(value: string): string {
  return needsCare(value, IN_ATTRIBUTE, ATTRIBUTE_NEEDS_CARE)
    ? checked(value).replace(/[&<>"\t\n\r]/g, escapeOne)
    : value
}

/** A prefix declared by the tags around, innermost first. */
interface Declaration {
  readonly prefix: string
  readonly uri: string
  readonly outer: Declaration | undefined
}

function namespaceAround(element: Element): string {
  const parent = element.parent
  return parent === null || parent.getNS() === NS_STREAM ? NS_CLIENT : ''
}

/** The default namespace that the tree around gives the element; undefined when it says nothing. */
function ownDefault(element: Element): string | undefined {
  for (let each: Element | null = element; each; each = each.parent) {
    const xmlns = attributeText(each.attrs['xmlns'])
    if (xmlns !== undefined) return xmlns
  }
  return undefined
}

/**
 * @param ns        the element's default namespace
 * @param parentNs  the one in force around it
 * @param outer     prefixes declared by what is already written
 * @param context   where prefixes are looked up that nothing written declares
 */
function write(
  element: Element,
  ns: string,
  parentNs: string,
  outer: Declaration | undefined,
  context: Element | null,
): string {
  const { name, attrs } = element
  let scope = outer
  let text = `<${name}`
  if (ns !== parentNs) text += ` xmlns="${escapeAttribute(ns)}"`
  let prefixed: string[] | undefined
  if (kindOf(name) !== PLAIN) prefixed = [name]
  for (const key in attrs) {
    const value = attributeText(attrs[key])
    if (value === undefined || key === 'xmlns') continue
    const kind = kindOf(key)
    if (kind === DECLARATION) {
      scope = { prefix: key.slice(6), uri: value, outer: scope }
    } else if (kind === PREFIXED) {
      prefixed ??= []
      prefixed.push(key)
    }
    text += ` ${key}="${escapeAttribute(value)}"`
  }
  for (const qualified of prefixed ?? []) {
    const prefix = qualified.slice(0, qualified.indexOf(':'))
    if (prefix === 'xml' || find(scope, prefix) !== undefined) continue
    const uri = context?.findNS(prefix)
    if (!uri) throw new SerializeError(`no namespace is declared for the prefix of ${qualified}`)
    scope = { prefix, uri, outer: scope }
    text += ` xmlns:${prefix}="${escapeAttribute(uri)}"`
  }
  const unread = element instanceof UnreadElement ? element.rest : undefined
  if (unread !== undefined) return `${text}>${unread}`
  let content = ''
  for (const child of element.children) {
    if (child instanceof RawXml) {
      content += child.xml
    } else if (child instanceof Element) {
      content += write(child, attributeText(child.attrs['xmlns']) ?? ns, ns, scope, context)
    } else {
      content += escapeText(String(child))
    }
  }
  return content === '' ? `${text}/>` : `${text}>${content}</${name}>`
}

/** An attribute as text; ltx takes numbers and booleans too, and leaves out what is undefined or null. */
function attributeText(value: unknown): string | undefined {
  if (typeof value === 'string') return value
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : undefined
}

function find(scope: Declaration | undefined, prefix: string): string | undefined {
  for (let each = scope; each; each = each.outer) if (each.prefix === prefix) return each.uri
  return undefined
}

/**
 * Special, a control character (some are illegal), a lone surrogate, or a noncharacter. XML 1.0 §2.2, §2.4. Written as all
 * the others: to look up a Unicode category takes V8 longer at a start than all that is made of these.
 */
const TEXT_NEEDS_CARE = /[^ -%'-;=?-~\u00a0-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/u
const ATTRIBUTE_NEEDS_CARE = /[^ !#-%'-;=?-~\u00a0-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/u
/** The same for ASCII, as tables: 1 needs care. */
const IN_TEXT = tableOf(TEXT_NEEDS_CARE)
const IN_ATTRIBUTE = tableOf(ATTRIBUTE_NEEDS_CARE)
/** Shorter texts are looked through sooner than a pattern is set to work. */
const SHORT = 64

function needsCare(text: string, table: Uint8Array, pattern: RegExp): boolean {
  const { length } = text
  if (length > SHORT) return pattern.test(text)
  for (let at = 0; at < length; at++) {
    const c = text.charCodeAt(at)
    if (c >= 0x80) return pattern.test(text)
    if (table[c] === 1) return true
  }
  return false
}

function tableOf(pattern: RegExp): Uint8Array {
  return Uint8Array.from({ length: 0x80 }, (_, code) => (pattern.test(String.fromCharCode(code)) ? 1 : 0))
}

function checked(text: string): string {
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at)
    if (unit >= 0x20 && unit < 0xd800) continue
    const codePoint = text.codePointAt(at) ?? unit
    if (!isXmlChar(codePoint)) throw new SerializeError('a character that XML cannot carry')
    if (codePoint > 0xffff) at++
  }
  return text
}

const PLAIN = 0
const PREFIXED = 1
/** `xmlns:` and a prefix. */
const DECLARATION = 2
type NameKind = typeof PLAIN | typeof PREFIXED | typeof DECLARATION

/** Names that were found good: few, and the same ones for every stanza. */
const known = new Map<string, NameKind>()
const MAX_KNOWN = 1_000

/** @throws SerializeError when it is no name */
function kindOf(name: string): NameKind {
  const before = known.get(name)
  if (before !== undefined) return before
  if (!isQualifiedName(name)) throw new SerializeError('a name that XML does not allow')
  const kind = name.startsWith('xmlns:') ? DECLARATION : name.includes(':') ? PREFIXED : PLAIN
  if (known.size < MAX_KNOWN) known.set(unique(name), kind)
  return kind
}

function escapeOne(char: string): string {
  switch (char) {
    case '&':
      return '&amp;'
    case '<':
      return '&lt;'
    case '>':
      return '&gt;'
    case '"':
      return '&quot;'
    default:
      // Tab, line feed, return: as they stand, a reader would change them. XML 1.0 §2.11, §3.3.3.
      return `&#x${char.charCodeAt(0).toString(16).toUpperCase()};`
  }
}
