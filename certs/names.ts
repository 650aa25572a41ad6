/** What a certificate says of its owner: XMPP addresses, services, e-mail addresses, common name. RFC 5280 §4.2.1.6, RFC 6120 §13.7. */

import asn1 from 'node-forge/lib/asn1.js'
import { type Der, decode } from './der.ts'

export interface OwnerNames {
  /** id-on-xmppAddr. */
  readonly xmpp: readonly string[]
  /** rfc822Name. */
  readonly emails: readonly string[]
  readonly commonNames: readonly string[]
  /** id-on-dnsSRV: `_service.name`. RFC 4985. */
  readonly srv: readonly string[]
}

const OID = {
  commonName: '2.5.4.3',
  subjectAltName: '2.5.29.17',
  xmppAddr: '1.3.6.1.5.5.7.8.5',
  srvName: '1.3.6.1.5.5.7.8.7',
}
const { Class, Type } = asn1

/** @param certificate  DER */
export function ownerNames(certificate: Buffer): OwnerNames {
  const [toBeSigned] = parts(decode(certificate))
  const fields = parts(toBeSigned)
  // version [0], serial, algorithm, issuer, validity, subject, key, …; v1 has no version.
  const hasVersion = fields[0] !== undefined && isTagged(fields[0], 0)
  const subject = fields[hasVersion ? 5 : 4]
  const extensions = parts(parts(fields.find((field) => isTagged(field, 3)))[0])
  const names = extensions.flatMap((extension) => alternativeNames(extension))
  return {
    xmpp: names.flatMap((name) => (isTagged(name, 0) ? otherName(name, OID.xmppAddr) : [])),
    emails: names.flatMap((name) => (isTagged(name, 1) ? text(name) : [])),
    srv: names.flatMap((name) => (isTagged(name, 0) ? otherName(name, OID.srvName) : [])),
    commonNames: parts(subject)
      .flatMap((set) => parts(set))
      .flatMap((pair) => namedValue(pair, OID.commonName)),
  }
}

/** GeneralNames of the extension; none when it is another. */
function alternativeNames(extension: Der): readonly Der[] {
  const [id, ...rest] = parts(extension)
  const content = rest.at(-1) // after the optional criticality
  if (oidOf(id) !== OID.subjectAltName || content === undefined) return []
  // forge opens an octet string that holds DER by itself.
  if (typeof content.value !== 'string') return parts(content.value[0])
  return parts(decode(Buffer.from(content.value, 'latin1')))
}

/** otherName: type, [0] value. */
function otherName(name: Der, type: string): string[] {
  const [id, value] = parts(name)
  return oidOf(id) === type && value && isTagged(value, 0) ? parts(value).flatMap(text) : []
}

function namedValue(pair: Der, id: string): string[] {
  const [name, value] = parts(pair)
  return oidOf(name) === id && value ? text(value) : []
}

/** UTF-8, which ASCII is too; what is none is no name. */
function text(value: Der): string[] {
  if (typeof value.value !== 'string') return []
  const bytes = Buffer.from(value.value, 'latin1')
  const decoded = bytes.toString('utf8')
  return Buffer.from(decoded, 'utf8').equals(bytes) ? [decoded] : []
}

function isTagged(value: Der, tag: number): boolean {
  const number: number = value.type
  return value.tagClass === Class.CONTEXT_SPECIFIC && number === tag
}

function parts(value: Der | undefined): readonly Der[] {
  return value && Array.isArray(value.value) ? value.value : []
}

function oidOf(value: Der | undefined): string {
  return value?.type === Type.OID && typeof value.value === 'string' ? asn1.derToOid(value.value) : ''
}
