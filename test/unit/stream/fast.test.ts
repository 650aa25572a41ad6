/** Logging in by token over the wire, on a hand-moved clock. XEP-0484, draft-schmaus-kitten-sasl-ht-09. */

import { createHmac, randomUUID } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { putAccount, removeAccount, setKeys } from '../../../server/auth/store.ts'
import { TokenBook } from '../../../server/auth/tokens.ts'
import type { Storage } from '../../../server/storage/storage.ts'
import { openDirectStorage } from '../../support/direct-storage.ts'
import {
  base64,
  clientBinding,
  connectTls,
  connectWebSocket,
  header,
  OPEN,
  startC2s,
  type TcpClient,
  type TestC2s,
  type WebSocketClient,
} from './harness.ts'

const HOUR_MS = 60 * 60 * 1000
const LIFETIME_MS = 100 * HOUR_MS

let server: TestC2s
let storage: Storage
let folder = ''
let now = Date.UTC(2030, 0, 1)
let client = randomUUID()

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sacm-fast-'))
  storage = openDirectStorage()
  const tokens = new TokenBook(storage, {
    keyFile: join(folder, 'tokens.key'),
    lifetimeMs: LIFETIME_MS,
    now: () => now,
  })
  server = await startC2s({ tokens, limits: { loginAttempts: 50 } })
})
afterAll(async () => {
  await server.stop()
  await storage.close()
  rmSync(folder, { recursive: true })
})
beforeEach(async () => {
  now = Date.UTC(2030, 0, 1)
  client = randomUUID()
  for (const local of ['alice', 'bob']) {
    await storage.run(removeAccount, local)
    await storage.run(putAccount, { local, keys: [], grants: [], replace: true })
  }
})

type Mechanism = 'HT-SHA-256-NONE' | 'HT-SHA-256-EXPR' | 'HT-SHA-256-ENDP'
interface Token {
  readonly token: string
  readonly expiry: string
}

async function opened(): Promise<TcpClient> {
  const stream = await connectTls(server.ports.tls)
  stream.send(header())
  await stream.expect('</stream:features>')
  return stream
}

const agent = () => `<user-agent id='${client}'/>`
const request = (mechanism: Mechanism) => `<request-token xmlns='urn:xmpp:fast:0' mechanism='${mechanism}'/>`

interface Outcome {
  /** `success`, or the condition of the failure. */
  readonly result: string
  readonly data: string | undefined
  readonly token: Token | undefined
}

