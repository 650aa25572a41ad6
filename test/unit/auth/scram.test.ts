/** The SCRAM server against the examples of its RFCs, and against messages that are not SCRAM. */

import { createHmac, hash as digest } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { deriveKeys, hmac, type ScramHash, type ScramKeys } from '../../../server/auth/keys.ts'
import { type ScramOptions, ScramServer } from '../../../server/auth/scram.ts'
import { SaslError } from '../../../server/stanza/errors.ts'

interface Example {
  readonly spec: string
  readonly hash: ScramHash
  readonly salt: string
  readonly clientNonce: string
  readonly serverNonce: string
  readonly proof: string
  readonly signature: string
}

const SHA1: Example = {
  spec: 'RFC 5802 §5',
  hash: 'sha1',
  salt: 'QSXCR+Q6sek8bf92',
  clientNonce: 'fyko+d2lbbFgONRv9qkxdawL',
  serverNonce: '3rfcNHYJY1ZVvWVs7j',
  proof: 'v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=',
  signature: 'rmF9pqV8S7suAoZWja4dJRkFsKQ=',
}

const SHA256: Example = {
  spec: 'RFC 7677 §3',
  hash: 'sha256',
  salt: 'W22ZaJ0SNY7soEsUEjb6gQ==',
  clientNonce: 'rOprNGfwEbeRWgbNEkqO',
  serverNonce: '%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0',
  proof: 'dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=',
  signature: '6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=',
}

async function serverFor(example: Example, options: Partial<ScramOptions> = {}): Promise<ScramServer> {
  const keys = await deriveKeys(example.hash, 'pencil', example.salt, 4096)
  return new ScramServer({
    hash: example.hash,
    keysOf: () => Promise.resolve(keys),
    nonce: example.serverNonce,
    ...options,
  })
}

/** What a client with this password sends last. RFC 5802 §3, written apart from the server's code. */
function clientFinal(keys: ScramKeys, clientFirstBare: string, serverFirst: string, channel: string, password: Buffer) {
  const mac = (key: Buffer, text: string) => createHmac(keys.hash, key).update(text).digest()
  const clientKey = mac(password, 'Client Key')
  const nonce = /^r=([^,]+)/.exec(serverFirst)?.[1] ?? ''
  const withoutProof = `c=${Buffer.from(channel, 'latin1').toString('base64')},r=${nonce}`
  const signature = mac(digest(keys.hash, clientKey, 'buffer'), `${clientFirstBare},${serverFirst},${withoutProof}`)
  const proof = Buffer.from(clientKey.map((byte, i) => byte ^ (signature[i] ?? 0)))
  return `${withoutProof},p=${proof.toString('base64')}`
}

const conditionOf = async (run: () => unknown): Promise<string> => {
  try {
    await run()
  } catch (error) {
    if (error instanceof SaslError) return `${error.condition} ${error.message}`
    throw error
  }
  return 'no error'
}

describe.each([SHA1, SHA256])('the example of $spec', (example) => {
  const nonce = example.clientNonce + example.serverNonce

  test('runs to the same messages', async () => {
    const server = await serverFor(example)
    expect(await server.first(`n,,n=user,r=${example.clientNonce}`)).toBe(`r=${nonce},s=${example.salt},i=4096`)
    expect(server.final(`c=biws,r=${nonce},p=${example.proof}`)).toEqual({
      serverFinal: `v=${example.signature}`,
      username: 'user',
    })
  })

  test('any other proof is refused, and the exchange is over', async () => {
    const server = await serverFor(example)
    await server.first(`n,,n=user,r=${example.clientNonce}`)
    const wrong = Buffer.from(example.proof, 'base64')
    wrong[0] = (wrong[0] ?? 0) ^ 1
    const final = (proof: string) => () => server.final(`c=biws,r=${nonce},p=${proof}`)
    expect(await conditionOf(final(wrong.toString('base64')))).toBe('not-authorized invalid-proof')
    expect(await conditionOf(final(example.proof))).toBe('malformed-request no exchange is under way')
  })
})

