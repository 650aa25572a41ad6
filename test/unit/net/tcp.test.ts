import { connect, createServer, type Server, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { FlushTurn } from '../../../server/net/flush.ts'
import { TcpListener, TcpTransport } from '../../../server/net/tcp.ts'
import { TlsAcceptor } from '../../../server/net/tls.ts'
import type { Transport, TransportHandler } from '../../../server/net/transport.ts'
import { silent, tlsMaterial } from '../stream/harness.ts'

const turn = new FlushTurn()

/** Both ends of a connection over loopback. */
interface Pair {
  readonly server: Server
  readonly near: Socket
  readonly far: Socket
}
let pair: Pair

beforeEach(async () => {
  const server = createServer({ allowHalfOpen: true })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve))
  const far = connect({
    port: typeof address === 'object' && address ? address.port : 0,
    host: '127.0.0.1',
    allowHalfOpen: true,
  })
  pair = { server, near: await accepted, far }
})
afterEach(() => {
  pair.near.destroy()
  pair.far.destroy()
  pair.server.close()
})

class Handler implements TransportHandler {
  data = ''
  drains = 0
  closes: (Error | undefined)[] = []
  onData(chunk: Buffer): void {
    this.data += chunk.toString()
  }
  onSecure(): void {}
  onDrain(): void {
    this.drains++
  }
  onClosed(cause: Error | undefined): void {
    this.closes.push(cause)
  }
}

function transport(): { transport: TcpTransport; handler: Handler } {
  const made = new TcpTransport(pair.near, new TlsAcceptor(tlsMaterial(), 1000, silent), turn)
  made.listen()
  const handler = new Handler()
  made.attach(handler)
  return { transport: made, handler }
}

function read(socket: Socket): () => string {
  let text = ''
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString()
  })
  return () => text
}

describe('DESIGN decision 6  output', () => {
  test('all that is written in one turn of the loop is one write to the socket, as a string', async () => {
    const write = vi.spyOn(pair.near, 'write')
    const text = read(pair.far)
    const { transport: it } = transport()
    for (let n = 0; n < 16; n++) it.write(`<${n}/>`)
    expect(it.outputBytes).toBe([...Array(16).keys()].map((n) => `<${n}/>`).join('').length)
    await expect.poll(text, { interval: 5 }).toContain('<15/>')
    expect(write.mock.calls.map(([data]) => typeof data)).toEqual(['string'])
    expect(it.outputBytes).toBe(0)
  })

  test('one timer serves all sockets of a turn', async () => {
    const immediate = vi.spyOn(globalThis, 'setImmediate')
    const one = new FlushTurn()
    let flushed = 0
    for (let n = 0; n < 10; n++) one.add({ flush: () => flushed++ })
    expect(immediate).toHaveBeenCalledTimes(1)
    immediate.mockRestore()
    await new Promise((resolve) => setImmediate(resolve))
    expect(flushed).toBe(10)
    one.add({ flush: () => flushed++ })
    await new Promise((resolve) => setImmediate(resolve))
    expect(flushed).toBe(11)
  })

  test('a turn flushes so many sockets; the loop goes on in between, and what comes meanwhile leaves with the rest', async () => {
    const many = new FlushTurn()
    const flushed: number[] = []
    for (let n = 0; n < 1000; n++) many.add({ flush: () => flushed.push(n) })
    await new Promise((resolve) => setImmediate(resolve))
    const first = flushed.length
    expect(first).toBeGreaterThan(0)
    expect(first).toBeLessThan(1000)
    // One that was flushed is written to again: it takes its place behind those that wait.
    many.add({ flush: () => flushed.push(0) })
    await expect.poll(() => flushed.length, { interval: 1 }).toBe(1001)
    expect(flushed).toEqual([...Array(1000).keys(), 0])
  })

  test('what a full socket does not take is counted, kept, and sent when it drains', async () => {
    const { transport: it, handler } = transport()
    pair.far.pause()
    const piece = 'x'.repeat(60_000)
    let sent = 0
    for (; sent < 1000 && it.outputBytes < 3_000_000; sent++) {
      it.write(piece)
      it.flush()
    }
    expect(it.outputBytes).toBeGreaterThanOrEqual(3_000_000)
    expect(pair.near.writableLength).toBeLessThan(1_000_000)
    const text = read(pair.far)
    pair.far.resume()
    await expect.poll(() => text().length, { interval: 5 }).toBe(sent * piece.length)
    expect(it.outputBytes).toBe(0)
    expect(handler.drains).toBeGreaterThan(0)
  })
})

describe('the end of a connection', () => {
  test('`end` sends what is queued, then waits for the peer', async () => {
    const { transport: it, handler } = transport()
    const text = read(pair.far)
    it.write('last words')
    it.end(10_000)
    await new Promise((resolve) => pair.far.once('end', resolve))
    expect(text()).toBe('last words')
    expect(handler.closes).toEqual([])
    pair.far.write('too late')
    pair.far.end()
    await expect.poll(() => handler.closes, { interval: 5 }).toEqual([undefined])
    expect(handler.data).toBe('')
  })

  test('and no longer than it is told to', async () => {
    const { transport: it, handler } = transport()
    it.end(20)
    await expect.poll(() => handler.closes.length, { interval: 5 }).toBe(1)
  })

  test('a peer that closes its side gets what is queued for it', async () => {
    const { transport: it, handler } = transport()
    handler.onData = () => it.write('answer')
    const text = read(pair.far)
    pair.far.end('bye')
    await expect.poll(() => handler.closes.length, { interval: 5 }).toBe(1)
    expect(text()).toBe('answer')
  })

  test('a reset is told once, with its cause', async () => {
    const { handler } = transport()
    pair.far.resetAndDestroy()
    await expect.poll(() => handler.closes.length, { interval: 5 }).toBe(1)
    // Whatever else the socket says of its end, it says in the turns after.
    for (let turns = 0; turns < 3; turns++) await new Promise((resolve) => setImmediate(resolve))
    expect(handler.closes).toHaveLength(1)
    expect(handler.closes[0]?.message).toContain('ECONNRESET')
  })
})

describe('TcpListener', () => {
  const listener = (port: number, maxConnections: number, accept: (transport: Transport) => void) =>
    new TcpListener({
      host: '127.0.0.1',
      port,
      security: 'none',
      maxConnections,
      tls: new TlsAcceptor(tlsMaterial(), 1000, silent),
      turn,
      accept,
      log: silent,
    })

  test('drops connections beyond its bound', async () => {
    const accepted: Transport[] = []
    const it = listener(0, 1, (transport) => {
      transport.attach(new Handler())
      accepted.push(transport)
    })
    const port = await it.listen()
    const first = connect({ port, host: '127.0.0.1' })
    await expect.poll(() => accepted.length, { interval: 5 }).toBe(1)
    const second = connect({ port, host: '127.0.0.1' })
    second.on('error', () => undefined)
    await new Promise((resolve) => second.once('close', resolve))
    expect(accepted).toHaveLength(1)
    first.destroy()
    await it.close()
  })

  test('a port in use is an error, not a silence', async () => {
    const one = listener(0, 10, () => {})
    const port = await one.listen()
    await expect(listener(port, 10, () => {}).listen()).rejects.toThrow('EADDRINUSE')
    await one.close()
  })
})
