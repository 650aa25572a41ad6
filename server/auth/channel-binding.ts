/** What ties a login to the TLS connection it comes over. RFC 5056, RFC 5929 §4, RFC 9266. */

import { hash as digest, X509Certificate } from 'node:crypto'
import type { TLSSocket } from 'node:tls'
import { signatureHash } from '../../certs/signature.ts'

export interface ChannelBinding {
  readonly type: 'tls-exporter' | 'tls-server-end-point' | 'tls-unique'
  /** Computed when a client binds: few do, and it costs more than the rest of an offer. */
  readonly data: Buffer | undefined
}

const EXPORTER_LABEL = 'EXPORTER-Channel-Binding'
const EXPORTER_BYTES = 32
const NONE: readonly ChannelBinding[] = []

/**
 * What connections can be bound to. It is the TLS that ends in this process, so what a proxy in front of it ended binds
 * to nothing here, and a client behind one finds out.
 */
export class ChannelBindings {
  #haveEndPoints = false

  /** @param certificates  PEM: every certificate that a connection may have been given */
  constructor(certificates: readonly string[]) {
    this.reload(certificates)
  }

  reload(certificates: readonly string[]): void {
    this.#haveEndPoints = certificates.every((pem) => endPointBinding(new X509Certificate(pem).raw) !== undefined)
  }

  /** The bindings that this connection really has, strongest first; none without TLS. */
  of(tls: TLSSocket | undefined): readonly ChannelBinding[] {
    if (!tls) return NONE
    const isLatest = tls.getProtocol() === 'TLSv1.3'
    // A connection's own certificate is dear to look at: only where they differ.
    const hasEndPoint = this.#haveEndPoints || endPointOf(tls) !== undefined
    return [
      // RFC 9266 §4.2: before TLS 1.3 it needs the extended master secret, of which Node tells nothing.
      ...(isLatest ? [new Computed('tls-exporter', tls, exported)] : []),
      ...(hasEndPoint ? [new Computed('tls-server-end-point', tls, endPointOf)] : []),
      ...(isLatest ? [new Computed('tls-unique', tls, finishedMessage)] : []),
    ]
  }
}

/** A class, as each object with a getter of its own would be of a kind of its own to V8. */
class Computed implements ChannelBinding {
  readonly type: ChannelBinding['type']
  readonly #tls: TLSSocket
  readonly #compute: (tls: TLSSocket) => Buffer | undefined

  constructor(type: ChannelBinding['type'], tls: TLSSocket, compute: (tls: TLSSocket) => Buffer | undefined) {
    this.type = type
    this.#tls = tls
    this.#compute = compute
  }

  get data(): Buffer | undefined {
    return this.#compute(this.#tls)
  }
}

function exported(tls: TLSSocket): Buffer {
  return tls.exportKeyingMaterial(EXPORTER_BYTES, EXPORTER_LABEL, Buffer.alloc(0))
}

/** The types to tell of; tls-unique is taken and not advertised. */
export function advertisedTypes(bindings: readonly ChannelBinding[]): readonly string[] {
  return bindings.filter(({ type }) => type !== 'tls-unique').map(({ type }) => type)
}

/**
 * COMPAT(slixmpp 1.8 and whatever else binds with Python's ssl): it knows tls-unique alone and uses it over TLS 1.3 too,
 * for which the type is not defined. There the message is the client's Finished, or on a resumed session the server's,
 * and stands for all of the handshake. Before TLS 1.3 that needs the extended master secret. RFC 5929 §3, RFC 7627.
 */
function finishedMessage(tls: TLSSocket): Buffer | undefined {
  return tls.isSessionReused() ? tls.getFinished() : tls.getPeerFinished()
}

function endPointOf(tls: TLSSocket): Buffer | undefined {
  const certificate = tls.getX509Certificate()
  return certificate && endPointBinding(certificate.raw)
}

/**
 * The hash of the server's certificate, by the hash function of its own signature, or SHA-256 where that is weaker.
 * Undefined for a signature with no single hash function (Ed25519): the type is not defined for it. RFC 5929 §4.1.
 */
export function endPointBinding(certificate: Buffer): Buffer | undefined {
  const hash = signatureHash(certificate)
  if (hash === undefined) return undefined
  return digest(hash === 'md5' || hash === 'sha1' ? 'sha256' : hash, certificate, 'buffer')
}
