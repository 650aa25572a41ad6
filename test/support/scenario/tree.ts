/** XML trees for scenarios, read by saxes: the runner shares no parser with the server that it tests. */

import { SaxesParser } from 'saxes'

export interface Tree {
  /** As written, with its prefix. */
  readonly name: string
  readonly local: string
  readonly ns: string
  /** By name as written; namespace declarations left out. */
  readonly attributes: ReadonlyMap<string, string>
  readonly children: (Tree | string)[]
}

/** What a stream brings: its header, an element, or its end. */
export type Received =
  | { readonly kind: 'header'; readonly tree: Tree }
  | { readonly kind: 'element'; readonly tree: Tree }
  | { readonly kind: 'end' }

/** Reads a stream piece by piece. */
export class StreamReader {
  readonly #saxes = new SaxesParser({ xmlns: true })
  readonly #open: Tree[] = []

  constructor(received: (what: Received) => void) {
    const saxes = this.#saxes
    saxes.on('error', (error) => {
      throw new Error(`the server sent what is no XML: ${error.message}`)
    })
    for (const banned of ['comment', 'doctype', 'processinginstruction'] as const) {
      saxes.on(banned, () => {
        throw new Error(`the server sent a ${banned}`) // RFC 6120 §11.1
      })
    }
    saxes.on('opentag', ({ name, local, uri, attributes }) => {
      const own = Object.values(attributes).filter((each) => each.name !== 'xmlns' && each.prefix !== 'xmlns')
      const tree = {
        name,
        local,
        ns: uri,
        attributes: new Map(own.map((each) => [each.name, each.value])),
        children: [],
      }
      this.#open.push(tree)
      if (this.#open.length === 1) received({ kind: 'header', tree })
    })
    const onText = (text: string) => {
      if (this.#open.length > 1) append(this.#open.at(-1), text)
    }
    saxes.on('text', onText)
    saxes.on('cdata', onText)
    saxes.on('closetag', () => {
      const tree = this.#open.pop()
      if (this.#open.length === 0) received({ kind: 'end' })
      else if (this.#open.length === 1 && tree) received({ kind: 'element', tree })
      else if (tree) append(this.#open.at(-1), tree)
    })
  }

  write(text: string): void {
    this.#saxes.write(text)
  }
}

/** Reads one whole element. `around` gives prefixes and a default namespace that it may use. */
export function parseTree(text: string, around = ''): Tree {
  let found: Tree | undefined
  const reader = new StreamReader((what) => {
    if (what.kind === 'element') found ??= what.tree
  })
  reader.write(`<around ${around}>${text}</around>`)
  if (!found) throw new Error(`not one element: ${text}`)
  return found
}

function append(parent: Tree | undefined, child: Tree | string): void {
  const children = parent?.children ?? []
  const last = children.at(-1)
  if (typeof child === 'string' && typeof last === 'string') children[children.length - 1] = last + child
  else children.push(child)
}

/** For messages to a person. */
export function showTree(tree: Tree): string {
  const attributes = [...tree.attributes].map(([name, value]) => ` ${name}="${value}"`).join('')
  const ns = tree.name === tree.local && tree.ns !== '' && tree.ns !== 'jabber:client' ? ` xmlns="${tree.ns}"` : ''
  const content = tree.children.map((child) => (typeof child === 'string' ? child : showTree(child))).join('')
  return `<${tree.name}${ns}${attributes}${content === '' ? '/>' : `>${content}</${tree.name}>`}`
}
