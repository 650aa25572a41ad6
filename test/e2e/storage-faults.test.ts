/**
 * Storage that fails under a running server: the publisher hears it, nothing is half done, what can be served is
 * served, the log says what a person must do, and publishing goes on when the fault is lifted. RFC 6120 §8.3.3.6, §8.3.3.18.
 */

import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Client } from '../../clients/core/client.ts'
import { itemsPage, NS_PUBSUB, parseEvent, publish, subscribe } from '../../clients/core/pubsub.ts'
import { StanzaError } from '../../server/stanza/errors.ts'
import { attr, childElements, childOf, type Element, el, textOf } from '../../server/xml/element.ts'
import { NS_CLIENT } from '../../server/xml/namespaces.ts'
import { damage, fill } from '../support/damage.ts'
import { buildDisk } from '../support/disk.ts'
import { mountReadOnly, mountSmall, unmountAll } from '../support/mounts.ts'
import { ownClient } from '../support/own-client.ts'
import { databaseFaults } from '../support/publishers.ts'
import { SACM, startServer, type TestServer } from '../support/server.ts'

const PASSWORD = 'storage-faults'
const NODE = 'posture'
const NS_REPOSITORY = 'urn:sacm-xmpp:repository:0'
const MEGABYTE = 1_048_576
/** For what arrives without an answer that could be waited for. */
const SOON = { timeout: 10_000 }
const SET = { 'pubsub.create': 'anyone' }

let folder: string
let server: TestServer | undefined
const clients: Client[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sacm-faults-'))
})
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()))
  await server?.stop()
  server = undefined
  unmountAll()
  rmSync(folder, { recursive: true, force: true })
})

/** Someone with an account, and what reached them. */
interface Person {
  readonly client: Client
  readonly items: string[]
  readonly texts: string[]
}

async function login(at: TestServer, name: string): Promise<Person> {
  const client = ownClient(at, name, 'faults', PASSWORD)
  clients.push(client)
  const person: Person = { client, items: [], texts: [] }
  client.onMessage((message) => {
    person.items.push(...(parseEvent(message)?.items.map(({ id }) => id) ?? []))
    const body = childOf(message, 'body', NS_CLIENT)
    if (body) person.texts.push(textOf(body))
    return attr(message, 'type') !== 'error'
  })
  await client.start()
  client.closed.catch(() => undefined)
  return person
}

const pubsubOf = (at: TestServer): string => `pubsub.${at.domain}`
const entry = (text: string): Element => el('entry', { xmlns: 'urn:example:faults' }, text)

/** Two people, a node that one publishes to and the other is subscribed to, and one item in it. */
async function settle(at: TestServer): Promise<{ alice: Person; bob: Person }> {
  for (const name of ['bob', 'carol', 'dave']) await at.addUser(`${name}@${at.domain}`, PASSWORD)
  await at.addUser(`alice@${at.domain}`, PASSWORD, ['collector', 'consumer'])
  const [alice, bob] = await Promise.all([login(at, 'alice'), login(at, 'bob')])
  await alice.client.request('set', pubsubOf(at), createOf(NODE))
  await subscribe(bob.client, pubsubOf(at), NODE, `bob@${at.domain}`)
  await publishItem(at, alice, 'before')
  await expect.poll(() => bob.items, SOON).toEqual(['before'])
  return { alice, bob }
}

function createOf(node: string): Element {
  const field = (name: string, value: string) => el('field', { var: name }, el('value', {}, value))
  const form = el(
    'x',
    { xmlns: 'jabber:x:data', type: 'submit' },
    field('FORM_TYPE', 'http://jabber.org/protocol/pubsub#node_config'),
    field('pubsub#max_items', 'max'),
    field('pubsub#access_model', 'open'),
  )
  return el('pubsub', { xmlns: NS_PUBSUB }, el('create', { node }), el('configure', {}, form))
}

function publishItem(at: TestServer, by: Person, id: string, text = id): Promise<unknown> {
  return publish(by.client, pubsubOf(at), NODE, { id, payload: entry(text) })
}

