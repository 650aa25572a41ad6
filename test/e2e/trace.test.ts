/** log.stanzas: the stanzas of one address, both ways, over TCP and WebSocket and of a component; of nobody else. */

import { createHash } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { callControl } from '../../server/control.ts'
import { Connection } from '../support/scenario/connection.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { connectTcp } from '../unit/stream/harness.ts'

const PASSWORD = 'correct horse'
let server: TestServer
beforeAll(async () => {
  server = await startServer({
    domain: 'test',
    set: { 'component.port': '0', 'log.stanzas': 'alice@test, bob@test/desk,weather.example' },
  })
  for (const name of ['alice', 'bob']) await server.addUser(`${name}@test`, PASSWORD)
  await callControl(server.dataDir, 'component.add', { domain: 'weather.example', secret: 'rain and wind' })
})
afterAll(async () => {
  expect(await server.stop()).toBe(0)
})

interface Line {
  readonly what: string
  readonly jid: string
  readonly direction: string
  readonly stanza: string
  readonly level: number
}

const INFO = 30
const shownOf = (jid: string): string[] =>
  server
    .log()
    .split('\n')
    .filter((line) => line.includes('"what":"stanza"'))
    // Lines of our own log, which are JSON.
    .map((line) => JSON.parse(line) as Line)
    .filter((line) => line.jid === jid && line.level === INFO)
    .map(({ direction, stanza }) => `${direction} ${stanza}`)

test('both ways, without what was said', async () => {
  const alice = await Connection.open(server, 'websocket')
  await alice.login('alice', PASSWORD, 'phone')
  const bob = await Connection.open(server, 'tcp')
  await bob.login('bob', PASSWORD, 'desk')
  const other = await Connection.open(server, 'tcp')
  await other.login('bob', PASSWORD, 'couch')
  alice.send("<message xmlns='jabber:client' to='bob@test/desk' id='m'><body>meet me at nine</body></message>")
  await bob.next()
  bob.send("<message to='bob@test/couch' id='n'><body>who is that</body></message>")
  await other.next()
  await expect
    .poll(() => shownOf('bob@test/desk'), { interval: 10 })
    .toEqual([
      'out <message to="bob@test/desk" id="m" from="alice@test/phone"><body>… 15 characters</body></message>',
      'in <message to="bob@test/couch" id="n" from="bob@test/desk"><body>… 11 characters</body></message>',
    ])
  expect(shownOf('alice@test/phone')).toEqual([
    'in <message to="bob@test/desk" id="m" from="alice@test/phone"><body>… 15 characters</body></message>',
  ])
  expect(shownOf('bob@test/couch')).toEqual([])
  for (const each of [alice, bob, other]) each.destroy()
})

test('of a component', async () => {
  const component = await connectTcp(server.ports.component)
  component.send(
    "<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' to='weather.example'>",
  )
  const [, id = ''] = await component.expect(/ id="([^"]+)">/)
  component.send(`<handshake>${createHash('sha1').update(`${id}rain and wind`).digest('hex')}</handshake>`)
  await component.expect('<handshake/>')
  component.send("<iq type='get' id='p' from='weather.example' to='test'><ping xmlns='urn:xmpp:ping'/></iq>")
  await component.expect('id="p"')
  await expect
    .poll(() => shownOf('weather.example'), { interval: 10 })
    .toEqual([
      'in <iq type="get" id="p" from="weather.example" to="test"><ping xmlns="urn:xmpp:ping"/></iq>',
      'out <iq type="result" id="p" from="test" to="weather.example"/>',
    ])
  component.destroy()
  // No password, and nothing that was said.
  expect(server.log()).not.toMatch(/correct horse|meet me|who is that/)
})
