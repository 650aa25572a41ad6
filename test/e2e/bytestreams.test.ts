/** The SOCKS5 bytestreams proxy with real sockets, and its limits. XEP-0065 §4, §6; RFC 1928. */

import { createHash, randomBytes } from 'node:crypto'
import { connect, type Socket } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { callControl } from '../../server/control.ts'
import { Connection, show } from '../support/scenario/connection.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { connectTcp } from '../unit/stream/harness.ts'

const PASSWORD = 'correct horse'
const NS = 'http://jabber.org/protocol/bytestreams'
const PROXY = 'proxy.test'
const ALICE = 'alice@test/desk'
const BOB = 'bob@test/phone'
/** Ends streams soon, and takes one stream per account. */
const TIGHT = {
  'bytestreams.idleSeconds': '1',
  'bytestreams.waitSeconds': '2',
  'bytestreams.streamMaxBytes': '100000',
  'bytestreams.streamBytesPerSecond': '50000',
  'bytestreams.streamsPerAccount': '1',
}
let server: TestServer
let tight: TestServer
const open: { destroy(): void }[] = []

beforeAll(async () => {
  ;[server, tight] = await Promise.all([startServer({ domain: 'test' }), startServer({ domain: 'test', set: TIGHT })])
  for (const each of [server, tight]) for (const user of ['alice', 'bob']) await each.addUser(`${user}@test`, PASSWORD)
})
afterAll(async () => {
  expect(await Promise.all([server.stop(), tight.stop()])).toEqual([0, 0])
})
afterEach(() => {
  for (const each of open.splice(0)) each.destroy()
})

async function login(user: string, resource: string, at = server): Promise<Connection> {
  const connection = await Connection.open(at, 'tcp')
  open.push(connection)
  await connection.login(user, PASSWORD, resource)
  return connection
}

async function ask(connection: Connection, stanza: string): Promise<string> {
  connection.send(stanza)
  return show(await connection.next())
}

async function streamHost(connection: Connection): Promise<{ host: string; port: number }> {
  const answer = await ask(connection, `<iq type='get' id='h' to='${PROXY}'><query xmlns='${NS}'/></iq>`)
  const [, host = '', port] = /<streamhost [^>]*host="([^"]+)" jid="proxy\.test" port="(\d+)"/.exec(answer) ?? []
  expect(answer).toContain('type="result"')
  return { host, port: Number(port) }
}

function activation(sid: string, target: string, id = 'a'): string {
  return `<iq type='set' id='${id}' to='${PROXY}'><query xmlns='${NS}' sid='${sid}'><activate>${target}</activate></query></iq>`
}

function destination(sid: string, requester = ALICE, target = BOB): string {
  return createHash('sha1').update(`${sid}${requester}${target}`).digest('hex')
}

/** A raw connection whose bytes are read in exact pieces. */
class Raw {
  readonly socket: Socket
  #seen = Buffer.alloc(0)
  #wake = () => {}
  isEnded = false
  isClosed = false

  constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (chunk) => {
      this.#seen = Buffer.concat([this.#seen, chunk])
      this.#wake()
    })
    socket.on('end', () => {
      this.isEnded = true
      this.#wake()
    })
    socket.on('close', () => {
      this.isClosed = true
      this.#wake()
    })
    socket.on('error', () => {})
  }

  async read(size: number): Promise<Buffer> {
    await this.#until(() => this.#seen.length >= size || this.isClosed)
    expect(this.#seen.length).toBeGreaterThanOrEqual(size)
    const piece = this.#seen.subarray(0, size)
    this.#seen = this.#seen.subarray(size)
    return piece
  }

  /** All that comes until the other side closes. */
  async rest(): Promise<Buffer> {
    await this.#until(() => this.isEnded || this.isClosed)
    return this.#seen
  }

  /** The other side has closed, cleanly or not. */
  async closed(): Promise<void> {
    await this.rest()
  }

  destroy(): void {
    this.socket.destroy()
  }

  async #until(condition: () => boolean): Promise<void> {
    const deadline = AbortSignal.timeout(15_000)
    while (!condition()) {
      deadline.throwIfAborted()
      await new Promise<void>((resolve) => {
        this.#wake = resolve
        deadline.addEventListener('abort', () => resolve(), { once: true })
      })
    }
  }
}

async function raw(to: { host: string; port: number }): Promise<Raw> {
  const socket = connect({ ...to, allowHalfOpen: true })
  const client = new Raw(socket)
  open.push(client)
  await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject))
  return client
}

function request(hash: string, { command = 1, type = 3, port = 0 } = {}): Buffer {
  return Buffer.concat([Buffer.from([5, command, 0, type, hash.length]), Buffer.from(hash), Buffer.from([0, port])])
}

