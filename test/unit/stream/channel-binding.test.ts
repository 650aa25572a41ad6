/** SCRAM-PLUS over real TLS with a client's own bindings, and what every kind of connection advertises. */

import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { TLSSocket } from 'node:tls'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { needTool } from '../../support/tools.ts'
import {
  auth,
  type Client,
  type ClientBinding,
  clientBinding,
  connectTcp,
  connectTls,
  connectWebSocket,
  header,
  OPEN,
  response,
  ScramClient,
  STARTTLS,
  startC2s,
  type TcpClient,
  type TestC2s,
  tlsMaterial,
} from './harness.ts'

let server: TestC2s
beforeAll(async () => {
  server = await startC2s()
})
afterAll(() => server.stop())

interface Advertised {
  readonly mechanisms: readonly string[]
  readonly bindings: readonly string[]
}

async function advertised(client: Client, open = header()): Promise<Advertised> {
  client.send(open)
  const [features] = await client.expect(/<stream:features.*<\/stream:features>/)
  const all = (pattern: RegExp) => [...features.matchAll(pattern)].map(([, name = '']) => name)
  return {
    mechanisms: all(/<mechanism>([^<]+)<(?=(?:(?!<authentication).)*<\/mechanisms>)/g),
    bindings: all(/<channel-binding type="([^"]+)"\/>/g),
  }
}

/** @returns `<success/>` or the condition of `<failure/>` */
async function login(client: Client, mechanism: string, scram: ScramClient): Promise<string> {
  client.send(auth(mechanism, scram.first()))
  const [first, challenge] = await client.expect(/<challenge [^>]*>([^<]+)<\/challenge>|<failure.*<\/failure>/)
  if (challenge === undefined) return first
  client.send(response(scram.final(challenge)))
  const [last, success] = await client.expect(/<success [^>]*>([^<]+)<\/success>|<failure.*<\/failure>/)
  if (success === undefined) return last
  expect(scram.isServer(success)).toBe(true)
  return 'success'
}

const PLUS = ['SCRAM-SHA-512-PLUS', 'SCRAM-SHA-256-PLUS', 'SCRAM-SHA-1-PLUS']
const tls12 = () => connectTls(server.ports.tls, ['xmpp-client'], { maxVersion: 'TLSv1.2' })

