/** The HTTPS side: a server of its own, without asking browsers for client certificates. DESIGN decision 7. */

import { EventEmitter } from 'node:events'
import type { RequestListener } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { Socket } from 'node:net'
import { type FastifyInstance, fastify } from 'fastify'
import type { Logger } from '../log.ts'
import { afterFirstBytes } from '../net/first-bytes.ts'
import { SniContexts } from '../net/sni.ts'
import { type TlsMaterial, tlsContextOptions } from '../net/tls.ts'
import type { UpgradeSource } from '../net/websocket.ts'
import { type HttpRoutes, RouteTable } from './routes.ts'

/** The WebSocket's address on the HTTPS port. RFC 7395 leaves the path to the deployment; this one is customary. */
export const WEBSOCKET_PATH = '/xmpp-websocket'

const ALPN = 'http/1.1'
/** For a client's first word, and for the handshake that it begins. */
const HANDSHAKE_TIMEOUT_MS = 30_000
const HEADERS_TIMEOUT_MS = 10_000
/** For a request with its whole body: a large file over a slow line. */
const REQUEST_TIMEOUT_MS = 300_000
const HTTPS_DEFAULT_PORT = 443
const MAX_PARAMETER = 1024
const noSchema = (): never => {
  throw new Error('no route has a schema')
}
/** Fastify's own compilers would be loaded all the same. */
const NO_SCHEMAS = { buildValidator: noSchema, buildSerializer: noSchema }

export interface HttpsOptions {
  readonly tls: TlsMaterial
  readonly domain: string
  /** Under which clients reach this server, when it is not `https://<domain>:<port>`. */
  readonly publicUrl: string
  /** RFC 6797; 0, the default, sends none. */
  readonly hstsSeconds?: number
  /** Connections at a time, WebSockets too; more are dropped. Left out: as many as come. */
  readonly maxConnections?: number
  readonly log: Logger
}

export interface HttpsServer {
  readonly upgrades: UpgradeSource
  /** For modules, until `listen`. */
  readonly routes: HttpRoutes
  /** Makes the server, no sooner: Node's HTTP takes a share of a start. @returns the port it listens on */
  listen(host: string, port: number): Promise<number>
  reload(tls: TlsMaterial): void
  close(): Promise<void>
}

export function createHttps({
  tls: material,
  domain,
  publicUrl,
  hstsSeconds = 0,
  maxConnections,
  log,
}: HttpsOptions): HttpsServer {
  const contexts = new SniContexts()
  const upgrades = new EventEmitter()
  const table = new RouteTable()
  let app: FastifyInstance | undefined
  let serving: Promise<RequestListener> | undefined
  let tls = material
  let opened: { readonly server: Server; readonly silent: ReadonlySet<Socket> } | undefined
  const open = (): Server => {
    contexts.reload(tls.others ?? [], tlsContextOptions)
    const server: Server = createServer(
      {
        ...tlsContextOptions(tls),
        SNICallback: contexts.choose,
        // Not ALPNProtocols, of which every connection keeps a copy.
        ALPNCallback: ({ protocols }) => protocols.find((name) => name === ALPN),
        handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
        headersTimeout: HEADERS_TIMEOUT_MS,
        requestTimeout: REQUEST_TIMEOUT_MS,
      },
      (request, response) => {
        if (hstsSeconds > 0) response.setHeader('strict-transport-security', `max-age=${hstsSeconds}`)
        // Many servers are asked for WebSockets alone, and Fastify takes its time and memory.
        serving ??= serve(server).catch((error: unknown) => {
          log.error({ what: 'http_not_served', error: String(error) })
          return (_request, failed) => void failed.writeHead(500, { connection: 'close' }).end()
        })
        void serving.then((listener) => listener(request, response))
      },
    )
    if (maxConnections !== undefined) server.maxConnections = maxConnections
    // A broken handshake or request is the peer's own affair; the socket is closed, nothing else happens.
    server.on('tlsClientError', (_error, socket) => socket.destroy())
    server.on('clientError', (_error, socket) => socket.destroy())
    server.on('upgrade', (request, socket, head) => {
      // With nobody to answer, the server is about to close.
      if (!upgrades.emit('upgrade', request, socket, head)) socket.destroy()
    })
    opened = { server, silent: takeAfterFirstBytes(server) }
    return server
  }
  const serve = async (server: Server): Promise<RequestListener> => {
    let listener: RequestListener | undefined
    app = fastify({
      logger: false,
      routerOptions: { maxParamLength: MAX_PARAMETER },
      schemaController: { compilersFactory: NO_SCHEMAS },
      // A path that cannot be decoded; what was asked for is not echoed.
      frameworkErrors: (_error, _request, reply) => {
        reply.hijack()
        reply.raw.writeHead(400, { connection: 'close' }).end()
      },
      serverFactory: (handler) => {
        listener = handler
        return server
      },
    })
    table.serveBy(app, log)
    await app.ready()
    if (!listener) throw new Error('Fastify has asked for no server')
    return listener
  }

  let port = HTTPS_DEFAULT_PORT
  const routes: HttpRoutes = {
    route: (method, path, options, handler) => table.add({ method, path, options, handler }),
    url: (path) => new URL(path, publicUrl === '' ? `https://${domain}:${port}` : publicUrl),
  }
  routes.route('GET', WEBSOCKET_PATH, { auth: 'anyone', maxBytes: 0, cors: false }, () => ({
    status: 426,
    headers: { upgrade: 'websocket', 'content-type': 'text/plain; charset=utf-8' },
    body: 'This is an XMPP WebSocket (RFC 7395): connect with subprotocol xmpp.\n',
  }))
  return {
    upgrades,
    routes,
    listen: async (host, wanted) => {
      port = await listen(open(), host, wanted)
      return port
    },
    reload: (next) => {
      tls = next
      if (!opened) return
      contexts.reload(next.others ?? [], tlsContextOptions)
      opened.server.setSecureContext(tlsContextOptions(next))
    },
    close: async () => {
      if (!opened) return
      const { server, silent } = opened
      const closed = Promise.withResolvers<void>()
      server.close(() => closed.resolve())
      for (const socket of silent) socket.destroy()
      server.closeAllConnections()
      await closed.promise
      await app?.close()
    },
  }
}

/**
 * The server's own listeners get a connection when its client has spoken.
 * @returns the connections that wait for that
 */
function takeAfterFirstBytes(server: Server): ReadonlySet<Socket> {
  const silent = new Set<Socket>()
  const takers = server.listeners('connection')
  server.removeAllListeners('connection')
  server.on('connection', (socket: Socket) => {
    const end = (): void => void socket.destroy()
    const forget = (): void => void silent.delete(socket)
    silent.add(socket)
    socket.on('error', end).on('close', forget).setTimeout(HANDSHAKE_TIMEOUT_MS, end)
    afterFirstBytes(socket, () => {
      forget()
      socket.off('close', forget).setTimeout(0, end)
      for (const take of takers) take.call(server, socket)
    })
  })
  return silent
}

function listen(server: Server, host: string, wanted: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(wanted, host, () => {
      server.off('error', reject)
      const address = server.address()
      resolve(typeof address === 'object' && address ? address.port : wanted)
    })
  })
}
