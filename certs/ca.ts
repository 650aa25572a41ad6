/** The installation's own certificate authority: made when missing, kept in a folder that only its owner can read. */

import { createPrivateKey, createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto'
import { join } from 'node:path'
import { type Issuer, keyIdentifier, signCertificate } from './certificate.ts'
import { CertificateError } from './errors.ts'
import { createFile, readIfPresent, replaceFile } from './files.ts'

/** An authority that can sign. */
export interface Ca extends Issuer {
  readonly certificate: X509Certificate
  /** What clients are given to trust. */
  readonly certPem: string
  /** True when it was made by this call. */
  readonly isNew: boolean
}

const VALID_YEARS = 10
/** Clocks of clients may be behind ours. */
export const CLOCK_SKEW_MS = 24 * 60 * 60 * 1000

export const caKeyFile = (dir: string): string => join(dir, 'ca.key')
export const caCertFile = (dir: string): string => join(dir, 'ca.crt')

/**
 * Loads the authority of a folder, or makes it: P-256 key (`ca.key`, mode 0600) and certificate (`ca.crt`).
 * @throws CertificateError when what is there cannot be used
 */
export function ensureCa(dir: string): Ca {
  const keyText = readIfPresent(caKeyFile(dir))
  const certText = readIfPresent(caCertFile(dir))
  if (keyText === undefined && certText !== undefined)
    throw new CertificateError(
      `the authority's key ${caKeyFile(dir)} is missing, and its certificate is there`,
      'Put the key back from a backup. Or move ca.crt away: a new authority is made, which all clients must be given.',
    )
  if (keyText !== undefined) return load(dir, keyText, certText, false)
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  const isNew = createFile(caKeyFile(dir), pem, 0o600)
  // When another process made one meanwhile, that one is the authority.
  return load(dir, isNew ? pem : (readIfPresent(caKeyFile(dir)) ?? pem), readIfPresent(caCertFile(dir)), isNew)
}

/** The authority's certificate for clients, in PEM; undefined when the folder has none. */
export function exportCa(dir: string): string | undefined {
  return readIfPresent(caCertFile(dir))
}

/** Everything follows from the key: a crash before the certificate was written is mended by writing it now. */
function load(dir: string, keyText: string, certText: string | undefined, isNew: boolean): Ca {
  const privateKey = loadKey(dir, keyText)
  const publicKey = createPublicKey(privateKey)
  const issuer: Issuer = {
    privateKey,
    publicKey,
    // For who signs with it: a start as a rule does not.
    get commonName() {
      return nameOf(publicKey)
    },
  }
  const certPem = certText ?? writeCertificate(dir, issuer)
  return Object.assign(issuer, { certPem, certificate: loadCertificate(dir, certPem, privateKey), isNew })
}

function writeCertificate(dir: string, self: Issuer): string {
  const now = Date.now()
  const notAfter = new Date(now)
  notAfter.setUTCFullYear(notAfter.getUTCFullYear() + VALID_YEARS)
  const pem = signCertificate(
    {
      commonName: self.commonName,
      publicKey: self.publicKey,
      notBefore: new Date(now - CLOCK_SKEW_MS),
      notAfter,
      use: { kind: 'ca' },
    },
    self,
  )
  replaceFile(caCertFile(dir), pem, 0o644)
  return pem
}

/** Told apart by key, so that a client may trust the authorities of several installations. */
function nameOf(publicKey: Issuer['publicKey']): string {
  return `sacm CA ${keyIdentifier(publicKey).toString('hex', 0, 4)}`
}

function loadKey(dir: string, pem: string) {
  try {
    return createPrivateKey(pem)
  } catch (error) {
    throw new CertificateError(
      `the authority's key ${caKeyFile(dir)} cannot be read`,
      'Put the file back from a backup; it holds an unencrypted private key in PEM.',
      { cause: error },
    )
  }
}

function loadCertificate(dir: string, pem: string, privateKey: Issuer['privateKey']): X509Certificate {
  let certificate: X509Certificate
  try {
    certificate = new X509Certificate(pem)
  } catch (error) {
    throw new CertificateError(
      `the authority's certificate ${caCertFile(dir)} cannot be read`,
      'Move the file away: it is made again from the key.',
      { cause: error },
    )
  }
  if (!certificate.checkPrivateKey(privateKey))
    throw new CertificateError(
      `the authority's certificate ${caCertFile(dir)} does not belong to its key`,
      'Move ca.crt away: it is made again from the key.',
    )
  return certificate
}