describe('XEP-0440 §2  what a connection can be bound to', () => {
  test('TLS 1.3: the exporter and the certificate, strongest first', async () => {
    const client = await connectTls(server.ports.tls)
    const { mechanisms, bindings } = await advertised(client)
    expect(bindings).toEqual(['tls-exporter', 'tls-server-end-point'])
    expect(mechanisms.slice(0, 3)).toEqual(PLUS)
    client.destroy()
  })

  test('TLS 1.2: the certificate alone', async () => {
    const client = await tls12()
    const { mechanisms, bindings } = await advertised(client)
    expect(bindings).toEqual(['tls-server-end-point'])
    expect(mechanisms).toEqual(expect.arrayContaining(PLUS))
    client.destroy()
  })

  test('STARTTLS: nothing before it, all after it', async () => {
    const client = await connectTcp(server.ports.c2s)
    expect(await advertised(client)).toEqual({ mechanisms: [], bindings: [] })
    client.send(STARTTLS)
    await client.expect('<proceed xmlns="urn:ietf:params:xml:ns:xmpp-tls"/>')
    await client.startTls()
    expect((await advertised(client)).bindings).toEqual(['tls-exporter', 'tls-server-end-point'])
    client.destroy()
  })

  test('WebSocket whose TLS ends here; and one without TLS has none, and no -PLUS', async () => {
    const secure = await connectWebSocket(`wss://127.0.0.1:${server.https}/xmpp-websocket`)
    expect((await advertised(secure, OPEN)).bindings).toEqual(['tls-exporter', 'tls-server-end-point'])
    secure.destroy()
    const plain = await connectWebSocket(`ws://127.0.0.1:${server.http}/xmpp-websocket`)
    const { mechanisms, bindings } = await advertised(plain, OPEN)
    expect(bindings).toEqual([])
    expect(mechanisms.filter((name) => name.endsWith('-PLUS'))).toEqual([])
    plain.destroy()
  })

  test('a certificate whose signature names no hash has no end point, though others have (RFC 5929 §4.1)', async (context) => {
    needTool(context, ['openssl', 'version'], 'apt-get install openssl')
    const folder = mkdtempSync(join(tmpdir(), 'sacm-binding-'))
    const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')]
    const names = ['-subj', '/CN=other.test', '-addext', 'subjectAltName=DNS:other.test']
    try {
      const args = ['req', '-x509', '-nodes', '-newkey', 'ed25519', ...names, '-keyout', key, '-out', cert]
      execFileSync('openssl', args, { stdio: 'ignore' })
      const other = { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') }
      const mixed = await startC2s({ tls: { ...tlsMaterial(), others: [other] } })
      const to = { servername: 'other.test', ca: other.cert }
      const [one, two] = [await connectTls(mixed.ports.tls, [], to), await connectTls(mixed.ports.tls)]
      expect((await advertised(one)).bindings).toEqual(['tls-exporter'])
      expect((await advertised(two)).bindings).toEqual(['tls-exporter', 'tls-server-end-point'])
      for (const client of [one, two]) client.destroy()
      await mixed.stop()
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  test('rule 5: no types without a -PLUS mechanism', async () => {
    const bare = await startC2s({ mechanisms: ['SCRAM-SHA-1', 'PLAIN'] })
    const client = await connectTls(bare.ports.tls)
    expect(await advertised(client)).toEqual({ mechanisms: ['SCRAM-SHA-1', 'PLAIN'], bindings: [] })
    // And a client that could bind may say so: nothing was taken out of the list.
    expect(await login(client, 'SCRAM-SHA-1', new ScramClient('SCRAM-SHA-1', 'alice', '', 'y'))).toBe('success')
    client.destroy()
    await bare.stop()
  })
})

/** Direct TLS, its features taken. */
async function opened(connecting: Promise<TcpClient> = connectTls(server.ports.tls)): Promise<TcpClient> {
  const client = await connecting
  await advertised(client)
  return client
}

describe('RFC 5802 §6  a login bound to its TLS connection', () => {
  test.each(PLUS)('%s with tls-exporter (RFC 9266) and tls-server-end-point (RFC 5929 §4)', async (mechanism) => {
    for (const type of ['tls-exporter', 'tls-server-end-point'] as const) {
      const client = await opened()
      const scram = new ScramClient(mechanism, 'alice', '', clientBinding(client.socket, type))
      expect(await login(client, mechanism, scram)).toBe('success')
      client.destroy()
    }
  })

  test('over TLS 1.2 with tls-server-end-point', async () => {
    const client = await opened(tls12())
    const scram = new ScramClient('SCRAM-SHA-256-PLUS', 'bob', '', clientBinding(client.socket, 'tls-server-end-point'))
    expect(await login(client, 'SCRAM-SHA-256-PLUS', scram)).toBe('success')
    client.destroy()
  })

  test('over a connection whose TLS session is resumed', async () => {
    const { promise, resolve } = Promise.withResolvers<Buffer>()
    const first = await connectTls(server.ports.tls)
    first.socket.once('session', resolve)
    await advertised(first)
    const session = await promise
    first.destroy()
    const client = await opened(connectTls(server.ports.tls, ['xmpp-client'], { session }))
    const binding = clientBinding(client.socket, 'tls-exporter')
    expect(await login(client, 'SCRAM-SHA-256-PLUS', new ScramClient('SCRAM-SHA-256-PLUS', 'bob', '', binding))).toBe(
      'success',
    )
    client.destroy()
  })

  test('with the tls-unique of clients that bind with Python’s ssl, over TLS 1.3, and not advertised', async () => {
    const client = await opened()
    if (!(client.socket instanceof TLSSocket)) throw new Error('no TLS')
    const finished = client.socket.getFinished() ?? Buffer.alloc(0)
    const scram = new ScramClient('SCRAM-SHA-512-PLUS', 'bob', '', { type: 'tls-unique', data: finished })
    expect(await login(client, 'SCRAM-SHA-512-PLUS', scram)).toBe('success')
    client.destroy()
    const older = await opened(tls12())
    const unsafe = new ScramClient('SCRAM-SHA-512-PLUS', 'bob', '', { type: 'tls-unique', data: finished })
    expect(await login(older, 'SCRAM-SHA-512-PLUS', unsafe)).toMatch(/malformed-request/)
    older.destroy()
  })

  test('bound to another connection is refused', async () => {
    const other = await opened()
    const client = await opened()
    const foreign = clientBinding(other.socket, 'tls-exporter')
    const scram = new ScramClient('SCRAM-SHA-256-PLUS', 'alice', '', foreign)
    expect(await login(client, 'SCRAM-SHA-256-PLUS', scram)).toMatch(/<not-authorized\/>/)
    other.destroy()
    client.destroy()
  })

  test.each<[string, ClientBinding | 'y' | 'n', string, RegExp]>([
    [
      'a type that the connection does not have',
      { type: 'tls-nonsense', data: Buffer.alloc(12) },
      '-PLUS',
      /malformed-request/,
    ],
    ['tls-unique of another connection', { type: 'tls-unique', data: Buffer.alloc(32) }, '-PLUS', /<not-authorized\/>/],
    ['-PLUS without a binding', 'n', '-PLUS', /malformed-request/],
    ['a binding without -PLUS', { type: 'tls-exporter', data: Buffer.alloc(32) }, '', /malformed-request/],
    ['y, although -PLUS was offered: somebody took it out of the list', 'y', '', /<not-authorized\/>/],
  ])('refuses %s', async (_name, binding, suffix, failure) => {
    const client = await opened()
    const scram = new ScramClient('SCRAM-SHA-256', 'alice', '', binding)
    expect(await login(client, `SCRAM-SHA-256${suffix}`, scram)).toMatch(failure)
    client.destroy()
  })

  test('-PLUS is refused where it was not offered', async () => {
    const client = await connectWebSocket(`ws://127.0.0.1:${server.http}/xmpp-websocket`)
    await advertised(client, OPEN)
    const scram = new ScramClient('SCRAM-SHA-1', 'alice', '', { type: 'tls-exporter', data: Buffer.alloc(32) })
    expect(await login(client, 'SCRAM-SHA-1-PLUS', scram)).toMatch(/<invalid-mechanism\/>/)
    client.destroy()
  })
})

describe('XEP-0474 §5.1  the hash of what was advertised', () => {
  const hashOf = (scram: ScramClient) => /,h=([^,]+)$/.exec(scram.serverFirst)?.[1]
  const sha = (hash: string, text: string) => createHash(hash).update(text).digest('base64')

  test('covers mechanisms and binding types, sorted, by the hash of the mechanism', async () => {
    const client = await connectTls(server.ports.tls)
    const { mechanisms, bindings } = await advertised(client)
    const text = `${[...mechanisms].sort().join('\x1e')}\x1f${[...bindings].sort().join('\x1e')}`
    const scram = new ScramClient('SCRAM-SHA-512', 'alice')
    expect(await login(client, 'SCRAM-SHA-512', scram)).toBe('success')
    expect(hashOf(scram)).toBe(sha('sha512', text))
    client.destroy()
  })

  test('has no types where none were advertised', async () => {
    const client = await connectWebSocket(`ws://127.0.0.1:${server.http}/xmpp-websocket`)
    const { mechanisms } = await advertised(client, OPEN)
    const scram = new ScramClient('SCRAM-SHA-1', 'alice')
    expect(await login(client, 'SCRAM-SHA-1', scram)).toBe('success')
    expect(hashOf(scram)).toBe(sha('sha1', [...mechanisms].sort().join('\x1e')))
    client.destroy()
  })
})
