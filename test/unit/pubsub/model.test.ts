/** Random requests to the use cases and to a small model of XEP-0060: every answer and every notification must agree. */

import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { subscriptionEnded } from '../../../modules/pubsub/access.ts'
import { type Asker, askerOf, type PubsubParts } from '../../../modules/pubsub/context.ts'
import { Inheritance } from '../../../modules/pubsub/inherited.ts'
import { Replica } from '../../../modules/pubsub/replica.ts'
import { perform } from '../../../modules/pubsub/service.ts'
import { sqliteStore } from '../../../modules/pubsub/store.sqlite.ts'
import { answerRequest } from '../../../modules/pubsub/subscriber.ts'
import { NS_PUBSUB, NS_PUBSUB_OWNER, parsePubsub } from '../../../modules/pubsub/xml.ts'
import { StanzaError } from '../../../server/stanza/errors.ts'
import { parseJid } from '../../../server/stanza/jid.ts'
import type { Storage } from '../../../server/storage/storage.ts'
import { parseFragment } from '../../../server/xml/parser.ts'
import { serialize } from '../../../server/xml/serialize.ts'
import { openDirectStorage } from '../../support/direct-storage.ts'
import { pubsubParts } from '../../support/pubsub-parts.ts'
import { type Random, random, rounds } from '../../support/random.ts'
import { Model } from './model.ts'
import { AFFILIATIONS } from './model-outcome.ts'
import { ACTORS, type Actor, type Config, DEFAULTS, type Request } from './model-rules.ts'

const RUNS = rounds(12)
const REQUESTS = 250
const NODES = ['k', 'm', 'n']
/** The root has no name. */
const READ = ['', ...NODES]
const IDS = ['1', '2', '3', '4']

test.each(Array.from({ length: RUNS }, (_, at) => at + 1))('requests of seed %i', async (seed) => {
  const storage = openDirectStorage()
  try {
    await run(random(seed), storage)
  } finally {
    await storage.close()
  }
})

async function run(from: Random, storage: Storage): Promise<void> {
  const model = new Model()
  const real = new Real(storage)
  const log: string[] = []
  const requests = Array.from({ length: REQUESTS }, (_, at) => GRAPH[at % GRAPH_EVERY] ?? choose(from))
  for (const [at, [actor, request]] of requests.entries()) {
    if (at % 40 === 39) {
      await real.restart()
      model.restart()
    }
    log.push(`${actor}: ${JSON.stringify(request)}`)
    const said = { answer: await real.perform(actor, request), told: sorted(await real.takeTold()) }
    const expected = { answer: model.perform(actor, request), told: sorted(model.takeTold()) }
    expect(said, `\n${log.slice(-25).join('\n')}`).toEqual(expected)
  }
}

/** By recipient: what one account is told has an order, and no other order is promised. */
function sorted(told: ReadonlyMap<Actor, readonly string[]>): readonly (readonly [Actor, readonly string[]])[] {
  return [...told].sort(([a], [b]) => (a < b ? -1 : 1))
}

const KINDS: readonly Request['kind'][] = [
  ...(['create', 'delete', 'purge', 'subscriptions', 'affiliations', 'subscribers', 'affiliates', 'access'] as const),
  ...(['subscribe', 'subscribe', 'unsubscribe', 'items', 'items', 'deliver', 'retract', 'answer', 'answer'] as const),
  ...(['publish', 'publish', 'publish', 'publish', 'affiliate', 'affiliate'] as const),
  ...(['create', 'create', 'subscribe', 'subscribe', 'dissociate', 'publish', 'publish'] as const),
  ...(['digest', 'digest', 'offline'] as const),
  ...(['relate', 'relate', 'relate', 'relate'] as const),
  ...(['pages', 'pages', 'items', 'publish'] as const),
  ...(['follow', 'follow', 'follow', 'follow', 'associate', 'associate', 'associate'] as const),
]

/** Now and then a graph is set up, as far as what happened before lets it: chance alone seldom makes one. */
const GRAPH: readonly (readonly [Actor, Request])[] = [
  ['alice', { kind: 'create', node: 'k', config: { ...DEFAULTS, node_type: 'collection' } }],
  ['alice', { kind: 'create', node: 'm', config: { ...DEFAULTS, node_type: 'collection', collection: 'k' } }],
  ['root', { kind: 'create', node: 'n', config: { ...DEFAULTS, publish_model: 'open', notify_retract: true } }],
  ['root', { kind: 'associate', node: 'k', child: 'm' }],
  ['root', { kind: 'associate', node: 'm', child: 'n' }],
  ['bob', { kind: 'subscribe', node: 'k' }],
  ['bob', { kind: 'follow', node: 'k', what: 'all', depth: 'all' }],
  ['carol', { kind: 'subscribe', node: 'm' }],
  ['carol', { kind: 'follow', node: 'm', what: 'items', depth: 1 }],
]
const GRAPH_EVERY = 50

