/** Whom a client's certificate stands for, once its chain and its revocation have been checked. XEP-0178 §2. */

import { X509Certificate } from 'node:crypto'
import type { TLSSocket } from 'node:tls'
import { ensureCa } from '../../certs/ca.ts'
import { revokedSerials } from '../../certs/client.ts'
import { type OwnerNames, ownerNames } from '../../certs/names.ts'
import { Trust, type TrustOptions } from '../../certs/trust.ts'
import { type Jid, tryParseJid } from '../stanza/jid.ts'
import { type CertificateMap, mappedAccounts, readCertificateMap } from './certificate-map.ts'

/** Where in a certificate an account is looked for. */
const CERTIFICATE_MAPPINGS = ['file', 'xmppAddr', 'srvName', 'email', 'commonName'] as const
export type CertificateMapping = (typeof CERTIFICATE_MAPPINGS)[number]

export interface CertificateOptions {
  /** Folder of the authority, with its list of what is revoked. */
  readonly dir: string
  readonly domain: string
  /** The first that names an account of the domain decides. */
  readonly mappings: readonly CertificateMapping[]
  /** The operator's list for the mapping `file`. */
  readonly mapFile?: string | undefined
  /** Authorities of others; left out: none. */
  readonly trust?: TrustOptions
  readonly now?: () => number
}

/** What is read from files, at once and anew. */
interface Loaded {
  readonly own: X509Certificate
  readonly revoked: ReadonlyMap<string, number>
  readonly trust: Trust
  readonly map: CertificateMap
}

/** Node's name of id-kp-clientAuth. */
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2'
const NO_TRUST: TrustOptions = { authorityFiles: [], crlFiles: [], revocation: 'required' }

export class ClientCertificates {
  readonly #options: CertificateOptions
  #loaded: Loaded
  /** DER of the certificates that accounts with a session have logged in with, by bare JID. */
  readonly #used = new Map<string, Map<string, Buffer>>()

  /** @throws CertificateError, Error naming the file that cannot be used */
  constructor(options: CertificateOptions) {
    this.#options = options
    this.#loaded = load(options)
  }

  /** Reads everything again; what was there stays when that fails. @throws as the constructor does */
  reload(): void {
    this.#loaded = load(this.#options)
  }

  /** Those that TLS is to trust, in PEM: our own and those of others. */
  get authorities(): string {
    return `${this.#loaded.own.toString()}\n${this.#loaded.trust.pem}`
  }

  /** What a person should look at. */
  get warnings(): readonly string[] {
    return this.#loaded.trust.warnings
  }

  /**
   * Bare JIDs of this domain that the connection's certificate stands for, whether there are such accounts or not; none
   * without a certificate, or with one that is of another authority, out of its time, for another use, or revoked.
   */
  identities(tls: TLSSocket | undefined): readonly Jid[] {
    const certificate = presented(tls)
    return certificate && this.#isGood(certificate) ? this.identitiesOf(certificate) : []
  }

  /** The same for a certificate that is known to be good. */
  identitiesOf(certificate: X509Certificate): readonly Jid[] {
    const names = ownerNames(certificate.raw)
    for (const mapping of this.#options.mappings) {
      const found = this.#accounts(this.#candidates(certificate, names, mapping))
      if (found.length > 0) return found
    }
    return []
  }

  /** An account has logged in with this connection's certificate. */
  used(bareJid: string, tls: TLSSocket | undefined): void {
    const certificate = presented(tls)
    if (!certificate) return
    const known = this.#used.get(bareJid) ?? new Map<string, Buffer>()
    known.set(certificate.fingerprint256, certificate.raw)
    this.#used.set(bareJid, known)
  }

  /** Its last session has ended. */
  forget(bareJid: string): void {
    this.#used.delete(bareJid)
  }

  /** Accounts whose sessions rest on a certificate that has been revoked since. */
  revokedAccounts(): readonly string[] {
    const isRevoked = (der: Buffer): boolean => this.#verdict(new X509Certificate(der)) === 'revoked'
    return [...this.#used].flatMap(([bareJid, known]) => ([...known.values()].some(isRevoked) ? [bareJid] : []))
  }

  #isGood(certificate: X509Certificate): boolean {
    if (certificate.keyUsage && !certificate.keyUsage.includes(CLIENT_AUTH)) return false
    return this.#verdict(certificate) === 'good'
  }

  #verdict(certificate: X509Certificate) {
    const { own, revoked, trust } = this.#loaded
    const now = this.#options.now?.() ?? Date.now()
    if (!certificate.checkIssued(own) || !certificate.verify(own.publicKey)) return trust.judge(certificate, now)
    if (revoked.has(certificate.serialNumber)) return 'revoked'
    // A resumed TLS session brings its certificate, which may have ended since.
    const isInTime = now >= certificate.validFromDate.getTime() && now <= certificate.validToDate.getTime()
    return isInTime ? 'good' : 'out-of-time'
  }

  #candidates(certificate: X509Certificate, names: OwnerNames, mapping: CertificateMapping): readonly string[] {
    const { domain } = this.#options
    switch (mapping) {
      case 'file':
        return mappedAccounts(this.#loaded.map, certificate.fingerprint256, names).map((name) => inDomain(name, domain))
      case 'xmppAddr':
        return names.xmpp
      case 'srvName':
        return names.srv.flatMap((name) => hostBelow(name, domain))
      case 'email':
        return names.emails
      case 'commonName':
        return names.commonNames.map((name) => inDomain(name, domain))
    }
  }

  #accounts(texts: readonly string[]): readonly Jid[] {
    const found = new Map<string, Jid>()
    for (const text of texts) {
      const jid = tryParseJid(text)
      if (jid && jid.local !== '' && jid.resource === '' && jid.domain === this.#options.domain)
        found.set(jid.bare, jid)
    }
    return [...found.values()]
  }
}

/** Authorized: the chain leads to a root that we trust. */
function presented(tls: TLSSocket | undefined): X509Certificate | undefined {
  return tls?.authorized ? tls.getPeerX509Certificate() : undefined
}

function load({ dir, trust = NO_TRUST, mapFile }: CertificateOptions): Loaded {
  return {
    own: ensureCa(dir).certificate,
    revoked: revokedSerials(dir),
    trust: new Trust(trust),
    map: mapFile === undefined ? new Map() : readCertificateMap(mapFile),
  }
}

/** An address, or the local part of one. */
function inDomain(name: string, domain: string): string {
  return name.includes('@') ? name : `${name}@${domain}`
}

/** RFC 4985: `_xmpp-client.web1.lab.example` in the domain lab.example is web1. */
function hostBelow(srvName: string, domain: string): string[] {
  const [prefix, suffix] = ['_xmpp-client.', `.${domain}`]
  const name = srvName.toLowerCase()
  if (!name.startsWith(prefix) || !name.endsWith(suffix)) return []
  const host = name.slice(prefix.length, -suffix.length)
  return host === '' ? [] : [`${host}@${domain}`]
}
