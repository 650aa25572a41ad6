/**
 * Publishers that keep a record of what was acknowledged, for tests that take the server away from under them; and the
 * check that all of it is there. Each publishes to a node of its own and, in turn, to one that it shares with others;
 * the first ones are collectors too, whose reports are stored as items and as the repository's rows at one time.
 */

import { createHash, randomBytes } from 'node:crypto'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { expect } from 'vitest'
import type { Client } from '../../clients/core/client.ts'
import { itemsPage, NS_PUBSUB, type PubsubItem, publish } from '../../clients/core/pubsub.ts'
import { pages } from '../../clients/core/rsm.ts'
import { StanzaError } from '../../server/stanza/errors.ts'
import { attr, type Element, el, textOf } from '../../server/xml/element.ts'
import { ownClient } from './own-client.ts'
import type { Random } from './random.ts'
import type { TestServer } from './server.ts'

const PASSWORD = 'publishers'
const PAGE = 500
const SHARED_BY = 5
const COLLECTORS = 2
/** Of a collector's first lane, every so manieth publication is a report. */
const REPORT_EVERY = 4
const POSTURE = '/repository/posture'
/** Far more than a server lives in such a test. */
const MAX_ITEMS = 100_000

/** By node, then by publisher: the items' ids in order of their acknowledgements. */
type Acknowledged = ReadonlyMap<string, ReadonlyMap<string, readonly string[]>>

export class Publishers {
  readonly #count: number
  readonly #prefix: string
  readonly #inFlight: number
  /** As Acknowledged says. */
  readonly #acknowledged = new Map<string, Map<string, string[]>>()
  /** The item ids of reports. */
  readonly #reports: string[] = []
  readonly #clients: Client[] = []
  #rounds = 0

  /** @param prefix  of its names: others may be on the same server */
  constructor(count = 20, inFlight = 5, prefix = 'p') {
    this.#count = count
    this.#prefix = prefix
    this.#inFlight = inFlight
  }

  /** How many items were acknowledged so far. */
  get acknowledged(): number {
    let sum = this.#reports.length
    for (const byPublisher of this.#acknowledged.values()) for (const ids of byPublisher.values()) sum += ids.length
    return sum
  }

  /** How many of them are reports. */
  get reports(): number {
    return this.#reports.length
  }

  /** What was acknowledged by now, for `faults` later. */
  mark(): Acknowledged {
    return new Map(
      [...this.#acknowledged].map(([node, byPublisher]) => [
        node,
        new Map([...byPublisher].map(([name, ids]) => [name, [...ids]])),
      ]),
    )
  }