function choose(from: Random): readonly [Actor, Request] {
  const request = chooseRequest(from)
  // Most accounts may make no nodes and link none: of such requests most come from who may.
  const isOfOwners = ['create', 'associate', 'publish', 'relate'].includes(request.kind) && from.int(4) > 0
  return [from.pick<Actor>(isOfOwners ? ['alice', 'root'] : ACTORS), request]
}

function chooseRequest(from: Random): Request {
  const kind = from.pick(KINDS)
  const node = from.pick(NODES)
  switch (kind) {
    case 'create':
      return { kind, node, config: chooseConfig(from) }
    case 'deliver':
    case 'digest':
      return { kind, node, isOn: from.int(3) > 0 }
    case 'follow':
      return { kind, node, what: from.pick(['items', 'nodes', 'all', 'all']), depth: from.pick([0, 1, 2, 'all']) }
    case 'associate':
    case 'dissociate':
      return { kind, node, child: from.pick(NODES) }
    case 'relate': {
      const said = () => (from.int(2) === 0 ? undefined : from.pick(['', ...NODES]))
      return { kind, node, link: said(), parent: said() }
    }
    case 'publish':
      return { kind, node, id: from.pick(IDS) }
    case 'items':
      return { kind, node: from.pick(READ) }
    case 'pages':
      return { kind, node: from.pick(READ), by: from.pick(['creation', 'modification']), isDown: from.int(2) === 0 }
    case 'retract':
      return { kind, node, id: from.pick(IDS), notify: from.int(2) === 0 }
    case 'affiliate':
      return { kind, node, jid: from.pick(ACTORS), affiliation: from.pick(AFFILIATIONS) }
    case 'access':
      return { kind, node, model: from.pick(['open', 'authorize', 'whitelist']) }
    case 'answer':
      return { kind, node, jid: from.pick(ACTORS), isAllowed: from.int(3) > 0 }
    case 'subscriptions':
    case 'affiliations':
    case 'offline':
      return { kind }
    default:
      return { kind, node }
  }
}

function chooseConfig(from: Random): Config {
  return {
    node_type: from.pick(['leaf', 'collection']),
    collection: from.pick(['', '', ...NODES]),
    access_model: from.pick(['open', 'authorize', 'whitelist']),
    publish_model: from.pick(['publishers', 'subscribers', 'open']),
    persist_items: from.int(4) > 0,
    max_items: from.pick([1, 2, 3]),
    publish_node_full: from.pick(['retract-oldest', 'discard-oldest', 'reject']),
    notify_retract: from.int(2) === 0,
    itemreply: from.pick(['publisher', 'none']),
    send_last_published_item: from.pick(['never', 'on_sub']),
  }
}

/** The module's use cases on a real database, with requests and answers as XML. */
class Real {
  #parts: PubsubParts
  #told = new Map<Actor, string[]>()

