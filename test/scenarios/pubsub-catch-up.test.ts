/**
 * A subscriber that comes and goes while somebody publishes gets every item once, in order, and goes on live; as the
 * README of modules/pubsub tells a client to do it. XEP-0060 §6.5.4, XEP-0059, XEP-0442.
 */

import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Random, random } from '../support/random.ts'
import { Connection } from '../support/scenario/connection.ts'
import type { Tree } from '../support/scenario/tree.ts'
import { startServer, type TestServer } from '../support/server.ts'

const NS = 'http://jabber.org/protocol/pubsub'
const RSM = 'http://jabber.org/protocol/rsm'
const MAM = 'urn:xmpp:mam:2'
const ABSENCES = 8
/** More than are published while the subscriber comes and goes. */
const PUBLISHES_MAX = 50_000
let server: TestServer

beforeAll(async () => {
  server = await startServer({ domain: 'test', set: { 'pubsub.archiveMaxItems': '1000000' } })
  for (const [name, roles] of [
    ['alice', ['publisher']],
    ['bob', []],
  ] as const)
    await server.addUser(`${name}@test`, 'pw', roles)
})
afterAll(async () => {
  expect(await server.stop()).toBe(0)
})

async function login(local: string, resource: string): Promise<Connection> {
  const connection = await Connection.open(server, 'tcp')
  await connection.login(local, 'pw', resource)
  return connection
}

function* within(tree: Tree): Generator<Tree> {
  yield tree
  for (const child of tree.children) if (typeof child !== 'string') yield* within(child)
}
const all = (tree: Tree, local: string): Tree[] => [...within(tree)].filter((each) => each.local === local)
const first = (tree: Tree, local: string): Tree | undefined => all(tree, local)[0]
const idOf = (tree: Tree | undefined): string => tree?.attributes.get('id') ?? ''
const textOf = (tree: Tree | undefined): string | undefined =>
  tree?.children.filter((child) => typeof child === 'string').join('')

async function receive(connection: Connection): Promise<Tree> {
  const what = await connection.next()
  if (what.kind !== 'element') throw new Error(`${what.kind} where a stanza is expected`)
  return what.tree
}

function refusal(what: string, answer: Tree): Error {
  const words = [...within(answer)].slice(1).map((each) => `${each.local} ${textOf(each) ?? ''}`)
  return new Error(`a ${what} was refused: ${words.join(', ')}`)
}

/** Publishes, each item with the number of the publish, until it is told to stop. */
class Publisher {
  readonly #connection: Connection
  readonly #node: string
  /** Says which publishes are of an item that is there. */
  readonly #anew: Random
  /** What is kept: id -> number. */
  readonly kept = new Map<string, number>()
  published = 0
  isStopping = false

  constructor(connection: Connection, node: string, anew: Random) {
    this.#connection = connection
    this.#node = node
    this.#anew = anew
  }

  async run(): Promise<void> {
    for (let unanswered = 0; ; unanswered--) {
      for (; unanswered < 16 && !this.isStopping && this.published < PUBLISHES_MAX; unanswered++) this.#publish()
      if (unanswered === 0) return
      const answer = await receive(this.#connection)
      if (answer.attributes.get('type') !== 'result') throw refusal('publish', answer)
    }
  }

  #publish(): void {
    const number = ++this.published
    const id = `i${number > 10 && this.#anew.int(5) === 0 ? 1 + this.#anew.int(number - 1) : number}`
    this.kept.set(id, number)
    const item = `<item id='${id}'><v xmlns='urn:v'>${number}</v></item>`
    this.#connection.send(
      `<iq xmlns='jabber:client' type='set' id='p${number}' to='pubsub.test'><pubsub xmlns='${NS}'><publish node='${this.#node}'>${item}</publish></pubsub></iq>`,
    )
  }
}

/** What a client does that must not miss anything. */
class Subscriber {
  readonly #node: string
  readonly #road: 'items' | 'archive'
  #connection: Connection | undefined
  #last: string | undefined
  #requests = 0
  /** The numbers of publishes, as they came to whoever uses the client. */
  readonly delivered: number[] = []

  constructor(node: string, road: 'items' | 'archive') {
    this.#node = node
    this.#road = road
  }