test('sha512 agrees with an independent computation', async () => {
  const keys = await deriveKeys('sha512', 'pencil', SHA256.salt, 4096)
  const { pbkdf2Sync } = await import('node:crypto')
  const salted = pbkdf2Sync('pencil', Buffer.from(SHA256.salt, 'base64'), 4096, 64, 'sha512')
  const server = new ScramServer({ hash: 'sha512', keysOf: () => Promise.resolve(keys) })
  const serverFirst = await server.first('n,,n=user,r=abc')
  const { serverFinal } = server.final(clientFinal(keys, 'n=user,r=abc', serverFirst, 'n,,', salted))
  const nonce = /^r=([^,]+)/.exec(serverFirst)?.[1] ?? ''
  const authMessage = `n=user,r=abc,${serverFirst},c=biws,r=${nonce}`
  const serverKey = createHmac('sha512', salted).update('Server Key').digest()
  expect(serverFinal).toBe(`v=${createHmac('sha512', serverKey).update(authMessage).digest('base64')}`)
})

test('HMAC is that of node:crypto, for keys shorter, equal and longer than a block', () => {
  for (const hash of ['sha1', 'sha256', 'sha512'] as const)
    for (const length of [0, 1, 20, 63, 64, 65, 127, 128, 129, 300]) {
      const key = Buffer.alloc(length, 0xa5)
      expect(hmac(hash, key, 'grüße')).toEqual(createHmac(hash, key).update('grüße').digest())
    }
})

test('every server nonce is new', async () => {
  const keys = await deriveKeys('sha1', 'pencil', SHA1.salt, 1)
  const first = () => new ScramServer({ hash: 'sha1', keysOf: () => Promise.resolve(keys) }).first('n,,n=user,r=abc')
  const nonces = await Promise.all(Array.from({ length: 100 }, first))
  expect(new Set(nonces).size).toBe(100)
})

describe('names', () => {
  test.each([
    ['n,,n=a=2Cb=3Dc,r=abc', 'a,b=c', undefined],
    ['n,a=boss@test,n=user,r=abc', 'user', 'boss@test'],
    ['n,a=a=3Db=2Cc,n=user,r=abc', 'user', 'a=b,c'],
    ['y,,n=jürgen,r=abc', 'jürgen', undefined],
    // Unknown optional extensions are ignored. RFC 5802 §5.1.
    ['n,,n=user,r=abc,x=1,y=2', 'user', undefined],
  ])('%s', async (clientFirst, username, authzid) => {
    const asked: string[] = []
    const keys = await deriveKeys('sha1', 'pencil', SHA1.salt, 1)
    const server = new ScramServer({
      hash: 'sha1',
      keysOf: (name) => {
        asked.push(name)
        return Promise.resolve(keys)
      },
    })
    const serverFirst = await server.first(clientFirst)
    expect(asked).toEqual([username])
    const { pbkdf2Sync } = await import('node:crypto')
    const salted = pbkdf2Sync('pencil', Buffer.from(SHA1.salt, 'base64'), 1, 20, 'sha1')
    const header = /^[^,]*,[^,]*,/.exec(clientFirst)?.[0] ?? ''
    const result = server.final(clientFinal(keys, clientFirst.slice(header.length), serverFirst, header, salted))
    expect(result.username).toBe(username)
    expect(result.authzid).toBe(authzid)
  })
})

describe('client-first-messages that are refused', () => {
  test.each([
    ['', 'invalid-encoding'],
    ['n=user,r=abc', 'invalid-encoding'],
    ['n,n=user,r=abc', 'invalid-encoding'],
    ['x,,n=user,r=abc', 'invalid-encoding'],
    ['N,,n=user,r=abc', 'invalid-encoding'],
    ['n,b=x,n=user,r=abc', 'invalid-encoding'],
    ['n,a=,n=user,r=abc', 'invalid-encoding'],
    ['n,,n=,r=abc', 'invalid-encoding'],
    ['n,,r=abc,n=user', 'invalid-encoding'],
    ['n,,n=user', 'invalid-encoding'],
    ['n,,n=user,r=', 'invalid-encoding'],
    ['n,,n=user,r=a b', 'invalid-encoding'],
    ['n,,n=user,r=ä', 'invalid-encoding'],
    ['n,,n=user,r=abc,', 'invalid-encoding'],
    ['n,,n=user,r=abc,xx=1', 'invalid-encoding'],
    ['n,,n=us\0er,r=abc', 'invalid-encoding'],
    ['n,,n=user,r=abc\n', 'invalid-encoding'],
    ['n,,n=us=er,r=abc', 'invalid-username-encoding'],
    ['n,,n=user=2c,r=abc', 'invalid-username-encoding'],
    ['n,,n=user=,r=abc', 'invalid-username-encoding'],
    ['n,a=x=41,n=user,r=abc', 'invalid-username-encoding'],
    ['n,,m=must,n=user,r=abc', 'extensions-not-supported'],
    ['p=tls-unique,,n=user,r=abc', 'channel-binding-not-supported'],
    ['p=,,n=user,r=abc', 'invalid-encoding'],
    [`n,,n=${'u'.repeat(9_000)},r=abc`, 'message too long'],
  ])('%j', async (message, text) => {
    const server = await serverFor(SHA1)
    expect(await conditionOf(() => server.first(message))).toBe(`malformed-request ${text}`)
  })
})

