/** Posture attributes, built so that every one fits the wire: names, values and reasons escaped and bounded. SACM-XMPP §3. */

import { createHash } from 'node:crypto'
import type { DataType, PostureAttribute } from '../../probe.ts'

export const MAX_NAME_CHARS = 512
export const MAX_VALUE_BYTES = 8192
const MAX_REASON_CHARS = 500

/** `does-not-exist` says that the host has no such thing; the other two that it was not seen. */
export function exists(name: string, value: string, type: DataType = 'string'): PostureAttribute {
  const bytes = Buffer.byteLength(value)
  if (bytes > MAX_VALUE_BYTES) {
    return failed(name, `value too long: ${bytes} bytes, at most ${MAX_VALUE_BYTES} are reported`, type)
  }
  const printed = printable(value)
  // Escapes are longer than what they stand for.
  if (Buffer.byteLength(printed) > MAX_VALUE_BYTES)
    return failed(name, `value too long once escaped: ${bytes} bytes`, type)
  return { name: attributeName(name), value: printed, type, status: 'exists' }
}

export function absent(name: string, type: DataType = 'string'): PostureAttribute {
  return { name: attributeName(name), value: undefined, type, status: 'does-not-exist' }
}

/** It is there, and reading it went wrong. */
export function failed(name: string, reason: string, type: DataType = 'string'): PostureAttribute {
  return { name: attributeName(name), value: undefined, type, status: 'error', reason: bounded(reason) }
}

/** It was not looked at, or may not be: no permission, no program, secret, volatile. */
export function notCollected(name: string, reason: string, type: DataType = 'string'): PostureAttribute {
  return { name: attributeName(name), value: undefined, type, status: 'not-collected', reason: bounded(reason) }
}

/** An integer when the text is a plain decimal one; a leading zero (`022`) keeps it a string. */
export function scalar(name: string, text: string): PostureAttribute {
  return exists(name, text, /^-?(?:0|[1-9]\d{0,17})$/.test(text) ? 'integer' : 'string')
}

export function bool(name: string, value: boolean): PostureAttribute {
  return exists(name, value ? 'true' : 'false', 'boolean')
}

/** A moment in whole seconds as XEP-0082 text. */
export function moment(name: string, epochSeconds: number): PostureAttribute {
  const date = new Date(epochSeconds * 1000)
  if (Number.isNaN(date.getTime())) return failed(name, `not a point in time: ${epochSeconds}`, 'datetime')
  return exists(name, date.toISOString().replace('.000Z', 'Z'), 'datetime')
}

/**
 * Sorted by name in code unit order, so that two collections of the same host are the same text. A name that is
 * already taken gets `#2`, `#3`… in the order given.
 */
export function ordered(attributes: readonly PostureAttribute[]): readonly PostureAttribute[] {
  const taken = new Set<string>()
  const unique = attributes.map((attribute) => {
    let name = attribute.name
    for (let n = 2; taken.has(name); n += 1) name = attributeName(`${attribute.name}#${n}`)
    taken.add(name)
    return name === attribute.name ? attribute : { ...attribute, name }
  })
  return unique.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
}

/**
 * Control characters, and what XML 1.0 §2.2 cannot carry, as `\xNN` or `\uNNNN`; tab and line feed stay.
 * A carriage return does not survive an XML parser (§2.11), so it is escaped too.
 */
export function printable(text: string): string {
  return text.replace(/[^\P{Cc}\t\n]|[\ufffe\uffff]|\p{Surrogate}/gu, escapeChar)
}

/** Shortens a name that is too long to a prefix and its hash: still unique, still the same every time. */
function attributeName(name: string): string {
  const safe = printable(name).replace(/[\t\n]/g, escapeChar)
  if (safe.length <= MAX_NAME_CHARS) return safe
  const hash = createHash('sha256').update(name).digest('hex').slice(0, 16)
  return `${safe.slice(0, MAX_NAME_CHARS - 17).replace(/\p{Surrogate}$/u, '')}~${hash}`
}

function escapeChar(char: string): string {
  const code = char.charCodeAt(0)
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`
}

/** Reasons are for people: one line, bounded. */
function bounded(reason: string): string {
  const line = printable(reason.trim().replace(/\s+/g, ' '))
  return line.length <= MAX_REASON_CHARS ? line : `${line.slice(0, MAX_REASON_CHARS - 1)}…`
}
