import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { ChannelBindings } from '../../../server/auth/channel-binding.ts'
import { StreamError } from '../../../server/stanza/errors.ts'
import type { Jid } from '../../../server/stanza/jid.ts'
import type { StreamContext, StreamUser } from '../../../server/stream/context.ts'
import { UNTHROTTLED } from '../../../server/stream/mechanisms.ts'
import { Offers } from '../../../server/stream/offers.ts'
import { Stream } from '../../../server/stream/stream.ts'
import type { Element } from '../../../server/xml/element.ts'
import { DEFAULT_LIMITS } from '../../../server/xml/parser.ts'
import { auth, authenticator, bind, header, OPEN, plain, response, ScramClient, STARTTLS, silent } from './harness.ts'
import { MemoryTransport } from './memory.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const AUTH_MS = 30_000
const CLOSE_MS = 5_000

/** Stands where a session stands, and does what the test says. */
class User implements StreamUser {
  readonly fullJid: Jid
  received: Element[] = []
  ended = 0
  finished: (() => void) | undefined

  constructor(fullJid: Jid) {
    this.fullJid = fullJid
  }

  start(): void {}
  receive(stanza: Element): void {
    this.received.push(stanza)
  }
  finish(done: () => void): void {
    this.finished = done
  }
  onDrain(): void {}
  onEnded(): void {
    this.ended++
  }
}

interface Setup {
  readonly transport: MemoryTransport
  readonly stream: Stream
  readonly users: User[]
  readonly gone: () => number
}

function setup(kind: 'tcp' | 'websocket' = 'tcp', security: StreamContext['security'] = 'none'): Setup {
  const transport = new MemoryTransport(kind)
  const users: User[] = []
  const inline = { login: [], bind: [], resume: () => undefined, enable: () => undefined }
  let gone = 0
  const stream = new Stream(transport, {
    domain: 'test',
    isLocalDomain: (domain) => domain === 'test',
    security,
    offers: new Offers({ mechanisms: ['SCRAM-SHA-1', 'PLAIN'], inline, hasTokens: false, upgrades: undefined }),
    authenticator,
    throttle: UNTHROTTLED,
    bindings: new ChannelBindings([]),
    inline,
    extraFeatures: () => [],
    nonzas: new Map(),
    limits: { anonymous: DEFAULT_LIMITS, authenticated: DEFAULT_LIMITS, loginAttempts: 4 },
    timeouts: { authMs: AUTH_MS, closeMs: CLOSE_MS },
    bind: (_stream, account, resource) => {
      const full = `${account.bare}/${resource}`
      const user = new User({ ...account, resource: resource ?? '', full })
      users.push(user)
      return user
    },
    onClosed: () => gone++,
    log: silent,
  })
  return { transport, stream, users, gone: () => gone }
}

const TIMEOUT = '<stream:error><connection-timeout xmlns="urn:ietf:params:xml:ns:xmpp-streams"/>'

describe('RFC 6120 §13.12  a connection that does not log in', () => {
  test.each([
    ['says nothing', () => {}],
    ['stops inside its header', ({ transport }: Setup) => transport.receive(header().slice(0, 40))],
    ['stops after its header', ({ transport }: Setup) => transport.receive(header())],
    ['drips white space', ({ transport }: Setup) => transport.receive(`${header()}   `)],
    ['drips a stanza', ({ transport }: Setup) => transport.receive(`${header()}<auth xmlns='urn:ietf`)],
  ])('that %s is closed in time, with one header and one error', (_name, act) => {
    const it = setup()
    vi.advanceTimersByTime(AUTH_MS - 1)
    act(it)
    expect(it.transport.text).not.toContain('error')
    vi.advanceTimersByTime(1)
    expect(it.transport.text).toContain(TIMEOUT)
    expect(it.transport.text).toMatch(/<\/stream:error><\/stream:stream>$/)
    expect(it.transport.text.match(/<stream:stream /g)).toHaveLength(1)
    expect(it.transport.isEnded).toBe(true)
    expect(vi.getTimerCount()).toBe(0)
  })

  test('over WebSocket it has time to answer the close, and no longer', () => {
    const { transport } = setup('websocket')
    transport.receive(OPEN)
    vi.advanceTimersByTime(AUTH_MS)
    expect(transport.written.at(-1)).toBe('<close xmlns="urn:ietf:params:xml:ns:xmpp-framing"/>')
    expect(transport.isEnded).toBe(false)
    vi.advanceTimersByTime(CLOSE_MS)
    expect(transport.isEnded).toBe(true)
  })

  test('nothing is said in the middle of a TLS handshake', () => {
    const it = setup('tcp', 'starttls')
    it.transport.receive(header() + STARTTLS)
    expect(it.transport.written.at(-1)).toBe('<proceed xmlns="urn:ietf:params:xml:ns:xmpp-tls"/>')
    vi.advanceTimersByTime(AUTH_MS)
    expect(it.transport.isDestroyed).toBe(true)
    expect(it.transport.text).not.toContain('error')
    expect(it.gone()).toBe(1)
    const direct = setup('tcp', 'direct')
    vi.advanceTimersByTime(AUTH_MS)
    expect(direct.transport.isDestroyed).toBe(true)
    expect(direct.transport.text).toBe('')
  })

  test('after a restart the error follows a header of its own', () => {
    const it = setup('tcp', 'starttls')
    it.transport.receive(header() + STARTTLS)
    it.transport.secured()
    vi.advanceTimersByTime(AUTH_MS)
    expect(it.transport.text).toMatch(/<proceed [^>]*><\?xml version='1.0'\?><stream:stream [^>]*><stream:error>/)
  })
})

