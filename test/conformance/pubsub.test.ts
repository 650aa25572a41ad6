/** Clients that others wrote keep nodes, each by its own API where it has one. XEP-0060 §6 to §8, XEP-0059; XEP-0376, XEP-0465. */

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

const friend = () => `friend@${server.domain}`

const run = (command: string, args: readonly string[]) => runForeign(server, command, args)

function wanted(user: string) {
  const jid = `${user}@${server.domain}`
  return {
    title: 'second',
    events: ['published 1', 'published 2', 'published 3', 'published 4', 'published 5', 'retracted 2'],
    pages: [['1', '2'], ['3', '4'], ['5']],
    affiliations: [`${friend()} publisher`, `${jid} owner`].sort(),
    subscribers: [`${jid} subscribed`],
    gone: 'item-not-found',
  }
}

test('slixmpp', async (context) => {
  needTool(context, ['/usr/bin/python3', '-c', 'import slixmpp'], 'apt-get install python3-slixmpp')
  const jid = `slixmpp@${server.domain}`
  await server.addUser(jid, PASSWORD, ['publisher'])
  const place = [server.host, String(server.ports.c2s), server.caFile]
  const outcome = await run('/usr/bin/python3', [join(CLIENTS, 'slixmpp_pubsub.py'), ...place, jid, PASSWORD, friend()])
  expect(outcome).toEqual(wanted('slixmpp'))
})

test('slixmpp: who is publicly subscribed, by the account, is a node like others', async (context) => {
  needTool(context, ['/usr/bin/python3', '-c', 'import slixmpp'], 'apt-get install python3-slixmpp')
  const [alice, bob] = [`public-alice@${server.domain}`, `public-bob@${server.domain}`]
  await server.addUser(alice, PASSWORD, ['publisher'])
  await server.addUser(bob, PASSWORD)
  const place = [server.host, String(server.ports.c2s), server.caFile, PASSWORD]
  const service = `pubsub.${server.domain}`
  const outcome = await run('/usr/bin/python3', [join(CLIENTS, 'slixmpp_public.py'), ...place, alice, bob, service])
  const [node, list] = ['slixmpp-news', 'urn:xmpp:pps:subscribers:0/slixmpp-news']
  expect(outcome).toEqual({
    notices: [
      [service, node, 'subscribed'],
      [service, node, 'none'],
    ],
    heard: [
      ['published', list, alice],
      ['retracted', list, alice],
    ],
    listed: [[service, node]],
    shown: [
      [alice, alice],
      [`${service} ${node}`, service],
    ],
    gone: [],
  })
})

test('aioxmpp', async (context) => {
  needTool(context, ['/usr/bin/python3', '-c', 'import aioxmpp'], 'apt-get install python3-aioxmpp')
  const jid = `aioxmpp@${server.domain}`
  await server.addUser(jid, PASSWORD, ['publisher'])
  const place = [server.host, String(server.ports.c2s)]
  const outcome = await run('/usr/bin/python3', [join(CLIENTS, 'aioxmpp_pubsub.py'), ...place, jid, PASSWORD, friend()])
  expect(outcome).toEqual(wanted('aioxmpp'))
})

test('stanza', async () => {
  await server.addUser(`stanza@${server.domain}`, PASSWORD, ['publisher'])
  const service = `wss://localhost:${server.ports.https}/xmpp-websocket`
  const script = join(CLIENTS, 'stanza-pubsub.ts')
  const outcome = await run(process.execPath, [script, service, server.domain, 'stanza', PASSWORD, friend()])
  expect(outcome).toEqual({ ...wanted('stanza'), pages: [['4', '5'], ['2', '3'], ['1']] })
})

test('@xmpp/client, and the archive of its node', async () => {
  await server.addUser(`xmppjs@${server.domain}`, PASSWORD, ['publisher'])
  const script = join(CLIENTS, 'xmpp-js-pubsub.ts')
  const place = [`xmpp://localhost:${server.ports.c2s}`, server.domain]
  const outcome = await run(process.execPath, [script, ...place, 'xmppjs', PASSWORD, friend()])
  expect(outcome).toEqual({ ...wanted('xmppjs'), archived: ['12345', 'true'] })
})
