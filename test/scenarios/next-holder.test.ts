/**
 * Whoever gets the name of an account that is gone begins with nothing: no affiliation, subscription, place on a list,
 * roster or kept message of before, and no right to what was published under the name. However the account went. Nor does
 * who has lost a role keep what it let it subscribe to.
 */

import { beforeAll, expect, test } from 'vitest'
import { callControl } from '../../server/control.ts'
import { keepServer, PASSWORD } from '../support/kept-server.ts'
import type { Connection } from '../support/scenario/connection.ts'
import { runSacm } from '../support/server.ts'

const NS = 'http://jabber.org/protocol/pubsub'
const ADMIN = 'http://jabber.org/protocol/admin'
const ATTACHED = 'urn:xmpp:pubsub-attachments:1'

const server = keepServer()
let alice: Connection

beforeAll(async () => {
  await server.running.addUser('alice@test', PASSWORD, ['publisher'])
  await server.running.addUser('root@test', PASSWORD, ['admin'])
  alice = await server.login('alice')
})

const RESULT = `type='result'>{any}`
const refused = (condition: string) => `type='error'>...<error>...<${condition}/>...</error>`

const iq = (connection: Connection, type: string, to: string, payload: string, answer = RESULT) =>
  server.iq(connection, type, to, payload, answer)
const ask = (connection: Connection, content: string, answer?: string, owner = '') =>
  iq(connection, 'set', 'pubsub.test', `<pubsub xmlns='${NS}${owner}'>${content}</pubsub>`, answer)
const look = (connection: Connection, content: string, answer: string) =>
  iq(connection, 'get', 'pubsub.test', `<pubsub xmlns='${NS}'>${content}</pubsub>`, answer)
const item = (node: string, id: string, payload = `<p xmlns='urn:p'/>`) =>
  `<publish node='${node}'><item id='${id}'>${payload}</item></publish>`
const configured = (node: string, fields: Readonly<Record<string, string>>) => {
  const all = { FORM_TYPE: `${NS}#node_config`, ...fields }
  const shown = Object.entries(all).map(([name, value]) => `<field var='${name}'><value>${value}</value></field>`)
  return `<create node='${node}'/><configure><x xmlns='jabber:x:data' type='submit'>${shown.join('')}</x></configure>`
}
const inCollection = (node: string, collection: string) => configured(node, { 'pubsub#collection': collection })
const attachmentsOf = (node: string) => `${ATTACHED}/xmpp:pubsub.test?;node=${node};item=1`

/** What an account called so leaves behind. */
async function live(name: string): Promise<Connection> {
  const jid = `${name}@test`
  await server.running.addUser(jid, PASSWORD, ['publisher'])
  const bob = await server.login(name)
  await ask(alice, configured(`open-${name}`, { 'pubsub#publish_model': 'open', 'pubsub#notify_sub': 'true' }))
  await ask(alice, item(`open-${name}`, '1'))
  await ask(alice, configured(`closed-${name}`, { 'pubsub#access_model': 'whitelist' }))
  await ask(
    alice,
    `<affiliations node='closed-${name}'><affiliation jid='${jid}' affiliation='publisher'/></affiliations>`,
    RESULT,
    '#owner',
  )
  const whitelist = { 'pubsub#children_association_policy': 'whitelist', 'pubsub#children_association_whitelist': jid }
  await ask(alice, configured(`all-${name}`, { 'pubsub#node_type': 'collection', ...whitelist }))
  for (const node of [`open-${name}`, `closed-${name}`]) await ask(bob, `<subscribe node='${node}' jid='${jid}'/>`)
  await ask(bob, item(`open-${name}`, '2'))
  await ask(bob, item(attachmentsOf(`open-${name}`), jid, `<attachments xmlns='${ATTACHED}'><noticed/></attachments>`))
  await ask(bob, `<create node='own-${name}'/>`)
  await ask(bob, inCollection(`first-${name}`, `all-${name}`))
  // She lets him see her before he asks. RFC 6121 §3.4
  alice.send(`<presence type='subscribed' to='${jid}'/>`)
  await iq(alice, 'get', 'alice@test', `<query xmlns='jabber:iq:roster'/>`)
  return bob
}

/** There is none of that name, and nothing is kept for one; then there is another. */
async function succeed(name: string): Promise<void> {
  const jid = `${name}@test`
  alice.send(`<message to='${jid}' type='chat'><body>for nobody</body></message>`)
  await alice.sync()
  await server.running.addUser(jid, PASSWORD, ['publisher'])
}

