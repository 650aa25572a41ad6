import { get } from 'node:http'
import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { bindWebSocket, connectWebSocket, OPEN, startC2s, type TestC2s } from '../stream/harness.ts'

let server: TestC2s
beforeAll(async () => {
  server = await startC2s()
})
afterAll(() => server.stop())

const url = () => `wss://127.0.0.1:${server.https}/xmpp-websocket`

describe('RFC 7395 §3.1  the handshake', () => {
  test('the subprotocol is answered, compression is not', async () => {
    const client = await connectWebSocket(url())
    expect(client.websocket.protocol).toBe('xmpp')
    expect(client.websocket.extensions).toBe('')
    client.destroy()
    const several = await connectWebSocket(url(), ['chat', 'xmpp'])
    expect(several.websocket.protocol).toBe('xmpp')
    several.destroy()
  })

  test('without the subprotocol there is no connection', async () => {
    await expect(connectWebSocket(url(), [])).rejects.toThrow('400')
    await expect(connectWebSocket(url(), ['chat'])).rejects.toThrow('400')
  })

  test('another path', async () => {
    await expect(connectWebSocket(`wss://127.0.0.1:${server.https}/other`)).rejects.toThrow('404')
    const query = await connectWebSocket(`${url()}?x=1`)
    query.destroy()
  })

  test('a request that is no upgrade stays the HTTP server’s, and a malformed one is refused', async () => {
    const plain = new Promise((resolve, reject) => {
      const request = get({ port: server.http, host: '127.0.0.1', path: '/xmpp-websocket', timeout: 200 }, resolve)
      request.on('error', reject)
      request.on('timeout', () => request.destroy(new Error('left to others')))
    })
    await expect(plain).rejects.toThrow('left to others')
    const raw = connect({ port: server.http, host: '127.0.0.1' })
    let said = ''
    raw.on('data', (chunk: Buffer) => {
      said += chunk.toString()
    })
    raw.write(
      'GET /xmpp-websocket HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: xmpp\r\n\r\n',
    )
    await new Promise((resolve) => raw.once('close', resolve))
    expect(said).toMatch(/^HTTP\/1.1 400 /)
  })
})

describe('RFC 7395 §3.2  messages', () => {
  test('a binary frame closes the connection', async () => {
    const client = await connectWebSocket(url())
    client.websocket.send(Buffer.from(OPEN))
    await client.ended()
    expect(client.closeCode).toBe(1003)
    expect(client.frames).toEqual([])
  })

  test('a message far beyond every bound is refused by the protocol below', async () => {
    const client = await bindWebSocket(server, 'alice', 'big')
    client.send(`<message xmlns='jabber:client'><body>${'x'.repeat(2_000_000)}</body></message>`)
    await client.ended()
    expect(client.closeCode).toBe(1009)
    await expect.poll(() => server.c2s.registry.get('alice@test/big'), { interval: 5 }).toBeUndefined()
  })

  test('what is sent in one turn arrives as one frame each', async () => {
    const client = await bindWebSocket(server, 'alice', 'frames')
    const session = server.c2s.registry.get('alice@test/frames')
    const before = client.frames.length
    for (let n = 0; n < 20; n++) session?.send({ xml: `<message id="${n}"/>` })
    await client.expect('id="19"/>')
    expect(client.frames.slice(before)).toEqual(
      [...Array(20).keys()].map((n) => `<message xmlns="jabber:client" id="${n}"/>`),
    )
    client.destroy()
  })

  test('fragments, pings and text that is no UTF-8', async () => {
    const client = await connectWebSocket(url())
    client.websocket.send(OPEN.slice(0, 20), { fin: false })
    client.websocket.ping()
    client.websocket.send(OPEN.slice(20), { fin: true })
    await client.expect('</stream:features>')
    client.websocket.send(Buffer.from([0x3c, 0xff]), { binary: false })
    await client.ended()
    expect(client.closeCode).toBe(1007)
  })

  test('a connection that breaks ends the session', async () => {
    const client = await bindWebSocket(server, 'alice', 'breaks')
    const session = server.c2s.registry.get('alice@test/breaks')
    const ended = new Promise((resolve) => session?.closed.addEventListener('abort', resolve))
    client.websocket.terminate()
    await ended
    expect(client.websocket.readyState).not.toBe(WebSocket.OPEN)
  })
})
