/** Random requests to an account's nodes and to a small model of XEP-0163: every answer and notification must agree. */

import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { rosterChanged } from '../../../modules/pubsub/access.ts'
import { queryArchive } from '../../../modules/pubsub/archive.ts'
import { Audience } from '../../../modules/pubsub/audience.ts'
import { Claims } from '../../../modules/pubsub/claims.ts'
import { pubsubConfig } from '../../../modules/pubsub/config.ts'
import { type Asker, boundsOf, type PubsubParts } from '../../../modules/pubsub/context.ts'
import { startCounts } from '../../../modules/pubsub/counts.ts'
import { Cursors } from '../../../modules/pubsub/cursors.ts'
import { Deletions } from '../../../modules/pubsub/deletions.ts'
import { Elsewhere } from '../../../modules/pubsub/elsewhere.ts'
import { Awaiting } from '../../../modules/pubsub/last-item.ts'
import { Notifier } from '../../../modules/pubsub/notify.ts'
import { Replica } from '../../../modules/pubsub/replica.ts'
import { perform } from '../../../modules/pubsub/service.ts'
import { sqliteStore } from '../../../modules/pubsub/store.sqlite.ts'
import { refuseStranger } from '../../../modules/pubsub/strangers.ts'
import { answerRequest } from '../../../modules/pubsub/subscriber.ts'
import { NS_PUBSUB, NS_PUBSUB_OWNER, parsePubsub } from '../../../modules/pubsub/xml.ts'
import type { Relation } from '../../../modules/roster/index.ts'
import type { SessionHandle } from '../../../server/module/api.ts'
import { fallbacks } from '../../../server/option.ts'
import { StanzaError } from '../../../server/stanza/errors.ts'
import { parseJid } from '../../../server/stanza/jid.ts'
import type { Storage } from '../../../server/storage/storage.ts'
import { el } from '../../../server/xml/element.ts'
import { parseFragment } from '../../../server/xml/parser.ts'
import { serialize } from '../../../server/xml/serialize.ts'
import { openDirectStorage } from '../../support/direct-storage.ts'
import { type Random, random, rounds } from '../../support/random.ts'
import { ACTORS, AccountModel, type Actor, type Config, MODELS, type Request } from './account-model.ts'
import { AFFILIATIONS } from './model-outcome.ts'

const RUNS = rounds(8)
const REQUESTS = 300
const NODES = ['k', 'n']
const IDS = ['1', '2', '3']
const OWNER = 'alice@test'
const STRANGER: Relation = { seesPresence: false, groups: [] }
const silent = { error() {}, warn() {}, info() {}, debug() {}, trace() {}, child: () => silent, level: 'silent' }

test.each(Array.from({ length: RUNS }, (_, at) => at + 1))('requests of seed %i', async (seed) => {
  const storage = openDirectStorage()
  try {
    const from = random(seed)
    const [model, real] = [new AccountModel(), new Real(storage)]
    const log: string[] = []
    for (let at = 0; at < REQUESTS; at += 1) {
      const [actor, request] = choose(from)
      log.push(`${actor}: ${JSON.stringify(request)}`)
      const said = { answer: await real.perform(actor, request), told: sorted(await real.takeTold()) }
      const expected = { answer: model.perform(actor, request), told: sorted(model.takeTold()) }
      expect(said, `\n${log.slice(-25).join('\n')}`).toEqual(expected)
    }
  } finally {
    await storage.close()
  }
})

function sorted(told: ReadonlyMap<Actor, readonly string[]>): readonly (readonly [Actor, readonly string[]])[] {
  return [...told].sort(([a], [b]) => (a < b ? -1 : 1))
}

const KINDS: readonly Request['kind'][] = [
  ...([
    'create',
    'create',
    'delete',
    'purge',
    'access',
    'access',
    'affiliate',
    'affiliate',
    'answer',
    'answer',
  ] as const),
  ...(['relate', 'relate', 'relate', 'relate', 'want', 'want', 'want', 'subscribe', 'subscribe', 'subscribe'] as const),
  ...(['publish', 'publish', 'publish', 'publish', 'publish', 'retract', 'items', 'items', 'archive'] as const),
  'unsubscribe',
]

/** Most of what only the owner may do comes from it. */
const OWNERS: readonly Request['kind'][] = ['create', 'delete', 'purge', 'access', 'affiliate', 'publish']

function choose(from: Random): readonly [Actor, Request] {
  const kind = from.pick(KINDS)
  const node = from.pick(NODES)
  const actor = OWNERS.includes(kind) && from.int(5) > 0 ? 'alice' : from.pick(ACTORS)
  const contact = from.pick<Actor>(['bob', 'carol'])
  switch (kind) {
    case 'create':
      return [actor, { kind, node, config: chooseConfig(from) }]
    case 'publish':
    case 'retract':
      return [actor, { kind, node, id: from.pick(IDS) }]
    case 'affiliate':
      return [actor, { kind, node, jid: from.pick(ACTORS), affiliation: from.pick(AFFILIATIONS) }]
    case 'access':
      return [actor, { kind, node, model: from.pick(MODELS) }]
    case 'answer':
      return ['alice', { kind, node, jid: contact, isAllowed: from.int(3) > 0 }]
    case 'relate':
      return [contact, { kind, seesPresence: from.int(3) > 0, isFriend: from.int(2) === 0 }]
    case 'want':
      return [actor, { kind, node, isWanted: from.int(4) > 0 }]
    default:
      return [actor, { kind, node }]
  }
}

