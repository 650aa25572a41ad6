/** What pubsub keeps over a restart, seen from outside. XEP-0060 §8.1 to §8.9: nodes, options, affiliations, subscriptions, items. */

import { test } from 'vitest'
import { keepServer, PASSWORD } from '../support/kept-server.ts'
import { Connection } from '../support/scenario/connection.ts'

const NS = 'http://jabber.org/protocol/pubsub'

const server = keepServer()
const login = (local: string) => server.login(local)

function ask(connection: Connection, type: string, content: string, answer: string, owner = ''): Promise<void> {
  const payload = `<pubsub xmlns='${NS}${owner}'>${content}</pubsub>`
  return server.iq(connection, type, 'pubsub.test', payload, `type='result'>${answer}`)
}

const event = (itemId: string) =>
  `<message from='test' type='headline'><event xmlns='${NS}#event'><items node='n'><item id='${itemId}'><p xmlns='urn:p'/></item></items></event></message>`
const publish = (itemId: string) => `<publish node='n'><item id='${itemId}'><p xmlns='urn:p'/></item></publish>`

test('nodes, options, affiliations, subscriptions and items are there after a restart', async () => {
  for (const [name, roles] of [
    ['alice', ['publisher']],
    ['bob', []],
  ] as const)
    await server.running.addUser(`${name}@test`, PASSWORD, roles)
  const alice = await login('alice')
  const bob = await login('bob')
  const form = `<x xmlns='jabber:x:data' type='submit'><field var='pubsub#access_model'><value>whitelist</value></field><field var='pubsub#notification_type'><value>headline</value></field><field var='pubsub#max_items'><value>2</value></field></x>`
  await ask(alice, 'set', `<create node='n'/><configure>${form}</configure>`, '{any}')
  const member = `<affiliations node='n'><affiliation jid='bob@test' affiliation='member'/></affiliations>`
  await ask(alice, 'set', member, '', '#owner')
  bob.send(`<iq type='set' id='s' to='test'><pubsub xmlns='${NS}'><subscribe node='n' jid='bob@test'/></pubsub></iq>`)
  await bob.receives("<iq id='s' type='result'>{any}</iq>")
  for (const itemId of ['1', '2']) await ask(alice, 'set', publish(itemId), '{any}')
  await bob.receives(event('2'))

  await server.restart()

  const again = { alice: await login('alice'), bob: await login('bob') }
  await ask(again.alice, 'set', publish('3'), '{any}')
  await again.bob.receives(event('3'))
  const items = ['2', '3'].map((itemId) => `<item id='${itemId}'><p xmlns='urn:p'/></item>`).join('')
  await ask(again.bob, 'get', "<items node='n'/>", `<pubsub><items node='n'>${items}</items></pubsub>`)
  await ask(again.bob, 'get', '<affiliations/>', `<pubsub>...<affiliation node='n' affiliation='member'/></pubsub>`)
  await ask(
    again.alice,
    'get',
    "<subscriptions node='n'/>",
    `<pubsub>...<subscription jid='bob@test'/></pubsub>`,
    '#owner',
  )
  for (const connection of [alice, bob, again.alice, again.bob]) connection.destroy()
})

test('what was gathered for a digest when the server closes waits for its subscriber', async () => {
  await server.running.addUser('carol@test', PASSWORD, [])
  await server.running.addUser('dave@test', PASSWORD, ['publisher'])
  const [carol, dave] = [await login('carol'), await login('dave')]
  await ask(dave, 'set', "<create node='d'/>", '{any}')
  const digest = `<x xmlns='jabber:x:data' type='submit'><field var='pubsub#digest'><value>1</value></field></x>`
  await ask(carol, 'set', `<subscribe node='d' jid='carol@test'/><options>${digest}</options>`, '{any}')
  for (const itemId of ['1', '2']) await ask(dave, 'set', publish(itemId).replace("node='n'", "node='d'"), '{any}')

  await server.restart()

  const again = await Connection.open(server.running, 'tcp')
  await again.login('carol', PASSWORD, 'desk')
  again.send('<presence/>')
  const items = ['1', '2'].map((itemId) => `<item id='${itemId}'><p xmlns='urn:p'/></item>`).join('')
  await again.receives(
    `<message from='pubsub.test'><event xmlns='${NS}#event'><items node='d'>${items}</items></event><delay xmlns='urn:xmpp:delay'>{any}</delay></message>`,
  )
  for (const connection of [carol, dave, again]) connection.destroy()
})

