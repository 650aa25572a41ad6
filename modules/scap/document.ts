/**
 * Small XML documents as plain nodes that know their place, from text (sax) or from an Element, so that one
 * validation serves both. XML 1.0; document types, entities and processing instructions are refused.
 */

import sax, { type QualifiedTag } from 'sax'
import { attr, Element } from '../../server/xml/element.ts'

/** Where a fault is: always the path; line and column (1-based, UTF-16 units) when there is a text. */
export interface Place {
  readonly path: string
  readonly line?: number
  readonly column?: number
}

/** Makes the error to throw for a fault. */
export type Fault = (text: string, place: Place) => Error

export interface DocumentNode {
  readonly ns: string
  readonly name: string
  /** `/policy/rule[3]/check`; names in `repeated` carry their 1-based number among their like-named siblings. */
  readonly path: string
  /** Attributes by the name as written; namespace declarations are left out. */
  readonly attributes: ReadonlyMap<string, string>
  readonly children: readonly DocumentNode[]
  /** Own text, child elements' left out. */
  readonly text: string
  /** Place of the start tag, or of the named attribute in it. */
  place(attribute?: string): Place
}

export interface DocumentLimits {
  /** Of the whole text, in UTF-16 units. */
  readonly maxLength: number
  readonly maxDepth: number
  readonly maxElements: number
}

interface OpenNode extends DocumentNode {
  readonly attributes: Map<string, string>
  readonly children: OpenNode[]
  readonly counts: Map<string, number>
  text: string
}

// XML 1.0 §2.2, production 2: what is not a Char. With the u flag a lone surrogate is a character of its own.
const FORBIDDEN = /[^\t\n\r -\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/u
// XML 1.0 §2.8, production 23, of the body between `<?xml` and `?>`.
const DECLARATION =
  /^version\s*=\s*(?:"1\.[0-9]+"|'1\.[0-9]+')(?:\s+encoding\s*=\s*(?:"[A-Za-z][\w.-]*"|'[A-Za-z][\w.-]*'))?(?:\s+standalone\s*=\s*(?:"(?:yes|no)"|'(?:yes|no)'))?\s*$/
// Each piece of markup, and the `]]>` that may not stand outside of it (XML 1.0 §2.4).
const MARKUP = /<!--[\s\S]*?-->|<!\[CDATA\[[\s\S]*?\]\]>|<(?:"[^"]*"|'[^']*'|[^"'>])*>|\]\]>/g
// Within a start tag that sax has accepted. XML 1.0 §3.1, production 41.
const ATTRIBUTE = /\s+([^\s=]+)\s*=\s*(?:"([^"]*)"|'([^']*)')/y

/**
 * Reads a document's text.
 * @param repeated  element names that are numbered in paths
 * @throws what `fault` makes: not well-formed, not allowed, or over a limit, with line, column and path
 */
export function readDocument(
  xml: string,
  repeated: ReadonlySet<string>,
  limits: DocumentLimits,
  fault: Fault,
): DocumentNode {
  if (xml.length > limits.maxLength) {
    throw fault(`the document is longer than ${limits.maxLength} characters`, { path: '/', line: 1, column: 1 })
  }
  // XML 1.0 §2.11: line ends are normalised before parsing; sax does not.
  const source = xml.replace(/\r\n?/g, '\n').replace(/^\uFEFF/, '')
  const forbidden = FORBIDDEN.exec(source)
  if (forbidden) throw fault('a character that XML does not allow', { path: '/', ...position(source, forbidden.index) })

  const parser = sax.parser(true, { xmlns: true, position: true })
  const open: OpenNode[] = []
  let root: OpenNode | undefined
  let elements = 0
  let start = 0

  const here = (): Place => ({
    path: open.at(-1)?.path ?? '/',
    ...position(source, Math.max(0, Math.min(parser.position, source.length) - 1)),
  })
  const refuse = (text: string) => {
    throw fault(text, here())
  }
  const addText = (text: string) => {
    const node = open.at(-1)
    if (node) node.text += text
  }

  parser.onerror = (error) => refuse(error.message.split('\n')[0]?.replace(/\.$/, '') ?? 'not well-formed')
  parser.ondoctype = () => refuse('a document type is not allowed')
  parser.onsgmldeclaration = () => refuse('a declaration is not allowed')
  parser.onprocessinginstruction = ({ name, body }) => {
    if (name !== 'xml' || !source.startsWith('<?xml') || source.indexOf('?>') + 2 !== parser.position) {
      refuse('a processing instruction is not allowed')
    }
    if (!DECLARATION.test(body)) refuse('the XML declaration is malformed')
  }
  parser.ontext = addText
  parser.oncdata = addText
  parser.onopentagstart = () => {
    start = parser.startTagPosition - 1
  }
  parser.onopentag = (tag) => {
    // With `xmlns: true` sax gives qualified tags; its types cannot say so.
    const { local, uri, attributes } = tag as QualifiedTag
    if (++elements > limits.maxElements) refuse(`more than ${limits.maxElements} elements`)
    if (open.length >= limits.maxDepth) refuse(`elements nest deeper than ${limits.maxDepth}`)
    const parent = open.at(-1)
    if (root && !parent) refuse('a document has one root element')
    const tagStart = start
    const path = `${parent?.path ?? ''}/${step(parent, local, repeated)}`
    const offsets = attributeOffsets(source, tagStart, (text, offset, name) =>
      fault(text, { path: `${path}/@${name}`, ...position(source, offset) }),
    )
    const node: OpenNode = {
      ns: uri,
      name: local,
      path,
      attributes: new Map(),
      children: [],
      counts: new Map(),
      text: '',
      place(attribute) {
        const offset = attribute === undefined ? undefined : offsets.get(attribute)
        return {
          path: attribute === undefined ? path : `${path}/@${attribute}`,
          ...position(source, offset ?? tagStart),
        }
      },
    }
    for (const [name, { value }] of Object.entries(attributes)) {
      if (name !== 'xmlns' && !name.startsWith('xmlns:')) node.attributes.set(name, value)
    }
    if (parent) parent.children.push(node)
    else root = node
    open.push(node)
  }
  parser.onclosetag = () => {
    open.pop()
  }
  parser.write(source).close()
  for (const { 0: text, index } of source.matchAll(MARKUP)) {
    const place = () => ({ path: root?.path ?? '/', ...position(source, index) })
    if (text === ']]>') throw fault("']]>' in text", place())
    // XML 1.0 §3.1, productions 40 and 42: the name follows at once.
    if (/^<\/?\s/.test(text)) throw fault("white space before an element's name", place())
  }
  if (!root) throw fault('the document has no element', { path: '/', line: 1, column: 1 })
  return root
}

