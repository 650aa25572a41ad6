/**
 * Routes that modules add to the HTTPS port: bounded, streamed bodies; CORS per route; answers that never echo what was
 * asked for. RFC 9110, and the Fetch standard for CORS.
 */

import { type IncomingHttpHeaders, validateHeaderValue } from 'node:http'
import { type Readable, Transform } from 'node:stream'
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Logger } from '../log.ts'

export type HttpMethod = 'GET' | 'PUT' | 'POST' | 'DELETE'

export interface HttpRouteOptions {
  /** `anyone`: nobody is asked who they are; what the path or the body carries has to do. */
  readonly auth: 'anyone'
  /** Largest body; a larger one is answered with 413. 0 takes none. */
  readonly maxBytes: number
  /** May pages of any origin use it? Without credentials, and with an answer to the preflight. */
  readonly cors: boolean
}

export interface HttpRequest {
  /** By the names in the route's path; `*` is what matched the wildcard at its end. Decoded. */
  readonly params: Readonly<Record<string, string>>
  readonly query: URLSearchParams
  readonly headers: IncomingHttpHeaders
  readonly remoteAddress: string
  /** Fails beyond the route's `maxBytes`; a handler that lets that through has answered 413. */
  readonly body: Readable
}

export interface HttpResponse {
  readonly status: number
  /** Names in lower case. */
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array | Readable
}

/** What it throws is a defect: 500, and the log has it. */
export type HttpHandler = (request: HttpRequest) => HttpResponse | Promise<HttpResponse>

/** HTTP as modules see it. */
export interface HttpRoutes {
  /**
   * @param path  `/upload/:slot/:name`, or ending in `/*`; GET answers HEAD too
   */
  route(method: HttpMethod, path: string, options: HttpRouteOptions, handler: HttpHandler): void
  /** The address under which clients reach a path; for use while requests are served, not in `setup`. */
  url(path: string): URL
}

/** Answers a request with this status and one line of text. */
class HttpError extends Error {
  override readonly name = 'HttpError'
  readonly status: number

  constructor(status: number, text: string) {
    super(text)
    this.status = status
  }
}

const PLAIN_TEXT = 'text/plain; charset=utf-8'
/** How long a browser may remember the answer to a preflight. */
const PREFLIGHT_SECONDS = 86_400
const MAX_BODY = 'the body is too large for this address'

interface Route {
  readonly method: HttpMethod
  readonly path: string
  readonly options: HttpRouteOptions
  readonly handler: HttpHandler
}

/** Routes as modules name them, and how Fastify serves them. */
export class RouteTable {
  readonly #routes: Route[] = []

  add(route: Route): void {
    this.#routes.push(route)
  }

  /** Teaches Fastify all of them. */
  serveBy(app: FastifyInstance, log: Logger): void {
    // Bodies are streams for the handler to read; nothing is parsed here.
    app.removeAllContentTypeParsers()
    app.addContentTypeParser('*', (_request, payload, done) => done(null, payload))
    app.addHook('onSend', async (_request, reply) => {
      reply.header('x-content-type-options', 'nosniff')
    })
    app.setErrorHandler((error: FastifyError | HttpError, _request, reply) => answerError(error, reply, log))
    app.setNotFoundHandler((request, reply) => {
      request.raw.resume()
      return reply.code(404).type(PLAIN_TEXT).send('Nothing here.\n')
    })
    for (const route of this.#routes) serve(app, route)
    const open = this.#routes.filter(({ options }) => options.cors)
    for (const [path, routes] of Map.groupBy(open, (route) => route.path)) {
      allowCors(
        app,
        path,
        routes.map(({ method }) => method),
      )
    }
  }
}

function serve(app: FastifyInstance, { method, path, options, handler }: Route): void {
  app.route({
    method,
    url: path,
    handler: async (request, reply) => {
      if (options.cors) reply.header('access-control-allow-origin', '*')
      const response = await handler(requestOf(request, options.maxBytes))
      for (const [name, value] of Object.entries(response.headers ?? {})) {
        // Found out later, it would be answered with its text.
        validateHeaderValue(name, value)
        reply.header(name, value)
      }
      // Fastify takes undefined for a handler that has not answered yet.
      return reply.code(response.status).send(response.body ?? '')
    },
  })
}

/** Answers the preflights of a path. */
function allowCors(app: FastifyInstance, path: string, methods: readonly HttpMethod[]): void {
  app.route({
    method: 'OPTIONS',
    url: path,
    handler: async (_request, reply) =>
      reply
        .code(204)
        .headers({
          'access-control-allow-origin': '*',
          'access-control-allow-methods': methods.join(', '),
          'access-control-allow-headers': 'content-type',
          'access-control-max-age': String(PREFLIGHT_SECONDS),
        })
        .send(''),
  })
}

function requestOf(request: FastifyRequest, maxBytes: number): HttpRequest {
  const url = request.raw.url ?? '/'
  const query = url.indexOf('?')
  const announced = Number(request.headers['content-length'] ?? 0)
  if (announced > maxBytes) throw new HttpError(413, MAX_BODY)
  return {
    // Fastify gives the matched texts by name, for the pattern that was registered as a string.
    params: request.params as Record<string, string>,
    query: new URLSearchParams(query < 0 ? '' : url.slice(query + 1)),
    headers: request.headers,
    remoteAddress: request.socket.remoteAddress ?? '',
    body: bounded(request.raw, maxBytes),
  }
}

/** A body of which no length was announced is counted as it comes. */
function bounded(body: Readable, maxBytes: number): Readable {
  let bytes = 0
  const counter = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length
      if (bytes > maxBytes) done(new HttpError(413, MAX_BODY))
      else done(null, chunk)
    },
  })
  // Whoever reads it hears of it; while nobody does, it must not end the process.
  counter.on('error', () => {})
  body.once('error', (error) => counter.destroy(error))
  body.once('aborted', () => counter.destroy(new HttpError(400, 'the body was cut off')))
  return body.pipe(counter)
}

function answerError(error: FastifyError | HttpError, reply: FastifyReply, log: Logger): FastifyReply {
  // What is left of the body is not waited for: the answer ends the connection.
  reply.header('connection', 'close').type(PLAIN_TEXT)
  if (error instanceof HttpError) {
    return reply.code(error.status).send(`${error.message}\n`)
  }
  const status = error.statusCode ?? 500
  if (status >= 400 && status < 500) return reply.code(status).send('That is not a request this server takes.\n')
  const logId = Math.random().toString(36).slice(2, 10)
  log.error({ what: 'http_failed', logId, error: error.stack ?? error.message })
  return reply.code(500).send(`The server's log has it under ${logId}.\n`)
}
