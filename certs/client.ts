/**
 * Certificates for clients of the built-in authority: issued for an account, listed, revoked. RFC 6120 §13.7.1.4.
 *
 * Two files grow by one line for each certificate and each revocation, so that processes need not agree on who writes;
 * a line that was cut off by a crash is nobody's, and is left out.
 */

import { generateKeyPairSync, X509Certificate } from 'node:crypto'
import { appendFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { CLOCK_SKEW_MS, ensureCa } from './ca.ts'
import { signCertificate } from './certificate.ts'
import { readIfPresent } from './files.ts'

export interface ClientCertificate {
  /** Upper-case hexadecimal, as node prints it. */
  readonly serial: string
  /** The account's bare JID. */
  readonly jid: string
  /** UTC milliseconds. */
  readonly issuedAt: number
  readonly notAfter: number
}

export interface ListedCertificate extends ClientCertificate {
  /** UTC milliseconds; undefined while it is good. */
  readonly revokedAt: number | undefined
}

/** All PEM. */
export interface IssuedClientCertificate extends ClientCertificate {
  readonly cert: string
  readonly key: string
}

const DAY_MS = 24 * 60 * 60 * 1000
const DEFAULT_DAYS = 365
const issuedFile = (dir: string): string => join(dir, 'clients.jsonl')
const revokedFile = (dir: string): string => join(dir, 'revoked.jsonl')

/**
 * Issues a P-256 certificate with a new key, whose one name is the account's address (xmppAddr).
 * @param dir  folder of the authority, which is made when missing
 * @param jid  a bare JID
 * @throws CertificateError
 */
export function issueClientCertificate(dir: string, jid: string, days = DEFAULT_DAYS): IssuedClientCertificate {
  const ca = ensureCa(dir)
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const issuedAt = Date.now()
  const cert = signCertificate(
    {
      // X.520 allows 64 characters; the name that counts is the alternative one.
      commonName: jid.length <= 64 ? jid : 'sacm client',
      publicKey,
      notBefore: new Date(issuedAt - CLOCK_SKEW_MS),
      notAfter: new Date(Math.min(issuedAt + days * DAY_MS, Date.parse(ca.certificate.validTo))),
      use: { kind: 'client', jids: [jid] },
    },
    ca,
  )
  const { serialNumber, validTo } = new X509Certificate(cert)
  const record: ClientCertificate = { serial: serialNumber, jid, issuedAt, notAfter: Date.parse(validTo) }
  append(issuedFile(dir), record)
  return { ...record, cert, key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() }
}

/** Oldest first. */
export function listClientCertificates(dir: string): readonly ListedCertificate[] {
  const revoked = revokedSerials(dir)
  return lines(issuedFile(dir)).flatMap((line) => {
    const { serial, jid, issuedAt, notAfter } = line
    if (typeof serial !== 'string' || typeof jid !== 'string') return []
    if (typeof issuedAt !== 'number' || typeof notAfter !== 'number') return []
    return [{ serial, jid, issuedAt, notAfter, revokedAt: revoked.get(serial) }]
  })
}

/**
 * Revokes one certificate, or all of an account.
 * @param what  a serial number or a bare JID
 * @returns those that were good until now
 */
export function revokeClientCertificates(dir: string, what: string): readonly ClientCertificate[] {
  const serial = what.toUpperCase()
  const found = listClientCertificates(dir).filter(
    (each) => each.revokedAt === undefined && (each.serial === serial || each.jid === what),
  )
  for (const each of found) append(revokedFile(dir), { serial: each.serial, revokedAt: Date.now() })
  return found
}

/** Serial numbers of what is revoked, with when. */
export function revokedSerials(dir: string): ReadonlyMap<string, number> {
  const revoked = new Map<string, number>()
  for (const { serial, revokedAt } of lines(revokedFile(dir))) {
    if (typeof serial === 'string') revoked.set(serial, typeof revokedAt === 'number' ? revokedAt : 0)
  }
  return revoked
}

/** One write of one line: whole, also beside another process's. A line cut off by a crash is ended first. */
function append(file: string, record: object): void {
  mkdirSync(join(file, '..'), { recursive: true, mode: 0o700 })
  const before = readIfPresent(file) ?? ''
  const start = before === '' || before.endsWith('\n') ? '' : '\n'
  appendFileSync(file, `${start}${JSON.stringify(record)}\n`, { mode: 0o600, flush: true })
}

function lines(file: string): readonly Readonly<Record<string, unknown>>[] {
  return (readIfPresent(file) ?? '').split('\n').flatMap((line) => {
    try {
      const value: unknown = JSON.parse(line)
      return typeof value === 'object' && value !== null ? [{ ...value }] : []
    } catch {
      return [] // the end of the file, or what a crash left
    }
  })
}
