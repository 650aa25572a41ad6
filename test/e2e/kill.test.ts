/**
 * SIGKILL in the middle of twenty publishers: after the restart every acknowledged item is there, whole, once, and in
 * the order in which its publisher's acknowledgements came. Twenty rounds with SACM_LONG, three without.
 */

import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Client } from '../../clients/core/client.ts'
import { itemsPage, NS_PUBSUB, type PubsubItem, publish } from '../../clients/core/pubsub.ts'
import { pages } from '../../clients/core/rsm.ts'
import { attr, type Element, el, textOf } from '../../server/xml/element.ts'
import { startServer, type TestServer } from '../support/server.ts'

const PUBLISHERS = 20
const IN_FLIGHT = 5
const ROUNDS = process.env['SACM_LONG'] ? 20 : 3
const PASSWORD = 'kill-test'
const PAGE = 500

let dataDir: string
let server: TestServer | undefined
const clients: Client[] = []

beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'sacm-kill-'))
})
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()))
  await server?.stop()
  server = undefined
  rmSync(dataDir, { recursive: true, force: true })
})

test(`${ROUNDS} kills under ${PUBLISHERS} publishers lose nothing that was acknowledged`, {
  timeout: ROUNDS * 40_000,
}, async () => {
  server = await startServer({ dataDir, set: { 'pubsub.create': 'anyone' } })
  for (let index = 0; index < PUBLISHERS; index++) await server.addUser(`p${index}@localhost`, PASSWORD)
  const acknowledged = new Map<string, string[]>(
    Array.from({ length: PUBLISHERS }, (_, index) => [`node-${index}`, []]),
  )

  for (let round = 0; round < ROUNDS; round++) {
    const running = server
    const publishers = await Promise.all([...acknowledged.keys()].map((node, index) => connect(running, index, node)))
    // Every publisher has had answers before the kill, so each round kills in the middle of work.
    const killAfter = 5 + Math.floor(Math.random() * 60)
    const isDue = Promise.withResolvers<void>()
    const loops = publishers.flatMap(({ client, node }) => {
      const acks = acknowledged.get(node) ?? []
      const before = acks.length
      return Array.from({ length: IN_FLIGHT }, (_, lane) =>
        publishUntilDead(client, node, round, lane, acks, () => {
          if (acks.length - before >= killAfter) isDue.resolve()
        }),
      )
    })
    await isDue.promise
    await server.kill()
    await Promise.all(loops)
    await Promise.all(clients.splice(0).map((client) => client.close()))

    server = await startServer({ dataDir, set: { 'pubsub.create': 'anyone' } })
    await verify(server, acknowledged)
  }
})

async function connect(at: TestServer, index: number, node: string): Promise<{ client: Client; node: string }> {
  const client = new Client(
    {
      jid: `p${index}@localhost/kill`,
      password: PASSWORD,
      host: at.host,
      port: at.ports.c2s,
      ca: readFileSync(at.caFile, 'utf8'),
      limits: { reconnectAttempts: 1 },
    },
    { identities: [{ category: 'client', type: 'bot' }] },
  )
  clients.push(client)
  await client.start()
  client.closed.catch(() => undefined) // it gives up when the server is killed
  const create = el(
    'pubsub',
    { xmlns: NS_PUBSUB },
    el('create', { node }),
    configure({ 'pubsub#max_items': 'max', 'pubsub#persist_items': '1' }),
  )
  await client.request('set', pubsubOf(at), create).catch((error: unknown) => {
    if (
      !String(error).includes('conflict') &&
      !(error instanceof Error && 'condition' in error && error.condition === 'conflict')
    )
      throw error
  })
  return { client, node }
}

function configure(values: Readonly<Record<string, string>>): Element {
  const field = (name: string, value: string, type?: string) => el('field', { var: name, type }, el('value', {}, value))
  return el(
    'configure',
    {},
    el(
      'x',
      { xmlns: 'jabber:x:data', type: 'submit' },
      field('FORM_TYPE', 'http://jabber.org/protocol/pubsub#node_config', 'hidden'),
      ...Object.entries(values).map(([name, value]) => field(name, value)),
    ),
  )
}

/** Publishes one after the other until the connection is gone; what was answered is recorded in order of the answers. */
async function publishUntilDead(
  client: Client,
  node: string,
  round: number,
  lane: number,
  acks: string[],
  onAck: () => void,
): Promise<void> {
  for (let number = 0; number < 100_000; number++) {
    const id = `r${round}-l${lane}-${number}`
    const text = randomBytes(100 + Math.floor(Math.random() * 900)).toString('base64')
    const payload = el('entry', { xmlns: 'urn:example:kill', sha256: digest(id, text) }, text)
    try {
      await publish(client, `pubsub.localhost`, node, { id, payload })
    } catch {
      return // the kill, or what follows from it: this item was not acknowledged, and may or may not be there
    }
    acks.push(id)
    onAck()
  }
}

async function verify(at: TestServer, acknowledged: ReadonlyMap<string, readonly string[]>): Promise<void> {
  const found = await Promise.all(
    [...acknowledged.keys()].map(async (node, index) => {
      const { client } = await connect(at, index, node)
      const items: PubsubItem[] = []
      for await (const page of pages((request) => itemsPage(client, pubsubOf(at), node, request), PAGE))
        items.push(...page.items)
      return [node, items] as const
    }),
  )
  for (const [node, items] of found) {
    const ids = items.map((item) => item.id)
    const present = new Set(ids)
    expect(present.size, `${node}: an item is there twice`).toBe(ids.length)
    expect(
      (acknowledged.get(node) ?? []).filter((id) => !present.has(id)),
      `${node}: acknowledged and lost`,
    ).toEqual([])
    expect(
      items.filter((item) => !isWhole(item)).map((item) => item.id),
      `${node}: not whole`,
    ).toEqual([])
  }
  expect(found.reduce((sum, [, items]) => sum + items.length, 0)).toBeGreaterThan(0)
  await Promise.all(clients.splice(0).map((client) => client.close()))
}

function isWhole({ id, payload }: PubsubItem): boolean {
  return payload !== undefined && attr(payload, 'sha256') === digest(id, textOf(payload))
}

function digest(id: string, text: string): string {
  return createHash('sha256').update(`${id} ${text}`).digest('hex')
}

function pubsubOf(at: TestServer): string {
  return `pubsub.${at.domain}`
}
