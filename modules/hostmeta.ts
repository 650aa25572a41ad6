/** Tells where else the server can be connected to, in XRD and JRD. XEP-0156, XEP-0487, RFC 6415. */

import { isIP } from 'node:net'
import * as z from 'zod'
import {
  commaList,
  defineModule,
  type HttpRoutes,
  integer,
  type Options,
  option,
  type ValuesOf,
} from '../server/module/api.ts'
import { el } from '../server/xml/element.ts'
import { serialize } from '../server/xml/serialize.ts'

const NS_XRD = 'http://docs.oasis-open.org/ns/xri/xrd-1.0' // RFC 6415 §3.1
const REL_WEBSOCKET = 'urn:xmpp:alt-connections:websocket'
const REL_TLS = 'urn:xmpp:alt-connections:tls'
/** As server/http/https.ts serves it. */
const WEBSOCKET_PATH = '/xmpp-websocket'
/** Like the records of DNS for one target: RFC 2782. */
const PRIORITY = 10
const WEIGHT = 50

const config = {
  ips: option(
    commaList(() => z.string().refine((text) => isIP(text) !== 0, 'an IPv4 or IPv6 address')),
    'addresses under which clients reach the server; with any, host-meta.json speaks XEP-0487',
  ),
  tlsPort: option(integer(5223, 0, 65535), 'direct TLS port as clients reach it, for XEP-0487; 0 leaves it out'),
  ttlSeconds: option(integer(3600, 60, 604_800), 'how long clients may keep the answer (XEP-0487)'),
} satisfies Options
type HostMetaConfig = ValuesOf<typeof config>

export const hostmeta = defineModule<HostMetaConfig>({
  name: 'hostmeta',
  specs: [
    { doc: 'XEP-0156', version: '1.4.0', status: 'complete' },
    {
      doc: 'XEP-0487',
      version: '0.1.0',
      status: 'partial',
      omits: 'pinned keys and encrypted client hello: optional; server-to-server links: there is no such side',
    },
  ],
  config,
  setup(ctx) {
    // XEP-0156 §4: pages of any origin may read these files, and these alone.
    const open = { auth: 'anyone', maxBytes: 0, cors: true } as const
    ctx.http.route('GET', '/.well-known/host-meta', open, () => ({
      status: 200,
      headers: { 'content-type': 'application/xrd+xml; charset=utf-8' }, // RFC 6415 §2
      body: `<?xml version='1.0' encoding='UTF-8'?>\n${xrd(ctx.http)}\n`,
    }))
    ctx.http.route('GET', '/.well-known/host-meta.json', open, () => ({
      status: 200,
      headers: { 'content-type': 'application/json; charset=utf-8' }, // RFC 6415 §2
      body: `${JSON.stringify(jrd(ctx.http, ctx.domain, ctx.config()), undefined, 2)}\n`,
    }))
  },
})

function webSocketUrl(http: HttpRoutes): string {
  const url = http.url(WEBSOCKET_PATH)
  url.protocol = 'wss:'
  return url.href
}

/** The extensible resource descriptor: what XEP-0156 knows. */
function xrd(http: HttpRoutes): string {
  return serialize(el('XRD', { xmlns: NS_XRD }, el('Link', { rel: REL_WEBSOCKET, href: webSocketUrl(http) })), '')
}

/** The same in JSON. XEP-0487 §3: each of its links names addresses, so it is spoken where the operator gave some. */
function jrd(http: HttpRoutes, domain: string, { ips, tlsPort, ttlSeconds }: HostMetaConfig): object {
  const websocket = { rel: REL_WEBSOCKET, href: webSocketUrl(http) }
  if (ips.length === 0) return { links: [websocket] }
  const target = { ips, priority: PRIORITY, weight: WEIGHT }
  return {
    xmpp: { ttl: ttlSeconds },
    links: [
      { ...websocket, ...target, sni: http.url('/').hostname },
      ...(tlsPort === 0 ? [] : [{ rel: REL_TLS, port: tlsPort, ...target, sni: domain }]),
    ],
  }
}
