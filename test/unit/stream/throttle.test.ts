/** Failed logins over the wire: who is slowed, and what is answered. RFC 6120 §6.4.5, §6.5.11. */

import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { LoginThrottle } from '../../../server/auth/throttle.ts'
import {
  auth,
  type Client,
  connectTls,
  header,
  plain,
  response,
  ScramClient,
  startC2s,
  type TestC2s,
} from './harness.ts'

let server: TestC2s
let now = 1_000_000
let waits: number[] = []

beforeEach(async () => {
  waits = []
  now = 1_000_000
  const wait = async (ms: number): Promise<void> => {
    waits.push(ms)
    now += ms
  }
  const limits = { freeFailures: 2, freeFailuresPerAddress: 100, slowestMs: 3_000, forgiveMs: 60_000, maxTracked: 100 }
  server = await startC2s({ throttle: new LoginThrottle({ ...limits, now: () => now, wait }) })
})
afterEach(() => server.stop())

async function opened(): Promise<Client> {
  const client = await connectTls(server.ports.tls)
  client.send(header())
  await client.expect('</stream:features>')
  return client
}

/** @returns the condition of the failure, or `success` */
async function outcome(client: Client): Promise<string> {
  const [, condition = 'success'] = await client.expect(/<failure [^>]*><([\w-]+)\/>.*?<\/failure>|<success[ >/]/)
  return condition
}

async function tryPlain(user: string, password: string): Promise<string> {
  const client = await opened()
  client.send(plain(user, password))
  const condition = await outcome(client)
  client.destroy()
  return condition
}

async function tryScram(user: string, password: string): Promise<string> {
  const client = await opened()
  const scram = new ScramClient('SCRAM-SHA-1', user)
  client.send(auth('SCRAM-SHA-1', scram.first()))
  const [, challenge = ''] = await client.expect(/<challenge [^>]*>([^<]+)<\/challenge>/)
  client.send(response(scram.final(challenge, password)))
  const condition = await outcome(client)
  client.destroy()
  return condition
}

describe.each([
  ['PLAIN', tryPlain],
  ['SCRAM', tryScram],
])('%s', (_name, attempt) => {
  test('is slowed after some failures, the same for an account and for none', async () => {
    for (const user of ['alice', 'mallory']) {
      waits = []
      for (let i = 0; i < 5; i++) expect(await attempt(user, 'wrong')).toBe('not-authorized')
      expect(waits).toEqual([1000, 2000, 3000])
    }
  })

  test('with the right password waits its turn, and then logs in', async () => {
    for (let i = 0; i < 4; i++) await attempt('alice', 'wrong')
    waits = []
    expect(await attempt('alice', 'pencil')).toBe('success')
    expect(waits).toEqual([2000])
  })
})

test('what would wait too long is answered with temporary-auth-failure, also a right password', async () => {
  for (let i = 0; i < 6; i++) await tryPlain('alice', 'wrong')
  now -= 2_000 // the last outcome is told only then
  expect(await tryPlain('alice', 'wrong')).toBe('temporary-auth-failure')
  expect(await tryScram('alice', 'pencil')).toBe('temporary-auth-failure')
  expect(await tryPlain('bob', 'pencil')).toBe('success')
})

test('a name that no account can have counts against the address', async () => {
  for (let i = 0; i < 100; i++) {
    const client = await opened()
    client.send(plain('a@b'))
    expect(await outcome(client)).toBe('not-authorized')
    client.destroy()
  }
  expect(waits).toEqual([])
  expect(await tryPlain('a@b', 'x')).toBe('not-authorized')
  expect(waits).toEqual([1000])
})
