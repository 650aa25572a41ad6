/** stanza keeps a node: makes it, configures it, publishes, pages, retracts, gives rights, deletes. */

import { createClient, type Stanzas } from 'stanza'

const NODE = 'stanza-node'
const [service = '', domain = '', username = '', password = '', friend = ''] = process.argv.slice(2)
const pubsub = `pubsub.${domain}`
const timer = setTimeout(() => {
  process.stderr.write('timed out\n')
  process.exit(1)
}, 30_000)
const client = createClient({
  jid: `${username}@${domain}`,
  password,
  transports: { websocket: service, bosh: false },
  autoReconnect: false,
})
await new Promise<void>((resolve, reject) => {
  client.once('session:started', () => resolve())
  client.once('disconnected', () => reject(new Error('no session')))
  client.connect()
})
client.sendPresence()

const events: string[] = []
let wake = (): void => {}
const heard = async (count: number): Promise<void> => {
  while (events.length < count)
    await new Promise<void>((resolve) => {
      wake = resolve
    })
}
client.on('pubsub:published', ({ pubsub: { items } }) => {
  for (const { id } of items.published) events.push(`published ${id}`)
  wake()
})
client.on('pubsub:retracted', ({ pubsub: { items } }) => {
  // Told as text or as an item, by the version of the library.
  for (const item of items.retracted as readonly (string | { readonly id?: string })[])
    events.push(`retracted ${typeof item === 'string' ? item : item.id}`)
  wake()
})

const titled = (value: string): Stanzas.DataForm => ({
  type: 'submit',
  fields: [
    { name: 'FORM_TYPE', type: 'hidden', value: 'http://jabber.org/protocol/pubsub#node_config' },
    { name: 'pubsub#title', value },
  ],
})
await client.createNode(pubsub, NODE, titled('first'))
await client.configureNode(pubsub, NODE, titled('second'))
const form = await client.getNodeConfig(pubsub, NODE)
await client.subscribeToNode(pubsub, NODE)
for (const id of ['1', '2', '3', '4', '5']) {
  await client.publish(pubsub, NODE, { itemType: 'urn:xmpp:json:0', json: id }, id)
  await heard(Number(id))
}
const pages: (readonly (string | undefined)[])[] = []
// It sends `max` as max_items too, which asks for the most recent: so it pages backwards.
for (let before: string | undefined; ; ) {
  const page = await client.getItems<Stanzas.JSONItem>(pubsub, NODE, {
    max: 2,
    ...(before !== undefined && { before }),
  })
  if (!page.items?.length) break
  pages.push(page.items.map(({ id }) => id))
  before = page.paging?.first
}
await client.retract(pubsub, NODE, '2', true)
await heard(6)
await client.updateNodeAffiliations(pubsub, NODE, [{ jid: friend, affiliation: 'publisher' }])
const affiliations = (await client.getNodeAffiliations(pubsub, NODE)).items ?? []
const listed: Stanzas.Pubsub | undefined = (await client.getNodeSubscribers(pubsub, NODE)).pubsub
await client.deleteNode(pubsub, NODE)
const gone: unknown = await client.getItems(pubsub, NODE).then(
  () => 'not at all',
  (answer: { readonly error?: { readonly condition?: string } }) => answer.error?.condition,
)
clearTimeout(timer)
process.stdout.write(
  `${JSON.stringify({
    title: form.fields?.find(({ name }) => name === 'pubsub#title')?.value,
    events,
    pages,
    affiliations: affiliations.map(({ jid, affiliation }) => `${jid} ${affiliation}`).sort(),
    subscribers: listed?.subscriptions?.items?.map(({ jid, state }) => `${jid} ${state}`),
    gone,
  })}\n`,
)
client.once('disconnected', () => process.exit(0))
client.disconnect()
