/** What a client needs to know to connect, and the bounds it keeps. */

export interface ClientOptions {
  /** Bare or full; without a resource `sacm` is asked for. */
  readonly jid: string
  readonly password: string
  /** Default: SRV records of the domain, else the domain itself. */
  readonly host?: string | undefined
  /** Default 5222, or 5223 with direct TLS. */
  readonly port?: number | undefined
  /** STARTTLS on the plain port, or TLS from the first byte (XEP-0368). Default starttls. */
  readonly security?: 'starttls' | 'tls' | undefined
  /** PEM certificates that may vouch for the server; undefined: those that Node trusts. */
  readonly ca?: string | undefined
  /** Shows the password to the server when it offers nothing better. Default false. */
  readonly allowPlain?: boolean | undefined
  /** Told in XEP-0092 and as the caps node. */
  readonly software?: { readonly name: string; readonly version: string; readonly url?: string } | undefined
  readonly limits?: Partial<ClientLimits> | undefined
}

export interface ClientLimits {
  /** From the first packet to the bound resource. */
  readonly connectTimeoutMs: number
  /** Largest stanza that we take from the server. */
  readonly maxStanzaBytes: number
  /** Unsent bytes above which the connection is given up: the server does not read. */
  readonly maxUnsentBytes: number
  /** Silence after which the server is asked for a sign of life. */
  readonly keepaliveMs: number
  readonly keepaliveTimeoutMs: number
  /** First and longest bound of the wait before reconnecting. */
  readonly reconnectBaseMs: number
  readonly reconnectMaxMs: number
  /** Attempts in a row, each lasting up to `connectTimeoutMs`; Infinity for a service. */
  readonly reconnectAttempts: number
}

export const DEFAULT_LIMITS: ClientLimits = {
  connectTimeoutMs: 20_000,
  maxStanzaBytes: 4_194_304,
  maxUnsentBytes: 33_554_432,
  keepaliveMs: 60_000,
  keepaliveTimeoutMs: 15_000,
  reconnectBaseMs: 500,
  reconnectMaxMs: 30_000,
  reconnectAttempts: Number.POSITIVE_INFINITY,
}
