/** Lists of revoked certificates as authorities publish them: read, and checked against the authority. RFC 5280 §5. */

import { constants, verify, type X509Certificate } from 'node:crypto'
import { CertificateError } from './errors.ts'
import { signatureHash } from './signature.ts'
import { BIT_STRING, BOOLEAN, INTEGER, inside, type Tlv, timeOf, UTC_TIME, values } from './tlv.ts'

export interface Crl {
  /** UTC milliseconds. */
  readonly thisUpdate: number
  /** When the next one is due; undefined: the authority does not say, and the list does not age. */
  readonly nextUpdate: number | undefined
  /** Serial numbers as node prints them: upper-case hexadecimal. */
  readonly serials: ReadonlySet<string>
  readonly der: Buffer
  /** What is signed, and by what. */
  readonly signed: Buffer
  readonly signature: Buffer
}

const EXTENSIONS = 0xa0
const REMEDY = 'Give the list as its authority publishes it, in DER or PEM (-----BEGIN X509 CRL-----).'

/** All lists of a file, DER or PEM. @throws CertificateError */
export function readCrls(bytes: Buffer): Crl[] {
  if (bytes[0] === 0x30) return [parseCrl(bytes)]
  const blocks = bytes.toString('latin1').match(/-----BEGIN X509 CRL-----[^-]*-----END X509 CRL-----/g)
  if (!blocks) throw new CertificateError('the file holds no list of revoked certificates', REMEDY)
  return blocks.map((block) => parseCrl(Buffer.from(block.replace(/-----[^-]+-----/g, ''), 'base64')))
}

function parseCrl(der: Buffer): Crl {
  try {
    const [list] = values(der)
    const [signed, , signature] = inside(list)
    if (!signed || !signature) throw new RangeError('parts are missing')
    const parts = inside(signed)
    // version, which only a list with extensions has; signature algorithm; issuer
    const [thisUpdate, ...rest] = parts.slice(parts[0]?.tag === INTEGER ? 3 : 2)
    const nextUpdate = rest[0] && rest[0].tag !== EXTENSIONS && isTime(rest[0]) ? rest.shift() : undefined
    const extensions = rest.find(({ tag }) => tag === EXTENSIONS)
    const revoked = rest.find(({ tag }) => tag !== EXTENSIONS)
    if (extensions) refuseCritical(extensions)
    if (signature.tag !== BIT_STRING) throw new RangeError('no signature')
    return {
      thisUpdate: timeOf(thisUpdate),
      nextUpdate: nextUpdate && timeOf(nextUpdate),
      serials: serialsOf(revoked),
      der,
      signed: signed.whole,
      signature: signature.content.subarray(1), // no unused bits
    }
  } catch (error) {
    if (error instanceof CertificateError) throw error
    throw new CertificateError('a list of revoked certificates cannot be read', REMEDY, { cause: error })
  }
}

function isTime({ tag }: Tlv): boolean {
  return tag === UTC_TIME || tag === UTC_TIME + 1
}

function serialsOf(revoked: Tlv | undefined): Set<string> {
  const serials = new Set<string>()
  if (!revoked) return serials
  for (const entry of values(revoked.content)) {
    const [serial] = values(entry.content)
    if (serial?.tag !== INTEGER) throw new RangeError('no serial number')
    const hex = serial.content.toString('hex').toUpperCase()
    serials.add(hex.length > 2 ? hex.replace(/^00/, '') : hex)
  }
  return serials
}

/** RFC 5280 §5.2: a list with a critical extension that is not understood tells nothing: deltas, parts, indirect lists. */
function refuseCritical(extensions: Tlv): void {
  for (const extension of inside(inside(extensions, EXTENSIONS)[0])) {
    const [, critical] = inside(extension)
    if (critical?.tag === BOOLEAN && critical.content[0] !== 0)
      throw new CertificateError(
        'a list of revoked certificates is not complete by itself (it has a critical extension)',
        'Give the full list of the authority, not a delta, a part of it, or one that another publishes for it.',
      )
  }
}

/** Did this authority sign it? */
export function isSignedBy({ der, signed, signature }: Crl, authority: X509Certificate): boolean {
  const key = authority.publicKey
  // Ed25519 and its like have no hash function of their own.
  const hash = signatureHash(der) ?? null
  try {
    if (verify(hash, signed, { key, dsaEncoding: 'der' }, signature)) return true
    const isPss = key.asymmetricKeyType === 'rsa' || key.asymmetricKeyType === 'rsa-pss'
    return isPss && verify(hash, signed, { key, padding: constants.RSA_PKCS1_PSS_PADDING }, signature)
  } catch {
    return false // a key that cannot have made such a signature
  }
}
