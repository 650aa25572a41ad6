/**
 * How streams and stanzas lie on the wire: one endless document on TCP (RFC 6120 §4), a document per message on
 * WebSocket (RFC 7395 §3.3). A stanza is written once, without its jabber:client, and fits both.
 */

import type { StreamError } from '../stanza/errors.ts'
import { NS_CLIENT, NS_FRAMING, NS_STREAM } from '../xml/namespaces.ts'
import { escapeAttribute, serialize } from '../xml/serialize.ts'

/** The header that answers the client's. RFC 6120 §4.7. */
export interface ResponseHeader {
  readonly from: string
  readonly id: string
  /** The bare JID that the client's header named. RFC 6120 §4.7.2. */
  readonly to: string | undefined
  /** False answers a header without a version. RFC 6120 §4.7.5, rule 4. */
  readonly hasVersion: boolean
}

export interface Framing {
  header(header: ResponseHeader): string
  /** @param children  written for a place without default namespace but jabber:client */
  features(children: string): string
  error(error: StreamError): string
  /** @param xml  a stanza without xmlns, as `serialize` and `RawStanza` give it */
  stanza(xml: string): string
  readonly close: string
  /** The closing tag that says where to go; undefined where a stream error says it. RFC 7395 §3.6.1. */
  closeTo(uri: string): string | undefined
}

/** The language of all text that this server writes. RFC 6120 §4.7.4. */
const LANG = 'en'

function attributesOf(header: ResponseHeader): string {
  const to = header.to === undefined ? '' : ` to="${escapeAttribute(header.to)}"`
  const version = header.hasVersion ? ' version="1.0"' : ''
  return ` from="${escapeAttribute(header.from)}" id="${header.id}"${to}${version} xml:lang="${LANG}"`
}

function errorChildren(error: StreamError): string {
  return error
    .toElements()
    .map((element) => serialize(element, ''))
    .join('')
}

export const tcpFraming: Framing = {
  header: (header) =>
    `<?xml version='1.0'?><stream:stream xmlns="${NS_CLIENT}" xmlns:stream="${NS_STREAM}"${attributesOf(header)}>`,
  features: (children) => `<stream:features>${children}</stream:features>`,
  error: (error) => `<stream:error>${errorChildren(error)}</stream:error>`,
  stanza: (xml) => xml,
  close: '</stream:stream>',
  closeTo: () => undefined,
}

export const webSocketFraming: Framing = {
  header: (header) => `<open xmlns="${NS_FRAMING}"${attributesOf(header)}/>`,
  features: (children) => `<stream:features xmlns:stream="${NS_STREAM}">${children}</stream:features>`,
  error: (error) => `<stream:error xmlns:stream="${NS_STREAM}">${errorChildren(error)}</stream:error>`,
  stanza: (xml) => {
    const end = nameEnd(xml)
    return `${xml.slice(0, end)} xmlns="${NS_CLIENT}"${xml.slice(end)}`
  },
  close: `<close xmlns="${NS_FRAMING}"/>`,
  closeTo: (uri) => `<close xmlns="${NS_FRAMING}" see-other-uri="${escapeAttribute(uri)}"/>`,
}

/** Where the first tag's name ends: every stanza's name is `iq`, `message` or `presence`. */
function nameEnd(xml: string): number {
  for (let at = 1; at < xml.length; at++) {
    const char = xml.charCodeAt(at)
    if (char === 0x20 || char === 0x2f || char === 0x3e) return at // space, slash, greater-than
  }
  return xml.length
}
