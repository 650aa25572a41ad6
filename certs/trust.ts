/**
 * Authorities of others whose client certificates are taken, and what they have revoked. RFC 5280 §6; XEP-0178 §2.
 *
 * A certificate is good when each link of its chain, from it to a root of the configuration, is neither out of time
 * nor on the list of its issuer. Without a list that is in force nobody knows: then it is not good, unless the operator
 * said that an authority without any list is to be trusted on its word.
 */

import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { type Crl, isSignedBy, readCrls } from './crl.ts'
import { CertificateError } from './errors.ts'

export interface TrustOptions {
  /** PEM files, roots and what stands between them and the certificates. */
  readonly authorityFiles: readonly string[]
  /** DER or PEM. */
  readonly crlFiles: readonly string[]
  /** `ifListed`: an authority without a list has revoked nothing. */
  readonly revocation: 'required' | 'ifListed'
}

export type Verdict = 'good' | 'other-authority' | 'out-of-time' | 'revoked' | 'no-list' | 'list-expired'

const MAX_CHAIN = 10

export class Trust {
  readonly #authorities: readonly X509Certificate[]
  readonly #lists: ReadonlyMap<X509Certificate, Crl>
  readonly #revocation: TrustOptions['revocation']
  /** All authorities, for TLS. */
  readonly pem: string
  /** What a person should look at. */
  readonly warnings: readonly string[]

  /** Reads the files. @throws CertificateError naming the file */
  constructor({ authorityFiles, crlFiles, revocation }: TrustOptions) {
    const texts = authorityFiles.map((file) => readAs(file, (bytes) => bytes.toString('utf8')))
    this.#authorities = texts.flatMap((text, at) => readAs(authorityFiles[at] ?? '', () => certificatesOf(text)))
    this.pem = this.#authorities.map(String).join('')
    this.#revocation = revocation
    const lists = new Map<X509Certificate, Crl>()
    const warnings: string[] = []
    for (const file of crlFiles) {
      for (const crl of readAs(file, readCrls)) {
        const issuers = this.#authorities.filter((authority) => isSignedBy(crl, authority))
        if (issuers.length === 0)
          warnings.push(`${file}: no authority of tls.clientCas signed this list; it is left out`)
        if (crl.nextUpdate !== undefined && crl.nextUpdate < Date.now())
          warnings.push(
            `${file}: the list ended on ${new Date(crl.nextUpdate).toISOString()}; nobody of that authority logs in`,
          )
        for (const issuer of issuers) {
          const known = lists.get(issuer)
          if (!known || known.thisUpdate <= crl.thisUpdate) lists.set(issuer, crl)
        }
      }
    }
    this.#lists = lists
    this.warnings = warnings
  }

  /** Of a certificate whose chain TLS has found to lead to a root. */
  judge(certificate: X509Certificate, now: number): Verdict {
    let link = certificate
    for (let depth = 0; depth < MAX_CHAIN; depth++) {
      if (now < link.validFromDate.getTime() || now > link.validToDate.getTime()) return 'out-of-time'
      const issuer = this.#issuerOf(link)
      if (!issuer) return 'other-authority'
      const verdict = this.#lookUp(link, issuer, now)
      if (verdict !== 'good') return verdict
      if (isRoot(issuer)) return now > issuer.validToDate.getTime() ? 'out-of-time' : 'good'
      link = issuer
    }
    return 'other-authority'
  }

  #issuerOf(certificate: X509Certificate): X509Certificate | undefined {
    return this.#authorities.find(
      (authority) => authority.ca && certificate.checkIssued(authority) && certificate.verify(authority.publicKey),
    )
  }

  #lookUp(certificate: X509Certificate, issuer: X509Certificate, now: number): Verdict {
    const list = this.#lists.get(issuer)
    if (!list) return this.#revocation === 'required' ? 'no-list' : 'good'
    if (list.serials.has(certificate.serialNumber)) return 'revoked'
    return list.nextUpdate !== undefined && now > list.nextUpdate ? 'list-expired' : 'good'
  }
}

function isRoot(certificate: X509Certificate): boolean {
  return certificate.checkIssued(certificate)
}

function certificatesOf(text: string): X509Certificate[] {
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? []
  if (blocks.length === 0)
    throw new CertificateError(
      'the file holds no certificate',
      'Give the authority in PEM (-----BEGIN CERTIFICATE-----).',
    )
  return blocks.map((block) => {
    const certificate = new X509Certificate(block)
    if (!certificate.ca)
      throw new CertificateError(
        `the certificate of ${certificate.subject.split('\n').join(', ')} is not of an authority`,
        'Give the certificates of the authorities that issue client certificates, not what they issued.',
      )
    return certificate
  })
}

function readAs<R>(file: string, read: (bytes: Buffer) => R): R {
  try {
    return read(readFileSync(file))
  } catch (error) {
    const remedy = error instanceof CertificateError ? error.remedy : 'Check the path, and that the server may read it.'
    throw new CertificateError(`${file}: ${error instanceof Error ? error.message : String(error)}`, remedy, {
      cause: error,
    })
  }
}
