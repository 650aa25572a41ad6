/**
 * Reads a payload strictly: what is not expected is refused with the place of the fault.
 * SACM-XMPP §3, `payload-invalid` of urn:sacm-xmpp:errors:0.
 */

import { StanzaError } from '../../server/stanza/errors.ts'
import { parseDateTime } from '../../server/stanza/time.ts'
import { attr, Element, el } from '../../server/xml/element.ts'

export const NS_SACM_ERRORS = 'urn:sacm-xmpp:errors:0'

/** An element with its place in the payload: `/report/attribute[3]`. */
export interface Place {
  readonly element: Element
  readonly path: string
  /** PROTOCOL.md's section that says what should be there. */
  readonly section: string
}

/**
 * The error for a payload that is not as PROTOCOL.md says.
 * @param part  what at that place: `@type` for an attribute; empty: the element itself
 */
export function payloadInvalid(place: Omit<Place, 'element'>, part: string, what: string): StanzaError {
  const path = part ? `${place.path}/${part}` : place.path
  return new StanzaError('modify', 'bad-request', `${what} (PROTOCOL.md ${place.section})`, {
    application: [el('payload-invalid', { xmlns: NS_SACM_ERRORS, path })],
  })
}

/** Opens a payload's root, which must have this name and namespace. */
export function openPayload(element: Element, name: string, ns: string, section: string): Place {
  const place = { element, path: `/${element.getName()}`, section }
  if (element.getName() !== name || element.getNS() !== ns) {
    throw payloadInvalid(place, '', `expected <${name} xmlns='${ns}'/>`)
  }
  return place
}

/** Refuses every attribute but these; namespace declarations and xml:lang always pass. */
export function onlyAttributes(place: Place, names: readonly string[]): void {
  for (const name in place.element.attrs) {
    if (names.includes(name) || name === 'xmlns' || name.startsWith('xmlns:') || name.startsWith('xml:')) continue
    throw payloadInvalid(place, `@${name}`, `unknown attribute '${name}'`)
  }
}

/**
 * The child elements with their places, in document order.
 * @param names  local names allowed, all in namespace `ns`; text other than white space is refused
 */
export function childPlaces(place: Place, ns: string, names: readonly string[]): Place[] {
  const children: Element[] = []
  const totals = new Map<string, number>()
  for (const child of place.element.children) {
    if (child instanceof Element) {
      children.push(child)
      totals.set(child.getName(), (totals.get(child.getName()) ?? 0) + 1)
    } else if (typeof child === 'string' && child.trim() !== '') {
      throw payloadInvalid(place, 'text()', 'text is not expected here')
    }
  }
  const seen = new Map<string, number>()
  return children.map((element) => {
    const name = element.getName()
    const number = (seen.get(name) ?? 0) + 1
    seen.set(name, number)
    const path = totals.get(name) === 1 ? `${place.path}/${name}` : `${place.path}/${name}[${number}]`
    const child = { element, path, section: place.section }
    if (!names.includes(name) || element.getNS() !== ns) {
      throw payloadInvalid(child, '', `unexpected element <${name} xmlns='${element.getNS() ?? ''}'/>`)
    }
    return child
  })
}

/** Refuses child elements and text. */
export function empty(place: Place): void {
  childPlaces(place, '', [])
}

/** The text of an element that may hold nothing else. */
export function textContent(place: Place): string {
  for (const child of place.element.children) {
    if (child instanceof Element) {
      throw payloadInvalid(place, child.getName(), `unexpected element <${child.getName()}/> within text`)
    }
  }
  return place.element.getText()
}

/** At most this many characters, none of them a control character; empty is refused. */
export function optional(place: Place, name: string, maxLength = 512): string | undefined {
  const value = attr(place.element, name)
  if (value === undefined) return undefined
  if (value === '') throw payloadInvalid(place, `@${name}`, `'${name}' must not be empty`)
  if (value.length > maxLength) {
    throw payloadInvalid(place, `@${name}`, `'${name}' has more than ${maxLength} characters`)
  }
  if (/\p{Cc}/u.test(value)) {
    throw payloadInvalid(place, `@${name}`, `'${name}' holds a control character`)
  }
  return value
}

export function required(place: Place, name: string, maxLength = 512): string {
  const value = optional(place, name, maxLength)
  if (value === undefined) throw payloadInvalid(place, `@${name}`, `'${name}' is missing`)
  return value
}

/** One of a closed list; undefined when absent. */
export function optionalOf<T extends string>(place: Place, name: string, values: readonly T[]): T | undefined {
  const text = optional(place, name)
  if (text === undefined) return undefined
  const value = values.find((each) => each === text)
  if (value === undefined) throw payloadInvalid(place, `@${name}`, `'${name}' is none of ${values.join(', ')}`)
  return value
}

export function requiredOf<T extends string>(place: Place, name: string, values: readonly T[]): T {
  const value = optionalOf(place, name, values)
  if (value === undefined) throw payloadInvalid(place, `@${name}`, `'${name}' is missing`)
  return value
}

export function optionalInteger(place: Place, name: string, min: number, max: number): number | undefined {
  const text = optional(place, name)
  if (text === undefined) return undefined
  const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN
  if (!(value >= min && value <= max)) {
    throw payloadInvalid(place, `@${name}`, `'${name}' is not a whole number from ${min} to ${max}`)
  }
  return value
}

export function requiredInteger(place: Place, name: string, min: number, max: number): number {
  const value = optionalInteger(place, name, min, max)
  if (value === undefined) throw payloadInvalid(place, `@${name}`, `'${name}' is missing`)
  return value
}

export function optionalNumber(place: Place, name: string, min: number, max: number): number | undefined {
  const text = optional(place, name)
  if (text === undefined) return undefined
  const value = /^\d{1,15}(\.\d{1,15})?$/.test(text) ? Number(text) : Number.NaN
  if (!(value >= min && value <= max)) {
    throw payloadInvalid(place, `@${name}`, `'${name}' is not a number from ${min} to ${max}`)
  }
  return value
}

export function optionalBoolean(place: Place, name: string): boolean | undefined {
  const text = optional(place, name)
  if (text === undefined) return undefined
  if (text === 'true' || text === '1') return true
  if (text === 'false' || text === '0') return false
  throw payloadInvalid(place, `@${name}`, `'${name}' is neither true nor false`)
}

/** UTC milliseconds of an XEP-0082 DateTime. */
export function optionalTime(place: Place, name: string): number | undefined {
  const text = optional(place, name)
  if (text === undefined) return undefined
  const time = parseDateTime(text)
  if (time === undefined) throw payloadInvalid(place, `@${name}`, `'${name}' is not a DateTime of XEP-0082`)
  return time
}

export function requiredTime(place: Place, name: string): number {
  const time = optionalTime(place, name)
  if (time === undefined) throw payloadInvalid(place, `@${name}`, `'${name}' is missing`)
  return time
}

type Present<T> = { [K in keyof T as undefined extends T[K] ? never : K]: T[K] }
type Possible<T> = { [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined> }

/** Leaves out the properties without a value: under `exactOptionalPropertyTypes` absent and undefined differ. */
export function defined<T extends object>(properties: T): Present<T> & Possible<T> {
  // Dropping the undefined ones is what makes the narrower type true.
  return Object.fromEntries(Object.entries(properties).filter(([, value]) => value !== undefined)) as Present<T> &
    Possible<T>
}
