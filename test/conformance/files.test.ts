/** Files between two clients that others wrote: slixmpp's XEP-0047, XEP-0065, XEP-0095 and XEP-0096. */

import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
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
  const { stdout } = await promisify(execFile)(
    '/usr/bin/python3',
    [script, server.host, String(server.ports.c2s), ...USERS, server.caFile],
    { env: { ...process.env, TEST_PASSWORD: PASSWORD, PYTHONWARNINGS: 'ignore' }, timeout: 55_000 },
  )
  expect(JSON.parse(stdout.split('\n').find((line) => line.startsWith('{')) ?? '')).toEqual({
    ibb: true,
    ibbMessages: true,
    si: { name: 'grüße.txt', size: 40_000, sid: 'file1', method: 'http://jabber.org/protocol/ibb', same: true },
    s5b: [['proxy.localhost'], true, 'thanks'],
  })
})
