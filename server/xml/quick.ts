/**
 * The quick way through an element that lies whole in one text and is written as nearly all are: one pass, and no tree
 * for a message. What is out of the ordinary (the element goes on in the next chunk, a prefix other than `xml`, CDATA,
 * a reference in a value, white space to be normalised, a limit, a fault of any kind) is not decided here: it is given
 * up, and the tokenizer reads the element from its beginning. So the tokenizer alone tells of faults; what is accepted
 * here it would accept too, as the same tree. Given up once per chunk at most, nothing is looked at more than twice.
 */

import { isAscii } from 'node:buffer'
import type { Element } from './element.ts'
import { NS_XML, NS_XMLNS } from './namespaces.ts'
import { type Codes, Spellings } from './spellings.ts'
import { resolveReference } from './syntax.ts'
import { AttributeMap, MAX_ELEMENTS, ParsedElement, type ParserLimits } from './tree.ts'
import { UnreadElement } from './unread.ts'

const GIVEN_UP = -1

const SPACE = 0x20
const AMPERSAND = 0x26
const QUOTE = 0x22
const APOSTROPHE = 0x27
const SLASH = 0x2f
const COLON = 0x3a
const LESS_THAN = 0x3c
const EQUALS = 0x3d
const GREATER_THAN = 0x3e
/** From `?` on all is text up to here: the input is known to be UTF-8. XML 1.0 §2.2. */
const NONCHARACTERS = 0xfffe

