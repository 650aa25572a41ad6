/**
 * The archives of nodes on a real server that is killed, and started with other bounds. XEP-0442 §3; XEP-0313 §3.2: no gaps,
 * nothing left of what was taken away, and only the oldest end is dropped.
 */

import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { databaseFaults } from '../support/publishers.ts'
import { random } from '../support/random.ts'
import { Connection } from '../support/scenario/connection.ts'
import type { Tree } from '../support/scenario/tree.ts'
import { SACM, startServer, type TestServer } from '../support/server.ts'

const NS = 'http://jabber.org/protocol/pubsub'
const MAM = 'urn:xmpp:mam:2'
const KILLS = process.env['SACM_LONG'] ? 100 : 3
const IN_FLIGHT = 32
/** Far more than are published before a kill. */
const PUBLISHES_MAX = 1_000_000

let dataDir: string
let server: TestServer | undefined
let connection: Connection | undefined

beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'sacm-archive-'))
})
afterEach(async () => {
  connection?.destroy()
  await server?.stop()
  rmSync(dataDir, { recursive: true, force: true })
})

async function start(archiveMaxItems: number): Promise<Connection> {
  connection?.destroy()
  await server?.stop()
  const set = { 'pubsub.archiveMaxItems': String(archiveMaxItems), 'pubsub.sweepSeconds': '1' }
  server = await startServer({ dataDir, domain: 'test', set })
  await server.addUser('alice@test', 'pw', ['publisher'])
  const opened = await Connection.open(server, 'tcp')
  connection = opened
  await opened.login('alice', 'pw', 'desk')
  return opened
}

function* within(tree: Tree): Generator<Tree> {
  yield tree
  for (const child of tree.children) if (typeof child !== 'string') yield* within(child)
}
const all = (tree: Tree, local: string): Tree[] => [...within(tree)].filter((each) => each.local === local)
const textOf = (tree: Tree | undefined): string | undefined =>
  tree?.children.filter((child) => typeof child === 'string').join('')

let asked = 0

/** @returns the answer, whatever it is, and the messages before it */
async function ask(alice: Connection, type: string, payload: string): Promise<{ answer: Tree; messages: Tree[] }> {
  const id = `q${++asked}`
  alice.send(`<iq xmlns='jabber:client' type='${type}' id='${id}' to='pubsub.test'>${payload}</iq>`)
  const messages: Tree[] = []
  for (;;) {
    const what = await alice.next()
    if (what.kind !== 'element') throw new Error(`${what.kind} where an answer is expected`)
    if (what.tree.attributes.get('id') === id) return { answer: what.tree, messages }
    messages.push(what.tree)
  }
}

async function create(alice: Connection, node: string, maxItems: string): Promise<void> {
  const form = `<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>${NS}#node_config</value></field><field var='pubsub#max_items'><value>${maxItems}</value></field></x>`
  const { answer } = await ask(
    alice,
    'set',
    `<pubsub xmlns='${NS}'><create node='${node}'/><configure>${form}</configure></pubsub>`,
  )
  expect(answer.attributes.get('type')).toBe('result')
}

const publishing = (node: string, itemId: string, number: number) =>
  `<pubsub xmlns='${NS}'><publish node='${node}'><item id='${itemId}'><v xmlns='urn:v'>${number}</v></item></publish></pubsub>`

interface Entry {
  readonly id: string
  /** What was published; `-`: a placeholder. */
  readonly content: string
}

/** The whole archive, page after page; undefined: item-not-found. */
async function archive(alice: Connection, node: string, from?: string): Promise<Entry[] | undefined> {
  const found: Entry[] = []
  for (let after = from; ; after = found.at(-1)?.id ?? after) {
    const set = after === undefined ? '' : `<set xmlns='http://jabber.org/protocol/rsm'><after>${after}</after></set>`
    const { answer, messages } = await ask(alice, 'set', `<query xmlns='${MAM}' node='${node}'>${set}</query>`)
    if (all(answer, 'item-not-found').length > 0) return undefined
    for (const message of messages) {
      const id = all(message, 'result')[0]?.attributes.get('id') ?? ''
      found.push({ id, content: textOf(all(message, 'v')[0]) ?? '-' })
    }
    if (all(answer, 'fin')[0]?.attributes.get('complete') === 'true') return found
  }
}

const contents = (entries: readonly Entry[] | undefined) => entries?.map(({ content }) => content)

async function items(alice: Connection, node: string): Promise<(string | undefined)[]> {
  const { answer } = await ask(alice, 'get', `<pubsub xmlns='${NS}'><items node='${node}'/></pubsub>`)
  return all(answer, 'v').map(textOf)
}

