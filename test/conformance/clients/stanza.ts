/** stanza over WebSocket doing its own trade: logs in by its default path, discovers, publishes, is notified, chats, keeps a contact. */

import { randomUUID } from 'node:crypto'
import { createClient, type Stanzas } from 'stanza'

const NS_JSON = 'urn:xmpp:json:0'
const TEXT = 'grüße & <more>'
const [service = '', domain = '', username = '', password = ''] = process.argv.slice(2)

const timer = setTimeout(() => {
  process.stderr.write('timed out\n')
  process.exit(1)
}, 20_000)
const client = createClient({
  jid: `${username}@${domain}`,
  password,
  transports: { websocket: service, bosh: false },
  autoReconnect: false,
})
const errors: string[] = []
client.on('stream:error', (error) => errors.push(JSON.stringify(error)))
client.on('auth:failed', () => errors.push('authentication failed'))

await new Promise<void>((resolve, reject) => {
  client.once('session:started', () => resolve())
  client.once('disconnected', () => reject(new Error(`no session: ${errors.join()}`)))
  client.connect()
})
client.sendPresence()

const { items } = await client.getDiscoItems(domain)
const services = items.map(({ jid = '' }) => jid)
let pubsub = ''
for (const jid of services) {
  const { identities } = await client.getDiscoInfo(jid)
  if (identities.some(({ category }) => category === 'pubsub')) pubsub = jid
}

const node = `stanza-${randomUUID()}`
const event = new Promise<string>((resolve) => {
  client.on('pubsub:published', ({ from, pubsub: { items } }) => {
    const [item] = items.published
    // What was published below, which the library's type for items of any kind does not tell.
    const content = item?.content as Stanzas.JSONItem | undefined
    if (items.node === node) resolve(`${from} ${item?.id} ${content?.json}`)
  })
})
await client.createNode(pubsub, node)
await client.subscribeToNode(pubsub, node)
await client.publish(pubsub, node, { itemType: NS_JSON, json: TEXT }, 'one')
const notified = await event
const fetched = await client.getItems<Stanzas.JSONItem>(pubsub, node)
await client.deleteNode(pubsub, node)

const heard = new Promise<string | undefined>((resolve) => client.once('chat', ({ body }) => resolve(body)))
client.sendMessage({ to: client.jid, type: 'chat', body: 'to myself' })
const body = await heard
await client.ping(domain)
const friend = `friend@${domain}`
await client.updateRosterItem({ jid: friend, name: 'Freundin', groups: ['work'], subscription: 'none' })
const contact = (await client.getRoster()).items.find(({ jid }) => jid === friend)
const version = await client.getSoftwareVersion(domain)

clearTimeout(timer)
process.stdout.write(
  `${JSON.stringify({
    jid: client.jid,
    services,
    event: notified.replace(pubsub, 'PUBSUB'),
    retrieved: fetched.items?.[0]?.content?.json,
    heard: body,
    contact: [contact?.name, contact?.groups, contact?.subscription],
    resumable: client.sm.started && client.sm.allowResume,
    software: version.name,
    errors,
  })}\n`,
)
client.disconnect()
