/** Whom a client's certificate stands for, once its chain and its revocation have been checked. XEP-0178 §2. */

import type { X509Certificate } from 'node:crypto'
import type { TLSSocket } from 'node:tls'
import { revokedSerials } from '../../certs/client.ts'
import { type OwnerNames, ownerNames } from '../../certs/names.ts'
import { type Jid, tryParseJid } from '../stanza/jid.ts'

/** Where in a certificate an account is looked for. */
export const CERTIFICATE_MAPPINGS = ['xmppAddr', 'email', 'commonName'] as const
export type CertificateMapping = (typeof CERTIFICATE_MAPPINGS)[number]

export interface CertificateOptions {
  /** Folder of the authority, with its list of what is revoked. */
  readonly dir: string
  readonly domain: string
  /** The first that names an account of the domain decides. */
  readonly mappings: readonly CertificateMapping[]
  readonly now?: () => number
}

/** Node's name of id-kp-clientAuth. */
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2'

export class ClientCertificates {
  readonly #options: CertificateOptions
  #revoked: ReadonlyMap<string, number> = new Map()

  constructor(options: CertificateOptions) {
    this.#options = options
    this.reload()
  }

  /** Reads the list of what is revoked again. */
  reload(): void {
    this.#revoked = revokedSerials(this.#options.dir)
  }

  /**
   * Bare JIDs of this domain that the connection's certificate stands for, whether there are such accounts or not; none
   * without a certificate, or with one that is of another authority, out of its time, for another use, or revoked.
   */
  identities(tls: TLSSocket | undefined): readonly Jid[] {
    // Authorized: the chain leads to our authority. A resumed session brings its certificate, which may have ended since.
    if (!tls?.authorized) return []
    const certificate = tls.getPeerX509Certificate()
    if (!certificate || this.#revoked.has(certificate.serialNumber)) return []
    const now = this.#options.now?.() ?? Date.now()
    if (now < certificate.validFromDate.getTime() || now > certificate.validToDate.getTime()) return []
    if (certificate.keyUsage && !certificate.keyUsage.includes(CLIENT_AUTH)) return []
    return this.identitiesOf(certificate)
  }

  /** The same for a certificate that is known to be good. */
  identitiesOf(certificate: X509Certificate): readonly Jid[] {
    const names = ownerNames(certificate.raw)
    for (const mapping of this.#options.mappings) {
      const found = this.#accounts(candidates(names, mapping, this.#options.domain))
      if (found.length > 0) return found
    }
    return []
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

function candidates(names: OwnerNames, mapping: CertificateMapping, domain: string): readonly string[] {
  switch (mapping) {
    case 'xmppAddr':
      return names.xmpp
    case 'email':
      return names.emails
    case 'commonName':
      // An address, or the local part of one.
      return names.commonNames.map((name) => (name.includes('@') ? name : `${name}@${domain}`))
  }
}
