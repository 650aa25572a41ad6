/** Routes on the HTTPS port, asked by Node's own client over TLS that trusts our CA alone. */

import { once } from 'node:events'
import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http'
import { request } from 'node:https'
import { connect as connectTcp } from 'node:net'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { connect as tlsConnect } from 'node:tls'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createHttps, type HttpsServer } from '../../../server/http/https.ts'
import { createLogger } from '../../../server/log.ts'
import { newMaterial } from '../stream/harness.ts'

const material = newMaterial()
const OPEN = { auth: 'anyone', maxBytes: 1000, cors: true } as const
/** A handler that looks at its body only when it is gone. */
const asked = Promise.withResolvers<void>()
const cutOff = Promise.withResolvers<string>()
let https: HttpsServer
let port: number

beforeAll(async () => {
  https = createHttps({ tls: material, domain: 'test', publicUrl: '', log: createLogger('silent') })
  const { routes } = https
  routes.route('PUT', '/store/:slot/:name', OPEN, async ({ params, body }) => {
    const stored = await text(body)
    return { status: 201, headers: { 'x-slot': params['slot'] ?? '' }, body: `${params['name']}=${stored.length}` }
  })
  routes.route('GET', '/store/:slot/:name', { ...OPEN, maxBytes: 0 }, ({ params, query }) => ({
    status: 200,
    headers: { 'content-type': 'text/plain' },
    body: Readable.from([`${params['name']} `, query.get('part') ?? 'whole']),
  }))
  routes.route('GET', '/files/*', { ...OPEN, cors: false }, ({ params }) => ({ status: 200, body: params['*'] ?? '' }))
  routes.route('GET', '/empty', OPEN, () => ({ status: 204 }))
  routes.route('PUT', '/slow', OPEN, async ({ body }) => {
    asked.resolve()
    await new Promise((resolve) => body.once('close', resolve))
    await text(body).catch((error: Error) => cutOff.resolve(error.message))
    return { status: 204 }
  })
  routes.route('GET', '/broken', OPEN, () => {
    throw new Error('the secret of the cellar')
  })
  routes.route('GET', '/broken/:when', OPEN, ({ params }) => ({
    status: 200,
    headers: { 'content-length': '9' },
    body: Readable.from(breaking(params['when'] === 'late')),
  }))
  routes.route('GET', '/header', OPEN, () => ({ status: 200, headers: { 'x-name': 'two\nlines' } }))
  port = await https.listen('127.0.0.1', 0)
})
afterAll(() => https.close())

async function* breaking(isLate: boolean) {
  if (isLate) yield 'half'
  throw new Error('the secret of the cellar')
}

