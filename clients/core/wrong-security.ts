/** A port that speaks TLS otherwise than it was asked to: from the first byte, or after STARTTLS alone. RFC 6120 §5, XEP-0368. */

import type { ClientOptions } from './options.ts'

/** The first byte of a TLS alert: all that such a server says to what is no TLS. RFC 8446 §5.1 */
const TLS_ALERT = 0x15

/** What OpenSSL calls an answer that is no TLS record. */
const NO_TLS = /wrong version number|packet length too long|http request/

export class WrongSecurityError extends Error {
  override readonly name = 'WrongSecurityError'
  /** What the port seems to want. */
  readonly wanted: NonNullable<ClientOptions['security']>
  /** The server showed it, and did not merely leave. */
  readonly isCertain: boolean

  constructor(wanted: WrongSecurityError['wanted'], isCertain: boolean, cause: unknown) {
    super(words(wanted, isCertain), { cause })
    this.wanted = wanted
    this.isCertain = isCertain
  }
}

function words(wanted: WrongSecurityError['wanted'], isCertain: boolean): string {
  if (wanted === 'starttls') return 'the server does not speak TLS from the first byte'
  if (isCertain) return 'the server speaks TLS from the first byte'
  return 'the server left without a word, as one does that speaks TLS from the first byte'
}

/**
 * What the end of a stream means that was opened without TLS.
 * @param firstByte  of what came; undefined: it ended before anything did
 */
export function withoutTls(error: unknown, firstByte: number | undefined): unknown {
  if (firstByte === undefined || firstByte === TLS_ALERT)
    return new WrongSecurityError('tls', firstByte !== undefined, error)
  return error
}

/** What a failed handshake means where TLS was to begin with the first byte. */
export function withTls(error: unknown): unknown {
  const reason = error instanceof Error && 'reason' in error ? error.reason : undefined
  return typeof reason === 'string' && NO_TLS.test(reason) ? new WrongSecurityError('starttls', true, error) : error
}
