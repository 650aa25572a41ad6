/**
 * Logs the stanzas of single addresses, both ways, for a person who looks for a fault: their structure, their addresses
 * and what the protocol decides by, and nothing that anybody said. Texts are shown by their length, attributes that are
 * not known to be harmless by their name. Logins are no stanzas and are not shown at all.
 */

import type { Logger } from '../log.ts'
import { tryParseJid } from '../stanza/jid.ts'
import { Element, el, RawXml } from '../xml/element.ts'
import { NS_CLIENT } from '../xml/namespaces.ts'
import { parseFragment, parseWritten } from '../xml/parser.ts'
import { serialize } from '../xml/serialize.ts'

/** `in`: from the client or component. */
export type Trace = (direction: 'in' | 'out', stanza: Element | { readonly xml: string }) => void

/** Whose stanzas are logged: of these addresses. */
export class Tracing {
  readonly #wanted: ReadonlySet<string>
  readonly #log: Logger

  /** @param addresses  accounts, single resources, domains of components */
  constructor(addresses: readonly string[], log: Logger) {
    this.#wanted = new Set(addresses.map((address) => tryParseJid(address)?.full ?? address))
    this.#log = log
  }

  /** Undefined: not wanted. */
  of(address: string): Trace | undefined {
    if (this.#wanted.size === 0) return undefined
    const jid = tryParseJid(address)
    if (!jid || !(this.#wanted.has(jid.full) || this.#wanted.has(jid.bare))) return undefined
    return (direction, stanza) => this.#log.info({ what: 'stanza', jid: jid.full, direction, stanza: redacted(stanza) })
  }
}

/** Attributes that say what a stanza is and does; whatever else is there may be anything. */
const SHOWN = new Set([
  ...['xmlns', 'xml:lang', 'type', 'id', 'from', 'to', 'jid', 'by', 'stamp', 'node', 'var', 'action', 'status'],
  ...['subscription', 'ask', 'approved', 'affiliation', 'subid', 'code', 'h', 'hash', 'ver', 'max', 'index'],
])

/** The stanza's text with nothing of its content. */
export function redacted(stanza: Element | { readonly xml: string }): string {
  try {
    return serialize(skeleton(stanza instanceof Element ? stanza : parseWritten(stanza.xml)), NS_CLIENT)
  } catch (error) {
    return `cannot be shown: ${error instanceof Error ? error.message : String(error)}`
  }
}

function skeleton(element: Element): Element {
  const attributes: Record<string, string> = {}
  for (const [name, value] of Object.entries(element.attrs)) {
    // A prefix stands for nothing where its attribute is shown without a value all the same.
    if (name.includes(':') && !SHOWN.has(name) && !name.startsWith('xmlns:')) continue
    attributes[name] = SHOWN.has(name) || name.startsWith('xmlns:') ? String(value) : '…'
  }
  const copy = el(element.name, attributes)
  copy.parent = element.parent
  let text = 0
  for (const child of element.children) {
    // What is written out already may hold anything too.
    if (child instanceof RawXml) copy.cnode(skeleton(parseFragment(child.xml)))
    else if (child instanceof Element) copy.cnode(skeleton(child))
    else if (String(child).trim() !== '') text += String(child).length
  }
  if (text > 0) copy.t(`… ${text} characters`)
  return copy
}
