/** TCP and TLS towards the server. TLS is always verified: by the CA given, for the domain asked for. RFC 6120 §5, RFC 6125, XEP-0368. */

import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { type ConnectionOptions, checkServerIdentity, connect as connectTls, type TLSSocket } from 'node:tls'
import type { HostPort } from './address.ts'

export interface TlsIdentity {
  /** The name that the certificate must carry: the XMPP domain, never the host that DNS led to. RFC 6120 §13.7.2. */
  readonly domain: string
  /** PEM; undefined: the authorities that Node trusts. */
  readonly ca: string | undefined
}

/** Verification codes of OpenSSL and Node that mean the certificate, not the network. */
const CERTIFICATE_CODE = /CERT|SIGNATURE|ISSUER|CRL|ALTNAME|SELF_SIGNED|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH|HOSTNAME/

/** Did the connection fail because the server's certificate is not to be trusted? */
export function isCertificateError(error: Error): boolean {
  return 'code' in error && typeof error.code === 'string' && CERTIFICATE_CODE.test(error.code)
}

/** @throws the network's error, or the signal's reason */
export async function openTcp({ host, port }: HostPort, signal: AbortSignal): Promise<Socket> {
  const socket = connectTcp({ host, port, noDelay: true })
  await settled(socket, 'connect', signal)
  return socket
}

/**
 * Secures a connected socket.
 * @param alpn  for direct TLS, where the server may have to tell XMPP from others (XEP-0368 §3)
 * @throws an Error with a code as `isCertificateError` knows, the network's error, or the signal's reason
 */
export async function secure(
  socket: Socket,
  { domain, ca }: TlsIdentity,
  signal: AbortSignal,
  alpn?: readonly string[],
): Promise<TLSSocket> {
  const options: ConnectionOptions = {
    socket,
    // Said outright, since NODE_TLS_REJECT_UNAUTHORIZED=0 would otherwise switch it off.
    rejectUnauthorized: true,
    minVersion: 'TLSv1.2',
    checkServerIdentity: (_, certificate) => checkServerIdentity(domain, certificate),
    ...(ca === undefined ? {} : { ca }),
    // RFC 6066 §3: server names are no IP addresses.
    ...(isIP(domain) ? {} : { servername: domain }),
    ...(alpn ? { ALPNProtocols: [...alpn] } : {}),
  }
  const secured = connectTls(options)
  await settled(secured, 'secureConnect', signal)
  return secured
}

/** Waits for the socket's event; whatever comes instead destroys it. */
function settled(socket: Socket, event: 'connect' | 'secureConnect', signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = () => {
      signal.removeEventListener('abort', onAbort)
      socket.off(event, onReady).off('error', onError).off('close', onClose)
    }
    const fail = (error: Error) => {
      end()
      // A destroyed socket may still report; nobody is interested.
      socket.on('error', () => undefined)
      socket.destroy()
      reject(error)
    }
    const onReady = () => {
      end()
      resolve()
    }
    const onError = (error: Error) => fail(error)
    const onClose = () => fail(new Error('the connection was closed before it was ready'))
    const onAbort = () => fail(signal.reason instanceof Error ? signal.reason : new Error('aborted'))
    socket.once(event, onReady).once('error', onError).once('close', onClose)
    if (signal.aborted) onAbort()
    else signal.addEventListener('abort', onAbort, { once: true })
  })
}
