/**
 * Preparation of internationalised strings: the two PRECIS profiles that addresses use, and the check of a domain
 * label's code points. RFC 8264, RFC 8265 §3.3 and §4.2, RFC 5892, RFC 5893.
 */

import { BIDI, IDNA, JOINING, PRECIS, SCRIPT, VIRAMA, WIDTH } from './tables/unicode.ts'

/** RFC 8264 §7: after the first application, three more to become stable. */
const MAX_APPLICATIONS = 4

interface Runs {
  /** The first code point of each. */
  readonly starts: Uint32Array
  /** The value's capital letter of each. */
  readonly values: string
}

/** A property of every code point, as runs; read when it is first asked for: addresses of ASCII need no table. */
class RunTable {
  readonly #encoded: string
  #runs: Runs | undefined

  constructor(encoded: string) {
    this.#encoded = encoded
  }

  valueOf(codePoint: number): string {
    this.#runs ??= readRuns(this.#encoded)
    const { starts, values } = this.#runs
    let low = 0
    let high = starts.length - 1
    while (low < high) {
      const middle = (low + high + 1) >>> 1
      // `middle` is within the table by construction.
      if ((starts[middle] ?? 0) <= codePoint) low = middle
      else high = middle - 1
    }
    return values.charAt(low)
  }
}

function readRuns(encoded: string): Runs {
  const starts: number[] = []
  let values = ''
  let next = 0
  for (const [, length = '', value = ''] of encoded.matchAll(/([0-9a-z]+)([A-Z])/g)) {
    starts.push(next)
    values += value
    next += Number.parseInt(length, 36)
  }
  return { starts: Uint32Array.from(starts), values }
}

const tables = {
  precis: new RunTable(PRECIS),
  idna: new RunTable(IDNA),
  bidi: new RunTable(BIDI),
  joining: new RunTable(JOINING),
  virama: new RunTable(VIRAMA),
  script: new RunTable(SCRIPT),
}

const widths = new Map<string, string>()
{
  const pairs = Array.from(WIDTH)
  for (let i = 0; i + 1 < pairs.length; i += 2) widths.set(pairs[i] ?? '', pairs[i + 1] ?? '')
}

/**
 * UsernameCaseMapped: width mapping, lower case, NFC, Bidi Rule, IdentifierClass.
 * @returns undefined when the text cannot be a user name
 * RFC 8265 §3.3.
 */
export function usernameCaseMapped(text: string): string | undefined {
  return untilStable(text, (input) => {
    const wide = Array.from(input, (char) => widths.get(char) ?? char)
    if (!isAllowed(wide, 'identifier')) return undefined
    // One code point at a time: RFC 7622 §3.5 wants no special final sigma.
    const output = wide
      .map((char) => char.toLowerCase())
      .join('')
      .normalize('NFC')
    return obeysBidiRule(Array.from(output)) ? output : undefined
  })
}

/**
 * OpaqueString: spaces to SPACE, NFC, FreeformClass.
 * @returns undefined when the text holds what the class forbids
 * RFC 8265 §4.2.
 */
export function opaqueString(text: string): string | undefined {
  return untilStable(text, (input) => {
    const chars = Array.from(input)
    if (!isAllowed(chars, 'freeform')) return undefined
    return input.replace(/[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]/g, ' ').normalize('NFC')
  })
}

/** True when every code point of this U-label may stand there. RFC 5891 §4.2.2, §4.2.3; RFC 5892. */
export function isIdnaLabel(label: string): boolean {
  const chars = Array.from(label)
  return chars.every((_, at) => {
    const value = tables.idna.valueOf(codePoint(chars, at))
    return value === 'P' || ((value === 'J' || value === 'O') && obeysContext(chars, at))
  })
}

function untilStable(text: string, apply: (input: string) => string | undefined): string | undefined {
  if (!text.isWellFormed()) return undefined
  let current = text
  for (let count = 0; count < MAX_APPLICATIONS; count++) {
    const next = apply(current)
    if (next === undefined || next === current) return next
    current = next
  }
  return undefined
}

/** RFC 8264 §4.2, §4.3: valid, or allowed where it stands. */
function isAllowed(chars: readonly string[], stringClass: 'identifier' | 'freeform'): boolean {
  return chars.every((_, at) => {
    const value = tables.precis.valueOf(codePoint(chars, at))
    if (value === 'P') return true
    if (value === 'F') return stringClass === 'freeform'
    return (value === 'J' || value === 'O') && obeysContext(chars, at)
  })
}

/** The contextual rules. RFC 5892 Appendix A. */
function obeysContext(chars: readonly string[], at: number): boolean {
  const cp = codePoint(chars, at)
  const before = at > 0 ? codePoint(chars, at - 1) : undefined
  const after = at + 1 < chars.length ? codePoint(chars, at + 1) : undefined
  const follows = (name: string) => before !== undefined && tables.script.valueOf(before) === name
  switch (cp) {
    case 0x200c: // A.1
      return (before !== undefined && tables.virama.valueOf(before) === 'V') || joinsBothSides(chars, at)
    case 0x200d: // A.2
      return before !== undefined && tables.virama.valueOf(before) === 'V'
    case 0xb7: // A.3
      return before === 0x6c && after === 0x6c
    case 0x375: // A.4
      return after !== undefined && tables.script.valueOf(after) === 'G'
    case 0x5f3: // A.5
    case 0x5f4: // A.6
      return follows('H')
    case 0x30fb: // A.7
      return chars.some((_, i) => tables.script.valueOf(codePoint(chars, i)) === 'K')
  }
  // A.8, A.9: the two sets of digits do not mix.
  if (cp >= 0x660 && cp <= 0x669) return !hasBetween(chars, 0x6f0, 0x6f9)
  if (cp >= 0x6f0 && cp <= 0x6f9) return !hasBetween(chars, 0x660, 0x669)
  return false
}

/** `(L|D) T* ZWNJ T* (R|D)` by joining type. RFC 5892 Appendix A.1. */
function joinsBothSides(chars: readonly string[], at: number): boolean {
  const beyond = (step: 1 | -1) => {
    let i = at + step
    while (i >= 0 && i < chars.length && tables.joining.valueOf(codePoint(chars, i)) === 'T') i += step
    return i >= 0 && i < chars.length ? tables.joining.valueOf(codePoint(chars, i)) : 'X'
  }
  const left = beyond(-1)
  const right = beyond(1)
  return (left === 'L' || left === 'D') && (right === 'R' || right === 'D')
}

function hasBetween(chars: readonly string[], from: number, to: number): boolean {
  return chars.some((_, at) => codePoint(chars, at) >= from && codePoint(chars, at) <= to)
}

/** The six conditions, for texts that hold right-to-left code points. RFC 5893 §2. */
function obeysBidiRule(chars: readonly string[]): boolean {
  const classes = chars.map((_, at) => tables.bidi.valueOf(codePoint(chars, at)))
  if (!classes.some((each) => each === 'R' || each === 'A')) return true
  const text = classes.join('')
  // Conditions 1 to 4: starts R or AL, holds nothing left-to-right, ends in R, AL, EN or AN (marks aside), EN xor AN.
  if (text.startsWith('R')) {
    return /^[RAENM]+$/.test(text) && /[RAE]M*$/.test(text) && !(text.includes('A') && text.includes('E'))
  }
  // Conditions 5 and 6: left-to-right text may not hold R, AL or AN, and this one does.
  return false
}

function codePoint(chars: readonly string[], at: number): number {
  // Callers stay within the array, whose strings are one code point each.
  return chars[at]?.codePointAt(0) ?? 0
}
