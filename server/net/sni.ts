/** Which certificate a TLS connection gets, by the name that the client asks for. RFC 6066 §3, RFC 7590 §3.4. */

import { X509Certificate } from 'node:crypto'
import { createSecureContext, type SecureContext, type TlsOptions } from 'node:tls'

/** PEM. */
export interface TlsPair {
  readonly cert: string
  readonly key: string
}

interface Choice {
  readonly certificate: X509Certificate
  readonly context: SecureContext
}

/** The contexts of one TLS server; a context is shared by its connections. */
export class SniContexts {
  #choices: readonly Choice[] = []

  /** @param optionsFor  what a context of this server is made with */
  reload(pairs: readonly TlsPair[], optionsFor: (pair: TlsPair) => TlsOptions): void {
    this.#choices = pairs.map((pair) => ({
      certificate: new X509Certificate(pair.cert),
      context: createSecureContext(optionsFor(pair)),
    }))
  }

  /** For `SNICallback`; the server's own certificate serves what none of these names. */
  readonly choose = (name: string, done: (error: Error | null, context?: SecureContext) => void): void => {
    const found = this.#choices.find(({ certificate }) => certificate.checkHost(name) !== undefined)
    done(null, found?.context)
  }
}
