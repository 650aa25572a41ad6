/** @xmpp/client doing its own trade: logs in by its default path, discovers, publishes, subscribes, is notified. */

import { randomUUID } from 'node:crypto'
import { xml } from '@xmpp/client'
import { client } from '../../support/xmpp-js.ts'

const NS_PUBSUB = 'http://jabber.org/protocol/pubsub'
const [service = '', domain = '', username = '', password = ''] = process.argv.slice(2)

const xmpp = client({ service, domain, username, password, resource: 'conformance' })
xmpp.reconnect.stop()
const errors: string[] = []
xmpp.on('error', (error: Error) => errors.push(String(error)))

const events: string[] = []
let notify: (() => void) | undefined
xmpp.on('stanza', (stanza) => {
  const item = stanza.getChild('event', `${NS_PUBSUB}#event`)?.getChild('items')?.getChild('item')
  if (!stanza.is('message') || !item) return
  events.push(`${stanza.attrs.from} ${item.attrs.id} ${item.getChildText('entry')}`)
  notify?.()
})

const timer = setTimeout(() => {
  process.stderr.write(`timed out; events ${JSON.stringify(events)} errors ${errors.join('; ')}\n`)
  process.exit(1)
}, 20_000)

const address = await xmpp.start()
await xmpp.send(xml('presence'))
const { iqCaller } = xmpp

const items = await iqCaller.get(xml('query', 'http://jabber.org/protocol/disco#items'), domain)
const services = items.getChildren('item').map((item) => item.attrs.jid as string)
let pubsub = ''
for (const jid of services) {
  const info = await iqCaller.get(xml('query', 'http://jabber.org/protocol/disco#info'), jid)
  if (info.getChildren('identity').some((identity) => identity.attrs.category === 'pubsub')) pubsub = jid
}

const node = `xmppjs-${randomUUID()}`
await iqCaller.set(xml('pubsub', NS_PUBSUB, xml('create', { node })), pubsub)
await iqCaller.set(xml('pubsub', NS_PUBSUB, xml('subscribe', { node, jid: address.bare().toString() })), pubsub)
const notified = new Promise<void>((resolve) => {
  notify = resolve
})
const published = await iqCaller.set(
  xml(
    'pubsub',
    NS_PUBSUB,
    xml(
      'publish',
      { node },
      xml('item', { id: 'one' }, xml('entry', { xmlns: 'urn:example:entry' }, 'grüße & <more>')),
    ),
  ),
  pubsub,
)
await notified
const retrieved = await iqCaller.get(xml('pubsub', NS_PUBSUB, xml('items', { node })), pubsub)
await iqCaller.set(xml('pubsub', `${NS_PUBSUB}#owner`, xml('delete', { node })), pubsub)
clearTimeout(timer)
process.stdout.write(
  `${JSON.stringify({
    jid: address.toString(),
    services,
    publishedId: published.getChild('publish')?.getChild('item')?.attrs.id,
    event: events[0]?.replace(pubsub, 'PUBSUB'),
    retrieved: retrieved.getChild('items')?.getChild('item')?.getChildText('entry'),
    errors,
  })}\n`,
)
await xmpp.stop()
