/** What clients see of a server that is stopped. RFC 6120 §4.9.3.20, §4.4; RFC 7395 §3.6. */

import { expect, test } from 'vitest'
import { Connection } from '../support/scenario/connection.ts'
import { startServer } from '../support/server.ts'

test('every client is told, whatever its stage, and the process ends cleanly', async () => {
  const server = await startServer({ domain: 'test' })
  await server.addUser('alice@test', 'correct horse')
  const bound: Connection[] = []
  for (const kind of ['tcp', 'websocket'] as const) {
    const connection = await Connection.open(server, kind)
    await connection.login('alice', 'correct horse', kind)
    const fresh = await Connection.open(server, kind)
    await fresh.opens()
    await fresh.next()
    bound.push(connection, fresh)
  }
  const stopped = server.stop()
  for (const connection of bound) {
    const last = await connection.next()
    expect(last).toMatchObject({
      kind: 'element',
      tree: { local: 'error', children: [{ local: 'system-shutdown' }, {}] },
    })
    connection.closes()
    await connection.closed()
  }
  expect(await stopped).toBe(0)
})
