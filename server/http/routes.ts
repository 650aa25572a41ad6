/**
 * Routes that modules add to the HTTPS port: bounded, streamed bodies; CORS per route; answers that never echo what was
 * asked for. RFC 9110, and the Fetch standard for CORS.
 */

import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import { Readable, Transform } from 'node:stream'
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
const BYTES = 'application/octet-stream'
/** How long a browser may remember the answer to a preflight. */
const PREFLIGHT_SECONDS = 86_400
const MAX_BODY = 'the body is too large for this address'
/** Characters, once decoded; with a longer one nothing is there. */
const MAX_PARAMETER = 1024
const NO_CONTENT = 204
const NOT_FOUND: HttpResponse = {
  status: 404,
  headers: { 'content-type': PLAIN_TEXT },
  body: 'Nothing here.\n',
}

interface Route {
  readonly method: HttpMethod | 'OPTIONS'
  /** What stands between slashes: a text, `:name`, or `*` at the end. */
  readonly pattern: readonly string[]
  readonly options: HttpRouteOptions
  readonly handler: HttpHandler
}

type Params = Readonly<Record<string, string>>

/** The routes of the HTTP server; the first that fits serves. */
export class RouteTable {
  readonly #routes: Route[] = []
  /** Methods that pages of other origins may use, by path: the first with CORS there answers the preflights of all. */
  readonly #cors = new Map<string, HttpMethod[]>()
  readonly #log: Logger

  constructor(log: Logger) {
    this.#log = log
  }

  add(method: HttpMethod, path: string, options: HttpRouteOptions, handler: HttpHandler): void {
    if (options.cors) this.#allowCors(method, path)
    this.#routes.push({ method, pattern: path.split('/'), options, handler })
  }

  /** Answers one request. */
  serve(request: IncomingMessage, response: ServerResponse): void {
    response.setHeader('x-content-type-options', 'nosniff')
    const path = pathOf(request.url ?? '/')
    if (!path) {
      // What cannot be decoded is not echoed.
      response.writeHead(400, { connection: 'close' }).end()
      return
    }
    const fail = (error: unknown): void => this.#fail(error, response)
    const found = this.#find(request.method === 'HEAD' ? 'GET' : request.method, path)
    if (!found) {
      request.resume()
      send(NOT_FOUND, request, response, fail)
      return
    }
    const { route, params } = found
    if (route.options.cors) response.setHeader('access-control-allow-origin', '*')
    answer(route, params, request)
      .then((answered) => send(answered, request, response, fail))
      .catch(fail)
  }

  #find(method: string | undefined, path: readonly string[]): { route: Route; params: Params } | undefined {
    for (const route of this.#routes) {
      if (route.method !== method) continue
      const params = match(route.pattern, path)
      if (params) return { route, params }
    }
    return undefined
  }

  #allowCors(method: HttpMethod, path: string): void {
    const known = this.#cors.get(path)
    if (known) {
      known.push(method)
      return
    }
    const methods = [method]
    this.#cors.set(path, methods)
    const options = { auth: 'anyone', maxBytes: Number.POSITIVE_INFINITY, cors: true } as const
    const handler = (): HttpResponse => ({
      status: NO_CONTENT,
      headers: {
        'access-control-allow-methods': methods.join(', '),
        'access-control-allow-headers': 'content-type',
        'access-control-max-age': String(PREFLIGHT_SECONDS),
      },
    })
    this.#routes.push({ method: 'OPTIONS', pattern: path.split('/'), options, handler })
  }

  #fail(error: unknown, response: ServerResponse): void {
    const isTold = error instanceof HttpError
    const logId = Math.random().toString(36).slice(2, 10)
    if (!isTold) {
      this.#log.error({ what: 'http_failed', logId, error: error instanceof Error ? error.stack : String(error) })
    }
    if (response.headersSent) {
      response.destroy()
      return
    }
    for (const name of response.getHeaderNames()) if (name.startsWith('content-')) response.removeHeader(name)
    // What is left of the body is not waited for: the answer ends the connection.
    response.writeHead(isTold ? error.status : 500, { connection: 'close', 'content-type': PLAIN_TEXT })
    response.end(isTold ? `${error.message}\n` : `The server's log has it under ${logId}.\n`)
  }
}

/** What stands between the slashes of a path, decoded; undefined when that is not UTF-8. RFC 3986 §2.1. */
function pathOf(url: string): string[] | undefined {
  // RFC 9112 §3.2.2: a server takes the absolute form too.
  const [path = ''] = url.replace(/^https?:\/\/[^/?]*/i, '').split('?', 1)
  try {
    return path.split('/').map(decodeURIComponent)
  } catch {
    return undefined
  }
}

function match(pattern: readonly string[], path: readonly string[]): Params | undefined {
  const hasRest = pattern.at(-1) === '*'
  if (hasRest ? path.length < pattern.length : path.length !== pattern.length) return undefined
  const params: Record<string, string> = {}
  for (const [at, part] of pattern.entries()) {
    // As many parts as the pattern has, or more.
    const found = path[at] as string
    if (hasRest && at === pattern.length - 1) params['*'] = path.slice(at).join('/')
    else if (part.startsWith(':')) {
      if (found === '' || found.length > MAX_PARAMETER) return undefined
      params[part.slice(1)] = found
    } else if (part !== found) return undefined
  }
  return params
}

async function answer({ options, handler }: Route, params: Params, request: IncomingMessage): Promise<HttpResponse> {
  const url = request.url ?? '/'
  const query = url.indexOf('?')
  const announced = Number(request.headers['content-length'] ?? 0)
  if (announced > options.maxBytes) throw new HttpError(413, MAX_BODY)
  return await handler({
    params,
    query: new URLSearchParams(query < 0 ? '' : url.slice(query + 1)),
    headers: request.headers,
    remoteAddress: request.socket.remoteAddress ?? '',
    body: bounded(request, options.maxBytes),
  })
}

function send(
  { status, headers = {}, body = '' }: HttpResponse,
  { method }: IncomingMessage,
  response: ServerResponse,
  fail: (error: unknown) => void,
): void {
  response.statusCode = status
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
  // RFC 9110 §8.6, §15.3.5: neither body nor length.
  if (status === NO_CONTENT) {
    response.end()
    return
  }
  if (!response.hasHeader('content-type')) {
    response.setHeader('content-type', typeof body === 'string' ? PLAIN_TEXT : BYTES)
  }
  if (!(body instanceof Readable)) {
    // RFC 9110 §9.3.2: to HEAD as to GET; Node leaves the body out.
    response.setHeader('content-length', Buffer.byteLength(body))
    response.end(body)
    return
  }
  // Before the first of it has gone out, a failure still has an answer.
  body.on('error', fail)
  response.once('close', () => body.destroy())
  if (response.destroyed) body.destroy()
  else if (method === 'HEAD') response.end()
  else body.pipe(response)
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
