/** Builds the tree out of tags and text: names, namespaces and bounds are checked here. Namespaces in XML 1.0. */

import { StreamError } from '../stanza/errors.ts'
import { Element } from './element.ts'
import { isNameStart } from './names.ts'
import { NS_CLIENT, NS_XML, NS_XMLNS } from './namespaces.ts'

/** Bounds on what one peer may make the parser build. */
export interface ParserLimits {
  /** Bytes of one stanza, and of the stream's opening tag. */
  readonly maxStanzaBytes: number
  /** Elements inside one another, the stanza being the first. */
  readonly maxDepth: number
  /** Attributes of one element, namespace declarations included. */
  readonly maxAttributes: number
  /** Characters in one name, prefix and colon included. */
  readonly maxNameLength: number
  /** Namespace declarations in force at one place; 64 when left out. */
  readonly maxNamespaces?: number
  /** Elements of one stanza, itself included: the smallest takes four bytes and forty times that memory. 16,384. */
  readonly maxElements?: number
}

export const DEFAULT_LIMITS: ParserLimits = {
  maxStanzaBytes: 262_144,
  maxDepth: 64,
  maxAttributes: 64,
  maxNameLength: 256,
  maxNamespaces: 64,
  maxElements: 16_384,
}

const DEFAULT_MAX_NAMESPACES = 64
/** Of one stanza, where the limits do not say. */
export const MAX_ELEMENTS = 16_384
const NS_SERVER = 'jabber:server'

/**
 * Attributes without anything inherited, so that `constructor` and `__proto__` are names like any other. An instance of
 * a class keeps its fields in fixed places, which what `Object.create(null)` makes does not.
 */
export class AttributeMap {
  [name: string]: string
}
Object.setPrototypeOf(AttributeMap.prototype, null)
Reflect.deleteProperty(AttributeMap.prototype, 'constructor')

/** An element read from the wire. ltx looks past `xmlns=''` and asks attributes for Object's methods; this does not. */
export class ParsedElement extends Element {
  /** What its prefix stands for; undefined when its name has none. */
  readonly #ns: string | undefined

  constructor(name: string, attributes: AttributeMap, parent: Element | null, ns?: string) {
    super(name)
    this.attrs = attributes
    this.parent = parent
    this.#ns = ns
  }

  override getNS(): string | undefined {
    return this.#ns ?? this.findNS()
  }

  /** The namespace of a prefix here, or the default one. Undefined when there is none. */
  override findNS(prefix?: string): string | undefined {
    if (prefix === 'xml') return NS_XML
    const key = prefix ? `xmlns:${prefix}` : 'xmlns'
    // Attributes are text, by this file or by who built the element.
    let uri = this.attrs[key] as string | undefined
    for (let each = this.parent; each && uri === undefined; each = each.parent) {
      uri = each.attrs[key] as string | undefined
    }
    return uri === '' ? undefined : uri
  }

  override getXmlns(): Record<string, string> {
    const prefixes = this.parent ? this.parent.getXmlns() : {}
    for (const key in this.attrs) {
      if (key === 'xmlns' || key.startsWith('xmlns:')) prefixes[String(this.attrs[key])] = key.slice(6)
    }
    return prefixes
  }
}

/** A prefix, in force until the element that declares it ends. A chain: most streams have one, and an idle one little memory. */
interface Declaration {
  readonly prefix: string
  readonly uri: string
  /** Of its element. */
  readonly depth: number
  /** It and those before it. */
  readonly count: number
  readonly before: Declaration | undefined
}

/** The elements that are open, and the one whose start tag is being read. */
export class TreeBuilder {
  limits: ParserLimits
  /** Elements that are open. */
  depth = 0
  /** Elements of the stanza being read. */
  #elements = 0
  /** The outermost element; undefined before its start tag is complete. */
  root: Element | undefined
  /** The element closed last. */
  closed: Element | undefined
  /** 1 when the outermost element is the stream, which is no part of a stanza's depth, else 0. */
  readonly #outside: number
  #current: Element | null = null
  /** The prefix declared last of those in force. */
  #declared: Declaration | undefined
  /** The start tag being read. */
  #name = ''
  #attributes = new AttributeMap()
  #count = 0
  #prefixed: string[] = []

  constructor(limits: ParserLimits, isStream: boolean) {
    this.limits = limits
    this.#outside = isStream ? 1 : 0
  }