  async comesBack(): Promise<void> {
    this.#connection = await login('bob', 'desk')
    this.#connection.send("<presence xmlns='jabber:client'/>")
    while (await this.#page());
  }

  /** Takes live events, at least so many. */
  async listens(events: number): Promise<void> {
    for (let heard = 0; heard < events; ) {
      const stanza = await this.#next()
      // What is marked as of the past is told by the pages.
      if (!first(stanza, 'event') || first(stanza, 'delay')) continue
      for (const item of all(stanza, 'item')) this.#deliver(item)
      this.#last = idOf(first(stanza, 'stanza-id'))
      heard++
    }
  }

  goes(): void {
    this.#connection?.destroy()
  }

  /** @returns whether there may be another */
  async #page(): Promise<boolean> {
    const id = `q${++this.#requests}`
    const set = `<set xmlns='${RSM}'><max>20</max>${this.#last === undefined ? '' : `<after>${this.#last}</after>`}</set>`
    const query =
      this.#road === 'items'
        ? `<iq xmlns='jabber:client' type='get' id='${id}' to='pubsub.test'><pubsub xmlns='${NS}'><items node='${this.#node}'/>${set}</pubsub></iq>`
        : `<iq xmlns='jabber:client' type='set' id='${id}' to='pubsub.test'><query xmlns='${MAM}' node='${this.#node}'>${set}</query></iq>`
    this.#connection?.send(query)
    for (;;) {
      const stanza = await this.#next()
      if (stanza.local === 'message') {
        // Live events are put aside and dropped: the pages tell of them.
        if (first(stanza, 'result')) for (const item of all(stanza, 'item')) this.#deliver(item)
        continue
      }
      if (idOf(stanza) !== id) continue
      if (stanza.attributes.get('type') !== 'result') throw refusal('page', stanza)
      if (this.#road === 'items') for (const item of all(stanza, 'item')) this.#deliver(item)
      this.#last = textOf(first(stanza, 'last')) ?? this.#last
      if (this.#road === 'archive') return first(stanza, 'fin')?.attributes.get('complete') !== 'true'
      return all(stanza, 'item').length > 0
    }
  }

  async #next(): Promise<Tree> {
    if (!this.#connection) throw new Error('away')
    return receive(this.#connection)
  }

  #deliver(item: Tree): void {
    this.delivered.push(Number(textOf(first(item, 'v'))))
  }
}

test.each(['items', 'archive'] as const)('by pages of %s', async (road) => {
  const node = `catch-up-${road}`
  const alice = await login('alice', road)
  const ask = async (connection: Connection, type: string, content: string): Promise<void> => {
    connection.send(
      `<iq xmlns='jabber:client' type='${type}' id='a' to='pubsub.test'><pubsub xmlns='${NS}'>${content}</pubsub></iq>`,
    )
    await connection.find((tree) => tree.local === 'iq' && tree.attributes.get('type') === 'result')
  }
  await ask(alice, 'set', `<create node='${node}'/>`)
  const bob = await login('bob', 'first')
  await ask(bob, 'set', `<subscribe node='${node}' jid='bob@test'/>`)
  bob.destroy()

  const publisher = new Publisher(alice, node, random(1))
  const publishing = publisher.run()
  const subscriber = new Subscriber(node, road)
  try {
    for (let absence = 0; absence < ABSENCES; absence++) {
      await subscriber.comesBack()
      await subscriber.listens(10 * absence)
      subscriber.goes()
    }
  } finally {
    publisher.isStopping = true
  }
  const heardMeanwhile = publisher.published
  await publishing
  await subscriber.comesBack()
  subscriber.goes()
  alice.destroy()

  // It published all the time, and not without end.
  expect(heardMeanwhile).toBeGreaterThan(ABSENCES * 10)
  expect(publisher.published).toBeLessThan(PUBLISHES_MAX)
  const { delivered } = subscriber
  expect(delivered).toEqual([...new Set(delivered)].sort((a, b) => a - b))
  const known = new Set(delivered)
  expect([...publisher.kept.values()].filter((number) => !known.has(number))).toEqual([])
  // Of an archive, those too that were replaced meanwhile: XEP-0313 §3.2.
  if (road === 'archive') expect(delivered).toHaveLength(publisher.published)
})
