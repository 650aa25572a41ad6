/** Files between two clients that others wrote: slixmpp's XEP-0047, XEP-0065, XEP-0095 and XEP-0096. */

import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runForeign } from '../support/foreign-client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { needTool } from '../support/tools.ts'

const PASSWORD = 'correct horse battery staple'
const USERS = ['alice@localhost', 'bob@localhost']
let server: TestServer

beforeAll(async () => {
  server = await startServer()
  for (const user of USERS) await server.addUser(user, PASSWORD)
})
afterAll(async () => {
  await server.stop()
})

test('slixmpp: in-band bytestreams, an offered file, and the proxy', async (context) => {
  needTool(context, ['/usr/bin/python3', '-c', 'import slixmpp'], 'apt-get install python3-slixmpp')
  const script = join(import.meta.dirname, 'clients', 'slixmpp_files.py')
  const args = [script, server.host, String(server.ports.c2s), ...USERS, server.caFile]
  const env = { TEST_PASSWORD: PASSWORD }
  expect(await runForeign(server, '/usr/bin/python3', args, { env, timeoutMs: 55_000 })).toEqual({
    ibb: true,
    ibbMessages: true,
    si: { name: 'grüße.txt', size: 40_000, sid: 'file1', method: 'http://jabber.org/protocol/ibb', same: true },
    s5b: [['proxy.localhost'], true, 'thanks'],
  })
})
