/** Entity capabilities: the verification string of a disco#info, made and checked. XEP-0115 1.6.0 §5. */

import { createHash } from 'node:crypto'
import type { DataForm } from '../../server/stanza/forms.ts'
import { attr, childOf, type Element, el } from '../../server/xml/element.ts'

export const NS_CAPS = 'http://jabber.org/protocol/caps'

export interface Identity {
  readonly category: string
  readonly type: string
  readonly lang?: string
  readonly name?: string
}

/** What an entity says of itself. */
export interface DiscoInfo {
  readonly identities: readonly Identity[]
  readonly features: readonly string[]
  readonly forms: readonly DataForm[]
}

export interface Caps {
  readonly hash: string
  readonly node: string
  readonly ver: string
}

/** Hash names that XEP-0115 mentions, as Node calls them. */
const HASHES: Readonly<Record<string, string>> = { 'sha-1': 'sha1', 'sha-256': 'sha256', 'sha-512': 'sha512' }

/** The verification string, base64. @throws Error when the hash is unknown */
export function capsVer(info: DiscoInfo, hash = 'sha-1'): string {
  const algorithm = Object.hasOwn(HASHES, hash) ? HASHES[hash] : undefined
  if (!algorithm) throw new Error(`unknown caps hash ${hash}`)
  return createHash(algorithm).update(capsText(info)).digest('base64')
}

/**
 * Is `ver` really the hash of this info? Ill-formed info (duplicates of what the hash runs over) never is, since two
 * different infos could then share a hash. XEP-0115 §5.4.
 */
export function verifyCaps(info: DiscoInfo, caps: Caps): boolean {
  if (!Object.hasOwn(HASHES, caps.hash)) return false
  const identities = info.identities.map((i) => `${i.category}/${i.type}/${i.lang ?? ''}/${i.name ?? ''}`)
  const formTypes = info.forms.flatMap((form) => form.formType ?? [])
  const isUnique = [identities, info.features, formTypes].every((list) => new Set(list).size === list.length)
  return isUnique && capsVer(info, caps.hash) === caps.ver
}

/** The `<c/>` of a presence. */
export function renderCaps(caps: Caps): Element {
  return el('c', { xmlns: NS_CAPS, hash: caps.hash, node: caps.node, ver: caps.ver })
}

/** The caps in a presence; undefined without a hash, which is the format of before 2008. XEP-0115 §4, §8. */
export function parseCaps(presence: Element): Caps | undefined {
  const c = childOf(presence, 'c', NS_CAPS)
  const hash = c && attr(c, 'hash')
  const node = c && attr(c, 'node')
  const ver = c && attr(c, 'ver')
  return hash && node && ver ? { hash, node, ver } : undefined
}

/** XEP-0115 §5.1: everything sorted as bytes, each piece ended by `<`. */
function capsText(info: DiscoInfo): string {
  const identities = info.identities.map((i) => `${i.category}/${i.type}/${i.lang ?? ''}/${i.name ?? ''}`)
  const pieces = [...identities.sort(byBytes), ...[...info.features].sort(byBytes)]
  const forms = info.forms.flatMap((form) => (form.formType === undefined ? [] : [{ ...form, type: form.formType }]))
  for (const form of forms.sort((a, b) => byBytes(a.type, b.type))) {
    pieces.push(form.type)
    for (const field of [...form.fields].sort((a, b) => byBytes(a.name, b.name))) {
      pieces.push(field.name, ...[...field.values].sort(byBytes))
    }
  }
  return pieces.map((piece) => `${piece}<`).join('')
}

/** RFC 4790 §9.3, i;octet: not UTF-16 order, which differs beyond the basic plane. */
function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}
