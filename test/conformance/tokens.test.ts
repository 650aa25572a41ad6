/** @xmpp/client logging in by SASL2 and Bind 2, and by token afterwards, over every transport. */

import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runForeign } from '../support/foreign-client.ts'
import { startServer, type TestServer } from '../support/server.ts'

const SCRIPT = join(import.meta.dirname, 'clients/xmpp-js-tokens.ts')
const PASSWORD = 'correct horse battery staple'
let server: TestServer

beforeAll(async () => {
  server = await startServer()
})
afterAll(async () => {
  await server.stop()
})

interface Outcome {
  readonly byPassword: string
  readonly byToken: string
  readonly again: string
  readonly errors: readonly string[]
}

test.each([
  ['STARTTLS', () => `xmpp://localhost:${server.ports.c2s}`],
  ['direct TLS', () => `xmpps://localhost:${server.ports.tls}`],
  ['WebSocket', () => `wss://localhost:${server.ports.https}/xmpp-websocket`],
] as const)('over %s', async (name, service) => {
  const user = `tokens-${name.toLowerCase().replaceAll(/[^a-z]/g, '')}`
  const jid = `${user}@${server.domain}`
  await server.addUser(jid, PASSWORD)
  const args = [SCRIPT, service(), server.domain, user, PASSWORD]
  // Its shape is our own script's.
  const outcome = (await runForeign(server, process.execPath, args)) as Outcome
  expect(outcome.errors).toEqual([])
  // Bind 2: the tag, and the same resource for the same installation.
  expect(outcome.byPassword).toMatch(new RegExp(`^${jid}/tokens/`))
  expect([outcome.byToken, outcome.again]).toEqual([outcome.byPassword, outcome.byPassword])
  const logins = [...server.log().matchAll(/"sasl_succeeded".*"mechanism":"([^"]+)","account":"([^"]+)"/g)]
  const mechanisms = logins.filter(([, , account]) => account === jid).map(([, mechanism]) => mechanism)
  expect(mechanisms[0]).toBe('SCRAM-SHA-1')
  expect(mechanisms.slice(-2)).toEqual(['HT-SHA-256-NONE', 'HT-SHA-256-NONE'])
})
