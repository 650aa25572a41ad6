/** Reads PEM files of operators and checks that certificate, chain and key fit each other and the domain. */

import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { rootCertificates } from 'node:tls'
import { asciiDomain } from './certificate.ts'
import { CertificateError } from './errors.ts'

/** Splits a file that holds certificates and one key. */
export function splitPem(text: string): { readonly cert: string; readonly key: string } {
  const blocks = text.match(/-----BEGIN ([A-Z0-9 ]+)-----[\s\S]*?-----END \1-----/g) ?? []
  const join = (parts: readonly string[]) => parts.map((part) => `${part}\n`).join('')
  return {
    cert: join(blocks.filter((block) => block.startsWith('-----BEGIN CERTIFICATE-----'))),
    key: join(blocks.filter((block) => /^-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(block))),
  }
}

export interface CheckedPair {
  readonly certificate: X509Certificate
  /** UTC milliseconds. */
  readonly notAfter: number
  readonly warnings: readonly string[]
}

const SERVER_AUTH = '1.3.6.1.5.5.7.3.1'
const MIN_RSA_BITS = 2048
const SOON_MS = 14 * 24 * 60 * 60 * 1000

/**
 * Checks what a server is to be run with.
 * @param certPem  the server's certificate first, then its issuers
 * @param purpose  an `import` refuses what clients would refuse; in `use` that has happened since, and is a warning
 * @throws CertificateError
 */
export function checkPair(certPem: string, keyPem: string, domain: string, purpose: 'import' | 'use'): CheckedPair {
  const chain = parseChain(certPem)
  const [leaf] = chain
  if (!leaf)
    throw new CertificateError(
      'the file holds no certificate',
      'Give a PEM file that begins with the server certificate (-----BEGIN CERTIFICATE-----), then its issuers.',
    )
  const key = parseKey(keyPem)
  if (!leaf.checkPrivateKey(key))
    throw new CertificateError(
      `the key does not belong to the certificate of ${nameOf(leaf)}`,
      'Give the key that the certificate was requested with; and the server certificate must come first in its file.',
    )
  checkStrength(key)
  checkChain(chain)
  const faults = [...validityFaults(chain), ...nameFaults(leaf, domain)]
  const [fault] = faults
  if (purpose === 'import' && fault) throw fault
  return {
    certificate: leaf,
    notAfter: Math.min(...chain.map((certificate) => Date.parse(certificate.validTo))),
    warnings: [
      ...faults.map((found) => `${found.message}. ${found.remedy}`),
      ...trustWarnings(chain),
      ...endsSoon(leaf),
    ],
  }
}

function parseChain(certPem: string): X509Certificate[] {
  const blocks = certPem.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? []
  return blocks.map((block, i) => {
    try {
      return new X509Certificate(block)
    } catch (error) {
      throw new CertificateError(
        `certificate ${i + 1} in the file cannot be read`,
        'Give the file as it was issued, in PEM.',
        {
          cause: error,
        },
      )
    }
  })
}

function parseKey(keyPem: string): KeyObject {
  if (/BEGIN ENCRYPTED PRIVATE KEY|Proc-Type: 4,ENCRYPTED/.test(keyPem))
    throw new CertificateError(
      'the key is protected by a passphrase, which a server that starts by itself cannot give',
      'Remove it: openssl pkey -in KEY -out KEY.plain; the copy kept here can be read by its owner only.',
    )
  try {
    return createPrivateKey(keyPem)
  } catch (error) {
    throw new CertificateError(
      'the key cannot be read',
      'Give the private key in PEM (-----BEGIN PRIVATE KEY-----, or RSA or EC PRIVATE KEY).',
      { cause: error },
    )
  }
}

function checkStrength(key: KeyObject): void {
  const bits = key.asymmetricKeyDetails?.modulusLength
  if (bits !== undefined && bits < MIN_RSA_BITS)
    throw new CertificateError(
      `the RSA key has ${bits} bits; clients refuse less than ${MIN_RSA_BITS}`,
      'Have a certificate issued for a P-256 key, or RSA with 2048 bits or more.',
    )
}

function checkChain(chain: readonly X509Certificate[]): void {
  for (const [i, certificate] of chain.entries()) {
    const issuer = chain[i + 1]
    if (!issuer) return
    if (!certificate.checkIssued(issuer) || !certificate.verify(issuer.publicKey))
      throw new CertificateError(
        `certificate ${i + 2} in the file (${nameOf(issuer)}) did not issue certificate ${i + 1} (${nameOf(certificate)})`,
        'Order the file: the server certificate, then the one that issued it, and so on.',
      )
  }
}

function validityFaults(chain: readonly X509Certificate[]): CertificateError[] {
  const now = Date.now()
  return chain.flatMap((certificate) => {
    if (now < Date.parse(certificate.validFrom))
      return [
        new CertificateError(
          `the certificate of ${nameOf(certificate)} is valid only from ${certificate.validFrom}`,
          'Check the clock of this machine, or wait.',
        ),
      ]
    if (now > Date.parse(certificate.validTo))
      return [
        new CertificateError(
          `the certificate of ${nameOf(certificate)} ended on ${certificate.validTo}`,
          'Have it renewed and import the new one; and check the clock of this machine.',
        ),
      ]
    return []
  })
}

function nameFaults(leaf: X509Certificate, domain: string): CertificateError[] {
  const faults: CertificateError[] = []
  const isNamed = isIP(domain) === 0 ? leaf.checkHost(asciiDomain(domain)) : leaf.checkIP(domain)
  if (isNamed === undefined)
    faults.push(
      new CertificateError(
        `the certificate does not name ${domain}; it names ${leaf.subjectAltName ?? nameOf(leaf)}`,
        `Have one issued with the DNS name ${asciiDomain(domain)}, or serve the domain it names.`,
      ),
    )
  // Node calls the extended key usages keyUsage; absent means any.
  if (leaf.keyUsage && !leaf.keyUsage.includes(SERVER_AUTH))
    faults.push(
      new CertificateError(
        'the certificate is not for a TLS server (its extended key usage lacks serverAuth)',
        'Have one issued for a server.',
      ),
    )
  return faults
}

function trustWarnings(chain: readonly X509Certificate[]): string[] {
  const top = chain.at(-1)
  if (!top || top.checkIssued(top)) return []
  const isPublic = rootCertificates.some((pem) => top.checkIssued(new X509Certificate(pem)))
  if (isPublic) return []
  return [
    `nobody is known who issued ${nameOf(top)} (${oneLine(top.issuer)}): ` +
      'if that is an intermediate authority, add its certificate to the file; else give clients its root.',
  ]
}

function endsSoon(leaf: X509Certificate): string[] {
  const left = Date.parse(leaf.validTo) - Date.now()
  return left > 0 && left < SOON_MS ? [`the certificate ends on ${leaf.validTo}: have it renewed`] : []
}

const nameOf = (certificate: X509Certificate): string => oneLine(certificate.subject) || 'no name'
const oneLine = (name: string | undefined): string => (name ?? '').split('\n').join(', ')
