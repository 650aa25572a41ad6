/** Every option of the server itself: default, unit, bounds and what it means. */

import * as z from 'zod'
import { commaList, integer, kind, type Options, oneOf, option, type ValuesOf, yesNo } from './option.ts'

const port = (fallback: number) => integer(fallback, 0, 65535)
const list = <const T extends string>(allowed: readonly T[], fallback: readonly NoInfer<T>[]) => {
  const split = (value: unknown): unknown =>
    typeof value === 'string' ? value.split(',').map((part) => part.trim()) : value
  return kind<readonly T[]>(() => z.preprocess(split, z.array(z.enum(allowed)).readonly()), fallback)
}
const names = commaList(() => z.string().min(1))

const PROFILES = ['arch'] as const
const MECHANISMS = [
  'EXTERNAL',
  'SCRAM-SHA-512-PLUS',
  'SCRAM-SHA-256-PLUS',
  'SCRAM-SHA-1-PLUS',
  'SCRAM-SHA-512',
  'SCRAM-SHA-256',
  'SCRAM-SHA-1',
  'PLAIN',
  'ANONYMOUS',
] as const
/** What is offered unless the configuration says otherwise; ANONYMOUS is for labs. */
const OFFERED = MECHANISMS.filter((name) => name !== 'ANONYMOUS')