describe('client-final-messages that are refused', () => {
  const nonce = SHA1.clientNonce + SHA1.serverNonce
  test.each([
    ['', 'malformed-request invalid-encoding'],
    [`c=biws,r=${nonce}`, 'malformed-request invalid-encoding'],
    [`r=${nonce},c=biws,p=${SHA1.proof}`, 'malformed-request invalid-encoding'],
    [`c=biws,r=${nonce},p=`, 'malformed-request invalid-encoding'],
    [`c=biws,r=${nonce},p=####`, 'malformed-request invalid-encoding'],
    [`c=biws,r=${nonce},p=AAAA`, 'malformed-request invalid-encoding'],
    [`c=biws,r=${nonce},p=${SHA1.proof}=`, 'malformed-request invalid-encoding'],
    [`c=biws,r=${nonce},p=${SHA1.proof},x=1`, 'malformed-request invalid-encoding'],
    [`c=biws,r=${nonce}x,p=${SHA1.proof}`, 'malformed-request the nonce is not the one of this exchange'],
    [`c=biws,r=${SHA1.clientNonce},p=${SHA1.proof}`, 'malformed-request the nonce is not the one of this exchange'],
    [`c=eSws,r=${nonce},p=${SHA1.proof}`, 'not-authorized channel-bindings-dont-match'],
    [`c=biws,r=${nonce},x=1,p=${SHA1.proof}`, 'not-authorized invalid-proof'],
    [`c=biws,r=${nonce},p=${'A'.repeat(9_000)}`, 'malformed-request message too long'],
  ])('%j', async (message, expected) => {
    const server = await serverFor(SHA1)
    await server.first(`n,,n=user,r=${SHA1.clientNonce}`)
    expect(await conditionOf(() => server.final(message))).toBe(expected)
  })

  test('before a first message', async () => {
    const server = await serverFor(SHA1)
    const message = `c=biws,r=${nonce},p=${SHA1.proof}`
    expect(await conditionOf(() => server.final(message))).toBe('malformed-request no exchange is under way')
  })
})

describe('channel binding', () => {
  const data = Buffer.from('the channel')
  const bindings = [{ type: 'tls-exporter' as const, data }]

  async function login(header: string, channel: string, options: Partial<ScramOptions>): Promise<string> {
    const keys = await deriveKeys('sha256', 'pencil', SHA256.salt, 1)
    const { pbkdf2Sync } = await import('node:crypto')
    const salted = pbkdf2Sync('pencil', Buffer.from(SHA256.salt, 'base64'), 1, 32, 'sha256')
    const server = new ScramServer({ hash: 'sha256', keysOf: () => Promise.resolve(keys), ...options })
    return await conditionOf(async () => {
      const serverFirst = await server.first(`${header}n=user,r=abc`)
      server.final(clientFinal(keys, 'n=user,r=abc', serverFirst, channel, salted))
    })
  }

  test('holds with the data of this channel', async () => {
    expect(await login('p=tls-exporter,,', 'p=tls-exporter,,the channel', { bindings })).toBe('no error')
  })
  test('fails with the data of another', async () => {
    expect(await login('p=tls-exporter,,', 'p=tls-exporter,,a channel', { bindings })).toBe(
      'not-authorized channel-bindings-dont-match',
    )
  })
  test('of a type that this stream does not have', async () => {
    expect(await login('p=tls-unique,,', 'p=tls-unique,,the channel', { bindings })).toBe(
      'malformed-request unsupported-channel-binding-type',
    )
  })
  test('must be used by a -PLUS mechanism', async () => {
    expect(await login('n,,', 'n,,', { bindings })).toMatch(/^malformed-request /)
  })
  test('y is fine when no -PLUS was offered', async () => {
    expect(await login('y,,', 'y,,', {})).toBe('no error')
  })
  test('y tells of a downgrade when -PLUS was offered', async () => {
    expect(await login('y,,', 'y,,', { isPlusOffered: true })).toBe(
      'not-authorized server-does-support-channel-binding',
    )
  })
  test('n is fine when -PLUS was offered: the client cannot bind', async () => {
    expect(await login('n,,', 'n,,', { isPlusOffered: true })).toBe('no error')
  })
})