  /** A start tag's name. */
  open(name: string): void {
    if (this.depth - this.#outside >= this.limits.maxDepth) throw beyond('maxDepth', this.limits.maxDepth)
    this.#elements = this.depth <= this.#outside ? 1 : this.#elements + 1
    const maxElements = this.limits.maxElements ?? MAX_ELEMENTS
    if (this.#elements > maxElements) throw beyond('maxElements', maxElements)
    checkColon(name)
    this.#name = name
    this.#attributes = new AttributeMap()
    this.#count = 0
    this.#prefixed.length = 0
  }

  /** One attribute of the start tag, its value normalised. */
  attribute(name: string, value: string): void {
    if (++this.#count > this.limits.maxAttributes) throw beyond('maxAttributes', this.limits.maxAttributes)
    if (this.#attributes[name] !== undefined) throw malformed('an attribute stands twice')
    this.#attributes[name] = value
    if (!name.includes(':')) {
      if (name === 'xmlns') checkDeclaration('', value)
      return
    }
    checkColon(name)
    if (name.startsWith('xmlns:')) this.#declare(name.slice(6), value)
    else this.#prefixed.push(name)
  }

  /** The end of the start tag. */
  opened(): void {
    const name = this.#name
    const colon = name.indexOf(':')
    let uri: string | undefined
    if (colon >= 0) {
      uri = this.#namespaceOf(name.slice(0, colon))
      // RFC 6120 §4.8.5: the content namespace takes no prefix.
      if (uri === NS_CLIENT || uri === NS_SERVER) {
        throw new StreamError('bad-namespace-prefix', 'a prefix for the content namespace')
      }
    }
    if (this.#prefixed.length > 0) this.#checkPrefixed()
    const element = new ParsedElement(name, this.#attributes, this.#current, uri)
    // The stream's root keeps no stanzas; a stanza has it as parent, so that what it declares is found.
    if (this.depth > this.#outside) this.#current?.children.push(element)
    if (this.depth === 0) this.root = element
    this.#current = element
    this.depth++
  }

  /** An end tag, or the end of an empty element. */
  close(name: string): void {
    const element = this.#current
    if (element === null || element.name !== name) throw malformed('an end tag that does not match')
    while (this.#declared?.depth === this.depth) this.#declared = this.#declared.before
    this.depth--
    this.closed = element
    this.#current = element.parent
  }

  /** The end of an empty element. */
  closeEmpty(): void {
    this.close(this.#name)
  }

  text(text: string): void {
    this.#current?.children.push(text)
  }

  /** Forgets everything; a new document follows. */
  reset(): void {
    this.depth = 0
    this.root = undefined
    this.closed = undefined
    this.#current = null
    this.#declared = undefined
  }

  #declare(prefix: string, uri: string): void {
    checkDeclaration(prefix, uri)
    if (prefix === 'xml') return
    const max = this.limits.maxNamespaces ?? DEFAULT_MAX_NAMESPACES
    const before = this.#declared
    const count = (before?.count ?? 0) + 1
    if (count > max) throw beyond('maxNamespaces', max)
    this.#declared = { prefix, uri, depth: this.depth + 1, count, before }
  }

  #namespaceOf(prefix: string): string {
    if (prefix === 'xml') return NS_XML
    for (let each = this.#declared; each; each = each.before) if (each.prefix === prefix) return each.uri
    // RFC 6120 §4.9.3.13 shows this very fault; §11.3 rule 4. `xmlns` is never declared, so it ends here too.
    throw malformed('a namespace prefix that is not declared')
  }

  /** No two attributes of the same expanded name. Namespaces in XML 1.0 §6.3. */
  #checkPrefixed(): void {
    const seen = new Set<string>()
    for (const name of this.#prefixed) {
      const colon = name.indexOf(':')
      const expanded = `${name.slice(colon)} ${this.#namespaceOf(name.slice(0, colon))}`
      if (seen.has(expanded)) throw malformed('an attribute stands twice under two prefixes')
      seen.add(expanded)
    }
  }
}

/** `prefix:local`, each an NCName. Namespaces in XML 1.0 §4; the characters are checked already. */
function checkColon(name: string): void {
  const colon = name.indexOf(':')
  if (colon < 0) return
  const local = name.codePointAt(colon + 1)
  if (colon === 0 || local === undefined || !isNameStart(local) || name.includes(':', colon + 1)) {
    throw malformed('a name with a misplaced colon')
  }
}

/** Reserved prefixes and namespace names. Namespaces in XML 1.0 §3, §5. */
function checkDeclaration(prefix: string, uri: string): void {
  if (prefix === 'xmlns' || uri === NS_XMLNS) throw malformed('a declaration of xmlns')
  if ((prefix === 'xml') !== (uri === NS_XML)) throw malformed('a wrong declaration of xml')
  if (prefix !== '' && uri === '') throw malformed('a prefix without a namespace')
}

function malformed(text: string): StreamError {
  return new StreamError('not-well-formed', text)
}

/** RFC 6120 §4.9.3.14: a bound of this server. */
export function beyond(limit: keyof ParserLimits, value: number): StreamError {
  return new StreamError('policy-violation', `over the limit ${limit} of ${value}`)
}
