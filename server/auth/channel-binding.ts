/** What ties a login to the TLS connection it comes over. RFC 5056, RFC 5929 §4, RFC 9266. */

import { hash as digest, type X509Certificate } from 'node:crypto'
import type { TLSSocket } from 'node:tls'
import { signatureHash } from '../../certs/signature.ts'

export interface ChannelBinding {
  readonly type: 'tls-exporter' | 'tls-server-end-point' | 'tls-unique'
  readonly data: Buffer
}

const EXPORTER_LABEL = 'EXPORTER-Channel-Binding'
const EXPORTER_BYTES = 32

/**
 * The bindings that this connection really has, strongest first; none without TLS. It is the TLS that ends in this
 * process, so what a proxy in front of it ended binds to nothing here, and a client behind one finds out.
 */
export function channelBindings(tls: TLSSocket | undefined): readonly ChannelBinding[] {
  if (!tls) return []
  const bindings: ChannelBinding[] = []
  // RFC 9266 §4.2: before TLS 1.3 it needs the extended master secret, of which Node tells nothing.
  if (tls.getProtocol() === 'TLSv1.3') {
    const data = tls.exportKeyingMaterial(EXPORTER_BYTES, EXPORTER_LABEL, Buffer.alloc(0))
    bindings.push({ type: 'tls-exporter', data })
  }
  const certificate = tls.getX509Certificate()
  const endPoint = certificate && endPointOf(certificate)
  if (endPoint) bindings.push({ type: 'tls-server-end-point', data: endPoint })
  const unique = finishedMessage(tls)
  if (unique) bindings.push({ type: 'tls-unique', data: unique })
  return bindings
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
  if (tls.getProtocol() !== 'TLSv1.3') return undefined
  return tls.isSessionReused() ? tls.getFinished() : tls.getPeerFinished()
}

/** The server has few certificates at a time; each is looked at once. */
const MAX_CERTIFICATES = 64
const endPoints = new Map<string, Buffer | undefined>()

function endPointOf(certificate: X509Certificate): Buffer | undefined {
  const key = certificate.fingerprint256
  if (endPoints.has(key)) return endPoints.get(key)
  const binding = endPointBinding(certificate.raw)
  if (endPoints.size >= MAX_CERTIFICATES) endPoints.clear()
  endPoints.set(key, binding)
  return binding
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
