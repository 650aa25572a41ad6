/** By which hash function a certificate is signed. RFC 5280 §4.1.1.2, RFC 8017 §A.2, RFC 5758 §3.2. */

import asn1 from 'node-forge/lib/asn1.js'
import { type Der, decode } from './der.ts'

export type SignatureHash = 'md5' | 'sha1' | 'sha224' | 'sha256' | 'sha384' | 'sha512'

/** ecdsa-with-SHA*, sha*WithRSAEncryption, and the bare hashes that RSASSA-PSS names. */
const HASHES: Readonly<Record<string, SignatureHash>> = {
  '1.2.840.113549.1.1.4': 'md5',
  '1.2.840.113549.1.1.5': 'sha1',
  '1.2.840.113549.1.1.14': 'sha224',
  '1.2.840.113549.1.1.11': 'sha256',
  '1.2.840.113549.1.1.12': 'sha384',
  '1.2.840.113549.1.1.13': 'sha512',
  '1.2.840.10045.4.1': 'sha1',
  '1.2.840.10045.4.3.1': 'sha224',
  '1.2.840.10045.4.3.2': 'sha256',
  '1.2.840.10045.4.3.3': 'sha384',
  '1.2.840.10045.4.3.4': 'sha512',
  '1.3.14.3.2.26': 'sha1',
  '2.16.840.1.101.3.4.2.4': 'sha224',
  '2.16.840.1.101.3.4.2.1': 'sha256',
  '2.16.840.1.101.3.4.2.2': 'sha384',
  '2.16.840.1.101.3.4.2.3': 'sha512',
}
const RSASSA_PSS = '1.2.840.113549.1.1.10'

/** Undefined when the signature has no hash function of its own (Ed25519), or one that is not known here. */
export function signatureHash(certificate: Buffer): SignatureHash | undefined {
  const [, algorithm] = parts(decode(certificate))
  const [id, parameters] = parts(algorithm)
  const name = oidOf(id)
  if (name !== RSASSA_PSS) return HASHES[name]
  // hashAlgorithm is [0] of the parameters, SHA-1 when left out.
  const explicit = parts(parameters).find((part) => part.tagClass === asn1.Class.CONTEXT_SPECIFIC && tagOf(part) === 0)
  return explicit ? HASHES[oidOf(parts(parts(explicit)[0])[0])] : 'sha1'
}

const tagOf = (value: Der): number => value.type

function parts(value: Der | undefined): readonly Der[] {
  return value && Array.isArray(value.value) ? value.value : []
}

function oidOf(value: Der | undefined): string {
  if (value?.type !== asn1.Type.OID || typeof value.value !== 'string') return ''
  return asn1.derToOid(value.value)
}