/** ASCII that may stand in text, in values whatever their quotes, at the beginning of a name and within. */
const IN_TEXT = table(/[\t\n -%'-;=?-~]/)
const IN_VALUE = table(/[ !#-%(-;=-~]/)
const NAME_START = table(/[A-Za-z_]/)
const IN_NAME = table(/[\w.-]/)

/** The references that text is full of. */
const REFERENCES = ['&amp;', '&lt;', '&gt;', '&quot;', '&apos;']
const ANY_REFERENCE = /&(\w+);/g

const spellings = new Spellings()
const XML_LANG = 'xml:lang'

/** A text and its characters as numbers, which are read several times as fast out of an array. */
export interface Readable {
  readonly text: string
  readonly codes: Codes
  /** The same, where they are bytes: made when there is a long text in them. */
  view?: DataView
}

const NOTHING: Readable = { text: '', codes: new Uint8Array() }

/** @param bytes  of the text, where it is ASCII and they are at hand */
export function readable(text: string, bytes?: Uint8Array): Readable {
  return { text, codes: bytes ?? codesOf(text) }
}

function codesOf(text: string): Codes {
  const latin1 = Buffer.from(text, 'latin1')
  if (isAscii(latin1) && latin1.toString('latin1') === text) return latin1
  return new Uint16Array(Uint8Array.from(Buffer.from(text, 'utf16le')).buffer)
}

/** Text beyond so many characters is looked through four at a time. */
const LONG_TEXT = 32

/** Inside an IQ, its request, the request's action and an item: what is published, of a namespace of its own. */
const PAYLOAD_DEPTH = 4

interface Payload {
  readonly name: string
  readonly attributes: AttributeMap
  readonly parent: Element
  /** Where its content begins. */
  readonly start: number
}

class QuickReader {
  /** Where the element that was read last ends. */
  end = 0
  #input = NOTHING
  #text = NOTHING.text
  #codes = NOTHING.codes
  #limits = UNLIMITED
  /** The start tag that was read last. */
  #name = ''
  #nameFrom = 0
  #isEmpty = false
  /** The names of its attributes. */
  readonly #names: string[] = []
  /** Where the names of the elements that are open begin and end. */
  readonly #open: number[] = []

  /**
   * @param from  where its `<` stands
   * @returns undefined when it was given up; nothing is known of it then
   */
  read(input: Readable, from: number, parent: Element | null, limits: ParserLimits): ParsedElement | undefined {
    if (input.codes[from] !== LESS_THAN) return undefined
    this.#begin(input, limits)
    const element = this.#readElement(from, parent)
    this.#begin(NOTHING, limits) // an idle connection keeps no input alive
    return element
  }

  #begin(input: Readable, limits: ParserLimits): void {
    this.#input = input
    this.#text = input.text
    this.#codes = input.codes
    this.#limits = limits
  }

  #readElement(from: number, parent: Element | null): ParsedElement | undefined {
    const attributes = new AttributeMap()
    const start = this.#readTag(from + 1, attributes)
    if (start === GIVEN_UP) return undefined
    const name = this.#name
    const nameFrom = this.#nameFrom
    this.end = start
    if (!this.#isWithin(from, start)) return undefined
    if (this.#isEmpty) return new ParsedElement(name, attributes, parent)
    const tree = name === 'message' ? undefined : new ParsedElement(name, attributes, parent)
    const end = this.#readContent(start, nameFrom, nameFrom + name.length, tree)
    if (end === GIVEN_UP || !this.#isWithin(from, end)) return undefined
    this.end = end
    return tree ?? new UnreadElement(name, attributes, parent, this.#text.slice(start, end), readUnread)
  }

  /** Makes the tree of a content that was accepted before. */
  readUnread(input: Readable, into: ParsedElement): void {
    this.#begin(input, UNLIMITED)
    this.#readContent(0, ANY_NAME, ANY_NAME, into)
    this.#begin(NOTHING, UNLIMITED)
  }

  /**
   * @param nameFrom  where the name of the element stands whose content this is, up to `nameTo`; or ANY_NAME
   * @param tree  that element, to be filled; undefined when its content is only checked
   * @returns where its end tag ends
   */
  #readContent(from: number, nameFrom: number, nameTo: number, tree: ParsedElement | undefined): number {
    const { maxDepth, maxElements = MAX_ELEMENTS } = this.#limits
    const open = this.#open
    let depth = 0
    open[0] = nameFrom
    open[1] = nameTo
    let elements = 1
    let current: Element | undefined = tree
    /** A payload that is left unread, and where its content begins. */
    let payload: Payload | undefined
    let at = from
    for (;;) {
      const start = at
      at = this.#skipText(at)
      if (at === GIVEN_UP) return GIVEN_UP
      if (current && at > start) current.children.push(textOf(this.#text.slice(start, at)))
      at++
      if (this.#codes[at] === SLASH) {
        at = this.#skipEndTag(at + 1, open[depth * 2] ?? 0, open[depth * 2 + 1] ?? 0)
        if (depth === 0 || at === GIVEN_UP) return at
        if (payload && depth === PAYLOAD_DEPTH) {
          const { name, attributes, parent, start } = payload
          current = parent
          parent.children.push(new UnreadElement(name, attributes, parent, this.#text.slice(start, at), readUnread))
          payload = undefined
        } else {
          current &&= current.parent ?? undefined
        }
        depth--
        continue
      }
      const attributes = current && new AttributeMap()
      at = this.#readTag(at, attributes)
      if (at === GIVEN_UP || ++elements > maxElements || depth + 2 > maxDepth) return GIVEN_UP
      const isEmpty = this.#isEmpty
      if (!isEmpty) {
        depth++
        open[depth * 2] = this.#nameFrom
        open[depth * 2 + 1] = this.#nameFrom + this.#name.length
      }
      if (!current || !attributes) continue
      if (depth === PAYLOAD_DEPTH && !isEmpty && attributes['xmlns'] !== undefined) {
        payload = { name: this.#name, attributes, parent: current, start: at }
        current = undefined
        continue
      }
      const element = new ParsedElement(this.#name, attributes, current)
      current.children.push(element)
      if (!isEmpty) current = element
    }
  }

  /**
   * Reads a start tag.
   * @param from  where its name begins
   * @param attributes  to be filled; undefined when they are only checked
   * @returns where it ends
   */
  #readTag(from: number, attributes: AttributeMap | undefined): number {
    const codes = this.#codes
    let at = this.#skipName(from)
    if (at === GIVEN_UP) return GIVEN_UP
    this.#name = spellings.of(this.#text, codes, from, at)
    this.#nameFrom = from
    for (let count = 0; ; count++) {
      let c = codes[at]
      if (c === SPACE) while (c === SPACE) c = codes[++at]
      else if (c !== GREATER_THAN && c !== SLASH) return GIVEN_UP
      if (c === GREATER_THAN) {
        this.#isEmpty = false
        return at + 1
      }
      if (c === SLASH) {
        this.#isEmpty = true
        return codes[at + 1] === GREATER_THAN ? at + 2 : GIVEN_UP
      }
      at = this.#readAttribute(at, attributes, count)
      if (at === GIVEN_UP) return GIVEN_UP
    }
  }

  /** @param count  attributes of the tag before this one */
  #readAttribute(from: number, attributes: AttributeMap | undefined, count: number): number {
    const codes = this.#codes
    const text = this.#text
    let at = this.#skipName(from)
    if (at === GIVEN_UP || count >= this.#limits.maxAttributes) return GIVEN_UP
    if (codes[at] === COLON) {
      if (!text.startsWith(XML_LANG, from)) return GIVEN_UP
      at = from + XML_LANG.length
    }
    const quote = codes[at + 1]
    if (codes[at] !== EQUALS || (quote !== QUOTE && quote !== APOSTROPHE)) return GIVEN_UP
    const name = spellings.of(text, codes, from, at)
    for (let other = 0; other < count; other++) if (this.#names[other] === name) return GIVEN_UP
    this.#names[count] = name
    const start = at + 2
    at = this.#skipValue(start, quote)
    if (at === GIVEN_UP) return GIVEN_UP
    if (name === 'xmlns') {
      const ns = spellings.of(text, codes, start, at)
      // Namespaces in XML 1.0 §3: neither may be a default namespace.
      if (ns === NS_XML || ns === NS_XMLNS) return GIVEN_UP
      if (attributes) attributes['xmlns'] = ns
    } else if (attributes) {
      put(attributes, name, text.slice(start, at))
    }
    return at + 1
  }

  /** Within the limit on bytes? A UTF-16 unit takes three at most. */
  #isWithin(from: number, to: number): boolean {
    const { maxStanzaBytes } = this.#limits
    const units = to - from
    if (units > maxStanzaBytes) return false
    if (units * 3 <= maxStanzaBytes || this.#codes instanceof Uint8Array) return true
    return Buffer.byteLength(this.#text.slice(from, to)) <= maxStanzaBytes
  }

  /** Where a name ends that begins here; ASCII without a colon. */
  #skipName(from: number): number {
    const [codes, inName] = [this.#codes, IN_NAME]
    if (NAME_START[codes[from] ?? SPACE] !== 1) return GIVEN_UP
    let at = from + 1
    while (inName[codes[at] ?? SPACE] === 1) at++
    return at - from > this.#limits.maxNameLength ? GIVEN_UP : at
  }

  /** Where a value ends that begins here. */
  #skipValue(from: number, quote: number): number {
    const [codes, inValue] = [this.#codes, IN_VALUE]
    const { length } = codes
    for (let at = from; at < length; at++) {
      const c = codes[at] ?? 0
      if (c > GREATER_THAN ? c < NONCHARACTERS : inValue[c] === 1) continue
      if (c === quote) return at
      if (c !== QUOTE && c !== APOSTROPHE) return GIVEN_UP
    }
    return GIVEN_UP
  }

  /** Where the next `<` stands. */
  #skipText(from: number): number {
    const [codes, inText] = [this.#codes, IN_TEXT]
    const { length } = codes
    const far = from + LONG_TEXT
    for (let at = from; at < length; at++) {
      if (at === far) at = this.#skipPlain(at)
      const c = codes[at] ?? 0
      if (c > GREATER_THAN ? c < NONCHARACTERS : inText[c] === 1) continue
      if (c === LESS_THAN) return at
      const reference = c === AMPERSAND ? referenceLength(this.#text, at) : 0
      if (reference === 0) return GIVEN_UP
      at += reference - 1
    }
    return GIVEN_UP
  }

  /** Where the text begins that must be looked at one by one: at the next `<`, or a few characters before anything else. */
  #skipPlain(from: number): number {
    const [input, text, codes] = [this.#input, this.#text, this.#codes]
    const end = text.indexOf('<', from)
    // A `>` that comes sooner, or none, is for who looks closer.
    if (!(codes instanceof Uint8Array) || end < 0 || text.indexOf('>', from) < end) return from
    input.view ??= new DataView(codes.buffer, codes.byteOffset, codes.length)
    const { view } = input
    let at = from
    while (at + 4 <= end && isPlain(view.getInt32(at, true))) at += 4
    return at
  }

  /** @param from  behind its `</` */
  #skipEndTag(from: number, nameFrom: number, nameTo: number): number {
    const codes = this.#codes
    let at = from
    if (nameFrom === ANY_NAME) while (codes[at] !== GREATER_THAN) at++
    else for (let i = nameFrom; i < nameTo; i++) if (codes[i] !== codes[at++]) return GIVEN_UP
    return codes[at] === GREATER_THAN ? at + 1 : GIVEN_UP
  }
}

const UNLIMITED: ParserLimits = {
  maxStanzaBytes: Number.POSITIVE_INFINITY,
  maxDepth: Number.POSITIVE_INFINITY,
  maxAttributes: Number.POSITIVE_INFINITY,
  maxNameLength: Number.POSITIVE_INFINITY,
  maxElements: Number.POSITIVE_INFINITY,
}
/** What was accepted before has the right end tag. */
const ANY_NAME = -1

/** One for all connections: it keeps nothing from one element to the next, and calls nobody while it reads. */
export const quickReader = new QuickReader()

const readUnread = (text: string, into: ParsedElement): void => quickReader.readUnread(readable(text), into)

/** A field whose name stands in the program is set sooner than one whose name is only known by then. */
function put(attributes: AttributeMap, name: string, value: string): void {
  switch (name) {
    case 'type':
      attributes['type'] = value
      break
    case 'id':
      attributes['id'] = value
      break
    case 'to':
      attributes['to'] = value
      break
    case 'from':
      attributes['from'] = value
      break
    case XML_LANG:
      attributes[XML_LANG] = value
      break
    case 'node':
      attributes['node'] = value
      break
    case 'name':
      attributes['name'] = value
      break
    default:
      attributes[name] = value
  }
}

/** Four bytes of ASCII: none of them `&`, none below a space. */
function isPlain(four: number): boolean {
  const ampersands = four ^ 0x26262626
  // The highest bit of a byte is set by what borrows from it: where the byte was 0 or, above, less than a space.
  const found = ((four - 0x20202020) & ~four) | ((ampersands - 0x01010101) & ~ampersands)
  return (found & 0x80808080) === 0
}

/** Not inside the loop that looks for it: what a closure there refers to is made anew for every character. */
function referenceLength(text: string, at: number): number {
  return REFERENCES.find((each) => text.startsWith(each, at))?.length ?? 0
}

function textOf(piece: string): string {
  return piece.includes('&') ? piece.replace(ANY_REFERENCE, (_, name: string) => resolveReference(name)) : piece
}

function table(pattern: RegExp): Uint8Array {
  return Uint8Array.from({ length: 128 }, (_, code) => (pattern.test(String.fromCharCode(code)) ? 1 : 0))
}