  constructor(storage: Storage) {
    this.#parts = pubsubParts(storage, {
      // What went for room can be retracted from the archive, of which the model knows nothing.
      set: { archiveMaxItems: 0 },
      send: (_address, { to, xml }) => this.#note(actorOf(to.bare), what(xml)),
      maySee: () => true,
      inheritance: {
        of: (node, subject) => this.#inheritance.of(node, subject),
        ofLink: (collection, child) => this.#inheritance.ofLink(collection, child),
        mayGet: (bareJid, ref) => this.#inheritance.mayGet(bareJid, ref),
        letsThrough: (bareJid, ref) => this.#inheritance.letsThrough(bareJid, ref),
      },
    })
    this.#parts.replica.watch((change) => subscriptionEnded(this.#parts, change))
  }

  async perform(actor: Actor, request: Request): Promise<string> {
    const asker = askerOf(this.#parts.accounts, parseJid(`${actor}@test/r`), 'pubsub.test')
    try {
      if (request.kind === 'offline') {
        this.#parts.notifier.wentOffline(`${actor}@test`)
        return 'ok'
      }
      if (request.kind === 'answer') {
        await answerRequest(this.#parts, asker, parseFragment(approval(request)))
        return 'ok'
      }
      if (request.kind === 'pages') return await this.#readPages(asker, request)
      return read(request, await this.#ask(asker, stanzaOf(actor, request)))
    } catch (error) {
      if (!(error instanceof StanzaError)) throw error
      const application = error.application[0]?.getName()
      return application === undefined ? error.condition : `${error.condition}/${application}`
    }
  }

  async #ask(asker: Asker, { type, ns, content }: ReturnType<typeof stanzaOf>): Promise<string> {
    const pubsub = parseFragment(`<pubsub xmlns="${ns}">${content}</pubsub>`)
    const answer = await perform(this.#parts, asker, parsePubsub(type, pubsub, this.#parts.config()))
    return answer ? serialize(answer) : ''
  }

  /** Page after page, until one is empty: read the other way round, the same. */
  async #readPages(asker: Asker, { node, by, isDown }: Extract<Request, { kind: 'pages' }>): Promise<string> {
    const readAll = async (isForward: boolean) => {
      const found: string[] = []
      for (let place = isForward ? '' : '<before/>'; found.length <= NODES.length * IDS.length; ) {
        const page = `<set xmlns="http://jabber.org/protocol/rsm"><max>1</max>${place}</set>`
        const order = `<order xmlns="urn:xmpp:order-by:1" by="${by}" desc="${isDown}"/>`
        const content = `<items node="${node}"/>${order}${page}`
        const xml = await this.#ask(asker, { type: 'get', ns: NS_PUBSUB, content })
        const [, last] = /<last>(.*)<\/last>/.exec(xml) ?? []
        if (last === undefined) break
        found.push(listed(xml))
        place = isForward ? `<after>${last}</after>` : `<before>${last}</before>`
      }
      return found
    }
    const [forward, backward] = [await readAll(true), await readAll(false)]
    expect(backward.reverse()).toEqual(forward)
    return forward.join()
  }

  /** Of the memory that holds now. */
  get #inheritance(): Inheritance {
    const { replica, accounts, claims, audience } = this.#parts
    return new Inheritance(replica, accounts, claims, audience)
  }

  /** What is in memory comes from the database again. */
  async restart(): Promise<void> {
    this.#parts.notifier.close()
    const replica = new Replica()
    replica.watch((change) => subscriptionEnded(this.#parts, change))
    replica.load(await this.#parts.storage.run(sqliteStore.readSnapshot, undefined))
    this.#parts = { ...this.#parts, replica }
  }

  async takeTold(): Promise<Map<Actor, string[]>> {
    // What follows an answer is sent in the next turn; last items are read from the store first; one end leads to another.
    for (let turns = 0; turns < 6; turns++) await turn()
    const told = this.#told
    this.#told = new Map()
    return told
  }

  #note(jid: Actor, text: string): void {
    this.#told.set(jid, [...(this.#told.get(jid) ?? []), text])
  }
}

function stanzaOf(actor: Actor, request: Request): { type: 'get' | 'set'; ns: string; content: string } {
  const set = (content: string) => ({ type: 'set', ns: NS_PUBSUB, content }) as const
  const get = (content: string) => ({ type: 'get', ns: NS_PUBSUB, content }) as const
  const own = (type: 'get' | 'set', content: string) => ({ type, ns: NS_PUBSUB_OWNER, content })
  const jid = `jid="${actor}@test"`
  switch (request.kind) {
    case 'create':
      return set(`<create node="${request.node}"/><configure>${form('node_config', request.config)}</configure>`)
    case 'delete':
    case 'purge':
      return own('set', `<${request.kind} node="${request.node}"/>`)
    case 'subscribe':
    case 'unsubscribe':
      return set(`<${request.kind} node="${request.node}" ${jid}/>`)
    case 'deliver':
    case 'digest': {
      const options = { [request.kind]: request.isOn, digest_frequency: 86_400_000 }
      return set(`<options node="${request.node}" ${jid}>${form('subscribe_options', options)}</options>`)
    }
    case 'follow': {
      const options = { subscription_type: request.what, subscription_depth: request.depth }
      return set(`<options node="${request.node}" ${jid}>${form('subscribe_options', options)}</options>`)
    }
    case 'associate':
    case 'dissociate':
      return own('set', `<collection node="${request.node}"><${request.kind} node="${request.child}"/></collection>`)
    case 'relate': {
      const rows = (['link', 'parent'] as const).flatMap((kind) => {
        const value = request[kind]
        return value === undefined
          ? []
          : [`<field var="{urn:xmpp:pubsub-relationships:0}${kind}"><value>${value}</value></field>`]
      })
      const submitted = `<x xmlns="jabber:x:data" type="submit">${rows.join('')}</x>`
      return own('set', `<configure node="${request.node}">${submitted}</configure>`)
    }
    case 'items':
      return get(`<items node="${request.node}"/>`)
    case 'publish':
      return set(`<publish node="${request.node}"><item id="${request.id}"><p xmlns="urn:p"/></item></publish>`)
    case 'retract':
      return set(`<retract node="${request.node}" notify="${request.notify}"><item id="${request.id}"/></retract>`)
    case 'subscriptions':
    case 'affiliations':
      return get(`<${request.kind}/>`)
    case 'subscribers':
      return own('get', `<subscriptions node="${request.node}"/>`)
    case 'affiliates':
      return own('get', `<affiliations node="${request.node}"/>`)
    case 'affiliate': {
      const entry = `<affiliation jid="${request.jid}@test" affiliation="${request.affiliation}"/>`
      return own('set', `<affiliations node="${request.node}">${entry}</affiliations>`)
    }
    case 'access':
      return own(
        'set',
        `<configure node="${request.node}">${form('node_config', { access_model: request.model })}</configure>`,
      )
    case 'offline':
    case 'answer':
    case 'pages':
      throw new Error('no request of this protocol')
  }
}

function form(type: string, fields: Readonly<Record<string, string | number | boolean>> | Config): string {
  const rows = Object.entries(fields).map(
    ([name, value]) => `<field var="pubsub#${name}"><value>${value}</value></field>`,
  )
  return `<x xmlns="jabber:x:data" type="submit"><field var="FORM_TYPE"><value>${NS_PUBSUB}#${type}</value></field>${rows.join('')}</x>`
}

function approval({ node, jid, isAllowed }: Extract<Request, { kind: 'answer' }>): string {
  return form('subscribe_authorization', { node, subscriber_jid: `${jid}@test`, allow: isAllowed })
}

/** The answer in the model's words. */
function read({ kind }: Request, xml: string): string {
  const all = (pattern: RegExp) => [...xml.matchAll(pattern)]
  switch (kind) {
    case 'subscribe':
      return / subscription="(\w+)"/.exec(xml)?.[1] ?? xml
    case 'items':
      return listed(xml)
    case 'subscriptions':
      return all(/<subscription node="(\w)"[^>]* subscription="(\w+)"/g)
        .map(([, node, state]) => `${node}=${state}`)
        .join()
    case 'affiliations':
      return all(/<affiliation node="(\w)" affiliation="([\w-]+)"/g)
        .map(([, node, affiliation]) => `${node}=${affiliation}`)
        .join()
    case 'subscribers':
      return inOrder(all(/<subscription jid="(\w+)@test"/g).map(([, jid = '']) => [jid, jid]))
    case 'affiliates':
      return inOrder(
        all(/jid="(\w+)@test" affiliation="([\w-]+)"/g).map(([, jid = '', kind]) => [jid, `${jid}=${kind}`]),
      )
    default:
      return 'ok'
  }
}

/** Items by node. */
function listed(xml: string): string {
  return [...xml.matchAll(/<items node="(\w)">(.*?)<\/items>/g)]
    .map(([, node, list = '']) => {
      const found = [...list.matchAll(/<item id="(\d)"(?: publisher="(\w+)@test")?/g)]
      return `${node}: ${found.map(([, id, by]) => (by ? `${id} by ${by}` : id)).join()}`
    })
    .join('; ')
}

function inOrder(entries: readonly (readonly [jid: string, text: string])[]): string {
  return ACTORS.flatMap((actor) => entries.filter(([jid]) => jid === actor).map(([, text]) => text)).join()
}

/** A notification in the model's words. */
function what(xml: string): string {
  const collections = [...xml.matchAll(/<header name="Collection">(\w)</g)].map(([, name = '']) => name)
  return collections.length > 0 ? `${event(xml)} via ${collections.sort().join('+')}` : event(xml)
}

function event(xml: string): string {
  const link = /<collection node="(\w)"><(\w+) node="(\w)"/.exec(xml)
  if (link) return `${link[2]} ${link[3]} ${link[1]}`
  const created = /<create node="(\w)"/.exec(xml)
  if (created) return `create ${created[1]}`
  const items = [...xml.matchAll(/<item id="(\d)"(?: publisher="(\w+)@test")?/g)]
  if (items.length > 0) return items.map(([, id, by]) => (by ? `item ${id} by ${by}` : `item ${id}`)).join('+')
  const retracted = [...xml.matchAll(/<retract id="(\d)"/g)]
  if (retracted.length > 0) return retracted.map(([, id]) => `retract ${id}`).join('+')
  const asked = /subscriber_jid"[^>]*><value>(\w+)@test/.exec(xml)
  if (asked) return `ask for ${asked[1]}`
  const affiliation = /<affiliation [^>]*affiliation="([\w-]+)"/.exec(xml)
  if (affiliation) return `affiliation ${affiliation[1]}`
  const state = /<subscription [^>]* subscription="(\w+)"/.exec(xml)
  if (state) return `${state[1]}`
  return /<(purge|delete) /.exec(xml)?.[1] ?? xml
}

function actorOf(bareJid: string): Actor {
  const actor = ACTORS.find((each) => bareJid === `${each}@test`)
  if (!actor) throw new Error(`who is ${bareJid}?`)
  return actor
}