async function socks(to: { host: string; port: number }, hash: string): Promise<Raw> {
  const client = await raw(to)
  client.socket.write(Buffer.from([5, 1, 0]))
  expect(await client.read(2)).toEqual(Buffer.from([5, 0]))
  client.socket.write(request(hash))
  // BND.ADDR and BND.PORT repeat what was asked for. XEP-0065 §6.3.2
  expect(await client.read(47)).toEqual(
    Buffer.concat([Buffer.from([5, 0, 0, 3, 40]), Buffer.from(hash), Buffer.from([0, 0])]),
  )
  return client
}

async function stream(alice: Connection, sid: string): Promise<[Raw, Raw]> {
  const to = await streamHost(alice)
  const target = await socks(to, destination(sid))
  const requester = await socks(to, destination(sid))
  expect(await ask(alice, activation(sid, BOB))).toBe(`<iq type="result" id="a" from="${PROXY}" to="${ALICE}"/>`)
  return [requester, target]
}

describe('XEP-0065 §4  the proxy', () => {
  test('is found through the server, and says what and where it is', async () => {
    const alice = await login('alice', 'desk')
    const items = "<iq type='get' id='i' to='test'><query xmlns='http://jabber.org/protocol/disco#items'/></iq>"
    expect(await ask(alice, items)).toContain(` jid="${PROXY}"`)
    const info = await ask(
      alice,
      `<iq type='get' id='d' to='${PROXY}'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>`,
    )
    expect(info).toMatch(/category="proxy" type="bytestreams"/)
    expect(info).toContain(` var="${NS}"`)
    expect(await streamHost(alice)).toEqual({ host: '127.0.0.1', port: expect.any(Number) })
  })

  test('is forbidden to others than this server’s accounts', async () => {
    const at = await startServer({ domain: 'test', set: { 'component.port': '0' } })
    try {
      await callControl(at.dataDir, 'component.add', { domain: 'other.example', secret: 'a long secret' })
      const component = await connectTcp(at.ports.component)
      open.push(component)
      component.send(
        "<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' to='other.example'>",
      )
      const [, id = ''] = await component.expect(/ id="([^"]+)">/)
      component.send(`<handshake>${createHash('sha1').update(`${id}a long secret`).digest('hex')}</handshake>`)
      for (const [type, body] of [
        ['get', ''],
        ['set', `<activate>${BOB}</activate>`],
      ]) {
        component.send(
          `<iq type='${type}' id='1' from='other.example' to='${PROXY}'><query xmlns='${NS}' sid='s'>${body}</query></iq>`,
        )
      }
      component.send('</stream:stream>')
      expect((await component.ended()).match(/<error type="auth"><forbidden /g)).toHaveLength(2)
    } finally {
      await at.stop()
    }
  })

  test('is not there when it is off', async () => {
    const off = await startServer({ domain: 'test', set: { 'bytestreams.port': 'off' } })
    try {
      await off.addUser('alice@test', PASSWORD)
      const alice = await login('alice', 'desk', off)
      const answer = await ask(alice, `<iq type='get' id='h' to='${PROXY}'><query xmlns='${NS}'/></iq>`)
      expect(answer).toContain('<remote-server-not-found ')
    } finally {
      await off.stop()
    }
  })
})

describe('XEP-0065 §6.3.5  activation', () => {
  test('carries bytes both ways, none that were sent before it, and each side’s end', async () => {
    const alice = await login('alice', 'desk')
    const to = await streamHost(alice)
    const target = await socks(to, destination('s1'))
    target.socket.write('too early')
    const requester = await socks(to, destination('s1').toUpperCase())
    expect(await ask(alice, activation('s1', BOB))).toContain('type="result"')
    target.socket.write('bird')
    expect((await requester.read(4)).toString()).toBe('bird')
    const bytes = randomBytes(3_000_000)
    requester.socket.end(bytes)
    expect((await target.rest()).equals(bytes)).toBe(true)
    target.socket.end('thanks')
    expect((await requester.rest()).toString()).toBe('thanks')
    await Promise.all([target.closed(), requester.closed()])
  })

  test('bad-request and jid-malformed for what is no activation', async () => {
    const alice = await login('alice', 'desk')
    for (const [query, condition] of [
      [`<query xmlns='${NS}'><activate>${BOB}</activate></query>`, 'bad-request'],
      [`<query xmlns='${NS}' sid='s'/>`, 'bad-request'],
      [`<query xmlns='${NS}' sid='s'><activate>x@@y</activate></query>`, 'jid-malformed'],
    ]) {
      expect(await ask(alice, `<iq type='set' id='1' to='${PROXY}'>${query}</iq>`)).toContain(`<${condition} `)
    }
  })

  test('item-not-found for no stream and for another’s, not-allowed while one party lacks', async () => {
    const [alice, bob] = [await login('alice', 'desk'), await login('bob', 'phone')]
    expect(await ask(alice, activation('s2', BOB))).toMatch(/<error type="cancel"><item-not-found /)
    const to = await streamHost(alice)
    const first = await socks(to, destination('s2'))
    expect(await ask(alice, activation('s2', BOB))).toMatch(/<error type="cancel"><not-allowed /)
    first.destroy()
    await expect.poll(() => ask(alice, activation('s2', BOB)), { interval: 5 }).toContain('<item-not-found ')
    for (let party = 0; party < 2; party++) await socks(to, destination('s2'))
    expect(await ask(bob, activation('s2', BOB))).toContain('<item-not-found ')
    expect(await ask(alice, activation('s2', 'bob@test/elsewhere'))).toContain('<item-not-found ')
    // A third connection is one too many.
    const third = await raw(to)
    third.socket.write(Buffer.concat([Buffer.from([5, 1, 0]), request(destination('s2'))]))
    expect((await third.rest()).subarray(2, 4)).toEqual(Buffer.from([5, 2]))
  })

  test('ends with the requester’s account', async () => {
    await server.addUser('carol@test', PASSWORD)
    const carol = await login('carol', 'desk')
    const to = await streamHost(carol)
    const hash = destination('s3', 'carol@test/desk')
    const [one, two] = [await socks(to, hash), await socks(to, hash)]
    expect(await ask(carol, activation('s3', BOB))).toContain('type="result"')
    await callControl(server.dataDir, 'user.remove', { jid: 'carol@test' })
    await Promise.all([one.closed(), two.closed()])
  })
})