/** What the next one called so has, and may do. */
async function checkNext(name: string): Promise<void> {
  const jid = `${name}@test`
  const bob = await server.login(name)
  await look(bob, '<affiliations/>', `type='result'><pubsub xmlns='${NS}'><affiliations/></pubsub>`)
  await look(bob, '<subscriptions/>', `type='result'><pubsub xmlns='${NS}'><subscriptions/></pubsub>`)
  await iq(bob, 'get', jid, `<query xmlns='jabber:iq:roster'/>`, `type='result'><query xmlns='jabber:iq:roster'/>`)
  const retract = (node: string, id: string) => `<retract node='${node}'><item id='${id}'/></retract>`
  await ask(bob, retract(`open-${name}`, '2'), refused('forbidden'))
  await ask(bob, retract(attachmentsOf(`open-${name}`), jid), refused('forbidden'))
  await ask(bob, item(`closed-${name}`, '1'), refused('forbidden'))
  await ask(bob, `<delete node='own-${name}'/>`, refused('forbidden'), '#owner')
  await ask(bob, inCollection(`second-${name}`, `all-${name}`), refused('forbidden'))
  bob.send(`<presence type='subscribe' to='alice@test'/>`)
  await alice.receives(`<presence type='subscribe' from='${jid}'>{any}</presence>`)
  // What it publishes itself is its own.
  await ask(bob, item(`open-${name}`, '3'))
  await ask(bob, retract(`open-${name}`, '3'))
  await bob.sync()
  expect(bob.transcript.join('\n')).not.toContain('for nobody')
  bob.destroy()
}

const noteOf = (name: string) => new RegExp(`without an owner.*2 \\(first-${name}, own-${name}\\)`)

test('a name given up by XEP-0077, with more asked behind the request', async () => {
  const bob = await live('bob1')
  bob.send(
    `<iq type='set' id='out'><query xmlns='jabber:iq:register'><remove/></query></iq>` +
      `<iq type='set' id='late' to='pubsub.test'><pubsub xmlns='${NS}'><subscribe node='open-bob1' jid='bob1@test'/></pubsub></iq>` +
      `<presence type='subscribed' to='alice@test'/>`,
  )
  await bob.receives(`<iq type='result' id='out'/>`)
  // She wants to know who subscribes, and who does no more. XEP-0060 §17.4.4
  await alice.receives(
    `<message from='pubsub.test'>...<event xmlns='${NS}#event'><subscription node='open-bob1' jid='bob1@test' subscription='none'/></event></message>`,
  )
  await succeed('bob1')
  await checkNext('bob1')
  expect(server.running.log()).toMatch(noteOf('bob1'))
})

test('a name taken away by an administrator of the machine', async () => {
  await live('bob2')
  expect(await callControl(server.dataDir, 'user.remove', { jid: 'bob2@test' })).toEqual({
    result: [expect.stringMatching(noteOf('bob2'))],
  })
  await succeed('bob2')
  await checkNext('bob2')
})

test('a name taken away by XEP-0133', async () => {
  await live('bob3')
  const root = await server.login('root')
  const form = `<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>${ADMIN}</value></field><field var='accountjids'><value>bob3@test</value></field></x>`
  const command = (rest: string) =>
    `<command xmlns='http://jabber.org/protocol/commands' node='${ADMIN}#delete-user' ${rest}</command>`
  const captures = new Map<string, string>()
  root.send(`<iq type='set' id='cmd' to='test'>${command(`action='execute'>`)}</iq>`)
  await root.receives(`<iq id='cmd' type='result'><command sessionid='{session}'>{any}</command></iq>`, captures)
  const session = captures.get('session') ?? ''
  await iq(
    root,
    'set',
    'test',
    command(`sessionid='${session}' action='complete'>${form}`),
    `type='result'><command status='completed'><note type='info'>1 deleted.
Nodes without an owner, which only administrators can manage now: 2 (first-bob3, own-bob3).</note></command>`,
  )
  root.destroy()
  await succeed('bob3')
  await checkNext('bob3')
})

test('a name taken away and given again while no server runs', async () => {
  await live('bob4')
  await server.stop()
  const at = ['--data-dir', server.dataDir, '--domain', 'test']
  expect(await runSacm(['user', 'remove', 'bob4@test', ...at])).toMatch(noteOf('bob4'))
  await runSacm(['user', 'add', 'bob4@test', '--password', PASSWORD, '--role', 'publisher', ...at])
  await server.start()
  alice = await server.login('alice')
  await checkNext('bob4')
})

test('a role that is gone, and with it what it let one read', async () => {
  await ask(alice, configured('secret', { 'pubsub#access_model': 'whitelist' }))
  const root = await server.login('root')
  await ask(root, `<subscribe node='secret' jid='root@test'/>`)
  await callControl(server.dataDir, 'role.revoke', { jid: 'root@test', role: 'admin' })
  const again = await server.login('root')
  await again.receives(`<message from='pubsub.test'>...<subscription node='secret' subscription='none'/></message>`)
  await look(again, '<subscriptions/>', `type='result'><pubsub xmlns='${NS}'><subscriptions/></pubsub>`)
  for (const each of [root, again]) each.destroy()
})
