/** Personal eventing between clients that others wrote. XEP-0163, XEP-0222, XEP-0223, XEP-0470; XEP-0118, XEP-0172, XEP-0084. */

import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runForeign } from '../support/foreign-client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { needTool } from '../support/tools.ts'

const CLIENTS = join(import.meta.dirname, 'clients')
const PASSWORD = 'correct horse battery staple'
let server: TestServer

beforeAll(async () => {
  server = await startServer()
})
afterAll(async () => {
  await server.stop()
})

const run = (command: string, args: readonly string[]) => runForeign(server, command, args)

test('slixmpp: a tune is heard by who wants it, also later; private data stays private', async (context) => {
  needTool(context, ['/usr/bin/python3', '-c', 'import slixmpp'], 'apt-get install python3-slixmpp')
  const [alice, bob] = [`alice@${server.domain}`, `bob@${server.domain}`]
  await server.addUser(alice, PASSWORD)
  await server.addUser(bob, PASSWORD)
  const place = [server.host, String(server.ports.c2s), server.caFile]
  const outcome = await run('/usr/bin/python3', [join(CLIENTS, 'slixmpp_pep.py'), ...place, PASSWORD, alice, bob])
  expect(outcome).toEqual({
    identities: ['account/registered', 'pubsub/pep'],
    heard: [
      [alice, 'Introduction'],
      [alice, 'Introduction'],
      [alice, 'Eclogue'],
    ],
    kept: ['mine alone'],
    refused: 'not-allowed',
    shown: ['http://jabber.org/protocol/tune', 'urn:example:public'],
  })
})

test('slixmpp: what is attached to a post is counted, and its author hears of it', async (context) => {
  needTool(context, ['/usr/bin/python3', '-c', 'import slixmpp'], 'apt-get install python3-slixmpp')
  const [author, reader] = [`author@${server.domain}`, `reader@${server.domain}`]
  for (const account of [author, reader]) await server.addUser(account, PASSWORD)
  const place = [server.host, String(server.ports.c2s), server.caFile, PASSWORD]
  const outcome = await run('/usr/bin/python3', [join(CLIENTS, 'slixmpp_attachments.py'), ...place, author, reader])
  expect(outcome).toEqual({
    advertised: true,
    made: 'not-allowed',
    heard: [
      ['first', [1, { '👷': 1, '🔨': 1 }]],
      ['first', [1, { '👷': 1, '🔨': 2 }]],
      ['first', [0, { '🔨': 1 }]],
    ],
    kept: [reader, author],
    summaries: [['first', [1, { '👷': 1, '🔨': 2 }]]],
  })
})

test('stanza: tune, nick and avatar reach a contact', async () => {
  const alice = `stanza-alice@${server.domain}`
  await server.addUser(alice, PASSWORD)
  await server.addUser(`stanza-bob@${server.domain}`, PASSWORD)
  const service = `wss://localhost:${server.ports.https}/xmpp-websocket`
  const outcome = await run(process.execPath, [join(CLIENTS, 'stanza-pep.ts'), service, server.domain, PASSWORD])
  const id = createHash('sha1').update('not really a picture').digest('hex')
  expect(outcome).toEqual({
    events: [
      [alice, 'Introduction'],
      [alice, 'Alice'],
      [alice, id],
    ],
    avatar: 'not really a picture',
  })
})
