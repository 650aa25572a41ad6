/** DER values as certificates need them, on node-forge's ASN.1 (its own X.509 code knows RSA only). X.690, RFC 5280. */

import asn1 from 'node-forge/lib/asn1.js'

const { Class, Type } = asn1

export type Der = asn1.Asn1

export const sequence = (...parts: readonly Der[]): Der => asn1.create(Class.UNIVERSAL, Type.SEQUENCE, true, [...parts])
export const set = (...parts: readonly Der[]): Der => asn1.create(Class.UNIVERSAL, Type.SET, true, [...parts])
export const oid = (dotted: string): Der => primitive(Type.OID, asn1.oidToDer(dotted).getBytes())
export const boolean = (value: boolean): Der => primitive(Type.BOOLEAN, value ? '\xff' : '\0')
export const utf8 = (text: string): Der => primitive(Type.UTF8, Buffer.from(text, 'utf8').toString('latin1'))
export const ia5 = (text: string): Der => primitive(Type.IA5STRING, text)
export const octets = (bytes: Buffer): Der => primitive(Type.OCTETSTRING, bytes.toString('latin1'))
/** A positive integer from its bytes, most significant first. */
export const integer = (bytes: Buffer): Der => {
  const first = bytes[0] ?? 0
  return primitive(Type.INTEGER, (first > 0x7f ? '\0' : '') + bytes.toString('latin1'))
}
/** Bytes as a bit string, `unused` bits of the last one not counted. */
export const bits = (bytes: Buffer, unused = 0): Der =>
  primitive(Type.BITSTRING, String.fromCharCode(unused) + bytes.toString('latin1'))

/** `[tag] EXPLICIT`, and `[tag] IMPLICIT` of something constructed. */
export const tagged = (tag: number, ...parts: readonly Der[]): Der =>
  asn1.create(Class.CONTEXT_SPECIFIC, tag as asn1.Type, true, [...parts])
/** `[tag] IMPLICIT` of a primitive value. */
export const taggedBytes = (tag: number, bytes: Buffer): Der =>
  asn1.create(Class.CONTEXT_SPECIFIC, tag as asn1.Type, false, bytes.toString('latin1'))

/** UTCTime until 2049, GeneralizedTime after. RFC 5280 §4.1.2.5. */
export const time = (date: Date): Der =>
  date.getUTCFullYear() < 2050
    ? primitive(Type.UTCTIME, asn1.dateToUtcTime(date).toString())
    : primitive(Type.GENERALIZEDTIME, asn1.dateToGeneralizedTime(date).toString())

export const encode = (value: Der): Buffer => Buffer.from(asn1.toDer(value).getBytes(), 'latin1')
export const decode = (bytes: Buffer): Der => asn1.fromDer(bytes.toString('latin1'))

function primitive(type: asn1.Type, value: string): Der {
  return asn1.create(Class.UNIVERSAL, type, false, value)
}