test('nodes stay in their collections, and those who follow them are told', async () => {
  await server.running.addUser('erin@test', PASSWORD, ['publisher'])
  const erin = await login('erin')
  const form = (type: string, name: string, value: string) =>
    `<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'><value>${NS}#${type}</value></field><field var='pubsub#${name}'><value>${value}</value></field></x>`
  const collection = form('node_config', 'node_type', 'collection')
  await ask(erin, 'set', `<create node='c'/><configure>${collection}</configure>`, '{any}')
  await ask(erin, 'set', `<create node='e'/><configure>${form('node_config', 'collection', 'c')}</configure>`, '{any}')
  const options = form('subscribe_options', 'subscription_type', 'items')
  await ask(erin, 'set', `<subscribe node='c' jid='erin@test'/><options>${options}</options>`, '{any}')

  await server.restart()

  const again = await login('erin')
  await ask(again, 'set', publish('1').replace("node='n'", "node='e'"), '{any}')
  await again.receives(
    `<message from='pubsub.test'><event xmlns='${NS}#event'><items node='e'><item id='1'><p xmlns='urn:p'/></item></items></event><headers xmlns='http://jabber.org/protocol/shim'><header name='Collection'>c</header></headers></message>`,
  )
  for (const connection of [erin, again]) connection.destroy()
})

test('what is attached to an item is counted, followed and gone with it, as before the server was killed', async () => {
  await server.running.addUser('gus@test', PASSWORD, ['publisher'])
  const gus = await login('gus')
  const open = `<x xmlns='jabber:x:data' type='submit'><field var='pubsub#publish_model'><value>open</value></field></x>`
  await ask(gus, 'set', `<create node='g'/><configure>${open}</configure>`, '{any}')
  await ask(gus, 'set', publish('1').replace("node='n'", "node='g'"), '{any}')
  const [attachments, summaries] = ['urn:xmpp:pubsub-attachments:1', 'urn:xmpp:pubsub-attachments:summary:1']
  const uri = `${attachments}/xmpp:pubsub.test?;node=g;item=1`
  const attach = (content: string) =>
    `<publish node='${uri}'><item id='gus@test'><attachments xmlns='${attachments}'>${content}</attachments></item></publish>`
  await ask(gus, 'set', attach('<noticed/>'), '{any}')
  for (const node of [uri, `${summaries}/g`])
    await ask(gus, 'set', `<subscribe node='${node}' jid='gus@test'/>`, '{any}')

  await server.running.kill()
  await server.start()

  const again = await login('gus')
  const told = (content: string) =>
    `<items node='${summaries}/g'><item id='1'><summary xmlns='${summaries}'>${content}</summary></item></items>`
  await ask(again, 'get', `<items node='${summaries}/g'/>`, `<pubsub>${told("<noticed count='1'/>")}</pubsub>`)
  await ask(again, 'set', attach('<reactions><reaction>a</reaction></reactions>'), '{any}')
  const event = (content: string) =>
    `<message from='pubsub.test'><event xmlns='${NS}#event'>${content}</event></message>`
  await again.receives(event(told('<reactions><reaction>a</reaction></reactions>')))
  await ask(again, 'set', "<retract node='g'><item id='1'/></retract>", '')
  await again.receives(event(`<delete node='${uri}'/>`))
  await again.receives(event(`<items node='${summaries}/g'><retract id='1'/></items>`))
  for (const connection of [gus, again]) connection.destroy()
})

test('an account has its list of subscriptions, and the version that its clients know', async () => {
  await server.running.addUser('frank@test', PASSWORD, ['publisher'])
  const frank = await login('frank')
  await ask(frank, 'set', "<create node='f'/>", '{any}')
  const subscribe = `<subscribe xmlns='${NS}' node='f' jid='frank@test'><public xmlns='urn:xmpp:pps:0'/></subscribe>`
  frank.send(`<iq type='set' id='f1'><pam xmlns='urn:xmpp:pam:0' jid='pubsub.test'>${subscribe}</pam></iq>`)
  const captures = new Map<string, string>()
  await frank.receives(`<message><notify xmlns='urn:xmpp:pam:0' ver='{version}'>{any}</notify></message>`, captures)
  await frank.receives("<iq id='f1' type='result'/>")

  await server.restart()

  const again = await login('frank')
  again.send(`<iq type='get' id='f2'><subscriptions xmlns='urn:xmpp:pam:0' ver='${captures.get('version')}'/></iq>`)
  await again.receives("<iq id='f2' type='result'/>")
  again.send(`<iq type='get' id='f3'><subscriptions xmlns='urn:xmpp:pam:0'/></iq>`)
  const entry = `<subscription service='pubsub.test' node='f' jid='frank@test' subscription='subscribed'><public xmlns='urn:xmpp:pps:0'/></subscription>`
  await again.receives(
    `<iq id='f3' type='result'><subscriptions ver='${captures.get('version')}'>${entry}</subscriptions></iq>`,
  )
  for (const connection of [frank, again]) connection.destroy()
})
