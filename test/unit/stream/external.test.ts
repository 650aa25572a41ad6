/** Client certificates over real TLS: whom they stand for, when EXTERNAL is offered, and when not any more. XEP-0178 §2. */

import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ConnectionOptions } from 'node:tls'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ensureCa } from '../../../certs/ca.ts'
import { signCertificate } from '../../../certs/certificate.ts'
import { issueClientCertificate, revokeClientCertificates } from '../../../certs/client.ts'
import { issueServerCertificate } from '../../../certs/issue.ts'
import { type CertificateMapping, ClientCertificates } from '../../../server/auth/certificates.ts'
import {
  auth,
  base64,
  type Client,
  connectTcp,
  connectTls,
  connectWebSocket,
  header,
  OPEN,
  response,
  STARTTLS,
  startC2s,
  type TestC2s,
  tlsMaterial,
} from './harness.ts'

const DAY_MS = 24 * 60 * 60 * 1000
let dir = ''
let server: TestC2s
let certificates: ClientCertificates
let now = Date.now()

const start = (mappings: readonly CertificateMapping[]) => {
  certificates = new ClientCertificates({ dir, domain: 'test', mappings, now: () => now })
  return startC2s({
    certificates,
    tls: { ...tlsMaterial(), clientCa: ensureCa(dir).certPem },
    limits: { loginAttempts: 50 },
  })
}
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'sacm-external-'))
  server = await start(['xmppAddr'])
})
afterAll(async () => {
  await server.stop()
  rmSync(dir, { recursive: true })
})

type Pair = Pick<ConnectionOptions, 'cert' | 'key'>

/** @returns the client with its features, and whether EXTERNAL is among them */
async function opened(pair: Pair, options: ConnectionOptions = {}, to = server): Promise<[Client, boolean]> {
  const client = await connectTls(to.ports.tls, ['xmpp-client'], { ...pair, ...options })
  client.send(header())
  const [features] = await client.expect(/<stream:features>.*<\/stream:features>/)
  return [client, features.includes('<mechanism>EXTERNAL</mechanism>')]
}

async function outcome(client: Client): Promise<string> {
  const [, condition = 'success'] = await client.expect(/<failure [^>]*><([\w-]+)[ /].*?<\/failure>|<success[ >/]/)
  return condition
}

/** Several addresses, in a certificate of the authority. */
function certificateFor(addresses: readonly string[], commonName = 'someone'): Pair {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const cert = signCertificate(
    {
      commonName,
      publicKey,
      notBefore: new Date(Date.now() - DAY_MS),
      notAfter: new Date(Date.now() + DAY_MS),
      use: { kind: 'client', jids: addresses },
    },
    ensureCa(dir),
  )
  return { cert, key: privateKey.export({ type: 'pkcs8', format: 'pem' }) }
}

describe('a good certificate', () => {
  test('logs in without a word more, by direct TLS and by STARTTLS', async () => {
    const pair = issueClientCertificate(dir, 'alice@test')
    const [direct, isOffered] = await opened(pair)
    expect(isOffered).toBe(true)
    direct.send(auth('EXTERNAL', '='))
    expect(await outcome(direct)).toBe('success')
    direct.destroy()
    const client = await connectTcp(server.ports.c2s)
    client.send(header() + STARTTLS)
    await client.expect('<proceed xmlns="urn:ietf:params:xml:ns:xmpp-tls"/>')
    await client.startTls({ cert: pair.cert, key: pair.key })
    client.send(header())
    await client.expect('<mechanism>EXTERNAL</mechanism>')
    client.send(auth('EXTERNAL', ''))
    await client.expect('<challenge xmlns="urn:ietf:params:xml:ns:xmpp-sasl"/>')
    client.send(response(''))
    expect(await outcome(client)).toBe('success')
    client.destroy()
  })

  test('by SASL2, with a resource', async () => {
    const [client] = await opened(issueClientCertificate(dir, 'bob@test'))
    client.send(
      "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='EXTERNAL'><initial-response/><bind xmlns='urn:xmpp:bind:0'/></authenticate>",
    )
    await client.expect(/<authorization-identifier>bob@test\/[\w-]+</)
    client.destroy()
  })

  test('over a resumed TLS session is as good', async () => {
    const { cert, key } = issueClientCertificate(dir, 'alice@test')
    const { promise, resolve } = Promise.withResolvers<Buffer>()
    const first = await connectTls(server.ports.tls, ['xmpp-client'], { cert, key })
    first.socket.once('session', resolve)
    first.send(header())
    await first.expect('</stream:features>')
    const session = await promise
    first.destroy()
    const [client, isOffered] = await opened({ cert, key }, { session })
    expect(isOffered).toBe(true)
    client.destroy()
  })

  test.each([
    ['its own', 'alice@test', 'success'],
    ['its own, to be prepared', 'ALICE@TEST', 'success'],
    ['another', 'bob@test', 'invalid-authzid'],
    ['a full one', 'alice@test/desk', 'invalid-authzid'],
    ['none at all', '@@', 'invalid-authzid'],
  ])('may ask for an identity: %s', async (_name, authzid, expected) => {
    const [client] = await opened(issueClientCertificate(dir, 'alice@test'))
    client.send(auth('EXTERNAL', base64(authzid)))
    expect(await outcome(client)).toBe(expected)
    client.destroy()
  })

  test('with several addresses must say which; one of another domain is none of them', async () => {
    const pair = certificateFor(['alice@test', 'bob@test', 'carol@elsewhere'])
    const [client] = await opened(pair)
    client.send(auth('EXTERNAL', '='))
    expect(await outcome(client)).toBe('invalid-authzid')
    client.send(auth('EXTERNAL', base64('carol@elsewhere')))
    expect(await outcome(client)).toBe('invalid-authzid')
    client.send(auth('EXTERNAL', base64('bob@test')))
    expect(await outcome(client)).toBe('success')
    client.destroy()
  })

  test('of an account that there is not, or may not log in, is refused', async () => {
    const [client, isOffered] = await opened(issueClientCertificate(dir, 'nobody@test'))
    expect(isOffered).toBe(true) // what is offered does not tell which accounts there are
    client.send(auth('EXTERNAL', '='))
    expect(await outcome(client)).toBe('not-authorized')
    client.destroy()
  })
})

