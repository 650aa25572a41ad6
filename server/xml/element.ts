/** ltx's Element with the few helpers that the whole house uses; namespaces are always compared, prefixes never. */

import { Element } from 'ltx'

export { Element }

/** A qualified name in Clark notation: `{namespace}local`. */
export type QName = `{${string}}${string}`

type Child = Element | string | undefined

/** Attribute values; an undefined one is left out. */
export type Attributes = Readonly<Record<string, string | number | boolean | undefined>>

/**
 * XML already written out, to stand as a child of an element that is only sent: a stored payload is not parsed to be
 * written again. It must declare all that it uses, its default namespace too, and nobody can look inside.
 */
export class RawXml extends Element {
  readonly xml: string

  constructor(xml: string) {
    super('raw')
    this.xml = xml
  }

  override write(writer: (text: string) => void): void {
    writer(this.xml)
  }
}

/**
 * Builds an element. `attributes.xmlns` declares its namespace, as in the XML that will be written.
 * Undefined children are skipped.
 */
export function el(name: string, attributes?: Attributes, ...children: readonly Child[]): Element {
  const element = new Element(name)
  for (const key in attributes) {
    const value = attributes[key]
    if (value !== undefined) element.attrs[key] = String(value)
  }
  for (const child of children) {
    if (child === undefined) continue
    if (typeof child === 'string') element.t(child)
    else element.cnode(child)
  }
  return element
}

/** The element's qualified name in Clark notation; the namespace is empty when none is declared. */
export function qnameOf(element: Element): QName {
  return `{${element.getNS() ?? ''}}${element.getName()}`
}

/** True when the element has this local name and this namespace. */
export function isElement(element: Element, name: string, ns: string): boolean {
  return element.getName() === name && element.getNS() === ns
}

/** The child elements, text left out. */
export function childElements(parent: Element): Element[] {
  const elements: Element[] = []
  for (const child of parent.children) if (child instanceof Element) elements.push(child)
  return elements
}

/** The first child element, whatever it is. */
export function firstChild(parent: Element): Element | undefined {
  for (const child of parent.children) if (child instanceof Element) return child
  return undefined
}

/** True when it has one child element, and perhaps text. */
export function hasOneChild(parent: Element): boolean {
  let count = 0
  for (const child of parent.children) if (child instanceof Element) count++
  return count === 1
}

/** The first child element with this local name and namespace. */
export function childOf(parent: Element, name: string, ns: string): Element | undefined {
  for (const child of parent.children) {
    if (child instanceof Element && isElement(child, name, ns)) return child
  }
  return undefined
}

/** All child elements with this local name and namespace. */
export function childrenOf(parent: Element, name: string, ns: string): Element[] {
  return childElements(parent).filter((child) => isElement(child, name, ns))
}

/** An attribute's value, or undefined; never a property of Object.prototype, none of which is a text. */
export function attr(element: Element, name: string): string | undefined {
  const value: unknown = element.attrs[name]
  return typeof value === 'string' ? value : undefined
}

/** The concatenated text of the element's own text nodes. */
export function textOf(element: Element): string {
  return element.getText()
}
