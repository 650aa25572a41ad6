/** What a stream header says, checked: RFC 6120 §4.7 and §4.8, the same for `<stream:stream>` and `<open/>`. */

import { randomText } from '../auth/random.ts'
import { StreamError } from '../stanza/errors.ts'
import { type Jid, tryParseJid } from '../stanza/jid.ts'
import { attr, type Element } from '../xml/element.ts'
import { NS_CLIENT, NS_FRAMING, NS_STREAM, NS_XML } from '../xml/namespaces.ts'

/** The attributes as they came. RFC 6120 §4.7.6. */
export interface HeaderAttributes {
  readonly from: string | undefined
  readonly to: string | undefined
  readonly version: string | undefined
  readonly lang: string | undefined
}

/** A header that may be answered. */
export interface Header {
  /** Whom the client says it is; undefined when it does not say. */
  readonly from: Jid | undefined
  /** Language of the client's stanzas; undefined when not stated or no language tag. RFC 6120 §4.7.4. */
  readonly lang: string | undefined
}

/** RFC 5646 §2.1, without its registry; bounded, since it is stamped on each stanza. */
const LANGUAGE_TAG = /^[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8}){0,4}$/

export function headerAttributes(element: Element): HeaderAttributes {
  return {
    from: attr(element, 'from'),
    to: attr(element, 'to'),
    version: attr(element, 'version'),
    lang: attr(element, 'xml:lang'),
  }
}

/**
 * Namespaces and prefixes of `<stream:stream>`.
 * @param content  the namespace of its stanzas
 * @throws StreamError invalid-namespace, bad-namespace-prefix, bad-format
 * RFC 6120 §4.8.
 */
export function checkStreamName(root: Element, content: string = NS_CLIENT): void {
  if (root.getNS() !== NS_STREAM) throw new StreamError('invalid-namespace', `the stream namespace is ${NS_STREAM}`)
  if (root.getName() !== 'stream') throw new StreamError('bad-format', 'a stream begins with <stream:stream>')
  const isPrefixed = root.name.includes(':')
  // RFC 6120 §4.8.5: only `stream` as prefix; §4.8.2: or none, when each element names its own namespace.
  if (isPrefixed && root.name !== 'stream:stream')
    throw new StreamError('bad-namespace-prefix', 'use the prefix stream')
  for (const name of Object.keys(root.attrs)) {
    const value = attr(root, name)
    // RFC 6120 §4.8.3: the content namespace of a client's stream, or of a component's.
    if (name === 'xmlns' && isPrefixed && value !== content) {
      throw new StreamError('invalid-namespace', `the content namespace is ${content}`)
    }
    // RFC 6120 §4.8.5: stanzas leave this stream, so what they use may not be declared on it.
    if (name.startsWith('xmlns:') && value !== NS_STREAM && value !== NS_XML) {
      throw new StreamError('invalid-namespace', 'declare extension namespaces in the stanzas that use them')
    }
  }
}

/** RFC 7395 §3.3.2, §3.4. @throws StreamError invalid-namespace, bad-format */
export function checkOpenName(element: Element): void {
  if (element.getNS() !== NS_FRAMING)
    throw new StreamError('invalid-namespace', `the framing namespace is ${NS_FRAMING}`)
  if (element.getName() !== 'open') throw new StreamError('bad-format', 'a stream begins with <open/>')
}

/**
 * Version and addresses, in this order: what follows depends on the version.
 * @throws StreamError unsupported-version, improper-addressing, host-unknown
 * RFC 6120 §4.7.1, §4.7.2, §4.7.5.
 */
export function checkHeader(header: HeaderAttributes, isLocalDomain: (domain: string) => boolean): Header {
  // RFC 6120 §4.7.5: absent means 0.9, which knows no stream features; minor versions are ignored.
  if (!/^0*1\.[0-9]+$/.test(header.version ?? '')) throw new StreamError('unsupported-version', 'this is XMPP 1.0')
  // RFC 6120 §4.7.2: be liberal towards a header without `to`.
  if (header.to !== undefined) {
    const to = tryParseJid(header.to)
    if (!to || to.local || to.resource) throw new StreamError('improper-addressing', "'to' is the service's domain")
    if (!isLocalDomain(to.domain)) throw new StreamError('host-unknown')
  }
  return { from: headerFrom(header), lang: languageOf(header) }
}

/** Only for the response's `to`; a malformed one is left out of an error that was raised for another reason. */
export function headerSender(header: HeaderAttributes): string | undefined {
  return header.from === undefined ? undefined : tryParseJid(header.from)?.bare
}

function headerFrom(header: HeaderAttributes): Jid | undefined {
  if (header.from === undefined) return undefined
  const from = tryParseJid(header.from)
  if (!from) throw new StreamError('improper-addressing', "'from' is no address")
  return from
}

/** The header's language tag; undefined when it has none that is one. */
export function languageOf(header: HeaderAttributes): string | undefined {
  return header.lang !== undefined && LANGUAGE_TAG.test(header.lang) ? header.lang : undefined
}

const STREAM_ID_BYTES = 18

/** Unpredictable and unique. RFC 6120 §4.7.3. */
export function streamId(): string {
  // A UUID of Node's making is a string of forty pieces, which a stream would keep for its lifetime: over a kilobyte.
  return randomText(STREAM_ID_BYTES, 'base64url')
}
