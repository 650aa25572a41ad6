/**
 * Several publish to the same nodes at one time, over TCP and WebSocket: every subscriber, on either, sees each node's
 * items in the order in which they were committed, which is the order that the node keeps; and each publisher's in the
 * order in which it sent them. DESIGN decision 13.
 */

import { afterEach, beforeEach, expect, test } from 'vitest'
import { Connection } from '../support/scenario/connection.ts'
import type { Tree } from '../support/scenario/tree.ts'
import { startServer, type TestServer } from '../support/server.ts'

const KINDS = ['tcp', 'websocket'] as const
const NODES = ['north', 'south'] as const
const PUBLISHERS = 6
const SUBSCRIBERS = 4
const ITEMS = 100
const PUBSUB = 'http://jabber.org/protocol/pubsub'

let server: TestServer
const connections: Connection[] = []

beforeEach(async () => {
  server = await startServer({ domain: 'test', set: { 'pubsub.create': 'anyone' } })
})
afterEach(async () => {
  for (const connection of connections.splice(0)) connection.destroy()
  await server.stop()
})

async function login(name: string, number: number): Promise<Connection> {
  await server.addUser(`${name}@test`, 'order')
  const kind = KINDS[number % KINDS.length] ?? 'tcp'
  const connection = await Connection.open(server, kind)
  connections.push(connection)
  await connection.login(name, 'order', 'x')
  return connection
}

const iq = (type: 'get' | 'set', id: string, payload: string): string =>
  `<iq xmlns='jabber:client' type='${type}' id='${id}' to='pubsub.test'>${payload}</iq>`

async function ask(connection: Connection, type: 'get' | 'set', id: string, payload: string): Promise<void> {
  connection.send(iq(type, id, payload))
  await connection.find(
    (tree) => tree.local === 'iq' && tree.attributes.get('id') === id && tree.attributes.get('type') === 'result',
  )
}

function* below(tree: Tree): Generator<Tree> {
  for (const child of tree.children) {
    if (typeof child === 'string') continue
    yield child
    yield* below(child)
  }
}

/** The ids of the items of a node, in the order in which they stand in what was received. */
function idsIn(trees: Iterable<Tree>, node: string): string[] {
  const ids: string[] = []
  for (const tree of trees)
    for (const items of below(tree))
      if (items.local === 'items' && items.attributes.get('node') === node)
        for (const item of items.children)
          if (typeof item !== 'string' && item.local === 'item') ids.push(item.attributes.get('id') ?? '')
  return ids
}

const received = (connection: Connection, name: string): Tree[] =>
  connection.waiting.flatMap((what) => (what.kind === 'element' && what.tree.local === name ? [what.tree] : []))

test('every subscriber sees commit order, whatever it and the publishers are connected by', async () => {
  const maker = await login('maker', 0)
  const field = (name: string, value: string) => `<field var='${name}'><value>${value}</value></field>`
  const form = [
    field('FORM_TYPE', 'http://jabber.org/protocol/pubsub#node_config'),
    field('pubsub#access_model', 'open'),
    field('pubsub#publish_model', 'open'),
    field('pubsub#max_items', 'max'),
  ].join('')
  for (const node of NODES)
    await ask(
      maker,
      'set',
      node,
      `<pubsub xmlns='${PUBSUB}'><create node='${node}'/><configure><x xmlns='jabber:x:data' type='submit'>${form}</x></configure></pubsub>`,
    )
  const subscribers = await Promise.all(
    Array.from({ length: SUBSCRIBERS }, async (_, number) => {
      const connection = await login(`subscriber${number}`, number)
      connection.send(`<presence xmlns='jabber:client'/>`)
      for (const node of NODES) {
        const jid = `subscriber${number}@test`
        await ask(
          connection,
          'set',
          node,
          `<pubsub xmlns='${PUBSUB}'><subscribe node='${node}' jid='${jid}'/></pubsub>`,
        )
      }
      return connection
    }),
  )
  const publishers = await Promise.all(
    Array.from({ length: PUBLISHERS }, (_, number) => login(`publisher${number}`, number)),
  )

  // All at once and nobody waits for an answer: what is sent in one turn is committed in one batch, mixed as it comes.
  for (let number = 0; number < ITEMS; number++)
    for (const [by, publisher] of publishers.entries()) {
      const node = NODES[(number + by) % NODES.length] ?? 'north'
      const item = `<item id='p${by}-${number}'><entry xmlns='urn:example:order'>${number}</entry></item>`
      publisher.send(
        iq('set', `i${number}`, `<pubsub xmlns='${PUBSUB}'><publish node='${node}'>${item}</publish></pubsub>`),
      )
    }
  for (const publisher of publishers) {
    await publisher.sync()
    await expect.poll(() => received(publisher, 'iq').length, { timeout: 30_000 }).toBe(ITEMS)
    const answers = received(publisher, 'iq')
    expect(answers.map((tree) => tree.attributes.get('type'))).toEqual(answers.map(() => 'result'))
    // A session is answered in the order in which it asked.
    expect(answers.map((tree) => tree.attributes.get('id'))).toEqual(answers.map((_, at) => `i${at}`))
  }

  for (const node of NODES) {
    const kept = await keptIn(maker, node)
    expect(kept).toHaveLength((PUBLISHERS * ITEMS) / NODES.length)
    for (const by of publishers.keys()) {
      const own = kept.filter((id) => id.startsWith(`p${by}-`)).map((id) => Number(id.slice(id.indexOf('-') + 1)))
      expect(own).toEqual(own.toSorted((a, b) => a - b))
    }
    for (const subscriber of subscribers) {
      await expect
        .poll(() => idsIn(received(subscriber, 'message'), node).length, { timeout: 30_000 })
        .toBe(kept.length)
      expect(idsIn(received(subscriber, 'message'), node)).toEqual(kept)
    }
  }
  // The test would show nothing if each publisher had been served to its end before the next.
  const first = (await keptIn(maker, 'north')).slice(0, (PUBLISHERS * ITEMS) / 4)
  expect(new Set(first.map((id) => id.slice(0, id.indexOf('-')))).size).toBeGreaterThan(1)
})

/** The items that a node keeps, oldest first. */
async function keptIn(connection: Connection, node: string): Promise<string[]> {
  const ids: string[] = []
  for (let page = 0, after = ''; page < 20; page++) {
    const id = `kept-${node}-${page}`
    connection.send(
      iq(
        'get',
        id,
        `<pubsub xmlns='${PUBSUB}'><items node='${node}'/><set xmlns='http://jabber.org/protocol/rsm'><max>100</max>${after}</set></pubsub>`,
      ),
    )
    let answer: Tree | undefined
    await connection.find((tree) => {
      if (tree.attributes.get('id') !== id) return false
      answer = tree
      return true
    })
    const found = answer ? idsIn([answer], node) : []
    if (found.length === 0) return ids
    ids.push(...found)
    const last = answer && [...below(answer)].find((tree) => tree.local === 'last')?.children[0]
    after = typeof last === 'string' ? `<after>${last}</after>` : ''
  }
  throw new Error('the pages do not end')
}
