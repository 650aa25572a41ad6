/**
 * strophe.js in a page: finds the WebSocket through host-meta (XEP-0156), logs in by its default path, discovers, publishes, is
 * notified. The page's address tells for whom; what came of it is left in `globalThis.outcome`.
 */

import { $iq, $pres, Strophe } from './strophe.js'

const NS_PUBSUB = 'http://jabber.org/protocol/pubsub'
const REL_WEBSOCKET = 'urn:xmpp:alt-connections:websocket'

async function discover(host) {
  const inJson = await (await fetch(`https://${host}/.well-known/host-meta.json`)).json()
  const text = await (await fetch(`https://${host}/.well-known/host-meta`)).text()
  const inXml = [...new DOMParser().parseFromString(text, 'application/xml').getElementsByTagName('Link')]
  return [
    inJson.links.find(({ rel }) => rel === REL_WEBSOCKET).href,
    inXml.find((link) => link.getAttribute('rel') === REL_WEBSOCKET).getAttribute('href'),
  ]
}

function login(service, jid, password) {
  const connection = new Strophe.Connection(service)
  return new Promise((resolve, reject) => {
    connection.connect(jid, password, (status, condition) => {
      if (status === Strophe.Status.CONNECTED) resolve(connection)
      if (status === Strophe.Status.AUTHFAIL || status === Strophe.Status.CONNFAIL) {
        reject(new Error(`status ${status} ${condition}`))
      }
    })
  })
}

async function trade({ host, domain, username, password }) {
  const [service, same] = await discover(host)
  const connection = await login(service, `${username}@${domain}`, password)
  const ask = (type, to, build) =>
    new Promise((resolve, reject) => {
      const fail = (error) => reject(new Error(error ? Strophe.serialize(error) : 'no answer'))
      connection.sendIQ(build($iq({ type, to })), resolve, fail, 10_000)
    })
  connection.send($pres())
  const items = await ask('get', domain, (iq) => iq.c('query', { xmlns: Strophe.NS.DISCO_ITEMS }))
  const services = [...items.getElementsByTagName('item')].map((item) => item.getAttribute('jid'))
  const pubsub = services.find((jid) => jid.startsWith('pubsub.'))
  const node = `browser-${crypto.randomUUID()}`
  const event = new Promise((resolve) => {
    connection.addHandler(
      (message) => {
        const item = message.getElementsByTagName('item')[0]
        if (item) resolve(`${message.getAttribute('from')} ${item.getAttribute('id')} ${item.textContent}`)
        return !item
      },
      `${NS_PUBSUB}#event`,
      'message',
    )
  })
  const jid = Strophe.getBareJidFromJid(connection.jid)
  const inPubsub = (build) => (iq) => build(iq.c('pubsub', { xmlns: NS_PUBSUB }))
  await ask(
    'set',
    pubsub,
    inPubsub((it) => it.c('create', { node })),
  )
  await ask(
    'set',
    pubsub,
    inPubsub((it) => it.c('subscribe', { node, jid })),
  )
  const entry = { xmlns: 'urn:example:entry' }
  const text = 'grüße & <more>'
  await ask(
    'set',
    pubsub,
    inPubsub((it) => it.c('publish', { node }).c('item', { id: 'one' }).c('entry', entry).t(text)),
  )
  const notified = await event
  const retrieved = await ask(
    'get',
    pubsub,
    inPubsub((it) => it.c('items', { node })),
  )
  await ask('set', pubsub, (iq) => iq.c('pubsub', { xmlns: `${NS_PUBSUB}#owner` }).c('delete', { node }))
  const outcome = {
    jid: connection.jid,
    services,
    service,
    same,
    event: notified.replace(pubsub, 'PUBSUB'),
    retrieved: retrieved.getElementsByTagName('entry')[0].textContent,
  }
  connection.disconnect('done')
  return outcome
}

trade(Object.fromEntries(new URLSearchParams(location.hash.slice(1)))).then(
  (outcome) => {
    globalThis.outcome = outcome
  },
  (error) => {
    globalThis.outcome = { error: String(error) }
  },
)
