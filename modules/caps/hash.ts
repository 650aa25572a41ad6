/** Hashes over a disco#info. XEP-0115 §5, XEP-0390 §4. */

import { createHash } from 'node:crypto'
import type { Info } from './info.ts'

/** By their names in the registry of hash functions, as Node calls them. XEP-0300 §4. */
const ALGORITHMS: ReadonlyMap<string, string> = new Map([
  ['sha-256', 'sha256'],
  ['sha-512', 'sha512'],
  ['sha3-256', 'sha3-256'],
  ['sha3-512', 'sha3-512'],
  ['blake2b-512', 'blake2b512'],
  ['sha-1', 'sha1'],
])

export function isKnownHash(algorithm: string): boolean {
  return ALGORITHMS.has(algorithm)
}

/** Base64. The algorithm is a known one. */
export function hashOf(algorithm: string, input: Buffer): string {
  return createHash(ALGORITHMS.get(algorithm) ?? algorithm)
    .update(input)
    .digest('base64')
}

/**
 * The verification string before hashing.
 * @returns undefined when the info is ill-formed, so that two different ones could share a string. XEP-0115 §5.4
 */
export function capsInput(info: Info): Buffer | undefined {
  const identities = info.identities.map(
    ({ category, type, lang, name }) => `${category}/${type}/${lang ?? ''}/${name}`,
  )
  // §5.4: forms without a hidden FORM_TYPE are ignored.
  const forms = info.forms.flatMap((form) => (form.formType === undefined ? [] : [{ ...form, type: form.formType }]))
  const formTypes = forms.map(({ type }) => type)
  const isUnique = [identities, info.features, formTypes].every((list) => new Set(list).size === list.length)
  if (!isUnique || forms.some(({ isAmbiguous }) => isAmbiguous)) return undefined
  const pieces = [...sorted(identities), ...sorted(info.features)]
  for (const form of forms.sort((a, b) => byOctets(a.type, b.type))) {
    pieces.push(form.type)
    for (const field of [...form.fields].sort((a, b) => byOctets(a.name, b.name)))
      if (field.name !== 'FORM_TYPE') pieces.push(field.name, ...sorted(field.values))
  }
  // The separator inside a piece would make two of it: the weakness that XEP-0390 §1 names.
  if (pieces.some((piece) => piece.includes('<'))) return undefined
  return Buffer.from(pieces.map((piece) => `${piece}<`).join(''))
}

/** XEP-0390 §4.1: what ends an item, a group of items, a form, a section. */
const [ITEM, GROUP, FORM, SECTION] = ['\x1f', '\x1e', '\x1d', '\x1c']

/**
 * The input of XEP-0390 §4.1.
 * @param lang  of identities that state none: what they inherit, or nothing, as many clients count
 * @returns undefined when the info holds what cannot be hashed
 */
export function caps2Input(info: Info, lang: string): Buffer | undefined {
  if (info.hasOthers || info.forms.some((form) => form.hasItems || form.formType === undefined)) return undefined
  const features = sorted(info.features.map((feature) => `${feature}${ITEM}`))
  const identities = sorted(
    info.identities.map(
      (each) =>
        [each.category, each.type, each.lang ?? lang, each.name].map((part) => `${part}${ITEM}`).join('') + GROUP,
    ),
  )
  const forms = sorted(
    info.forms.map(({ fields }) => {
      const groups = fields.map(
        ({ name, values }) => `${name}${ITEM}${sorted(values.map((value) => `${value}${ITEM}`)).join('')}${GROUP}`,
      )
      return sorted(groups).join('') + FORM
    }),
  )
  return Buffer.from([features, identities, forms].map((section) => section.join('') + SECTION).join(''))
}

function sorted(texts: readonly string[]): string[] {
  return [...texts].sort(byOctets)
}

/** The i;octet collation of RFC 4790 §9.3: not UTF-16 order, which differs beyond the basic plane. */
function byOctets(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}