/** Publishes to both nodes in turn until the server is gone. @returns how many publishes to each were acknowledged */
async function publishUntilDead(alice: Connection, from: number, kill: () => Promise<void>, count: number) {
  const choose = random(from + 1)
  let [sent, acknowledged] = [from, 0]
  let isDying: Promise<void> | undefined
  const send = () => {
    sent += 1
    alice.send(
      `<iq xmlns='jabber:client' type='set' id='r${sent}' to='pubsub.test'>${publishing('replaced', `i${choose.int(4)}`, sent)}</iq>` +
        `<iq xmlns='jabber:client' type='set' id='f${sent}' to='pubsub.test'>${publishing('full', `f${sent}`, sent)}</iq>`,
    )
  }
  for (let at = 0; at < IN_FLIGHT; at += 1) send()
  for (let seen = 0; seen < PUBLISHES_MAX; seen += 1) {
    const what = await alice.next().catch(() => undefined)
    if (what?.kind !== 'element') break
    expect(what.tree.attributes.get('type')).toBe('result')
    // Of the two, this is the later one.
    if (!what.tree.attributes.get('id')?.startsWith('f')) continue
    acknowledged += 1
    if (acknowledged >= count) isDying ??= kill()
    send()
  }
  await isDying
  return from + acknowledged
}

test(`${KILLS} kills: archives have each version, without a gap, and what was acknowledged`, {
  timeout: KILLS * 40_000,
}, async () => {
  let alice = await start(PUBLISHES_MAX)
  await create(alice, 'replaced', 'max')
  await create(alice, 'full', '3')
  const moment = random(KILLS)
  const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, at) => String(from + at + 1))
  /** What is known to be there in both, and where it ends in each. */
  let last = 0
  const ends: Record<string, string | undefined> = {}
  for (let kill = 1; kill <= KILLS; kill += 1) {
    const running = server
    if (!running) throw new Error('not running')
    const acknowledged = await publishUntilDead(alice, last, () => running.kill(), 50 + moment.int(500))
    server = undefined
    alice = await start(PUBLISHES_MAX)
    const found: number[] = []
    for (const node of ['replaced', 'full']) {
      const kept = (await archive(alice, node, ends[node])) ?? []
      const length = last + kept.length
      expect(length).toBeGreaterThanOrEqual(acknowledged)
      expect(contents(kept)).toEqual(numbers(last, length))
      found.push(length)
    }
    expect((await items(alice, 'full')).length).toBe(3)
    expect((await items(alice, 'replaced')).length).toBeLessThanOrEqual(4)
    expect(databaseFaults(join(dataDir, 'sacm.sqlite'))).toEqual([])
    // Both go on with the same number.
    const [replaced = 0, full = 0] = found
    for (let at = replaced; at < full; at += 1) await ask(alice, 'set', publishing('replaced', 'i0', at + 1))
    for (let at = full; at < replaced; at += 1) await ask(alice, 'set', publishing('full', `f${at + 1}`, at + 1))
    const now = Math.max(replaced, full)
    for (const node of ['replaced', 'full']) {
      const kept = await archive(alice, node, ends[node])
      expect(contents(kept)).toEqual(numbers(last, now))
      ends[node] = kept?.at(-1)?.id ?? ends[node]
    }
    last = now
  }
  for (const node of ['replaced', 'full']) expect(contents(await archive(alice, node))).toEqual(numbers(0, last))
})

test('a backup has the past in it, and what came after the backup is nowhere after a restore', async () => {
  const folder = dataDir
  dataDir = join(folder, 'live')
  let alice = await start(5)
  await create(alice, 'n', 'max')
  for (let at = 1; at <= 3; at += 1) await ask(alice, 'set', publishing('n', 'hot', at))
  const then = await archive(alice, 'n')
  expect(contents(then)).toEqual(['1', '2', '3'])
  const file = join(folder, 'then.backup')
  execFileSync(process.execPath, [SACM, 'backup', file, '--data-dir', dataDir], { timeout: 60_000, stdio: 'pipe' })
  await ask(alice, 'set', publishing('n', 'hot', 4))
  const later = await archive(alice, 'n')
  expect(contents(later)).toEqual(['1', '2', '3', '4'])

  dataDir = join(folder, 'restored')
  execFileSync(process.execPath, [SACM, 'restore', file, '--data-dir', dataDir], { timeout: 60_000, stdio: 'pipe' })
  try {
    alice = await start(5)
    expect(contents(await archive(alice, 'n'))).toEqual(['1', '2', '3'])
    await ask(alice, 'set', publishing('n', 'hot', 5))
    expect(contents(await archive(alice, 'n'))).toEqual(['1', '2', '3', '5'])
    // No place of before is one: the numbers from the backup on have been given twice.
    for (const place of [then?.[0], later?.at(-1)]) expect(await archive(alice, 'n', place?.id)).toBeUndefined()
  } finally {
    dataDir = folder
  }
})

