/**
 * Does what was received match a scenario's pattern?
 *
 *   attributes    those written must be equal; others may be there; `{none}`: must not be there
 *   namespaces    where the pattern states `xmlns`, it must be equal, and children inherit it; before that any will do
 *   children      all, in their order; `{any}` alone stands for any content at all
 *   ...           inside an element: the children written are found among all its descendants, in document order,
 *                 and others may be there
 *   text          equal, white space at both ends aside
 *   {name}        in a value or text: takes what stands there; where the name is known already, it must be equal
 *   left out      the text of stanza and stream errors, and the archive ids of events, need not be written
 */

import { parseTree, type Tree } from './tree.ts'

export type Captures = Map<string, string>

const PREFIXES = "xmlns='any:namespace' xmlns:stream='http://etherx.jabber.org/streams'"
const ANY_NS = 'any:namespace'
const NS_STANZA_ID = 'urn:xmpp:sid:0'
const ERROR_TEXTS = new Set(['urn:ietf:params:xml:ns:xmpp-stanzas', 'urn:ietf:params:xml:ns:xmpp-streams'])

/** @throws Error when the pattern is no XML */
export function parsePattern(pattern: string): Tree {
  return parseTree(pattern, PREFIXES)
}

/**
 * Compares, adding to `captures` what the pattern names.
 * @returns undefined when it matches, else why not
 */
export function mismatch(pattern: Tree, actual: Tree, captures: Captures): string | undefined {
  const trial = new Map(captures)
  const why = compare(pattern, actual, trial)
  if (why === undefined) for (const [name, value] of trial) captures.set(name, value)
  return why
}

function compare(pattern: Tree, actual: Tree, captures: Captures): string | undefined {
  if (pattern.local !== actual.local) return `<${actual.name}> where <${pattern.name}> is expected`
  if (pattern.ns !== ANY_NS && pattern.ns !== actual.ns) {
    return `<${actual.name}> in the namespace ${actual.ns} where ${pattern.ns} is expected`
  }
  for (const [name, expected] of pattern.attributes) {
    const value = actual.attributes.get(name)
    if (expected === '{none}') {
      if (value !== undefined) return `<${actual.name}> has ${name}="${value}"`
    } else if (value === undefined) {
      return `<${actual.name}> has no ${name}`
    } else if (!compareText(expected, value, captures)) {
      return `<${actual.name}> has ${name}="${value}" where "${filled(expected, captures)}" is expected`
    }
  }
  return compareContent(pattern, actual, captures)
}

function compareContent(pattern: Tree, actual: Tree, captures: Captures): string | undefined {
  const wanted = pattern.children.map((child) => (typeof child === 'string' ? child.trim() : child))
  const expected = wanted.filter((child) => child !== '')
  if (expected.length === 1 && expected[0] === '{any}') return undefined
  const isLoose = expected.some((child) => typeof child === 'string' && child.split(/\s+/).includes('...'))
  const elements = expected.filter((child) => typeof child !== 'string')
  if (isLoose) return compareAmong(elements, actual, captures)
  const present = actual.children.filter((child) => typeof child !== 'string' && !mayGoUnsaid(child, actual, elements))
  const text = actual.children.filter((child) => typeof child === 'string').join('')
  const expectedText = expected.filter((child) => typeof child === 'string').join('')
  if (!compareText(expectedText, text.trim(), captures)) {
    return `<${actual.name}> holds the text "${text.trim()}" where "${filled(expectedText, captures)}" is expected`
  }
  for (const [index, child] of elements.entries()) {
    const other = present[index]
    if (other === undefined || typeof other === 'string') return `<${actual.name}> lacks <${child.name}>`
    const why = compare(child, other, captures)
    if (why !== undefined) return why
  }
  const extra = present[elements.length]
  if (extra !== undefined && typeof extra !== 'string') return `<${actual.name}> holds <${extra.name}> too`
  return undefined
}

/** Each in its turn among the descendants, in document order. */
function compareAmong(elements: readonly Tree[], actual: Tree, captures: Captures): string | undefined {
  const all = [...descendants(actual)]
  let from = 0
  for (const element of elements) {
    let why = `<${actual.name}> lacks <${element.name}>`
    let found = -1
    for (let at = from; at < all.length && found < 0; at++) {
      const other = all[at]
      if (!other || other.local !== element.local) continue
      const reason = mismatch(element, other, captures)
      if (reason === undefined) found = at
      else why = reason
    }
    if (found < 0) return why
    from = found + 1
  }
  return undefined
}

function* descendants(tree: Tree): Generator<Tree> {
  for (const child of tree.children) {
    if (typeof child === 'string') continue
    yield child
    yield* descendants(child)
  }
}

function mayGoUnsaid(child: Tree, parent: Tree, expected: readonly Tree[]): boolean {
  const isErrorText = child.local === 'text' && parent.local === 'error' && ERROR_TEXTS.has(child.ns)
  if (!isErrorText && child.ns !== NS_STANZA_ID) return false
  return !expected.some((each) => each.local === child.local)
}

/** `{name}` takes anything, or what it took before. */
function compareText(expected: string, actual: string, captures: Captures): boolean {
  const names: string[] = []
  const source = filled(expected, captures)
    .split(/(\{\w+\})/)
    .map((part) => {
      if (!/^\{\w+\}$/.test(part)) return part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
      names.push(part.slice(1, -1))
      return '([\\s\\S]*)'
    })
    .join('')
  const match = new RegExp(`^${source}$`).exec(actual)
  if (!match) return false
  for (const [index, name] of names.entries()) if (name !== 'any') captures.set(name, match[index + 1] ?? '')
  return true
}

/** The text with the names that are known filled in. */
export function filled(text: string, captures: Captures): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => captures.get(name) ?? whole)
}