async function outcome(stream: TcpClient | WebSocketClient): Promise<Outcome> {
  const [all, condition] = await stream.expect(/<failure [^>]*><([\w-]+) .*?<\/failure>|<success .*?<\/success>/)
  const token = /<token xmlns="urn:xmpp:fast:0" token="([^"]+)" expiry="([^"]+)"\/>/.exec(all)
  return {
    result: condition ?? 'success',
    data: /<additional-data>([^<]+)</.exec(all)?.[1],
    token: token ? { token: token[1] ?? '', expiry: token[2] ?? '' } : undefined,
  }
}

/** By password, asking for a token. */
async function obtain(mechanism: Mechanism = 'HT-SHA-256-NONE', children = agent()): Promise<Token | undefined> {
  const stream = await opened()
  const initial = base64('\0alice\0pencil')
  stream.send(
    `<authenticate xmlns='urn:xmpp:sasl:2' mechanism='PLAIN'><initial-response>${initial}</initial-response>${children}${request(mechanism)}</authenticate>`,
  )
  const { token } = await outcome(stream)
  stream.destroy()
  return token
}

async function token(mechanism?: Mechanism): Promise<string> {
  const obtained = await obtain(mechanism)
  if (!obtained) throw new Error('no token')
  return obtained.token
}

const NONE = { type: 'none', data: Buffer.alloc(0) }
const mac = (key: string, text: string, data: Buffer) => createHmac('sha256', key).update(text).update(data).digest()

interface Attempt {
  readonly mechanism?: Mechanism
  readonly user?: string
  readonly fast?: string
  readonly more?: string
  readonly children?: string
}

/** By token; the server's proof is checked. */
async function use(secret: string, attempt: Attempt = {}): Promise<Outcome> {
  const { mechanism = 'HT-SHA-256-NONE', user = 'alice', fast = '', more = '', children = agent() } = attempt
  const stream = await opened()
  const { data } =
    mechanism === 'HT-SHA-256-NONE'
      ? NONE
      : clientBinding(stream.socket, mechanism === 'HT-SHA-256-EXPR' ? 'tls-exporter' : 'tls-server-end-point')
  const initial = Buffer.concat([Buffer.from(`${user}\0`), mac(secret, 'Initiator', data)]).toString('base64')
  stream.send(
    `<authenticate xmlns='urn:xmpp:sasl:2' mechanism='${mechanism}'><initial-response>${initial}</initial-response>${children}<fast xmlns='urn:xmpp:fast:0'${fast}/>${more}</authenticate>`,
  )
  const result = await outcome(stream)
  if (result.result === 'success') expect(result.data).toBe(mac(secret, 'Responder', data).toString('base64'))
  stream.destroy()
  return result
}

const resultOf = async (secret: string, attempt?: Attempt) => (await use(secret, attempt)).result

describe('XEP-0484 §3.1 to §3.4', () => {
  test('the mechanisms that this connection has are offered', async () => {
    const stream = await connectTls(server.ports.tls, ['xmpp-client'], { maxVersion: 'TLSv1.2' })
    stream.send(header())
    const [, older] = await stream.expect(/<fast xmlns="urn:xmpp:fast:0">(.*?)<\/fast>/)
    expect(older).toBe('<mechanism>HT-SHA-256-ENDP</mechanism><mechanism>HT-SHA-256-NONE</mechanism>')
    stream.destroy()
    const webSocket = await connectWebSocket(`wss://127.0.0.1:${server.https}/xmpp-websocket`)
    webSocket.send(OPEN)
    const [, newer] = await webSocket.expect(/<fast xmlns="urn:xmpp:fast:0">(.*?)<\/fast>/)
    expect(newer).toContain('<mechanism>HT-SHA-256-EXPR</mechanism>')
    webSocket.destroy()
  })

  test.each(['HT-SHA-256-NONE', 'HT-SHA-256-EXPR', 'HT-SHA-256-ENDP'] as const)(
    'a token asked for logs in by %s, again and again, and by no other',
    async (mechanism) => {
      const obtained = await obtain(mechanism)
      expect(obtained?.expiry).toBe(new Date(now + LIFETIME_MS).toISOString().replace('.000Z', 'Z'))
      const secret = obtained?.token ?? ''
      for (let i = 0; i < 3; i++) expect(await resultOf(secret, { mechanism })).toBe('success')
      for (const other of ['HT-SHA-256-NONE', 'HT-SHA-256-EXPR', 'HT-SHA-256-ENDP'] as const)
        if (other !== mechanism) expect(await resultOf(secret, { mechanism: other })).toBe('not-authorized')
    },
  )

  test('none is given to a client that does not say which it is, or asks for what is not offered', async () => {
    expect(await obtain('HT-SHA-256-NONE', '')).toBeUndefined()
    expect(await obtain('HT-SHA-256-UNIQ' as Mechanism)).toBeUndefined()
  })

  test('a token is good for its account and client alone', async () => {
    const secret = await token()
    expect(await resultOf(secret, { user: 'bob' })).toBe('not-authorized')
    expect(await resultOf(secret, { user: 'nobody' })).toBe('not-authorized')
    expect(await resultOf(secret, { user: 'a@b' })).toBe('not-authorized')
    expect(await resultOf(secret, { children: `<user-agent id='${randomUUID()}'/>` })).toBe('not-authorized')
    expect(await resultOf(`${secret}x`)).toBe('not-authorized')
    expect(await resultOf(secret)).toBe('success')
  })

  test('requests that cannot be', async () => {
    expect(await resultOf('x', { children: '' })).toBe('malformed-request')
    expect(await resultOf('x', { mechanism: 'HT-SHA-512-NONE' as Mechanism })).toBe('invalid-mechanism')
    const say = async (initial: string) => {
      const stream = await opened()
      stream.send(
        `<authenticate xmlns='urn:xmpp:sasl:2' mechanism='HT-SHA-256-NONE'>${initial}${agent()}<fast xmlns='urn:xmpp:fast:0'/></authenticate>`,
      )
      const { result } = await outcome(stream)
      stream.destroy()
      return result
    }
    expect(await say('')).toBe('malformed-request')
    expect(await say('<initial-response>!</initial-response>')).toBe('incorrect-encoding')
    expect(await say(`<initial-response>${base64('no end')}</initial-response>`)).toBe('malformed-request')
  })

  test('without <fast/> a token mechanism is none', async () => {
    const stream = await opened()
    stream.send(`<authenticate xmlns='urn:xmpp:sasl:2' mechanism='HT-SHA-256-NONE'/>`)
    expect((await outcome(stream)).result).toBe('invalid-mechanism')
    stream.destroy()
  })
})

describe('XEP-0484 §3.5  rotation', () => {
  test('a quarter through its life a token is replaced; the old one stands until the new one is used', async () => {
    const first = await token()
    now += 24 * HOUR_MS
    expect((await use(first)).token).toBeUndefined()
    now += 2 * HOUR_MS
    const { token: second } = await use(first)
    if (!second) throw new Error('no new token')
    // The connection broke before it came: the old one is good, and brings another.
    const { token: third } = await use(first)
    if (!third) throw new Error('no new token')
    expect(await resultOf(second.token)).toBe('not-authorized')
    expect(await resultOf(third.token)).toBe('success')
    expect(await resultOf(first)).toBe('not-authorized')
  })

  test('a token that has expired says so', async () => {
    const secret = await token()
    now += LIFETIME_MS
    expect(await resultOf(secret)).toBe('credentials-expired')
    expect(await resultOf('another')).toBe('not-authorized')
  })

  test('a client may ask for a new one with the old', async () => {
    const first = await token()
    const { token: second } = await use(first, { more: request('HT-SHA-256-EXPR') })
    if (!second) throw new Error('no new token')
    expect(await resultOf(second.token, { mechanism: 'HT-SHA-256-EXPR' })).toBe('success')
    expect(await resultOf(first)).toBe('not-authorized')
  })
})

describe('the end of a token', () => {
  test.each(['1', 'true'])('§3.6  invalidate=%s logs in once more, and brings no new one', async (value) => {
    const secret = await token()
    now += 50 * HOUR_MS
    const last = await use(secret, { fast: ` invalidate='${value}'` })
    expect(last.result).toBe('success')
    expect(last.token).toBeUndefined()
    expect(await resultOf(secret)).toBe('not-authorized')
  })

  test('a new password ends all tokens of the account', async () => {
    const secret = await token()
    await storage.run(setKeys, { local: 'alice', keys: [] })
    expect(await resultOf(secret)).toBe('not-authorized')
  })

  test('beyond fifty installations the oldest loses its own', async () => {
    const first = client
    const secret = await token()
    for (let i = 0; i < 50; i++) {
      now += 1
      client = randomUUID()
      await token()
    }
    client = first
    expect(await resultOf(secret)).toBe('not-authorized')
  })
})

test('neither the database nor the key alone holds a token', async () => {
  const secret = await token()
  const key = readFileSync(join(folder, 'tokens.key'), 'utf8')
  expect(key).not.toContain(secret)
  expect(statSync(join(folder, 'tokens.key')).mode & 0o777).toBe(0o600)
})
