/** Rosters, subscriptions and kept messages between two clients that others wrote. RFC 6121, XEP-0160. */

import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runForeign } from '../support/foreign-client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { needTool } from '../support/tools.ts'

const SCRIPT = join(import.meta.dirname, 'clients/slixmpp_roster.py')
const PASSWORD = 'correct horse battery staple'
let server: TestServer

beforeAll(async () => {
  server = await startServer()
})
afterAll(async () => {
  await server.stop()
})

test('slixmpp: two clients subscribe to each other, one leaves and finds its messages', async (context) => {
  needTool(context, ['/usr/bin/python3', '-c', 'import slixmpp'], 'apt-get install python3-slixmpp')
  const [alice, bob] = [`alice@${server.domain}`, `bob@${server.domain}`]
  await server.addUser(alice, PASSWORD)
  await server.addUser(bob, PASSWORD)
  const outcome = await runForeign(server, '/usr/bin/python3', [
    ...[SCRIPT, server.host, String(server.ports.c2s), server.caFile, PASSWORD, alice, bob],
  ])
  expect(outcome).toEqual({ done: [alice, bob, bob, alice], subscription: 'both' })
})
