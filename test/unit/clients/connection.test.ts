/** The client against servers that do not behave: no way on without TLS, nothing believed that came in the clear. */

import { createServer, type Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { Client } from '../../../clients/core/client.ts'
import type { ClientLimits, ClientOptions } from '../../../clients/core/options.ts'

const HEADER = `<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' id='1' version='1.0' from='localhost'>`
const STARTTLS = `<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>`
const PROCEED = `<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>`
const PLAIN = `<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>PLAIN</mechanism></mechanisms>`
const features = (...children: string[]) => `${HEADER}<stream:features>${children.join('')}</stream:features>`

const open: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of open.splice(0)) await close()
})

/** A server that writes these answers, one per chunk it gets, and keeps what it was told. */
async function script(...answers: string[]) {
  const heard: string[] = []
  const sockets = new Set<Socket>()
  let connections = 0
  const server = createServer((socket) => {
    connections++
    sockets.add(socket)
    const left = [...answers]
    socket.on('error', () => undefined)
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      heard.push(chunk)
      const answer = left.shift()
      if (answer !== undefined) socket.write(answer)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  open.push(() => {
    for (const socket of sockets) socket.destroy()
    return new Promise((resolve) => server.close(resolve))
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return { port: address.port, heard, connections: () => connections }
}

/** A server that hangs up at the first bytes. */
async function leaving() {
  const server = createServer((socket) => void socket.once('data', () => socket.destroy()))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  open.push(() => new Promise((resolve) => server.close(resolve)))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return { port: address.port }
}

function clientOf(port: number, limits: Partial<ClientLimits> = {}, security: ClientOptions['security'] = 'starttls') {
  const client = new Client(
    {
      jid: 'alice@localhost',
      password: 'secret words',
      host: '127.0.0.1',
      port,
      security,
      limits: { reconnectAttempts: 1, connectTimeoutMs: 5_000, ...limits },
    },
    { identities: [] },
  )
  open.push(() => client.close())
  return client
}

describe('a server that', () => {
  it('offers a login without TLS gets none', async () => {
    const { port, heard } = await script(features(PLAIN))
    await expect(clientOf(port).start()).rejects.toThrow(/no STARTTLS/)
    expect(heard.join('')).not.toMatch(/auth|alice/)
  })

  it('RFC 6120 §5.4.3.3: sends more in the clear behind <proceed/> is refused', async () => {
    const { port } = await script(features(STARTTLS), `${PROCEED}<stream:features>${PLAIN}</stream:features>`)
    await expect(clientOf(port).start()).rejects.toThrow(/in the clear after <proceed/)
  })

  it('refuses TLS is left', async () => {
    const failure = `<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>`
    const { port } = await script(features(STARTTLS), failure)
    await expect(clientOf(port).start()).rejects.toThrow(/refuses STARTTLS/)
  })

  it('speaks no TLS after <proceed/> is left', async () => {
    const { port, heard } = await script(features(STARTTLS), PROCEED, 'this is no TLS record at all, not a bit of it')
    await expect(clientOf(port).start()).rejects.toThrow()
    expect(heard.join('')).not.toMatch(/auth|secret/)
  })

  it.each([
    ['is no XMPP server', '<html>'],
    ['sends what is not well-formed', `${HEADER}<stream:features></stream>`],
    ['sends a DTD', `<!DOCTYPE stream:stream>${features(STARTTLS)}`],
    ['knows only XMPP 0.9', HEADER.replace(" version='1.0' from", ' from')],
    ['answers with something else', `${HEADER}<message/>`],
  ])('%s is left', async (_, answer) => {
    const { port } = await script(answer)
    await expect(clientOf(port).start()).rejects.toMatchObject({ name: 'StreamError' })
  })

  it('says why it ends the stream is understood', async () => {
    const error = `<stream:error><policy-violation xmlns='urn:ietf:params:xml:ns:xmpp-streams'/><text xmlns='urn:ietf:params:xml:ns:xmpp-streams'>go away</text></stream:error></stream:stream>`
    const { port } = await script(`${HEADER}${error}`)
    await expect(clientOf(port).start()).rejects.toMatchObject({ condition: 'policy-violation', message: 'go away' })
  })

  it('leaves without a word perhaps wants TLS from the first byte', async () => {
    const { port } = await leaving()
    const failure = { name: 'WrongSecurityError', wanted: 'tls', isCertain: false }
    await expect(clientOf(port).start()).rejects.toMatchObject(failure)
  })

  it('answers with a TLS alert wants it for sure, and is not asked again', async () => {
    const { port, connections } = await script('\x15\x03\x01\x00\x02\x02\x46')
    const client = clientOf(port, { reconnectAttempts: 5, reconnectBaseMs: 1, reconnectMaxMs: 1 })
    const failure = { name: 'WrongSecurityError', wanted: 'tls', isCertain: true }
    await expect(client.start()).rejects.toMatchObject(failure)
    expect(connections()).toBe(1)
  })

  it.each([`${HEADER}<stream:error/>`, 'HTTP/1.1 400 Bad Request\r\n\r\n'])(
    'answers a TLS handshake with %s speaks none, and is not asked again',
    async (answer) => {
      const { port, connections } = await script(answer)
      const client = clientOf(port, { reconnectAttempts: 5, reconnectBaseMs: 1, reconnectMaxMs: 1 }, 'tls')
      const failure = { name: 'WrongSecurityError', wanted: 'starttls', isCertain: true }
      await expect(client.start()).rejects.toMatchObject(failure)
      expect(connections()).toBe(1)
    },
  )

  it('says nothing is not waited for', async () => {
    const { port } = await script()
    await expect(clientOf(port, { connectTimeoutMs: 100 }).start()).rejects.toThrow(/no connection within 100 ms/)
  })

  it('does not know the domain is not asked again', async () => {
    const error = `<stream:error><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>`
    const { port, connections } = await script(`${HEADER}${error}`)
    const client = clientOf(port, { reconnectAttempts: 5, reconnectBaseMs: 1, reconnectMaxMs: 1 })
    await expect(client.start()).rejects.toMatchObject({ condition: 'host-unknown' })
    expect(connections()).toBe(1)
  })

  it('fails for a while is tried so often and no more', async () => {
    const { port, connections } = await script('<html>')
    const client = clientOf(port, { reconnectAttempts: 4, reconnectBaseMs: 1, reconnectMaxMs: 1 })
    await expect(client.start()).rejects.toMatchObject({ name: 'StreamError' })
    expect(connections()).toBe(4)
    await expect(client.closed).rejects.toMatchObject({ name: 'StreamError' })
  })
})

describe('a client', () => {
  it('can be closed while it connects', async () => {
    const { port } = await script()
    const client = clientOf(port)
    const started = expect(client.start()).rejects.toMatchObject({ name: 'OfflineError' })
    await client.close()
    await started
    await client.closed
  })

  it('tells at once that it is not connected', async () => {
    const { port } = await script()
    const { el } = await import('../../../server/xml/element.ts')
    await expect(clientOf(port).request('get', undefined, el('x'))).rejects.toMatchObject({ name: 'OfflineError' })
  })
})
