/** XEP-0133 §4.30, §4.31: the program's end, asked for by an administrator's client, and what its exit code says. */

import { expect, test } from 'vitest'
import { Connection } from '../support/scenario/connection.ts'
import { startServer } from '../support/server.ts'

const NODE = 'http://jabber.org/protocol/admin#'
const NS = "xmlns='http://jabber.org/protocol/commands'"

test.each([
  ['shutdown', 0],
  ['restart', 4],
] as const)('%s: everybody is told, the exit code is %i', async (how, code) => {
  const server = await startServer()
  const clients: Connection[] = []
  try {
    await server.addUser(`root@${server.domain}`, 'correct horse', ['admin'])
    const root = await Connection.open(server, 'tcp')
    clients.push(root)
    await root.login('root', 'correct horse', 'desk')
    root.send(
      Buffer.from(`<presence/><iq type='set' id='1' to='${server.domain}'><command ${NS} node='${NODE}${how}'/></iq>`),
    )
    await root.find((tree) => tree.local === 'presence')
    let sessionId = ''
    await root.find((tree) => {
      const [command] = tree.children
      if (tree.attributes.get('id') !== '1' || typeof command !== 'object') return false
      sessionId = command.attributes.get('sessionid') ?? ''
      return true
    })
    root.send(
      Buffer.from(
        `<iq type='set' id='2' to='${server.domain}'><command ${NS} node='${NODE}${how}' sessionid='${sessionId}'>` +
          "<x xmlns='jabber:x:data' type='submit'><field var='delay'><value>0</value></field>" +
          "<field var='announcement'><value>Good night.</value></field></x></command></iq>",
      ),
    )
    await root.find((tree) => tree.local === 'message' && tree.attributes.get('type') === 'headline')
    await root.find((tree) => tree.attributes.get('id') === '2' && tree.attributes.get('type') === 'result')
    await root.find(
      (tree) =>
        tree.local === 'error' &&
        tree.children.some((child) => typeof child === 'object' && child.local === 'system-shutdown'),
    )
    await root.closed()
  } finally {
    for (const client of clients) client.destroy()
    // It has ended by itself; this waits for it and tells how.
    expect(await server.stop()).toBe(code)
  }
})
