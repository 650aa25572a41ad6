/** `<c/>` of both kinds: what an entity says its disco#info hashes to. XEP-0115 §4, XEP-0390 §5. */

import { attr, childOf, childrenOf, type Element, el, textOf } from '../../server/xml/element.ts'
import { isKnownHash } from './hash.ts'

export const NS_CAPS = 'http://jabber.org/protocol/caps'
export const NS_CAPS2 = 'urn:xmpp:caps'
const NS_HASHES = 'urn:xmpp:hashes:2' // XEP-0300

/** One hash, and the node that answers with what it is of. */
export interface CapsHash {
  readonly kind: 'caps' | 'caps2'
  readonly algorithm: string
  /** Base64. */
  readonly value: string
  readonly node: string
}

/**
 * The hash to ask by and verify: XEP-0390's first, whose input cannot be forged, then XEP-0115's, which is asked by even
 * if nobody here can verify it (§5.4). Undefined when the presence has none; XEP-0115's format of before 2008 has none.
 */
export function parseCaps(presence: Element): CapsHash | undefined {
  const caps2 = childOf(presence, 'c', NS_CAPS2)
  for (const hash of caps2 ? childrenOf(caps2, 'hash', NS_HASHES) : []) {
    const [algorithm, value] = [attr(hash, 'algo') ?? '', textOf(hash).trim()]
    // XEP-0300 §4: not for new uses
    if (isKnownHash(algorithm) && algorithm !== 'sha-1' && value !== '') return caps2Hash(algorithm, value)
  }
  const caps = childOf(presence, 'c', NS_CAPS)
  const [algorithm, node, ver] = ['hash', 'node', 'ver'].map((name) => caps && attr(caps, name))
  if (!algorithm || !node || !ver) return undefined
  return { kind: 'caps', algorithm, value: ver, node: `${node}#${ver}` }
}

/** XEP-0390 §4.3. */
export function caps2Hash(algorithm: string, value: string): CapsHash {
  return { kind: 'caps2', algorithm, value, node: `${NS_CAPS2}#${algorithm}.${value}` }
}

export function renderCaps(node: string, ver: string): Element {
  return el('c', { xmlns: NS_CAPS, hash: 'sha-1', node, ver })
}

export function renderCaps2(hashes: readonly CapsHash[]): Element {
  return el(
    'c',
    { xmlns: NS_CAPS2 },
    ...hashes.map(({ algorithm, value }) => el('hash', { xmlns: NS_HASHES, algo: algorithm }, value)),
  )
}