describe('RFC 1928  what is said before', () => {
  test.each([
    ['another version', [4, 1], []],
    ['no method of ours', [5, 1, 2], [5, 255]],
    ['a request of another version', [5, 1, 0, 4, 1, 0, 3, 1], [5, 0]],
    ['BIND', [5, 1, 0, ...request(destination('x'), { command: 2 })], [5, 0, 5, 7]],
    ['an IPv4 address', [5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1, 0, 80], [5, 0, 5, 8]],
    ['a name that is no hash', [5, 1, 0, ...request('example.com')], [5, 0, 5, 2]],
    ['a port', [5, 1, 0, ...request(destination('x'), { port: 80 })], [5, 0, 5, 2]],
  ])('%s is refused', async (_, bytes, answer) => {
    const alice = await login('alice', 'desk')
    const client = await raw(await streamHost(alice))
    client.socket.write(Buffer.from(bytes))
    const rest = await client.rest()
    expect([...rest.subarray(0, answer.length)]).toEqual(answer)
    expect(rest.length).toBe(answer.length === 4 ? 12 : answer.length)
    await client.closed()
  })

  test('may come byte by byte', async () => {
    const alice = await login('alice', 'desk')
    const client = await raw(await streamHost(alice))
    client.socket.setNoDelay()
    for (const byte of [5, 2, 1, 0, ...request(destination('slow'))]) client.socket.write(Buffer.from([byte]))
    expect([...(await client.read(2 + 47)).subarray(0, 4)]).toEqual([5, 0, 5, 0])
  })
})

describe('limits', () => {
  test('a connection that is not activated in time is closed', async () => {
    const alice = await login('alice', 'desk', tight)
    const to = await streamHost(alice)
    const silent = await raw(to)
    const waiting = await socks(to, destination('w'))
    await Promise.all([silent.closed(), waiting.closed()])
  })

  test('a stream in which nothing moves ends, and makes room for another', async () => {
    const alice = await login('alice', 'desk', tight)
    const [one, two] = await stream(alice, 'l1')
    const to = await streamHost(alice)
    const more = [await socks(to, destination('l2')), await socks(to, destination('l2'))]
    expect(await ask(alice, activation('l2', BOB))).toMatch(/<error type="wait"><resource-constraint /)
    await Promise.all([one.closed(), two.closed()])
    for (const each of more) each.destroy()
    await expect.poll(() => tight.log(), { interval: 5 }).toContain('"why":"idle"')
    await stream(alice, 'l3')
  })

  test('a stream is slowed to its rate, and ends beyond its size', async () => {
    const alice = await login('alice', 'desk', tight)
    await expect
      .poll(
        async () => {
          const to = await streamHost(alice)
          const hash = destination('l4')
          const both = [await socks(to, hash), await socks(to, hash)] as const
          if (!(await ask(alice, activation('l4', BOB))).includes('type="result"')) {
            for (const each of both) each.destroy()
            return undefined
          }
          const started = performance.now()
          both[0].socket.write(randomBytes(90_000))
          await both[1].read(90_000)
          // The first second's allowance is there at once; the rest comes at the rate.
          expect(performance.now() - started).toBeGreaterThan(200)
          both[0].socket.write(randomBytes(20_000))
          await Promise.all(both.map((each) => each.closed()))
          return tight.log().includes('"why":"too-large"')
        },
        { interval: 100, timeout: 20_000 },
      )
      .toBe(true)
  })
})
