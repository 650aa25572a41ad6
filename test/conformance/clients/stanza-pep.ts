/** Two stanza clients over WebSocket: one publishes tune, nick and avatar, the other hears of them by what its client wants. */

import { createHash } from 'node:crypto'
import { type Agent, createClient } from 'stanza'

const [service = '', domain = '', password = ''] = process.argv.slice(2)
const timer = setTimeout(() => {
  process.stderr.write('timed out\n')
  process.exit(1)
}, 20_000)

async function online(username: string): Promise<Agent> {
  const client = createClient({
    jid: `${username}@${domain}`,
    password,
    transports: { websocket: service, bosh: false },
    autoReconnect: false,
  })
  client.on('subscribe', ({ from }) => client.acceptSubscription(from))
  await new Promise<void>((resolve, reject) => {
    client.once('session:started', () => resolve())
    client.once('disconnected', () => reject(new Error('no session')))
    client.connect()
  })
  await client.getRoster()
  client.updateCaps()
  client.sendPresence({ legacyCapabilities: client.disco.getCaps() ?? [] })
  return client
}

const [alice, bob] = [await online('stanza-alice'), await online('stanza-bob')]
const seen = new Promise<void>((resolve) => {
  bob.on('available', ({ from }) => {
    if (from.startsWith('stanza-alice@')) resolve()
  })
})
bob.subscribe(`stanza-alice@${domain}`)
await seen

const image = Buffer.from('not really a picture')
const id = createHash('sha1').update(image).digest('hex')
const heard = Promise.all([
  new Promise((resolve) => bob.once('tune', ({ jid, tune }) => resolve([jid, tune.title]))),
  new Promise((resolve) => bob.once('nick', ({ jid, nick }) => resolve([jid, nick]))),
  new Promise((resolve) => bob.once('avatar', ({ jid, avatars }) => resolve([jid, avatars[0]?.id]))),
])
await alice.publishTune({ title: 'Introduction' })
await alice.publishNick('Alice')
await alice.publishAvatar(id, image)
await alice.useAvatars([{ id, bytes: image.length, mediaType: 'image/png' }])
const events = await heard
const avatar = await bob.getAvatar(`stanza-alice@${domain}`, id)

clearTimeout(timer)
process.stdout.write(`${JSON.stringify({ events, avatar: avatar.content?.data?.toString() })}\n`)
alice.disconnect()
bob.disconnect()