/** Every option of the server itself; a module's own stand beside them under the module's name. */
export const OPTIONS = {
  domain: option(
    kind(() => z.string().min(1).max(1023), 'localhost'),
    'the XMPP domain; may be a single label',
  ),
  'data.dir': option(
    kind(() => z.string().min(1), './sacm-data'),
    'folder of the database, certificates and first password',
  ),
  host: option(
    kind(() => z.string().min(1), '::'),
    'address to listen on',
  ),
  'c2s.port': option(port(5222), 'STARTTLS port; 0 takes a free one'),
  'tls.port': option(port(5223), 'direct TLS port (XEP-0368); 0 takes a free one'),
  'https.port': option(port(5443), 'HTTPS port with the WebSocket; 0 takes a free one'),
  'https.publicUrl': option(
    kind(() => z.union([z.literal(''), z.url({ protocol: /^https$/ })]), ''),
    'address under which clients reach the HTTPS port, where another name or a proxy stands before it; empty: https://DOMAIN:PORT',
  ),
  'component.port': option(
    kind(() => z.union([z.literal('off'), port(0).schema()]), 'off'),
    'port for external components (XEP-0114); 0 takes a free one; off: none. `sacm component add` makes their secrets',
  ),
  'component.host': option(
    kind(() => z.string().min(1), '127.0.0.1'),
    'address to listen on for external components: their stream is not encrypted, so keep it on loopback or behind a tunnel',
  ),
  'plaintext.port': option(
    integer(-1, -1, 65535),
    'port without TLS for labs, on the loopback interface only, whatever host is; 0 takes a free one; -1: none',
  ),
  'metrics.enabled': option(
    yesNo(true),
    "GET /metrics on the HTTPS port, in Prometheus' format, for the bearer token in the data folder's file metrics-token",
  ),
  'https.hstsSeconds': option(
    integer(0, 0, 63_072_000),
    'how long browsers are to reach this host by HTTPS only (RFC 6797); 0: they are not told. It holds for every port of the host, so it is for hosts without other pages in the clear',
    'seconds',
  ),
  profile: option(list(PROFILES, ['arch']), 'profiles in force'),
  'c2s.mechanisms': option(
    list(MECHANISMS, OFFERED),
    'SASL mechanisms on the STARTTLS port, preferred first. PLAIN lets an attacker who has the certificate strip all others: leaving it out is its switch. -PLUS is offered where the connection can be bound to, EXTERNAL to who brings a good certificate; ANONYMOUS, off by default and for labs only, gives anyone an account for one session',
  ),
  'c2s.seeOtherHost': option(
    kind(
      () =>
        z.string().regex(/^(?:(?:\[[0-9A-Fa-f:.]+\]|[^\s:/[\]]+)(?::\d{1,5})?)?$/, 'host, host:port or [address]:port'),
      '',
    ),
    'where new streams on the TCP ports are sent (see-other-host), to drain this server; empty: nowhere',
  ),
  'https.seeOtherUri': option(
    kind(() => z.union([z.literal(''), z.url({ protocol: /^wss$/ })]), ''),
    'where new streams on the WebSocket are sent (see-other-uri), to drain this server; empty: nowhere',
  ),
  'tls.mechanisms': option(list(MECHANISMS, OFFERED), 'SASL mechanisms on the direct TLS port'),
  'https.mechanisms': option(
    list(
      MECHANISMS,
      OFFERED.filter((name) => name !== 'EXTERNAL' && !name.endsWith('-PLUS')),
    ),
    'SASL mechanisms on the WebSocket; no -PLUS by default: a page in a browser cannot bind to its connection, and libraries made for it stumble over the offer',
  ),
  'external.mappings': option(
    list(['file', 'xmppAddr', 'srvName', 'email', 'commonName'], ['xmppAddr']),
    'where a client certificate names its account; the first that does decides: external.mapFile, its XMPP address, a service _xmpp-client.NAME.DOMAIN, its e-mail address, its common name. EXTERNAL is offered once the chain to a trusted authority, the time and the revocation have been checked',
  ),
  'external.mapFile': option(
    kind(() => z.string(), ''),
    'list of which certificate is whose, for the mapping "file"; a line is an account and sha256:FINGERPRINT, email:ADDRESS, commonName:NAME or srvName:NAME',
  ),
  'external.revocation': option(
    oneOf(['required', 'ifListed'], 'required'),
    'what is asked of the authorities in tls.clientCas: required: a list of what each has revoked that is in force, else nobody logs in with its certificates; ifListed: one without any list has revoked nothing',
  ),
  'tls.clientCas': option(
    names,
    'PEM files of further authorities whose client certificates are taken (EXTERNAL), those between them and the root included. Each of them can name any account that external.mappings finds',
  ),
  'tls.clientCrls': option(
    names,
    'files with their lists of revoked certificates, PEM or DER; one that is past its time lets nobody log in with a certificate of its authority. Sessions of a certificate that comes onto a list end',
  ),
  'tls.clientCrlSeconds': option(
    integer(300, 1, 86_400),
    'how often those lists are read again; SIGHUP and `sacm cert revoke` do it at once',
    'seconds',
  ),
  'scram.iterations': option(integer(10_000, 4096, 10_000_000), 'PBKDF2 iterations for new passwords'),
  'login.freeFailures': option(
    integer(5, 1, 1000),
    'failed logins of an account that cost nothing; each further one doubles the delay before the next outcome, and what would wait longer than the slowest: temporary-auth-failure',
    'failures',
  ),
  'login.freeFailuresPerAddress': option(
    integer(20, 1, 100_000),
    'the same for an IPv4 address or an IPv6 /64, whatever accounts it tries',
    'failures',
  ),
  'login.slowestSeconds': option(integer(10, 1, 60), 'longest delay between two outcomes', 'seconds'),
  'login.forgiveSeconds': option(integer(60, 1, 86_400), 'time after which one failure is forgotten', 'seconds'),
  'login.tokenHours': option(
    integer(336, 0, 8760),
    'life of the tokens that clients log in with instead of a password (FAST); a client that comes back in time gets a new one; older: credentials-expired; 0 issues none',
    'hours',
  ),
  'login.tracked': option(
    integer(10_000, 100, 10_000_000),
    'addresses remembered for this, as many accounts, and as many pairs that have logged in; the oldest is forgotten',
    'entries',
  ),
  'log.level': option(
    oneOf(['silent', 'error', 'warn', 'info', 'debug', 'trace'], 'info'),
    'lowest level written to stderr',
  ),
  'log.stanzas': option(
    names,
    'accounts, single resources and components whose stanzas are logged both ways at level info, to find a fault: elements, addresses, ids and what the protocol decides by; texts by their length alone, other attributes by their name, logins not at all; empty: nobody',
  ),
  'limits.stanzaBytes': option(
    integer(262_144, 10_000, 16_777_216),
    'largest stanza; larger: policy-violation',
    'bytes',
  ),
  'limits.preAuthStanzaBytes': option(
    integer(65_536, 10_000, 1_048_576),
    'largest element before login; larger: policy-violation',
    'bytes',
  ),
  'limits.depth': option(integer(64, 8, 1024), 'deepest nesting in a stanza; deeper: policy-violation', 'elements'),
  'limits.attributes': option(integer(64, 8, 1024), 'attributes per element; more: policy-violation', 'attributes'),
  'limits.nameBytes': option(
    integer(256, 32, 4096),
    'longest element or attribute name; longer: policy-violation',
    'characters',
  ),
  'limits.outputBytes': option(
    integer(4_194_304, 65_536, 1_073_741_824),
    'unsent output per connection before it is dropped',
    'bytes',
  ),
  'limits.resources': option(integer(10, 1, 10_000), 'sessions per account; more: resource-constraint', 'sessions'),
  'limits.connections': option(
    integer(100_000, 1, 10_000_000),
    'TCP connections per listener; more are dropped',
    'connections',
  ),
  'limits.componentConnections': option(
    integer(100, 1, 100_000),
    'connections of external components; more are dropped',
    'connections',
  ),
  'limits.componentStanzasPerSecond': option(
    integer(20_000, 0, 1_000_000),
    'stanzas that one external component may send, twice as many at once; faster: it is read more slowly; 0: any number',
    'stanzas per second',
  ),
  'limits.componentBytesPerSecond': option(
    integer(67_108_864, 0, 1_073_741_824),
    'the same in bytes; 0: any number',
    'bytes per second',
  ),
  'limits.connectionsPerAddress': option(
    integer(10_000, 1, 10_000_000),
    'connections of one IPv4 address or IPv6 /64; more: resource-constraint',
    'connections',
  ),
  'limits.stanzasPerSecond': option(
    integer(2_000, 0, 1_000_000),
    'stanzas that one session may send, twice as many at once; faster: it is read more slowly; 0: any number',
    'stanzas per second',
  ),
  'limits.bytesPerSecond': option(
    integer(8_388_608, 0, 1_073_741_824),
    'the same in bytes; 0: any number',
    'bytes per second',
  ),
  'limits.off': option(
    yesNo(false),
    'no bounds on rates and on connections, for labs and benches; refused where host is not loopback',
  ),
  'timeouts.overRateSeconds': option(
    integer(120, 1, 3_600),
    'how long a session or component may press against the limits per second; longer: policy-violation',
    'seconds',
  ),
  'limits.saslAttempts': option(integer(3, 1, 20), 'failed logins on one connection before it is closed', 'attempts'),
  'limits.storageQueue': option(
    integer(50_000, 100, 10_000_000),
    'writes waiting for the database; more: resource-constraint',
    'operations',
  ),
  'limits.scanRows': option(
    integer(10_000_000, 1_000, 10_000_000_000),
    'rows of the database that one query of the repository may look at; more: policy-violation',
    'rows',
  ),
  'limits.scanSeconds': option(
    integer(10, 1, 600),
    'how long one such query may take; longer: policy-violation',
    'seconds',
  ),
  'limits.scanQueue': option(
    integer(1_000, 1, 100_000),
    'such queries waiting, as they run one at a time; more: resource-constraint',
    'queries',
  ),
  'timeouts.checkSeconds': option(
    integer(10, 0, 3_600),
    'how long the start waits for the check of the database after an unclean end, which then goes on beside the server',
    'seconds',
  ),
  'limits.sessionQueue': option(
    integer(500, 1, 100_000),
    'stanzas of one session waiting their turn before its socket is paused',
    'stanzas',
  ),
  'limits.unackedStanzas': option(
    integer(50_000, 10, 1_000_000),
    'stanzas that a client with stream management (XEP-0198) may leave unacknowledged; more: policy-violation',
    'stanzas',
  ),
  'limits.unackedBytes': option(
    integer(16_777_216, 65_536, 1_073_741_824),
    'their size; more: policy-violation',
    'bytes',
  ),
  'limits.deferredStanzas': option(
    integer(500, 0, 100_000),
    'presence and chat states held back from a client that says it is inactive (XEP-0352), before all is sent; 0: not offered',
    'stanzas',
  ),
  'timeouts.idleSeconds': option(
    integer(600, 0, 86_400),
    'how long a client may be silent: asked (XEP-0199) after half of it, then connection-timeout; 0: for ever',
    'seconds',
  ),
  'timeouts.resumeSeconds': option(
    integer(300, 0, 86_400),
    'how long a session whose connection broke waits for its client to resume it (XEP-0198); 0: not at all',
    'seconds',
  ),
  'timeouts.authSeconds': option(
    integer(30, 1, 600),
    'from connection to bound resource; later: connection-timeout',
    'seconds',
  ),
  'timeouts.closeSeconds': option(integer(5, 1, 60), 'wait for the other side of a closing handshake', 'seconds'),
  'timeouts.slowReaderSeconds': option(
    integer(30, 1, 600),
    'how long a client may leave its output unread before it is dropped',
    'seconds',
  ),
} as const satisfies Options

/** The checked value of each. */
export type OptionValues = ValuesOf<typeof OPTIONS>