interface Answer {
  readonly status: number | undefined
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

function ask(method: string, path: string, body?: string | Readable, headers: OutgoingHttpHeaders = {}) {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>()
  const options = { host: '127.0.0.1', port, servername: 'test', ca: material.ca, method, path, headers, agent: false }
  const out = request(options, (response) => {
    text(response).then((all) => resolve({ status: response.statusCode, headers: response.headers, body: all }), reject)
  })
  out.on('error', reject)
  if (body instanceof Readable) body.pipe(out)
  else out.end(body)
  return promise
}

describe('a route', () => {
  test('takes a body as a stream, of any type or none', async () => {
    const answer = await ask('PUT', '/store/s%201/a.txt', 'hello')
    expect(answer).toMatchObject({ status: 201, body: 'a.txt=5', headers: { 'x-slot': 's 1' } })
    const typed = await ask('PUT', '/store/1/b.json', '{"broken', { 'content-type': 'application/json' })
    expect(typed).toMatchObject({ status: 201, body: 'b.json=8' })
    const chunked = await ask('PUT', '/store/1/c', Readable.from(['abc', 'def']))
    expect(chunked).toMatchObject({ status: 201, body: 'c=6' })
    expect(await ask('PUT', '/store/1/d')).toMatchObject({ status: 201, body: 'd=0' })
  })

  test('refuses a body that is announced too large, or grows too large', async () => {
    expect(await ask('PUT', '/store/1/x', 'x'.repeat(1000))).toMatchObject({ status: 201 })
    const announced = await ask('PUT', '/store/1/x', 'x'.repeat(1001))
    expect(announced).toMatchObject({ status: 413, headers: { connection: 'close' } })
    const grown = await ask('PUT', '/store/1/x', Readable.from(['x'.repeat(600), 'x'.repeat(600)]))
    expect(grown).toMatchObject({ status: 413, headers: { connection: 'close' } })
  })

  test('may be cut off while nobody reads its body', async () => {
    const options = { host: '127.0.0.1', port, servername: 'test', ca: material.ca, method: 'PUT', agent: false }
    const out = request({ ...options, path: '/slow', headers: { 'content-length': 100 } })
    out.on('error', () => {})
    out.write('half')
    await asked.promise
    out.destroy()
    expect(await cutOff.promise).toBe('the body was cut off')
  })

  test('answers with text, a stream, or nothing; GET answers HEAD', async () => {
    expect(await ask('GET', '/store/1/a?part=2')).toMatchObject({ status: 200, body: 'a 2' })
    expect(await ask('GET', '/files/deep/er%20file?x')).toMatchObject({ status: 200, body: 'deep/er file' })
    expect(await ask('GET', '/empty')).toMatchObject({ status: 204, body: '' })
    const head = await ask('HEAD', '/store/1/a')
    expect(head).toMatchObject({ status: 200, body: '', headers: { 'content-type': 'text/plain' } })
    const sized = await ask('HEAD', '/files/four')
    expect(sized).toMatchObject({ status: 200, body: '', headers: { 'content-length': '4' } })
  })

  test('is found by its decoded parts, none of them beyond all measure', async () => {
    expect(await ask('GET', '/%65mpty')).toMatchObject({ status: 204 })
    expect(await ask('GET', '/store/1/a%2Fb')).toMatchObject({ status: 200, body: 'a/b whole' })
    // RFC 9112 §3.2.2
    expect(await ask('GET', `https://test:${port}/files/x`)).toMatchObject({ status: 200, body: 'x' })
    expect(await ask('GET', `/store/1/${'a'.repeat(1025)}`)).toMatchObject({ status: 400 })
  })

  test('lets pages of other origins in where it says so', async () => {
    expect((await ask('GET', '/empty')).headers['access-control-allow-origin']).toBe('*')
    expect((await ask('GET', '/files/x')).headers['access-control-allow-origin']).toBeUndefined()
    const preflight = await ask('OPTIONS', '/store/1/a', undefined, {
      origin: 'https://page.example',
      'access-control-request-method': 'PUT',
    })
    expect(preflight.status).toBe(204)
    expect(preflight.headers['access-control-allow-methods']).toBe('PUT, GET')
    expect(preflight.headers['access-control-allow-headers']).toBe('content-type')
    expect(await ask('OPTIONS', '/files/x')).toMatchObject({ status: 404 })
  })

  test('that fails tells nothing of why', async () => {
    for (const path of ['/broken', '/broken/early', '/header']) {
      const answer = await ask('GET', path)
      expect(answer).toMatchObject({ status: 500, headers: { connection: 'close' } })
      expect(answer.body).toMatch(/^The server's log has it under \w+\.\n$/)
    }
    await expect(ask('GET', '/broken/late')).rejects.toThrow('aborted')
  })
})

describe('everything else', () => {
  test('is not there, and is not echoed', async () => {
    for (const path of ['/', '/<script>', '/store/1', '/nothing?x=%3Cb%3E']) {
      const answer = await ask('GET', path)
      expect(answer).toMatchObject({ status: 404, body: 'Nothing here.\n' })
      expect(answer.headers['x-content-type-options']).toBe('nosniff')
    }
    expect(await ask('POST', '/empty', 'x')).toMatchObject({ status: 404 })
    expect(await ask('GET', '/%ff')).toMatchObject({ status: 400, body: '' })
  })

  test('the WebSocket says what it is', async () => {
    expect(await ask('GET', '/xmpp-websocket')).toMatchObject({ status: 426, headers: { upgrade: 'websocket' } })
  })
})

test('addresses for clients: by domain and port, or as the operator says', async () => {
  expect(https.routes.url('/a/b').href).toBe(`https://test:${port}/a/b`)
  const log = createLogger('silent')
  const behind = createHttps({ tls: material, domain: 'test', publicUrl: 'https://web.example', log })
  expect(behind.routes.url('/a').href).toBe('https://web.example/a')
  await behind.close()
})

test('more connections than there may be are dropped', async () => {
  const log = createLogger('silent')
  const narrow = createHttps({ tls: material, domain: 'test', publicUrl: '', maxConnections: 1, log })
  const port = await narrow.listen('127.0.0.1', 0)
  const connect = () => tlsConnect({ host: '127.0.0.1', port, servername: 'test', ca: material.ca })
  const first = connect()
  await once(first, 'secureConnect')
  const second = connect()
  await expect(once(second, 'secureConnect')).rejects.toThrow(/ECONNRESET|disconnected before/)
  first.destroy()
  await narrow.close()
})

test('who connects and does not speak is let go of when it closes its side, and when the server closes', async () => {
  const log = createLogger('silent')
  const closing = createHttps({ tls: material, domain: 'test', publicUrl: '', log })
  const port = await closing.listen('127.0.0.1', 0)
  // Accepted before the one that comes after it.
  const patient = connectTcp({ host: '127.0.0.1', port })
  await once(patient, 'connect')
  const leaving = connectTcp({ host: '127.0.0.1', port }).resume()
  leaving.end()
  await once(leaving, 'close')
  const gone = once(patient.resume(), 'close')
  await closing.close()
  await gone
})
