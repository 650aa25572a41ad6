/** Accounts for one session over the wire: made at the login, gone with it. RFC 4505, XEP-0175. */

import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { type Accounts, openAccounts } from '../../../server/auth/accounts.ts'
import { AnonymousAccounts } from '../../../server/auth/anonymous.ts'
import type { Storage } from '../../../server/storage/storage.ts'
import { openDirectStorage } from '../../support/direct-storage.ts'
import { auth, base64, bind, type Client, connectTls, header, silent, startC2s, type TestC2s } from './harness.ts'

let storage: Storage
let accounts: Accounts
let anonymous: AnonymousAccounts
let server: TestC2s
beforeAll(async () => {
  storage = openDirectStorage()
  accounts = await openAccounts(storage, { domain: 'test', scramIterations: 4096 })
  anonymous = new AnonymousAccounts(accounts, 'test', silent)
  server = await startC2s({
    anonymous,
    mechanisms: ['ANONYMOUS', 'PLAIN'],
    onClosed: (session) => anonymous.sessionEnded(session.bareJid),
  })
})
afterAll(async () => {
  await server.stop()
  await storage.close()
})

const locals = () => accounts.list().map(({ local }) => local)
const none = () => vi.waitFor(() => expect(locals()).toEqual([]), { timeout: 10_000 })

async function opened(): Promise<Client> {
  const client = await connectTls(server.ports.tls)
  client.send(header())
  await client.expect('<mechanism>ANONYMOUS</mechanism>')
  await client.expect('</stream:features>')
  return client
}

test('each login is somebody else, whom nobody can guess, until the session ends', async () => {
  const clients = [await opened(), await opened()]
  const jids: (string | undefined)[] = []
  for (const client of clients) {
    client.send(auth('ANONYMOUS', base64('sirhc')))
    await client.expect('<success')
    client.send(header() + bind('lab'))
    jids.push((await client.expect(/<jid>([^<]+)</))[1])
  }
  for (const jid of jids) expect(jid).toMatch(/^anonymous-[0-9a-f]{32}@test\/lab$/)
  expect(jids[0]).not.toBe(jids[1])
  expect(locals()).toHaveLength(2)
  for (const client of clients) client.send('</stream:stream>')
  await none()
})

test('one that never binds a resource is gone with its connection', async () => {
  const client = await opened()
  client.send(auth('ANONYMOUS', ''))
  await client.expect('<challenge')
  client.send("<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>")
  await client.expect('<success')
  expect(locals()).toHaveLength(1)
  client.destroy()
  await none()
})

test('a header that names somebody cannot be right, and leaves no account', async () => {
  const client = await connectTls(server.ports.tls)
  client.send(header("to='test' version='1.0' from='alice@test'") + auth('ANONYMOUS', '='))
  expect(await client.ended()).toContain('<invalid-from ')
  await none()
})

test('RFC 4505 §2  a trace is at most 255 characters', async () => {
  const client = await opened()
  client.send(auth('ANONYMOUS', base64('ü'.repeat(256))))
  await client.expect(/<failure [^>]*><malformed-request\/>/)
  client.send(auth('ANONYMOUS', base64('ü'.repeat(255))))
  await client.expect('<success')
  client.destroy()
  await none()
})

test('what a crash left is swept, and nothing else', async () => {
  await accounts.add('anonymous-fan', undefined, [])
  await anonymous.begin({})
  expect(locals()).toHaveLength(2)
  await new AnonymousAccounts(accounts, 'test', silent).sweep()
  expect(locals()).toEqual(['anonymous-fan'])
  await accounts.remove('anonymous-fan')
})