/** The same each time: what was refused may be sent again. */
function publishReport(at: TestServer, by: Person): Promise<unknown> {
  const collected = '2026-01-01T00:00:00Z'
  const payload = el(
    'report',
    { xmlns: 'urn:sacm-xmpp:posture:0', collected, method: 'self', scope: 'full' },
    el('endpoint', {}, el('identifier', { type: 'machine-id', value: 'faults' })),
    el('covers', { prefix: 'os.' }),
    ...['os.one', 'os.other'].map((name) =>
      el('attribute', { name, type: 'string', collected, status: 'exists' }, 'x'.repeat(20_000)),
    ),
  )
  return publish(by.client, pubsubOf(at), '/repository/posture', { id: 'report', payload })
}

async function endpointsOf(by: Person): Promise<number> {
  const answer = await by.client.request('get', 'repository.localhost', el('endpoints', { xmlns: NS_REPOSITORY }))
  return answer ? childElements(answer).filter((child) => child.getName() === 'endpoint').length : Number.NaN
}

/** The condition with which a message to someone who is away comes back. */
async function refusalOf(by: Person, to: string): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>()
  by.client.onMessage((message) => {
    const error = childOf(message, 'error', NS_CLIENT)
    if (error)
      resolve(
        childElements(error)
          .find((child) => child.getName() !== 'text')
          ?.getName(),
      )
    return error !== undefined
  })
  by.client.send(el('message', { to: `${to}@localhost`, type: 'chat', id: 'kept' }, el('body', {}, 'x'.repeat(20_000))))
  return promise
}

/** The condition that a request is refused with. */
async function conditionOf(request: Promise<unknown>): Promise<string> {
  const error: unknown = await request.then(
    () => new Error('it was not refused'),
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof StanzaError)) throw error
  return error.condition
}

const idsOf = async (at: TestServer, by: Person): Promise<string[]> =>
  (await itemsPage(by.client, pubsubOf(at), NODE, { max: 100 })).items.map(({ id }) => id)

/** What needs no write goes on: old items, messages, presence, and even new sessions. */
async function expectServed(at: TestServer, alice: Person, bob: Person, items: readonly string[]): Promise<void> {
  expect(await idsOf(at, bob)).toEqual(items)
  const text = `still here ${bob.texts.length}`
  alice.client.send(el('message', { to: `bob@${at.domain}/faults`, type: 'chat' }, el('body', {}, text)))
  await expect.poll(() => bob.texts, SOON).toContain(text)
  const carol = await login(at, 'carol')
  const sought = Promise.withResolvers<void>()
  alice.client.onPresence((presence) => {
    if (attr(presence, 'from')?.startsWith('carol@')) sought.resolve()
  })
  carol.client.send(el('presence', { to: `alice@${at.domain}/faults` }))
  await sought.promise
  await carol.client.close()
}

interface Fault {
  readonly begin: () => void
  readonly end: () => void
  readonly condition: string
  readonly reason: string
}

