/** Elements whose content has been checked but not made into a tree: most messages are only passed on (DESIGN, raw slices). */

import type { Element } from './element.ts'
import { type AttributeMap, ParsedElement } from './tree.ts'

/** Fills an element with what its text holds, up to its end tag. */
export type ContentReader = (text: string, into: ParsedElement) => void

/**
 * An element like any other to all who use it: it is read when somebody asks for its children. While nobody has, it is
 * written out as it came. It uses no prefix but `xml`, and no reference in a value, so that namespaces stand in its
 * text letter by letter.
 */
export class UnreadElement extends ParsedElement {
  // Not #private: the constructor of Element sets the children before a private field could be there.
  declare private kept: ParsedElement['children']
  declare private unread: string | undefined
  declare private reader: ContentReader

  /** @param unread  what follows its start tag, its end tag included */
  constructor(name: string, attributes: AttributeMap, parent: Element | null, unread: string, reader: ContentReader) {
    super(name, attributes, parent)
    this.unread = unread
    this.reader = reader
  }

  /** Its content and its end tag as they came; undefined once its children may have been changed. */
  get rest(): string | undefined {
    return this.unread
  }

  static {
    // An accessor instead of a field, which TypeScript does not let a class put in a field's place.
    Object.defineProperty(UnreadElement.prototype, 'children', {
      get(this: UnreadElement) {
        const text = this.unread
        if (text !== undefined) {
          this.unread = undefined
          this.reader(text, this)
        }
        return this.kept
      },
      set(this: UnreadElement, children: ParsedElement['children']) {
        this.unread = undefined
        this.kept = children
      },
    })
  }
}

/** False when no element inside is of this namespace, told without reading what is unread; true: look for yourself. */
export function mayHold(element: Element, ns: string): boolean {
  const rest = element instanceof UnreadElement ? element.rest : undefined
  return rest === undefined || rest.includes(ns)
}
