/** The server's certificate: issued by the own authority and renewed when due, unless the operator imported one. */

import { createPrivateKey, generateKeyPairSync, X509Certificate } from 'node:crypto'
import { isIPv4, isIPv6 } from 'node:net'
import { join } from 'node:path'
import { type Ca, CLOCK_SKEW_MS, ensureCa } from './ca.ts'
import { asciiDomain, signCertificate } from './certificate.ts'
import { readIfPresent, replaceFile } from './files.ts'
import { checkPair, splitPem } from './pem.ts'

export interface ServerNames {
  /** The first is the XMPP domain; a single label or an IP address will do. */
  readonly domains: readonly string[]
  readonly ips?: readonly string[]
  readonly days?: number
}

/** Both in PEM, as TLS takes them; issuers follow the server's certificate. */
export interface IssuedCertificate {
  readonly cert: string
  readonly key: string
}

export interface ServerCertificate extends IssuedCertificate {
  /** `issued` by the own authority, or `imported` by the operator. */
  readonly source: 'issued' | 'imported'
  /** True when it was issued by this call. */
  readonly isNew: boolean
  /** UTC milliseconds. */
  readonly notAfter: number
  /** What an imported certificate lacks, in words for the operator. */
  readonly warnings: readonly string[]
}

export interface ServerCertificateOptions {
  /** Names of services below the domain. */
  readonly services?: readonly string[]
  /** Further names and addresses that clients connect to. */
  readonly names?: readonly string[]
  readonly ips?: readonly string[]
  readonly days?: number
}

const DEFAULT_DAYS = 365
const RENEW_BEFORE_MS = 30 * 24 * 60 * 60 * 1000
const DAY_MS = 24 * 60 * 60 * 1000
const SERVICES = ['pubsub', 'sacm', 'repository']

/** Key and certificate in one file, so that a crash never leaves a pair that does not match. */
export const issuedFile = (dir: string): string => join(dir, 'server.pem')
export const importedFile = (dir: string): string => join(dir, 'imported.pem')

/** Issues a P-256 certificate for a server with a new key. Names per RFC 6120 §13.7.1.2. */
export function issueServerCertificate(
  ca: Ca,
  { domains, ips = [], days = DEFAULT_DAYS }: ServerNames,
): IssuedCertificate {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const hosts = domains.filter((domain) => !isAddress(domain))
  const now = Date.now()
  const cert = signCertificate(
    {
      commonName: commonNameOf(domains[0] ?? 'localhost'),
      publicKey,
      notBefore: new Date(now - CLOCK_SKEW_MS),
      // Nothing outlives its issuer.
      notAfter: new Date(Math.min(now + days * DAY_MS, Date.parse(ca.certificate.validTo))),
      use: {
        kind: 'server',
        names: {
          dns: hosts,
          ips: [...new Set([...domains.filter(isAddress), ...ips])],
          xmpp: domains,
          srv: hosts.slice(0, 1).flatMap((host) => [`_xmpp-client.${host}`, `_xmpps-client.${host}`]),
        },
      },
    },
    ca,
  )
  return { cert, key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() }
}

/**
 * The certificate to serve a domain with: the imported one when there is one; else the issued one, which is issued
 * anew when it is missing, lacks a name, comes near its end, or is of another authority.
 * @param dir  folder of the authority and the certificates
 * @throws CertificateError
 */
export function ensureServerCertificate(
  dir: string,
  domain: string,
  options: ServerCertificateOptions = {},
): ServerCertificate {
  const imported = readIfPresent(importedFile(dir))
  if (imported !== undefined) {
    const { cert, key } = splitPem(imported)
    const { warnings, notAfter } = checkPair(cert, key, domain, 'use')
    return { cert, key, source: 'imported', isNew: false, notAfter, warnings }
  }
  const ca = ensureCa(dir)
  const wanted = namesFor(domain, options)
  const kept = keptCertificate(dir, ca, wanted)
  const pair = kept ?? issueServerCertificate(ca, wanted)
  if (!kept) replaceFile(issuedFile(dir), pair.cert + pair.key, 0o600)
  const notAfter = Date.parse(new X509Certificate(pair.cert).validTo)
  return { ...pair, source: 'issued', isNew: !kept, notAfter, warnings: [] }
}

function namesFor(domain: string, options: ServerCertificateOptions): ServerNames {
  const { services = SERVICES, names = [], ips = [], days } = options
  // Services have no names below an address.
  const below = isAddress(domain) ? [] : services.map((service) => `${service}.${domain}`)
  const loopback = domain === 'localhost' ? ['127.0.0.1', '::1'] : []
  return {
    domains: [...new Set([domain, ...below, ...names])],
    ips: [...new Set([...loopback, ...ips])],
    ...(days === undefined ? {} : { days }),
  }
}

/** The issued pair when it still serves these names. */
function keptCertificate(dir: string, ca: Ca, wanted: ServerNames): IssuedCertificate | undefined {
  const text = readIfPresent(issuedFile(dir))
  if (text === undefined) return undefined
  try {
    const { cert, key } = splitPem(text)
    const certificate = new X509Certificate(cert)
    const isGood =
      certificate.verify(ca.publicKey) &&
      certificate.checkPrivateKey(createPrivateKey(key)) &&
      Date.parse(certificate.validTo) - Date.now() > RENEW_BEFORE_MS &&
      covers(certificate, wanted)
    return isGood ? { cert, key } : undefined
  } catch {
    // Whatever is there is not a certificate of ours with its key, and issuing one anew mends that.
    return undefined
  }
}

function covers(certificate: X509Certificate, { domains, ips = [] }: ServerNames): boolean {
  const isFor = (ip: string): boolean => certificate.checkIP(ip) !== undefined
  const isOf = (name: string): boolean =>
    isAddress(name) ? isFor(name) : certificate.checkHost(asciiDomain(name), { wildcards: false }) !== undefined
  return domains.every(isOf) && ips.every(isFor)
}

/** As Node's isIP, which takes longer for its first name than all else that is asked of a certificate at a start. */
function isAddress(name: string): boolean {
  return isIPv4(name) || (name.includes(':') && isIPv6(name))
}

/** X.520 allows 64 characters; the name that counts is the alternative one. */
function commonNameOf(domain: string): string {
  return domain.length <= 64 ? domain : 'sacm server'
}