/** The whole story, from before the fault until after it. */
async function endure(at: TestServer, fault: Fault): Promise<void> {
  const { alice, bob } = await settle(at)
  fault.begin()
  // Whatever small space is left is used up first: from some item on all are refused.
  const stored = ['before']
  const refused: string[] = []
  for (let number = 0; refused.length < 3 && number < 2_000; number++) {
    const id = `item-${number}`
    const condition = await publishItem(at, alice, id, 'x'.repeat(20_000)).then(
      () => undefined,
      (error: unknown) => (error instanceof StanzaError ? error.condition : Promise.reject(error)),
    )
    if (condition === undefined) stored.push(id)
    else {
      expect(condition).toBe(fault.condition)
      refused.push(id)
    }
  }
  expect(refused).toHaveLength(3)
  expect(await conditionOf(alice.client.request('set', pubsubOf(at), createOf('half')))).toBe(fault.condition)
  // The node that could not be stored is not in memory either.
  expect(await conditionOf(itemsPage(alice.client, pubsubOf(at), 'half', { max: 1 }))).toBe('item-not-found')
  // A message that would have to be kept is not lost in silence, and of a report neither item nor rows are there.
  expect(await refusalOf(alice, 'dave')).toBe(fault.condition)
  expect(await conditionOf(publishReport(at, alice))).toBe(fault.condition)
  expect(await endpointsOf(alice)).toBe(0)
  await expectServed(at, alice, bob, stored)
  fault.end()
  // No restart: the very next one is stored, and reaches the subscriber after those that were stored before it.
  await publishItem(at, alice, 'after')
  await expect.poll(() => bob.items.at(-1), SOON).toBe('after')
  expect(bob.items).toEqual([...stored, 'after'])
  expect(await idsOf(at, bob)).toEqual(bob.items.slice(-100))
  await publishReport(at, alice)
  expect(await endpointsOf(alice)).toBe(1)
  // A log that lies on the full disk is written when there is room again.
  await expect.poll(() => at.log(), SOON).toContain('"storage_available"')
  const told = at.log().match(/^.*"storage_unavailable".*$/m)?.[0] ?? ''
  expect(JSON.parse(told)).toMatchObject({ level: 50, reason: fault.reason, remedy: expect.any(String) })
  expect(await at.stop()).toBe(0)
  server = undefined
  expect(databaseFaults(join(at.dataDir, 'sacm.sqlite'))).toEqual([])
}

describe('while it runs', () => {
  test('a disk that is full: resource-constraint', async (context) => {
    const disk = join(folder, 'disk')
    mountSmall(context, disk, 24 * MEGABYTE)
    const dataDir = join(disk, 'data')
    // The log is on the same disk, and must not take the server with it.
    server = await startServer({ dataDir, set: SET, logFile: join(disk, 'log') })
    const ballast = join(disk, 'ballast')
    await endure(server, {
      begin: () => fill(ballast),
      end: () => rmSync(ballast),
      condition: 'resource-constraint',
      reason: 'disk-full',
    })
  })

  test.for([
    ['no space', { call: 'write', errno: constants.errno.ENOSPC }, 'resource-constraint', 'disk-full'],
    ['a read-only file system', { call: 'write', errno: constants.errno.EROFS }, 'internal-server-error', 'read-only'],
    ['writes that fail', { call: 'write', errno: constants.errno.EIO }, 'internal-server-error', 'failed'],
    ['syncs that fail', { call: 'sync', errno: constants.errno.EIO }, 'internal-server-error', 'failed'],
  ] as const)('%s', async ([, fault, condition, reason], context) => {
    const disk = buildDisk(context, folder)
    server = await startServer({ dataDir: join(folder, 'data'), set: SET, env: disk.env })
    await endure(server, { begin: () => disk.fail(fault), end: () => disk.fail(undefined), condition, reason })
  })

  test('a database that another program holds: internal-server-error', async () => {
    server = await startServer({ dataDir: join(folder, 'data'), set: SET })
    const other = new Database(join(server.dataDir, 'sacm.sqlite'))
    await endure(server, {
      begin: () => void other.exec('BEGIN IMMEDIATE'),
      end: () => void other.exec('ROLLBACK').close(),
      condition: 'internal-server-error',
      reason: 'locked',
    })
  })

  test('pages that are damaged: what lies in them is refused, the rest is served, and all of it once they are whole', async () => {
    const dataDir = join(folder, 'data')
    server = await startServer({ dataDir, set: SET })
    const { alice } = await settle(server)
    for (let number = 0; number < 20; number++) await publishItem(server, alice, `item-${number}`, 'x'.repeat(3_000))
    await restart(dataDir)
    const [reader, bob] = await Promise.all([login(server, 'alice'), login(server, 'bob')])
    const mend = damage(dataDir, 'pubsub_items')
    expect(await conditionOf(itemsPage(reader.client, pubsubOf(server), NODE, { max: 100 }))).toBe(
      'internal-server-error',
    )
    await reader.client.request('set', pubsubOf(server), createOf('other'))
    expect((await itemsPage(reader.client, pubsubOf(server), 'other', { max: 100 })).items).toEqual([])
    reader.client.send(el('message', { to: `bob@${server.domain}/faults`, type: 'chat' }, el('body', {}, 'hello')))
    await expect.poll(() => bob.texts, SOON).toContain('hello')
    expect(server.log()).toMatch(/"while":"reading","reason":"damaged".*sacm restore/)
    mend()
    expect(await idsOf(server, reader)).toHaveLength(21)
  })
})

