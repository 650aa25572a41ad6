/** The HTTPS side: a server of its own, without asking browsers for client certificates. DESIGN decision 7. */

import { createServer, type Server } from 'node:https'
import { type TlsMaterial, tlsContextOptions } from '../net/tls.ts'

/** The WebSocket's address on the HTTPS port. RFC 7395 leaves the path to the deployment; this one is customary. */
export const WEBSOCKET_PATH = '/xmpp-websocket'

const HEADERS_TIMEOUT_MS = 10_000
const REQUEST_TIMEOUT_MS = 30_000

export interface HttpsServer {
  readonly server: Server
  /** @returns the port it listens on */
  listen(host: string, port: number): Promise<number>
  reload(tls: TlsMaterial): void
  close(): Promise<void>
}

export function createHttps(tls: TlsMaterial): HttpsServer {
  const server = createServer(
    {
      ...tlsContextOptions(tls),
      ALPNProtocols: ['http/1.1'],
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
    },
    (request, response) => {
      // Everything else of HTTP comes with the modules that serve it; what is asked for is not echoed.
      request.resume()
      const isWebSocket = request.url?.split('?', 1)[0] === WEBSOCKET_PATH
      response
        .writeHead(isWebSocket ? 426 : 404, {
          'content-type': 'text/plain; charset=utf-8',
          ...(isWebSocket ? { upgrade: 'websocket' } : {}),
        })
        .end(
          isWebSocket
            ? 'This is an XMPP WebSocket (RFC 7395): connect with subprotocol xmpp.\n'
            : `Nothing here. XMPP over WebSocket is at ${WEBSOCKET_PATH}.\n`,
        )
    },
  )
  // A broken handshake or request is the peer's own affair; the socket is closed, nothing else happens.
  server.on('tlsClientError', (_error, socket) => socket.destroy())
  server.on('clientError', (_error, socket) => socket.destroy())
  return {
    server,
    listen: (host, port) =>
      new Promise((resolve, reject) => {
        server.once('error', reject)
        server.listen(port, host, () => {
          server.off('error', reject)
          const address = server.address()
          resolve(typeof address === 'object' && address ? address.port : port)
        })
      }),
    reload: (next) => server.setSecureContext(tlsContextOptions(next)),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