test('an archive begins behind what was dropped from it, and the bound may change between starts', async () => {
  let alice = await start(3)
  await create(alice, 'n', 'max')
  await ask(alice, 'set', publishing('n', 'cold', 0))
  const [cold] = (await archive(alice, 'n')) ?? []
  for (let at = 1; at <= 3; at += 1) await ask(alice, 'set', publishing('n', 'hot', at))
  const before = (await archive(alice, 'n')) ?? []
  expect(contents(before)).toEqual(['0', '1', '2', '3'])
  for (let at = 4; at <= 6; at += 1) await ask(alice, 'set', publishing('n', 'hot', at))
  const after = (await archive(alice, 'n')) ?? []
  expect(contents(after)).toEqual(['3', '4', '5', '6'])
  // What has not changed since before that is an item all the same.
  expect(await items(alice, 'n')).toEqual(['0', '6'])
  expect(await archive(alice, 'n', cold?.id)).toBeUndefined()
  expect(await archive(alice, 'n', before[1]?.id)).toBeUndefined()
  expect(contents(await archive(alice, 'n', before[3]?.id))).toEqual(['4', '5', '6'])
  const { answer } = await ask(alice, 'get', `<metadata xmlns='${MAM}' node='n'/>`)
  expect(all(answer, 'start')[0]?.attributes.get('id')).toBe(after[0]?.id)

  // Two as well, as there are two items.
  alice = await start(1)
  // Beside other work: by the first sweep at the latest.
  const isShort = async () => (await archive(alice, 'n'))?.length === 3
  await expect.poll(isShort, { timeout: 5_000 }).toBe(true)
  expect(contents(await archive(alice, 'n'))).toEqual(['4', '5', '6'])

  alice = await start(0)
  const isNow = async () => contents(await archive(alice, 'n'))?.join() === '0,6'
  await expect.poll(isNow, { timeout: 5_000 }).toBe(true)
  expect(await archive(alice, 'n', after[2]?.id)).toBeUndefined()
  await ask(alice, 'set', `<pubsub xmlns='${NS}'><retract node='n'><item id='hot'/></retract></pubsub>`)
  expect(contents(await archive(alice, 'n'))).toEqual(['0'])
})

test('nothing of what is retracted, purged or with its publisher gone is left in the database', async () => {
  const alice = await start(20)
  await create(alice, 'n', '2')
  for (const [at, itemId] of ['a', 'a', 'b', 'c', 'd'].entries())
    await ask(alice, 'set', publishing('n', itemId, at + 1000))
  const contentOf = () => {
    const sqlite = new Database(join(dataDir, 'sacm.sqlite'), { readonly: true })
    try {
      const tables = ['pubsub_items', 'pubsub_past_items']
      return tables.flatMap((table) =>
        sqlite.prepare<[], string>(`SELECT payload FROM ${table} WHERE payload LIKE '%urn:v%'`).pluck().all(),
      )
    } finally {
      sqlite.close()
    }
  }
  expect(contentOf()).toHaveLength(5)
  await ask(alice, 'set', `<pubsub xmlns='${NS}'><retract node='n'><item id='a'/></retract></pubsub>`)
  expect(contents(await archive(alice, 'n'))).toEqual(['-', '-', '1002', '1003', '1004'])
  expect(contentOf()).toHaveLength(3)
  const form = `<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>${NS}#node_config</value></field><field var='pubsub#purge_offline'><value>1</value></field></x>`
  await ask(alice, 'set', `<pubsub xmlns='${NS}#owner'><configure node='n'>${form}</configure></pubsub>`)
  // What goes with its publisher is none of the past's.
  expect(contents(await archive(alice, 'n'))).toEqual(['-', '-', '-', '1003', '1004'])
  await ask(alice, 'set', publishing('n', 'd', 1005))
  expect(contents(await archive(alice, 'n'))).toEqual(['-', '-', '-', '1003', '-', '1005'])
  await ask(alice, 'set', `<pubsub xmlns='${NS}#owner'><purge node='n'/></pubsub>`)
  expect(contents(await archive(alice, 'n'))).toEqual(['-', '-', '-', '-', '-', '-'])
  expect(contentOf()).toEqual([])
  expect(databaseFaults(join(dataDir, 'sacm.sqlite'))).toEqual([])
})
