/**
 * TLS for client connections: the options, and one server that never listens but takes over accepted sockets, so that
 * STARTTLS and direct TLS share one SecureContext, its session tickets and the verification of client certificates
 * (DESIGN decision 7; a hand-made TLSSocket would leave `authorized` false). RFC 6120 §5, RFC 7590, XEP-0368.
 */

import { constants, X509Certificate } from 'node:crypto'
import type { Socket } from 'node:net'
import * as tls from 'node:tls'
import type { Logger } from '../log.ts'
import { RenewedMap } from '../renewed-map.ts'
import { afterFirstBytes } from './first-bytes.ts'
import { SniContexts, type TlsPair } from './sni.ts'

/** PEM texts. */
export interface TlsMaterial {
  readonly key: string
  /** The server's certificate, then its chain. */
  readonly cert: string
  /** Who issues client certificates; none is trusted when absent. */
  readonly clientCa?: string
  /** For further names; the client's SNI chooses. */
  readonly others?: readonly TlsPair[]
}

/** AES-GCM first: preferred over ChaCha20 it was worth 20 to 35 %. Forward secrecy only. RFC 7590 §3.3, RFC 9325 §4.2. */
const CIPHERS = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':')

/** What any TLS server of ours is made with, HTTPS too: versions, ciphers, certificate. */
export function tlsContextOptions(material: TlsPair): tls.TlsOptions {
  return {
    key: material.key,
    cert: material.cert,
    minVersion: 'TLSv1.2', // RFC 7590 §3.1
    ciphers: CIPHERS,
    honorCipherOrder: true,
    // RFC 6120 §5.3.5: renegotiation is optional; a new stream serves the same ends.
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
    // Whom this server trusts is said beside; without a word Node would read all public authorities for it.
    ca: [],
  }
}

const ALPN = 'xmpp-client'

type Secured = (socket: tls.TLSSocket) => void

interface Waiting {
  readonly socket: Socket
  readonly secured: Secured
  /** Listens for the socket's end, until the handshake's. */
  readonly forget: () => void
}

export class TlsAcceptor {
  #material: TlsMaterial
  readonly #handshakeTimeoutMs: number
  readonly #log: Logger
  #server: tls.Server | undefined
  /** Sockets in their handshake, by the connection's two addresses: the server hands back a new object. */
  readonly #waiting = new RenewedMap<string, Waiting>()

  constructor(material: TlsMaterial, handshakeTimeoutMs: number, log: Logger) {
    this.#material = material
    this.#handshakeTimeoutMs = handshakeTimeoutMs
    this.#log = log
  }

  /**
   * Makes ready for handshakes, which else happens with the first: Node's TLS and the contexts take a tenth of a start,
   * and listening needs neither.
   * @throws Error of OpenSSL, which does not want the certificate or the key
   */
  prepare(): void {
    this.#server ??= this.#serverWith(this.#material)
  }

  /** Starts the handshake on a paused socket; `secured` is called when it has succeeded, the socket closes otherwise. */
  take(socket: Socket, secured: Secured): void {
    const key = connectionKey(socket)
    const forget = (): void => {
      if (this.#waiting.get(key) === waiting) this.#waiting.delete(key)
    }
    const waiting = { socket, secured, forget }
    this.#waiting.set(key, waiting)
    socket.on('close', forget)
    afterFirstBytes(socket, () => {
      try {
        this.prepare()
      } catch {
        // Who is to prepare when all listen gets the same, and tells it.
        socket.destroy()
      }
      this.#server?.emit('connection', socket)
    })
  }

  /** New connections get this certificate; those that stand keep theirs, and so do handshakes under way. */
  reload(material: TlsMaterial): void {
    if (this.#server) this.#server = this.#serverWith(material)
    this.#material = material
  }

  #serverWith(material: TlsMaterial): tls.Server {
    forgetPublicAuthorities()
    const server = tls.createServer({
      ...contextOptions(material, material),
      ...choiceOf(material),
      // XEP-0368 §3. Not ALPNProtocols: of those every connection keeps a copy, and with it a page of Node's buffer pool.
      ALPNCallback: ({ protocols }) => protocols.find((name) => name === ALPN),
      handshakeTimeout: this.#handshakeTimeoutMs,
      sessionIdContext: 'xmpp-client',
    })
    server.on('secureConnection', (socket) => {
      const key = connectionKey(socket)
      const waiting = this.#waiting.get(key)
      this.#waiting.delete(key)
      waiting?.socket.off('close', waiting.forget)
      if (waiting) waiting.secured(socket)
      else socket.destroy() // the peer left while the handshake ended
    })
    // RFC 6120 §5.4.3.2: a failed handshake ends the connection without a closing tag.
    server.on('tlsClientError', (error, socket) => {
      this.#log.info({ what: 'tls_failed', address: socket.remoteAddress, error: error.message })
      socket.destroy()
    })
    return server
  }
}

/**
 * This process is no client, and a server of ours trusts whom it is told to. But a context that is given an authority is
 * held against the store of all public ones, for which Node reads them first: a twentieth of a start. Node has this from
 * 22.19 on.
 */
function forgetPublicAuthorities(): void {
  tls.setDefaultCACertificates?.([])
}

/** With one certificate there is nothing to choose: a handshake that asks stops on its way, and is entered once more. */
function choiceOf(material: TlsMaterial): Pick<tls.TlsOptions, 'SNICallback'> {
  if (!material.others?.length) return {}
  const contexts = new SniContexts()
  contexts.reload(material.others, (pair) => contextOptions(pair, material))
  return { SNICallback: contexts.choose }
}

/** Asks for a certificate and lets go on without one; SASL EXTERNAL decides. An empty `ca` trusts no public authority. */
function contextOptions({ key, cert }: TlsPair, { clientCa }: TlsMaterial): tls.TlsOptions {
  return {
    ...tlsContextOptions({ key, cert: withIssuer(cert, clientCa) }),
    requestCert: true,
    rejectUnauthorized: false,
    ca: clientCa ?? [],
  }
}

/**
 * A certificate with its issuer, where that is the authority trusted for clients: else OpenSSL looks for it there, and
 * checks its signature, at every handshake before it sends both.
 */
function withIssuer(cert: string, authority: string | undefined): string {
  if (authority === undefined || cert.split(BEGIN_CERTIFICATE).length !== 2) return cert
  return new X509Certificate(cert).checkIssued(new X509Certificate(authority)) ? `${cert}\n${authority}` : cert
}

const BEGIN_CERTIFICATE = '-----BEGIN CERTIFICATE-----'

function connectionKey(socket: Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort} ${socket.localAddress} ${socket.localPort}`
}
