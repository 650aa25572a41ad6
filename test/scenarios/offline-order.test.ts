/** What was kept for an account comes before what is sent to it meanwhile, in the order in which it was sent. XEP-0160 §2 */

import { afterAll, beforeAll, expect, test } from 'vitest'
import { Connection } from '../support/scenario/connection.ts'
import { startServer, type TestServer } from '../support/server.ts'

const KEPT = 450
const LIVE = 450
let server: TestServer

beforeAll(async () => {
  server = await startServer({ domain: 'test', set: { 'offline.perSenderMax': '1000', 'limits.off': 'true' } })
  for (const name of ['alice', 'bob']) await server.addUser(`${name}@test`, 'pw')
})
afterAll(async () => {
  expect(await server.stop()).toBe(0)
})

test('more than a page that was kept, and messages that come while it is delivered', async () => {
  const alice = await Connection.open(server, 'tcp')
  await alice.login('alice', 'pw', 'desk')
  let sent = 0
  const send = (count: number) => {
    const messages = Array.from(
      { length: count },
      () => `<message to='bob@test' type='chat' id='m${sent++}'><body>x</body></message>`,
    )
    alice.send(messages.join(''))
  }
  send(KEPT)
  await alice.sync()
  const bob = await Connection.open(server, 'tcp')
  await bob.login('bob', 'pw', 'desk')
  bob.send('<presence/>')
  for (let left = LIVE; left > 0; left -= 10) {
    send(10)
    await alice.sync()
  }
  await bob.find((tree) => tree.attributes.get('id') === `m${KEPT + LIVE - 1}`)
  await bob.sync()
  const got = [...bob.transcript.join('\n').matchAll(/<message[^>]* id="m(\d+)"/g)].map(([, id]) => Number(id))
  expect(got).toEqual(Array.from({ length: KEPT + LIVE }, (_, id) => id))
})
