/** Builds and signs X.509 certificates with ECDSA P-256. RFC 5280; names of XMPP: RFC 6120 §13.7.1, RFC 4985. */

import { createHash, type KeyObject, randomBytes, sign } from 'node:crypto'
import { isIP } from 'node:net'
import { domainToASCII } from 'node:url'
import {
  bits,
  boolean,
  type Der,
  decode,
  encode,
  ia5,
  integer,
  octets,
  oid,
  sequence,
  set,
  tagged,
  taggedBytes,
  time,
  utf8,
} from './der.ts'

const OID = {
  commonName: '2.5.4.3',
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  authorityKeyIdentifier: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
  xmppAddr: '1.3.6.1.5.5.7.8.5',
  srvName: '1.3.6.1.5.5.7.8.7',
}

export interface SubjectNames {
  /** Domains as DNS names; other than ASCII are written as A-labels. */
  readonly dns: readonly string[]
  readonly ips: readonly string[]
  /** XMPP addresses (xmppAddr), in UTF-8. */
  readonly xmpp: readonly string[]
  /** Services of a domain: `_xmpp-client.example.org` (SRVName). */
  readonly srv: readonly string[]
}

export interface CertificateRequest {
  readonly commonName: string
  readonly publicKey: KeyObject
  readonly notBefore: Date
  readonly notAfter: Date
  /** What it is for: an authority signs certificates, a server proves its names, a client its account. */
  readonly use:
    | { readonly kind: 'ca' }
    | { readonly kind: 'server'; readonly names: SubjectNames }
    | { readonly kind: 'client'; readonly jids: readonly string[] }
}

export interface Issuer {
  readonly commonName: string
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
}

/** Signs a certificate. Returns PEM. */
export function signCertificate(request: CertificateRequest, issuer: Issuer): string {
  const algorithm = sequence(oid(OID.ecdsaWithSha256))
  const toBeSigned = sequence(
    tagged(0, integer(Buffer.from([2]))), // v3
    integer(serialNumber()),
    algorithm,
    nameOf(issuer.commonName),
    sequence(time(request.notBefore), time(request.notAfter)),
    nameOf(request.commonName),
    decode(spki(request.publicKey)),
    tagged(3, sequence(...extensions(request, issuer))),
  )
  const signature = sign('sha256', encode(toBeSigned), { key: issuer.privateKey, dsaEncoding: 'der' })
  return toPem(encode(sequence(toBeSigned, algorithm, bits(signature))))
}

/** SHA-256 of the key cut to 160 bits. RFC 7093 §2. */
export function keyIdentifier(key: KeyObject): Buffer {
  return createHash('sha256').update(spki(key)).digest().subarray(0, 20)
}

/** A domain as DNS carries it: A-labels, lower case. */
export function asciiDomain(domain: string): string {
  // Only what needs it: the URL parser takes `1.2` for an address.
  return /^[\x20-\x7e]*$/.test(domain) ? domain.toLowerCase() : domainToASCII(domain)
}

function extensions(request: CertificateRequest, issuer: Issuer): Der[] {
  const identifiers = [
    extension(OID.subjectKeyIdentifier, false, octets(keyIdentifier(request.publicKey))),
    extension(OID.authorityKeyIdentifier, false, sequence(taggedBytes(0, keyIdentifier(issuer.publicKey)))),
  ]
  if (request.use.kind === 'ca')
    return [
      // No further authority below this one.
      extension(OID.basicConstraints, true, sequence(boolean(true), integer(Buffer.from([0])))),
      extension(OID.keyUsage, true, bits(Buffer.from([0b0000_0110]), 1)), // keyCertSign, cRLSign
      ...identifiers,
    ]
  const { use } = request
  const purpose = use.kind === 'server' ? OID.serverAuth : OID.clientAuth
  const names = use.kind === 'server' ? use.names : { dns: [], ips: [], xmpp: use.jids, srv: [] }
  return [
    extension(OID.basicConstraints, true, sequence()),
    extension(OID.keyUsage, true, bits(Buffer.from([0b1000_0000]), 7)), // digitalSignature
    extension(OID.extendedKeyUsage, false, sequence(oid(purpose))),
    extension(OID.subjectAltName, false, alternativeNames(names)),
    ...identifiers,
  ]
}

/** GeneralNames. RFC 5280 §4.2.1.6. */
function alternativeNames(names: SubjectNames): Der {
  return sequence(
    ...names.dns.map((name) => taggedBytes(2, Buffer.from(asciiDomain(name), 'latin1'))),
    ...names.ips.map((address) => taggedBytes(7, addressBytes(address))),
    ...names.xmpp.map((address) => otherName(OID.xmppAddr, utf8(address))),
    ...names.srv.map((name) => otherName(OID.srvName, ia5(asciiDomain(name)))),
  )
}

function otherName(type: string, value: Der): Der {
  return tagged(0, oid(type), tagged(0, value))
}

/** The 4 or 16 bytes of an address. */
export function addressBytes(address: string): Buffer {
  switch (isIP(address)) {
    case 4:
      return Buffer.from(address.split('.').map(Number))
    case 6:
      return ipv6Bytes(address)
    default:
      throw new TypeError(`not an IP address: ${address}`)
  }
}

function ipv6Bytes(address: string): Buffer {
  const [plain = ''] = address.split('%')
  // The last 32 bits may be written as IPv4. RFC 4291 §2.2.
  const text = plain.replace(/\d+\.\d+\.\d+\.\d+$/, (v4) => {
    const bytes = addressBytes(v4)
    return `${bytes.readUInt16BE(0).toString(16)}:${bytes.readUInt16BE(2).toString(16)}`
  })
  const [head = '', tail] = text.split('::')
  const groups = (part: string) => (part === '' ? [] : part.split(':'))
  const before = groups(head)
  const after = tail === undefined ? [] : groups(tail)
  const zeros: string[] = Array(8 - before.length - after.length).fill('0')
  const bytes = Buffer.alloc(16)
  for (const [i, group] of [...before, ...zeros, ...after].entries())
    bytes.writeUInt16BE(Number.parseInt(group, 16), i * 2)
  return bytes
}

function extension(id: string, isCritical: boolean, value: Der): Der {
  return sequence(oid(id), ...(isCritical ? [boolean(true)] : []), octets(encode(value)))
}

function nameOf(commonName: string): Der {
  return sequence(set(sequence(oid(OID.commonName), utf8(commonName))))
}

/** 127 random bits, positive and never zero. RFC 5280 §4.1.2.2. */
function serialNumber(): Buffer {
  const bytes = randomBytes(16)
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40
  return bytes
}

function spki(key: KeyObject): Buffer {
  return key.export({ type: 'spki', format: 'der' })
}

function toPem(der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? []
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
}