describe('EXTERNAL is not offered, and not taken', () => {
  const otherAuthority = () => {
    const other = mkdtempSync(join(tmpdir(), 'sacm-other-'))
    const pair = issueClientCertificate(other, 'alice@test')
    rmSync(other, { recursive: true })
    return pair
  }
  const revoked = () => {
    const pair = issueClientCertificate(dir, 'alice@test')
    revokeClientCertificates(dir, pair.serial)
    certificates.reload()
    return pair
  }
  test.each<[string, () => Pair]>([
    ['without a certificate', () => ({})],
    ['with one of another authority', otherAuthority],
    ['with one for servers', () => issueServerCertificate(ensureCa(dir), { domains: ['test'] })],
    ['with one for another domain', () => issueClientCertificate(dir, 'alice@elsewhere')],
    ['with one that names nobody', () => certificateFor([])],
    ['with one that is revoked', revoked],
  ])('%s', async (_name, make) => {
    const { cert, key } = make()
    const [client, isOffered] = await opened(cert === undefined ? {} : { cert, key })
    expect(isOffered).toBe(false)
    client.send(auth('EXTERNAL', '='))
    expect(await outcome(client)).toBe('invalid-mechanism')
    client.destroy()
  })

  test('before and after its time, also over a TLS session from within it', async () => {
    const { cert, key, notAfter } = issueClientCertificate(dir, 'alice@test', 1)
    try {
      now = notAfter + 1000
      const [late, isOfferedLate] = await opened({ cert, key })
      expect(isOfferedLate).toBe(false)
      late.destroy()
      now = notAfter - 10 * DAY_MS
      const [early, isOfferedEarly] = await opened({ cert, key })
      expect(isOfferedEarly).toBe(false)
      early.destroy()
    } finally {
      now = Date.now()
    }
  })

  test('when it is revoked between the offer and the login', async () => {
    const { cert, key, serial } = issueClientCertificate(dir, 'alice@test')
    const [client, isOffered] = await opened({ cert, key })
    expect(isOffered).toBe(true)
    revokeClientCertificates(dir, serial)
    certificates.reload()
    client.send(auth('EXTERNAL', '='))
    expect(await outcome(client)).toBe('not-authorized')
    client.destroy()
  })

  test('on the WebSocket, which asks for no certificate', async () => {
    const client = await connectWebSocket(`wss://127.0.0.1:${server.https}/xmpp-websocket`)
    client.send(OPEN)
    const [features] = await client.expect(/<stream:features.*<\/stream:features>/)
    expect(features).not.toContain('EXTERNAL')
    client.destroy()
  })
})

test('a mapping to the common name: a local part, or an address; xmppAddr goes first', async () => {
  const mapped = await start(['xmppAddr', 'commonName'])
  for (const [pair, expected] of [
    [certificateFor([], 'bob'), 'bob@test'],
    [certificateFor([], 'alice@test'), 'alice@test'],
    [certificateFor(['alice@test'], 'bob'), 'alice@test'],
  ] as const) {
    const [client, isOffered] = await opened(pair, {}, mapped)
    expect(isOffered).toBe(true)
    client.send(auth('EXTERNAL', base64(expected)))
    expect(await outcome(client)).toBe('success')
    client.destroy()
  }
  const [client, isOffered] = await opened(certificateFor([], 'bob@elsewhere'), {}, mapped)
  expect(isOffered).toBe(false)
  client.destroy()
  await mapped.stop()
})
