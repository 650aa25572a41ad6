/** A component that others wrote: slixmpp's ComponentXMPP. XEP-0114. */

import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { callControl } from '../../server/control.ts'
import { runForeign } from '../support/foreign-client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { needTool } from '../support/tools.ts'

const PASSWORD = 'correct horse battery staple'
const SECRET = 'grüße of the echo'
const NAME = 'echo.localhost'
let server: TestServer

beforeAll(async () => {
  server = await startServer({ set: { 'component.port': '0' } })
  await server.addUser('alice@localhost', PASSWORD)
  await callControl(server.dataDir, 'component.add', { domain: NAME, secret: SECRET })
})
afterAll(async () => {
  await server.stop()
})

test('slixmpp: connects, is found, asked and talked to, asks in its turn, hears of a client’s end', async (context) => {
  needTool(context, ['/usr/bin/python3', '-c', 'import slixmpp'], 'apt-get install python3-slixmpp')
  const script = join(import.meta.dirname, 'clients', 'slixmpp_component.py')
  const ports = [server.ports.c2s, server.ports.component].map(String)
  const args = [script, server.host, ...ports, 'alice@localhost', server.caFile, NAME]
  const env = { TEST_PASSWORD: PASSWORD, TEST_SECRET: SECRET }
  expect(await runForeign(server, '/usr/bin/python3', args, { env })).toEqual({
    listed: true,
    identities: expect.arrayContaining([['component', 'generic']]),
    version: expect.any(String),
    answer: `anyone@${NAME}/here echo: grüße & <more>`,
    pinged: true,
    server: expect.arrayContaining([['server', 'im']]),
    client: true,
    left: true,
  })
})