  /** Makes the accounts and the nodes. */
  async settle(server: TestServer): Promise<void> {
    for (const [index, name] of this.#names().entries()) {
      await server.addUser(`${name}@${server.domain}`, PASSWORD, index < COLLECTORS ? ['collector'] : [])
      for (const node of this.#nodesOf(name)) {
        const byPublisher = this.#acknowledged.get(node) ?? new Map<string, string[]>()
        this.#acknowledged.set(node, byPublisher.set(name, []))
      }
    }
    const [maker] = await this.#connect(server, this.#names().slice(0, 1))
    for (const node of this.#acknowledged.keys()) await create(maker, server, node)
    await this.close()
  }

  /**
   * Publishes until the server is gone.
   * @param due  called once this many items have been acknowledged in this round: the caller then takes the server away
   */
  async publishUntilDead(server: TestServer, count: number, due: () => Promise<void>): Promise<void> {
    const round = this.#rounds++
    const names = this.#names()
    const clients = await this.#connect(server, names)
    const reached = Promise.withResolvers<void>()
    let acknowledged = 0
    const publishAll = async (client: Client, name: string, lane: number): Promise<void> => {
      for (let number = 0; number < MAX_ITEMS; number++) {
        const isReport = lane === 0 && names.indexOf(name) < COLLECTORS && number % REPORT_EVERY === 0
        const node = isReport ? POSTURE : (this.#nodesOf(name)[(lane + number) % 2] as string) // there are two
        const id = `${name}-r${round}-l${lane}-${number}`
        const payload = isReport ? reportOf(name, id) : entryOf(id)
        try {
          await publish(client, pubsubOf(server), node, { id, payload })
        } catch (error) {
          // What the server refuses is a fault of the test; the end of the connection is what it waits for.
          if (error instanceof StanzaError) reached.reject(error)
          return
        }
        if (isReport) this.#reports.push(id)
        else this.#acknowledged.get(node)?.get(name)?.push(id)
        acknowledged += 1
        if (acknowledged >= count) reached.resolve()
      }
    }
    const lanes = clients.flatMap((client, index) =>
      Array.from({ length: this.#inFlight }, (_, lane) => publishAll(client, names[index] as string, lane)),
    )
    await reached.promise
    await due()
    await Promise.all(lanes)
    await this.close()
  }

  /**
   * Reads every node over the wire, and the database beside the server that runs on it.
   * @returns what is wrong, as sentences; empty when all that was acknowledged is there, whole, once and in order
   */
  async faults(server: TestServer, acknowledged: Acknowledged = this.#acknowledged): Promise<string[]> {
    const [reader] = await this.#connect(server, this.#names().slice(0, 1))
    const found: string[] = []
    for (const [node, byPublisher] of acknowledged) {
      const items: PubsubItem[] = []
      for await (const page of pages((request) => itemsPage(reader, pubsubOf(server), node, request), PAGE))
        items.push(...page.items)
      found.push(...faultsOf(items, byPublisher).map((fault) => `${node}: ${fault}`))
    }
    await this.close()
    // A mark is of items alone.
    const reports = acknowledged === this.#acknowledged ? this.#reports : []
    return [...found, ...databaseFaults(join(server.dataDir, 'sacm.sqlite'), reports)]
  }

  async close(): Promise<void> {
    await Promise.all(this.#clients.splice(0).map((client) => client.close()))
  }

  #names(): string[] {
    return Array.from({ length: this.#count }, (_, index) => `${this.#prefix}${index}`)
  }

  #nodesOf(name: string): readonly [string, string] {
    const number = Number(name.slice(this.#prefix.length)) % Math.ceil(this.#count / SHARED_BY)
    return [`own-${name}`, `shared-${this.#prefix}${number}`]
  }

  async #connect(server: TestServer, names: readonly string[]): Promise<[Client, ...Client[]]> {
    const clients = names.map((name) => ownClient(server, name, 'kept', PASSWORD))
    this.#clients.push(...clients)
    await Promise.all(clients.map((client) => client.start()))
    for (const client of clients) client.closed.catch(() => undefined) // it gives up when the server is gone
    return clients as [Client, ...Client[]] // one for each name, and there is a name
  }
}

/** How many acknowledgements to wait for before the server is taken away: from the very first ones to deep in the work. */
export function anyMoment(from: Random): number {
  return 1 + from.int(from.int(2) === 0 ? 50 : 1_500)
}

function entryOf(id: string): Element {
  const text = randomBytes(100 + Math.floor(Math.random() * 900)).toString('base64')
  return el('entry', { xmlns: 'urn:example:kept', sha256: digest(id, text) }, text)
}

/** A report whose two attributes have one value, which no other report has. */
function reportOf(collector: string, id: string): Element {
  const collected = new Date().toISOString()
  const attribute = (name: string) => el('attribute', { name, type: 'string', collected, status: 'exists' }, id)
  return el(
    'report',
    { xmlns: 'urn:sacm-xmpp:posture:0', collected, method: 'self', scope: 'full' },
    el('endpoint', {}, el('identifier', { type: 'machine-id', value: collector })),
    el('covers', { prefix: 'os.' }),
    attribute('os.one'),
    attribute('os.other'),
  )
}

async function create(client: Client, server: TestServer, node: string): Promise<void> {
  const field = (name: string, value: string) => el('field', { var: name }, el('value', {}, value))
  const form = el(
    'x',
    { xmlns: 'jabber:x:data', type: 'submit' },
    field('FORM_TYPE', 'http://jabber.org/protocol/pubsub#node_config'),
    field('pubsub#max_items', 'max'),
    field('pubsub#access_model', 'open'),
    field('pubsub#publish_model', 'open'),
  )
  const pubsub = el('pubsub', { xmlns: NS_PUBSUB }, el('create', { node }), el('configure', {}, form))
  await client.request('set', pubsubOf(server), pubsub)
}

function faultsOf(items: readonly PubsubItem[], acknowledged: ReadonlyMap<string, readonly string[]>): string[] {
  const place = new Map(items.map(({ id }, at) => [id, at]))
  const faults = items
    .filter(({ id, payload }) => payload === undefined || attr(payload, 'sha256') !== digest(id, textOf(payload)))
    .map(({ id }) => `${id} is not whole`)
  if (place.size !== items.length) faults.push(`${items.length - place.size} items are there twice`)
  for (const ids of acknowledged.values()) {
    let last = -1
    for (const id of ids) {
      const at = place.get(id)
      if (at === undefined) faults.push(`${id} was acknowledged and is lost`)
      else if (at < last) faults.push(`${id} was acknowledged after what it stands before`)
      last = Math.max(last, at ?? -1)
    }
  }
  return faults
}

const MISCOUNTED_NODES = `
  SELECT node_id AS name FROM pubsub_nodes AS node
  WHERE item_count <> (SELECT count(*) FROM pubsub_items WHERE node = node.id AND seq > pruned_seq)
    OR scoped_count <> (SELECT count(*) FROM pubsub_items WHERE node = node.id AND seq > pruned_seq AND scope IS NOT NULL)
    OR pruned_count <> (SELECT count(*) FROM pubsub_items WHERE node = node.id AND seq <= pruned_seq)
    OR past_count <> (SELECT count(*) FROM pubsub_past_items WHERE node = node.id)
    OR subscription_count <> (SELECT count(*) FROM pubsub_subscriptions WHERE node = node.id)`

const REPORT_ITEMS = `
  SELECT item_id FROM pubsub_items WHERE node = (SELECT id FROM pubsub_nodes WHERE node_id = '${POSTURE}')`
const HALF_REPORTS = `
  SELECT item_id AS id FROM (${REPORT_ITEMS}) WHERE item_id NOT IN (SELECT id FROM repository_reports)
  UNION ALL SELECT id FROM repository_reports WHERE id NOT IN (${REPORT_ITEMS})
  UNION ALL SELECT endpoint FROM repository_attributes WHERE valid_until IS NULL
    GROUP BY endpoint HAVING count(*) <> 2 OR count(DISTINCT value) <> 1`

/** @param reports  item ids of reports that must be there */
export function databaseFaults(file: string, reports: readonly string[] = []): string[] {
  const sqlite = new Database(file, { readonly: true })
  try {
    const damage = sqlite.prepare<[], string>('PRAGMA integrity_check').pluck().all()
    const strays = sqlite.prepare('PRAGMA foreign_key_check').all()
    const miscounted = sqlite.prepare<[], string>(MISCOUNTED_NODES).pluck().all()
    const half = sqlite.prepare<[], string>(HALF_REPORTS).pluck().all()
    const stored = new Set(sqlite.prepare<[], string>('SELECT id FROM repository_reports').pluck().all())
    return [
      ...half.map((id) => `${id}: a report of which the item or some of the rows are there`),
      ...reports.filter((id) => !stored.has(id)).map((id) => `${id} was acknowledged and is lost`),
      ...damage.filter((text) => text !== 'ok'),
      ...(strays.length > 0 ? [`${strays.length} references to rows that are not there`] : []),
      ...miscounted.map((node) => `${node}: its row counts other items or subscriptions than it has`),
    ]
  } finally {
    sqlite.close()
  }
}

/** Checks, and fails the test with what is wrong and the seed that led there. */
export async function expectAllKept(publishers: Publishers, server: TestServer, where: string): Promise<void> {
  const faults = await publishers.faults(server)
  expect(faults.slice(0, 20), `${where}: ${faults.length} faults`).toEqual([])
}

function digest(id: string, text: string): string {
  return createHash('sha256').update(`${id} ${text}`).digest('hex')
}

function pubsubOf(at: TestServer): string {
  return `pubsub.${at.domain}`
}