describe('after a stop', () => {
  test('damage under an index: publishing is refused whole, and the items are still read', async () => {
    const dataDir = join(folder, 'data')
    server = await startServer({ dataDir, set: SET })
    await settle(server)
    await server.stop()
    damage(dataDir, 'pubsub_items_by_id')
    server = await startServer({ dataDir, set: SET })
    const [alice, bob] = await Promise.all([login(server, 'alice'), login(server, 'bob')])
    for (const id of ['one', 'two'])
      expect(await conditionOf(publishItem(server, alice, id))).toBe('internal-server-error')
    await expectServed(server, alice, bob, ['before'])
    expect(server.log()).toMatch(/"while":"writing","reason":"damaged".*sacm restore/)
    // Bob is told of the last item when he comes, and of nothing else.
    expect(bob.items.filter((id) => id !== 'before')).toEqual([])
  })

  test('damage that is found after an unclean end: the server refuses, and says what to do', async () => {
    const dataDir = join(folder, 'data')
    server = await startServer({ dataDir, set: SET })
    await settle(server)
    await server.stop()
    damage(dataDir, 'pubsub_items_by_id')
    writeFileSync(join(dataDir, 'sacm.sqlite-wal'), 'a log that a killed server left')
    expect(serve(dataDir)).toMatchObject({
      status: 3,
      stderr: expect.stringMatching(/^sacm: the database .* is damaged: .*sacm restore\)\.\n$/s),
    })
    server = undefined
  })

  test('a folder that nobody can write to: the server refuses, and says why', (context) => {
    const dataDir = join(folder, 'read-only')
    mountReadOnly(context, folder, dataDir)
    expect(serve(dataDir)).toMatchObject({
      status: 3,
      stderr: expect.stringMatching(
        /^sacm: the data folder .* cannot be written: .*\n {2}Mount its file system for writing\.\n$/,
      ),
    })
  })

  test('a disk that is full: the server refuses, and says why', (context) => {
    const disk = join(folder, 'disk')
    mountSmall(context, disk, 4 * MEGABYTE)
    fill(join(disk, 'ballast'))
    expect(serve(join(disk, 'data'))).toMatchObject({
      status: 3,
      stderr: expect.stringMatching(/^sacm: .*\n? {2}Free some space on its disk\.\n$|Free some space on the disk/),
    })
  })

  test('a database that another program holds: the server refuses, and says why', async () => {
    const dataDir = join(folder, 'data')
    server = await startServer({ dataDir, set: SET })
    await server.stop()
    server = undefined
    const other = new Database(join(dataDir, 'sacm.sqlite'))
    other.pragma('locking_mode = EXCLUSIVE')
    other.exec('BEGIN EXCLUSIVE')
    try {
      expect(serve(dataDir)).toMatchObject({
        status: 3,
        stderr: expect.stringMatching(
          /^sacm: the database .* cannot be opened: database is locked\. Another program holds/,
        ),
      })
    } finally {
      other.close()
    }
  })
})

async function restart(dataDir: string): Promise<void> {
  await Promise.all(clients.splice(0).map((client) => client.close()))
  await server?.stop()
  server = await startServer({ dataDir, set: SET })
}

/** `sacm serve`, to its end. */
function serve(dataDir: string): { readonly status: number | null; readonly stderr: string } {
  const ports = ['--c2s-port', '0', '--tls-port', '0', '--https-port', '0', '--set', 'log.level=silent']
  const args = [SACM, 'serve', '--data-dir', dataDir, '--domain', 'localhost', '--host', '127.0.0.1', ...ports]
  return spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 60_000 })
}
