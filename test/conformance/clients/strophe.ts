/** strophe.js over WebSocket doing its own trade: logs in by its default path, discovers, publishes, is notified. */

import { randomUUID } from 'node:crypto'
import { $iq, $pres, Strophe } from 'strophe.js'

const NS_PUBSUB = 'http://jabber.org/protocol/pubsub'
const [service = '', domain = '', username = '', password = ''] = process.argv.slice(2)

const connection = new Strophe.Connection(service)
const timer = setTimeout(() => {
  process.stderr.write('timed out\n')
  process.exit(1)
}, 20_000)

/** A DOM element, as strophe.js types it: the tests' own configuration knows no DOM. */
type Element = ReturnType<ReturnType<typeof $iq>['tree']>

const ask = (stanza: { tree(): Element }): Promise<Element> =>
  new Promise((resolve, reject) => {
    connection.sendIQ(
      stanza.tree(),
      (answer: Element) => resolve(answer),
      (error: Element) => reject(new Error(error ? Strophe.serialize(error) : 'no answer')), // null when it took too long
      10_000,
    )
  })

const statuses: number[] = []
await new Promise<void>((resolve, reject) => {
  connection.connect(`${username}@${domain}`, password, (status: number, condition: unknown) => {
    statuses.push(status)
    if (status === Strophe.Status.CONNECTED) resolve()
    if (status === Strophe.Status.AUTHFAIL || status === Strophe.Status.CONNFAIL)
      reject(new Error(`status ${status} ${String(condition)}`))
  })
})
connection.send($pres().tree())

const items = await ask($iq({ type: 'get', to: domain }).c('query', { xmlns: Strophe.NS.DISCO_ITEMS }))
const services = [...items.getElementsByTagName('item')].map((item) => item.getAttribute('jid') ?? '')
let pubsub = ''
for (const jid of services) {
  const info = await ask($iq({ type: 'get', to: jid }).c('query', { xmlns: Strophe.NS.DISCO_INFO }))
  if ([...info.getElementsByTagName('identity')].some((identity) => identity.getAttribute('category') === 'pubsub'))
    pubsub = jid
}

const node = `strophe-${randomUUID()}`
const event = new Promise<string>((resolve) => {
  connection.addHandler(
    (message: Element) => {
      const item = message.getElementsByTagName('item')[0]
      if (!item) return true
      resolve(`${message.getAttribute('from')} ${item.getAttribute('id')} ${item.textContent}`)
      return false
    },
    `${NS_PUBSUB}#event`,
    'message',
  )
})
await ask($iq({ type: 'set', to: pubsub }).c('pubsub', { xmlns: NS_PUBSUB }).c('create', { node }))
await ask(
  $iq({ type: 'set', to: pubsub })
    .c('pubsub', { xmlns: NS_PUBSUB })
    .c('subscribe', { node, jid: Strophe.getBareJidFromJid(connection.jid) }),
)
await ask(
  $iq({ type: 'set', to: pubsub })
    .c('pubsub', { xmlns: NS_PUBSUB })
    .c('publish', { node })
    .c('item', { id: 'one' })
    .c('entry', { xmlns: 'urn:example:entry' })
    .t('grüße & <more>'),
)
const notified = await event
const retrieved = await ask($iq({ type: 'get', to: pubsub }).c('pubsub', { xmlns: NS_PUBSUB }).c('items', { node }))
await ask(
  $iq({ type: 'set', to: pubsub })
    .c('pubsub', { xmlns: `${NS_PUBSUB}#owner` })
    .c('delete', { node }),
)
clearTimeout(timer)
process.stdout.write(
  `${JSON.stringify({
    jid: connection.jid,
    services,
    event: notified.replace(pubsub, 'PUBSUB'),
    retrieved: retrieved.getElementsByTagName('entry')[0]?.textContent,
    errors: statuses.includes(Strophe.Status.ERROR) ? ['strophe reported an error'] : [],
  })}\n`,
)
connection.disconnect('done')