function chooseConfig(from: Random): Config {
  return {
    access_model: from.pick(MODELS),
    publish_model: from.pick(['publishers', 'subscribers', 'open']),
    persist_items: from.int(5) > 0,
    max_items: from.pick([1, 2, 3]),
    notify_retract: from.int(2) === 0,
    send_last_published_item: from.pick(['never', 'on_sub', 'on_sub_and_presence']),
  }
}

/** The module's use cases at alice's account, on a real database, with a roster and clients of the test's choice. */
class Real {
  readonly #roster = new Map<string, Relation>()
  /** By account: NodeIDs that its client wants to hear of. */
  readonly #wants = new Map<string, Set<string>>()
  readonly #sessions = new Map<string, SessionHandle>()
  readonly #parts: PubsubParts
  #told = new Map<Actor, string[]>()

  constructor(storage: Storage) {
    // What the audience asks of a session, and no more.
    for (const actor of ACTORS)
      this.#sessions.set(`${actor}@test`, {
        fullJid: parseJid(`${actor}@test/r`),
        presence: el('presence'),
      } as SessionHandle)
    const relation = (owner: string, contact: string) =>
      owner === OWNER ? (this.#roster.get(contact) ?? STRANGER) : STRANGER
    const audience = new Audience({
      rosters: {
        ready: () => undefined,
        relation,
        groups: () => ['f'],
        subscribers: () => [...this.#roster].flatMap(([contact, each]) => (each.seesPresence ? [contact] : [])),
        subscriptions: () => [],
        read: async () => el('query'),
      },
      clients: {
        of: ({ fullJid }) => {
          const features = [...(this.#wants.get(fullJid.bare) ?? [])].map((nodeId) => `${nodeId}+notify`)
          return { identities: [], features: new Set(features) }
        },
      },
      sessions: { of: (bareJid) => [this.#sessions.get(bareJid)].filter((each) => each !== undefined) },
      isSubscribed: (bareJid, node) => this.#parts.replica.accounts.isSubscribed(bareJid, node),
    })
    this.#parts = {
      domain: 'test',
      serviceAddress: 'pubsub.test',
      elsewhere: new Elsewhere(),
      store: sqliteStore,
      offline: { review: () => {}, delivered: async () => {} },
      awaiting: new Awaiting(),
      deletions: new Deletions(),
      counts: startCounts(),
      cursors: () => new Cursors('00'.repeat(16), 0),
      audience,
      emit: (_hook, event) => event,
      storage,
      replica: new Replica(),
      claims: new Claims(),
      log: silent,
      config: () => fallbacks(pubsubConfig),
      accounts: {
        exists: () => true,
        roles: () => new Set(),
        grants: () => [],
        bindSelf: async () => [],
        bareJids: () => [],
        maySeePresence: () => false,
      },
      notifier: new Notifier({
        send: (_address, { to, xml }) => this.#note(to.bare, xml),
        maySee: (bareJid, node) => audience.mayRead(node, bareJid),
        audience,
        presenceOf: () => [],
        now: () => 0,
        stanzaId: () => '',
        bounds: () => this.#parts.config(),
        inheritance: { of: () => [], ofLink: () => [], mayGet: () => true, letsThrough: () => true },
      }),
    }
  }

  async perform(actor: Actor, request: Request): Promise<string> {
    try {
      return await this.#perform(actor, request)
    } catch (error) {
      if (!(error instanceof StanzaError)) throw error
      const application = error.application[0]?.getName()
      return application === undefined ? error.condition : `${error.condition}/${application}`
    }
  }

  async #perform(actor: Actor, request: Request): Promise<string> {
    const bareJid = `${actor}@test`
    if (request.kind === 'relate') {
      const before = this.#roster.get(bareJid) ?? STRANGER
      this.#roster.set(bareJid, { seesPresence: request.seesPresence, groups: request.isFriend ? ['f'] : [] })
      await rosterChanged(this.#parts, { owner: OWNER, contact: bareJid, before })
      return 'ok'
    }
    if (request.kind === 'want') {
      const wanted = this.#wants.get(bareJid) ?? new Set()
      this.#wants.set(bareJid, wanted)
      if (request.isWanted) wanted.add(request.node)
      else wanted.delete(request.node)
      return 'ok'
    }
    const relation = this.#parts.audience.relation(OWNER, bareJid)
    const asker: Asker = {
      jid: parseJid(`${bareJid}/r`),
      service: OWNER,
      address: OWNER,
      actor: { bareJid, isAdmin: false, relation },
    }
    if (request.kind === 'answer') {
      await answerRequest(this.#parts, asker, parseFragment(approval(request)))
      return 'ok'
    }
    if (request.kind !== 'create') refuseStranger(this.#parts, asker, request.node)
    if (request.kind === 'archive') {
      const found: string[] = []
      const query = parseFragment(`<query xmlns="urn:xmpp:mam:2" node="${request.node}"/>`)
      await queryArchive(this.#parts, asker, query, (message) => {
        const xml = serialize(message)
        const retracted = /<retract id="(\d)"/.exec(xml)
        found.push(retracted ? `retract ${retracted[1]}` : itemsIn(xml))
      })
      return found.join()
    }
    const { type, ns, content } = stanzaOf(actor, request)
    const bounds = boundsOf(this.#parts.config(), OWNER)
    const pubsub = parseFragment(`<pubsub xmlns="${ns}">${content}</pubsub>`)
    const answer = await perform(this.#parts, asker, parsePubsub(type, pubsub, bounds))
    const xml = answer ? serialize(answer) : ''
    if (request.kind === 'items') return itemsIn(xml)
    return request.kind === 'subscribe' ? (/ subscription="(\w+)"/.exec(xml)?.[1] ?? xml) : 'ok'
  }

  async takeTold(): Promise<Map<Actor, string[]>> {
    // What follows an answer is sent in the next turn; last items are read from the store first.
    for (let turns = 0; turns < 4; turns += 1) await turn()
    const told = this.#told
    this.#told = new Map()
    return told
  }

  #note(bareJid: string, xml: string): void {
    const actor = ACTORS.find((each) => bareJid === `${each}@test`)
    if (!actor) throw new Error(`who is ${bareJid}?`)
    this.#told.set(actor, [...(this.#told.get(actor) ?? []), what(xml)])
  }
}

function stanzaOf(
  actor: Actor,
  request: Exclude<Request, { kind: 'relate' | 'want' | 'answer' | 'archive' }>,
): { type: 'get' | 'set'; ns: string; content: string } {
  const { node } = request
  const set = (content: string) => ({ type: 'set', ns: NS_PUBSUB, content }) as const
  const own = (content: string) => ({ type: 'set', ns: NS_PUBSUB_OWNER, content }) as const
  switch (request.kind) {
    case 'create': {
      const config = form('node_config', { ...request.config, roster_groups_allowed: 'f' })
      return set(`<create node="${node}"/><configure>${config}</configure>`)
    }
    case 'delete':
    case 'purge':
      return own(`<${request.kind} node="${node}"/>`)
    case 'subscribe':
    case 'unsubscribe':
      return set(`<${request.kind} node="${node}" jid="${actor}@test"/>`)
    case 'items':
      return { type: 'get', ns: NS_PUBSUB, content: `<items node="${node}"/>` }
    case 'publish':
      return set(`<publish node="${node}"><item id="${request.id}"><p xmlns="urn:p"/></item></publish>`)
    case 'retract':
      return set(`<retract node="${node}"><item id="${request.id}"/></retract>`)
    case 'affiliate': {
      const entry = `<affiliation jid="${request.jid}@test" affiliation="${request.affiliation}"/>`
      return own(`<affiliations node="${node}">${entry}</affiliations>`)
    }
    case 'access': {
      const fields = { access_model: request.model, roster_groups_allowed: 'f' }
      return own(`<configure node="${node}">${form('node_config', fields)}</configure>`)
    }
  }
}

function form(type: string, fields: Readonly<Record<string, string | number | boolean>>): string {
  const rows = Object.entries(fields).map(
    ([name, value]) => `<field var="pubsub#${name}"><value>${value}</value></field>`,
  )
  return `<x xmlns="jabber:x:data" type="submit"><field var="FORM_TYPE"><value>${NS_PUBSUB}#${type}</value></field>${rows.join('')}</x>`
}

function approval({ node, jid, isAllowed }: Extract<Request, { kind: 'answer' }>): string {
  return form('subscribe_authorization', { node, subscriber_jid: `${jid}@test`, allow: isAllowed })
}

function itemsIn(xml: string): string {
  return [...xml.matchAll(/<item id="(\d)" publisher="(\w+)@test"/g)].map(([, id, by]) => `${id} by ${by}`).join()
}

/** A notification in the model's words. */
function what(xml: string): string {
  const items = itemsIn(xml)
  if (items !== '') return `item ${items}`
  const retracted = /<retract id="(\d)"/.exec(xml)
  if (retracted) return `retract ${retracted[1]}`
  const asked = /subscriber_jid"[^>]*><value>(\w+)@test/.exec(xml)
  if (asked) return `ask for ${asked[1]}`
  const affiliation = /<affiliation [^>]*affiliation="([\w-]+)"/.exec(xml)
  if (affiliation) return `affiliation ${affiliation[1]}`
  const state = /<subscription [^>]* subscription="(\w+)"/.exec(xml)
  return state?.[1] ?? /<(purge|delete) /.exec(xml)?.[1] ?? xml
}
