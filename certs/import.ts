/** Takes an operator's own certificate into use in place of the issued one. */

import { rmSync } from 'node:fs'
import { replaceFile } from './files.ts'
import { importedFile } from './issue.ts'
import { checkPair } from './pem.ts'

export interface ImportedCertificate {
  readonly subject: string
  readonly issuer: string
  readonly names: string
  /** UTC milliseconds. */
  readonly notAfter: number
  /** What may keep clients from trusting it, in words. */
  readonly warnings: readonly string[]
}

/**
 * Checks key, chain, dates and names, then keeps the pair (mode 0600); the next start or reload serves it.
 * @param certPem  the server's certificate first, then its issuers
 * @throws CertificateError, and nothing is changed
 */
export function importServerCertificate(
  dir: string,
  certPem: string,
  keyPem: string,
  domain: string,
): ImportedCertificate {
  const { certificate, notAfter, warnings } = checkPair(certPem, keyPem, domain, 'import')
  replaceFile(importedFile(dir), `${certPem.trim()}\n${keyPem.trim()}\n`, 0o600)
  return {
    subject: certificate.subject,
    issuer: certificate.issuer,
    names: certificate.subjectAltName ?? '',
    notAfter,
    warnings,
  }
}

/** Goes back to the issued certificate. */
export function removeImportedCertificate(dir: string): void {
  rmSync(importedFile(dir), { force: true })
}