/** A stream with a bound user. */
async function bound(kind: 'tcp' | 'websocket' = 'tcp'): Promise<Setup & { readonly user: User }> {
  const it = setup(kind)
  await scramLogin(it, kind)
  const [user] = it.users
  if (!user) throw new Error('not bound')
  return { ...it, user }
}

async function scramLogin({ transport }: Setup, kind: 'tcp' | 'websocket'): Promise<void> {
  const scram = new ScramClient('SCRAM-SHA-1', 'alice')
  const open = kind === 'tcp' ? header() : OPEN
  transport.receive(open)
  transport.receive(auth('SCRAM-SHA-1', scram.first()))
  await vi.waitUntil(() => transport.text.includes('<challenge'))
  const [, challenge = ''] = /<challenge [^>]*>([^<]+)</.exec(transport.text) ?? []
  transport.receive(response(scram.final(challenge)))
  await vi.waitUntil(() => transport.text.includes('<success'))
  transport.receive(open)
  transport.receive(kind === 'tcp' ? bind('desk') : bind('desk').replace('<iq', "<iq xmlns='jabber:client'"))
}

describe('RFC 6120 §4.4, §4.6  a bound stream', () => {
  test('may be idle for as long as it likes, white space or not', async () => {
    const { transport } = await bound()
    vi.advanceTimersByTime(1000 * AUTH_MS)
    transport.receive(' \n ')
    expect(transport.text).not.toContain('error')
    expect(vi.getTimerCount()).toBe(0)
  })

  test('that is lost ends its user once', async () => {
    const { transport, user, gone } = await bound()
    transport.lose()
    expect([user.ended, gone()]).toEqual([1, 1])
    expect(vi.getTimerCount()).toBe(0)
  })

  test('closed by the client is answered when what it sent before is done', async () => {
    const { transport, user } = await bound()
    transport.receive('<message/></stream:stream>')
    expect(user.received).toHaveLength(1)
    expect(transport.text).not.toContain('</stream:stream>')
    user.finished?.()
    expect(transport.text).toMatch(/<\/stream:stream>$/)
    expect([transport.isEnded, user.ended]).toEqual([true, 1])
  })

  test('closed by the client, with work that does not end, is closed all the same', async () => {
    for (const isLost of [false, true]) {
      const { transport, user } = await bound()
      transport.receive('</stream:stream>')
      if (isLost) transport.lose()
      vi.advanceTimersByTime(CLOSE_MS - 1)
      expect(user.ended).toBe(0)
      vi.advanceTimersByTime(1)
      expect(user.ended).toBe(1)
      user.finished?.()
      expect(user.ended).toBe(1)
    }
  })

  test('that failed says one error, sends nothing more, and ignores what comes', async () => {
    const { transport, user, stream } = await bound()
    stream.fail(new StreamError('reset'))
    stream.fail(new StreamError('conflict'))
    stream.send('<message/>')
    transport.receive("<message from='mallory@test'/>")
    expect(transport.text).toMatch(/<stream:error><reset [^>]*\/><\/stream:error><\/stream:stream>$/)
    expect(user.received).toHaveLength(0)
    expect(user.ended).toBe(1)
  })

  test('over WebSocket waits for the client’s <close/> before it closes the connection', async () => {
    const { transport, stream } = await bound('websocket')
    stream.fail(new StreamError('system-shutdown'))
    expect(transport.isEnded).toBe(false)
    transport.receive("<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>")
    expect(transport.isEnded).toBe(true)
  })

  test('held back for two reasons goes on when both are over, in order', async () => {
    const { transport, stream, user } = await bound()
    stream.hold(2)
    stream.hold(4)
    transport.receive("<message id='1'/><message id='2'/>")
    stream.release(2)
    expect([transport.isPaused, user.received.length]).toEqual([true, 0])
    stream.release(4)
    expect(user.received.map((stanza) => stanza.attrs['id'])).toEqual(['1', '2'])
    expect(transport.isPaused).toBe(false)
  })
})

describe('RFC 6120 §5.4.2  STARTTLS', () => {
  test('plaintext that the socket holds already is an injection too', () => {
    const { transport } = setup('tcp', 'starttls')
    transport.mayStartTls = false
    transport.receive(header() + STARTTLS)
    expect(transport.text).not.toContain('proceed')
    expect(transport.text).toContain('<policy-violation ')
    expect(transport.isEnded).toBe(true)
  })

  test('§5.4.3.3  what was learnt in the clear is forgotten', () => {
    const { transport } = setup('tcp', 'starttls')
    transport.receive(header("to='test' version='1.0' from='bob@test'") + STARTTLS)
    transport.secured()
    transport.written.length = 0
    transport.receive(header())
    expect(transport.text).not.toContain('bob')
    expect(transport.text).toContain('<starttls') // this transport never becomes secure
    transport.receive(plain('alice'))
    expect(transport.text).toContain('<encryption-required/>')
  })
})
