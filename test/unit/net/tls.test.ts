import { connect as tlsConnect } from 'node:tls'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  bindTls,
  connectTcp,
  connectTls,
  DOMAIN,
  header,
  newMaterial,
  plain,
  STARTTLS,
  startC2s,
  type TcpClient,
  type TestC2s,
  tlsMaterial,
} from '../stream/harness.ts'

let server: TestC2s
beforeAll(async () => {
  server = await startC2s()
})
afterAll(() => server.stop())

async function startTls(options: Parameters<TcpClient['startTls']>[0] = {}) {
  const client = await connectTcp(server.ports.c2s)
  client.send(header())
  await client.expect('</stream:features>')
  client.send(STARTTLS)
  await client.expect('/>')
  return { client, socket: await client.startTls(options) }
}

describe('RFC 7590, XEP-0368  TLS', () => {
  test('§3.1  versions and ciphers', async () => {
    const { client, socket } = await startTls()
    expect(socket.getProtocol()).toBe('TLSv1.3')
    expect(socket.getCipher().standardName).toBe('TLS_AES_128_GCM_SHA256')
    client.destroy()
    const older = await startTls({ maxVersion: 'TLSv1.2' })
    expect(older.socket.getProtocol()).toBe('TLSv1.2')
    expect(older.socket.getCipher().standardName).toBe('TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256')
    older.client.destroy()
    // SECLEVEL 0 lets this client speak what the server must refuse.
    const oldest = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const
    await expect(startTls(oldest)).rejects.toThrow(/alert protocol version|handshake failure/i)
    const weak = { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0' } as const
    await expect(startTls(weak)).rejects.toThrow(/handshake failure/i)
  })

  test('XEP-0368 §3  ALPN is xmpp-client, or absent', async () => {
    const client = await connectTls(server.ports.tls)
    expect('alpnProtocol' in client.socket && client.socket.alpnProtocol).toBe('xmpp-client')
    client.destroy()
    const without = await connectTls(server.ports.tls, [])
    without.send(header())
    await without.expect('</stream:features>')
    without.destroy()
    await expect(connectTls(server.ports.tls, ['h2', 'http/1.1'])).rejects.toThrow(/no application protocol/i)
  })

  test('a session is resumed, over either way in', async () => {
    const first = await connectTls(server.ports.tls)
    const socket = 'getSession' in first.socket ? first.socket : undefined
    const ticket = new Promise<Buffer>((resolve) => socket?.once('session', resolve))
    first.send(header())
    await first.expect('</stream:features>')
    const session = await ticket
    first.destroy()
    const second = await startTls({ session })
    expect(second.socket.isSessionReused()).toBe(true)
    second.client.destroy()
  })

  test('a broken handshake ends the connection, and disturbs no other', async () => {
    const bystander = await bindTls(server, 'alice', 'bystander')
    const client = await connectTcp(server.ports.tls)
    client.send('GET / HTTP/1.0\r\n\r\n')
    expect(await client.ended()).not.toContain('<')
    bystander.send('<presence/>')
    await expect.poll(() => server.received.length, { interval: 5 }).toBeGreaterThan(0)
    bystander.destroy()
  })

  test('a client that leaves in the middle of the handshake leaves nothing behind', async () => {
    for (let n = 0; n < 5; n++) {
      const client = await connectTcp(server.ports.c2s)
      client.send(header() + STARTTLS)
      await client.expect('proceed')
      client.socket.resetAndDestroy()
    }
    const after = await bindTls(server, 'bob', 'after')
    after.destroy()
  })

  test('a client that closes its side before the handshake is gone', async () => {
    const direct = await connectTcp(server.ports.tls)
    const starttls = await connectTcp(server.ports.c2s)
    starttls.send(header() + STARTTLS)
    await starttls.expect('proceed')
    for (const client of [direct, starttls]) {
      client.socket.end()
      await client.ended()
    }
  })

  test('half-open handshakes end in time', async () => {
    const quick = await startC2s({ timeouts: { authMs: 100 } })
    const direct = await connectTcp(quick.ports.tls)
    const starttls = await connectTcp(quick.ports.c2s)
    starttls.send(header() + STARTTLS)
    await starttls.expect('proceed')
    expect(await direct.ended()).toBe('')
    expect(await starttls.ended()).not.toContain('error')
    await quick.stop()
  })

  test('a new certificate serves new connections; those that stand go on', async () => {
    const reloaded = await startC2s()
    const before = await bindTls(reloaded, 'alice', 'before')
    const next = newMaterial()
    reloaded.c2s.reload(next)
    await expect(connectTls(reloaded.ports.tls)).rejects.toThrow()
    const socket = tlsConnect({ port: reloaded.ports.tls ?? 0, host: '127.0.0.1', servername: DOMAIN, ca: next.ca })
    await new Promise((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject))
    expect(socket.authorized).toBe(true)
    socket.destroy()
    before.send('<presence/>')
    await expect.poll(() => reloaded.received.length, { interval: 5 }).toBe(1)
    before.destroy()
    await reloaded.stop()
  })

  test('the server asks for a certificate, and takes clients that have none', async () => {
    const material = tlsMaterial()
    const trusting = await startC2s({ tls: { ...material, clientCa: material.ca } })
    const client = await connectTcp(trusting.ports.c2s)
    client.send(header() + STARTTLS)
    await client.expect('proceed')
    // Any certificate of that authority will do to see it verified; its owner is for SASL EXTERNAL to judge.
    await client.startTls({ key: material.key, cert: material.cert })
    client.send(header() + plain('alice'))
    await client.expect('<success')
    client.destroy()
    await trusting.stop()
  })
})
