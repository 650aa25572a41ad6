/** Bounds that it takes much text or some time to reach: on answers, and on what is kept for an absent account. */

import { afterAll, beforeAll, expect, test } from 'vitest'
import { Connection } from '../support/scenario/connection.ts'
import { mismatch, parsePattern } from '../support/scenario/match.ts'
import { startServer, type TestServer } from '../support/server.ts'

const NS = 'http://jabber.org/protocol/pubsub'
const TEXT = 'x'.repeat(9_000)
let server: TestServer
let alice: Connection

beforeAll(async () => {
  server = await startServer({
    domain: 'test',
    set: { 'pubsub.pageMaxChars': '16384', 'pubsub.pagePassedMax': '1', 'offline.maxChars': '10000' },
  })
  for (const name of ['alice', 'bob']) await server.addUser(`${name}@test`, 'pw', ['publisher'])
  alice = await login('alice')
})
afterAll(async () => {
  expect(await server.stop()).toBe(0)
})

async function login(local: string): Promise<Connection> {
  const connection = await Connection.open(server, 'tcp')
  await connection.login(local, 'pw', 'desk')
  return connection
}

async function received(connection: Connection, pattern: string): Promise<void> {
  const tree = parsePattern(pattern)
  await connection.find((other) => mismatch(tree, other, new Map()) === undefined)
}

async function ask(type: string, content: string, answer = '{any}'): Promise<void> {
  const id = `q${alice.transcript.length}`
  alice.send(`<iq type='${type}' id='${id}' to='pubsub.test'><pubsub xmlns='${NS}'>${content}</pubsub></iq>`)
  await received(alice, `<iq id='${id}' type='result'>${answer}</iq>`)
}

test('an answer holds as much payload as pubsub.pageMaxChars, and says where to go on', async () => {
  await ask('set', "<create node='n'/>")
  for (const id of ['1', '2'])
    await ask('set', `<publish node='n'><item id='${id}'><p xmlns='urn:p'>${TEXT}</p></item></publish>`)
  const told =
    "<set xmlns='http://jabber.org/protocol/rsm'><first index='0'>{c}</first><last>{c}</last><count>2</count></set>"
  const page = `<pubsub xmlns='${NS}'><items node='n'><item id='1'>{any}</item></items>${told}</pubsub>`
  await ask('get', "<items node='n'/><set xmlns='http://jabber.org/protocol/rsm'><max>9</max></set>", page)
})

test('a box holds as much as offline.maxChars, and who sends more is told', async () => {
  const send = (id: string) =>
    alice.send(`<message id='${id}' to='bob@test' type='chat'><body>${TEXT}</body></message>`)
  send('kept')
  send('refused')
  const refusal =
    "<error type='cancel'>...<service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>...</error>"
  await received(alice, `<message type='error' id='refused' from='bob@test'>...${refusal}</message>`)
  const bob = await login('bob')
  bob.send('<presence/>')
  await received(bob, `<message id='kept'>...<body>${TEXT}</body></message>`)
  await bob.sync()
  expect(bob.transcript.join()).not.toContain('refused')
})

test('as many items as pubsub.pagePassedMax stand between those of a time, or are put in order', async () => {
  await ask('set', "<create node='m'/>")
  const publish = (id: string) => ask('set', `<publish node='m'><item id='${id}'><p xmlns='urn:p'/></item></publish>`)
  for (const id of ['1', '2']) await publish(id)
  const before = Date.now()
  while (Date.now() === before);
  const start = new Date().toISOString()
  for (const id of ['3', '4']) await publish(id)
  const query = (from: string) =>
    `<iq type='set' id='by-${from}' to='pubsub.test'><query xmlns='urn:xmpp:mam:2' node='m'><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'><value>urn:xmpp:mam:2</value></field><field var='start'><value>${from}</value></field></x><order xmlns='urn:xmpp:order-by:1' by='creation'/></query></iq>`
  alice.send(query(start))
  const refusal =
    "<error type='cancel'>...<feature-not-implemented xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>...</error>"
  await received(alice, `<iq type='error' id='by-${start}'>...${refusal}</iq>`)
  // Of all of them none stands in between.
  const ever = '2020-01-01T00:00:00Z'
  alice.send(query(ever))
  await received(alice, `<iq type='result' id='by-${ever}'>{any}</iq>`)
})