/**
 * Reads an Element that came as part of a stanza: the same nodes, without lines.
 * @throws what `fault` makes when a limit is passed
 */
export function readElement(
  element: Element,
  repeated: ReadonlySet<string>,
  limits: DocumentLimits,
  fault: Fault,
): DocumentNode {
  let elements = 0

  function read(from: Element, parent: OpenNode | undefined, depth: number): OpenNode {
    const path = `${parent?.path ?? ''}/${step(parent, from.getName(), repeated)}`
    if (++elements > limits.maxElements) throw fault(`more than ${limits.maxElements} elements`, { path })
    if (depth > limits.maxDepth) throw fault(`elements nest deeper than ${limits.maxDepth}`, { path })
    const node: OpenNode = {
      ns: from.getNS() ?? '',
      name: from.getName(),
      path,
      attributes: new Map(),
      children: [],
      counts: new Map(),
      text: '',
      place: (attribute) => ({ path: attribute === undefined ? path : `${path}/@${attribute}` }),
    }
    for (const name of Object.keys(from.attrs)) {
      const value = attr(from, name)
      if (value !== undefined && name !== 'xmlns' && !name.startsWith('xmlns:')) node.attributes.set(name, value)
    }
    for (const child of from.children) {
      if (child instanceof Element) node.children.push(read(child, node, depth + 1))
      else node.text += child
    }
    return node
  }

  return read(element, undefined, 1)
}

/** The path's next step; counts like-named siblings. */
function step(parent: OpenNode | undefined, name: string, repeated: ReadonlySet<string>): string {
  if (!parent || !repeated.has(name)) return name
  const count = (parent.counts.get(name) ?? 0) + 1
  parent.counts.set(name, count)
  return `${name}[${count}]`
}

/** The offset of each attribute of the start tag at `tagStart`; refuses what sax lets pass in silence. */
function attributeOffsets(
  source: string,
  tagStart: number,
  fault: (text: string, offset: number, name: string) => Error,
): ReadonlyMap<string, number> {
  const offsets = new Map<string, number>()
  const name = /<[^\s/>]+/y
  name.lastIndex = tagStart
  name.test(source)
  ATTRIBUTE.lastIndex = name.lastIndex
  for (let found = ATTRIBUTE.exec(source); found; found = ATTRIBUTE.exec(source)) {
    const key = found[1] ?? ''
    const start = found.index + found[0].length - found[0].trimStart().length
    // XML 1.0 §3.1: no attribute name may appear more than once in the same tag, no `<` in a value.
    if (offsets.has(key)) throw fault(`attribute '${key}' is given twice`, start, key)
    if ((found[2] ?? found[3] ?? '').includes('<')) throw fault("a '<' in an attribute's value", start, key)
    offsets.set(key, start)
  }
  return offsets
}

function position(source: string, offset: number): { line: number; column: number } {
  let line = 1
  let from = 0
  for (let next = source.indexOf('\n'); next !== -1 && next < offset; next = source.indexOf('\n', from)) {
    line++
    from = next + 1
  }
  return { line, column: offset - from + 1 }
}
