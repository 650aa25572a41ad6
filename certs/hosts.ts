/** Certificates for further names that clients connect to, beside the server's own; TLS chooses by the name asked for. */

import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { asciiDomain } from './certificate.ts'
import { CertificateError } from './errors.ts'
import { readIfPresent, replaceFile } from './files.ts'
import type { ImportedCertificate } from './import.ts'
import { checkPair, splitPem } from './pem.ts'

export interface HostCertificate {
  /** A DNS name in A-labels. */
  readonly name: string
  /** Both PEM; the chain begins with the host's own. */
  readonly cert: string
  readonly key: string
  /** What it lacks, in words for the operator. */
  readonly warnings: readonly string[]
}

const folderOf = (dir: string): string => join(dir, 'hosts')
const SUFFIX = '.pem'
/** What may be a file's name too. */
const DNS_NAME = /^(?!-)[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){0,31}$/

/** @throws CertificateError, and nothing is changed */
export function importHostCertificate(dir: string, host: string, certPem: string, keyPem: string): ImportedCertificate {
  const name = hostName(host)
  const { certificate, notAfter, warnings } = checkPair(certPem, keyPem, name, 'import')
  replaceFile(join(folderOf(dir), `${name}${SUFFIX}`), `${certPem.trim()}\n${keyPem.trim()}\n`, 0o600)
  const { subject, issuer, subjectAltName } = certificate
  return { subject, issuer, names: subjectAltName ?? '', notAfter, warnings }
}

/** False when there was none. @throws CertificateError */
export function removeHostCertificate(dir: string, host: string): boolean {
  const file = join(folderOf(dir), `${hostName(host)}${SUFFIX}`)
  const isThere = readIfPresent(file) !== undefined
  rmSync(file, { force: true })
  return isThere
}

/** By name. One that cannot be used is left out, and `onUnusable` told why: the others are served all the same. */
export function readHostCertificates(dir: string, onUnusable: (why: string) => void): readonly HostCertificate[] {
  return hostFiles(folderOf(dir)).flatMap((file) => {
    const name = file.slice(0, -SUFFIX.length)
    const { cert, key } = splitPem(readIfPresent(join(folderOf(dir), file)) ?? '')
    try {
      return [{ name, cert, key, warnings: checkPair(cert, key, name, 'use').warnings }]
    } catch (error) {
      if (!(error instanceof CertificateError)) throw error
      onUnusable(`${file}: ${error.message}. ${error.remedy}`)
      return []
    }
  })
}

function hostFiles(folder: string): readonly string[] {
  try {
    return readdirSync(folder)
      .filter((file) => file.endsWith(SUFFIX))
      .sort()
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
    throw error
  }
}

function hostName(host: string): string {
  const name = asciiDomain(host)
  if (!DNS_NAME.test(name))
    throw new CertificateError(`${host} is no DNS name`, 'Give the name that clients connect to.')
  return name
}
