/** The Integration Service at `sacm.<domain>`, and the server's own broadcast topics. SACM-XMPP §1 to §3. */

import {
  type DiscoItem,
  defineModule,
  integer,
  type ModuleContext,
  type Options,
  option,
  PRESENCE_AUTHORITY,
  type ValuesOf,
} from '../../server/module/api.ts'
import { StanzaError } from '../../server/stanza/errors.ts'
import type { Page, RsmRequest } from '../../server/stanza/rsm.ts'
import { attr, childElements, type Element } from '../../server/xml/element.ts'
import { mayHold } from '../../server/xml/unread.ts'
import { type ClaimedNodes, PUBSUB } from '../pubsub/api.ts'
import { REPOSITORY } from '../repository/api.ts'
import { readCollection } from './collection.ts'
import { sacmError } from './errors.ts'
import { readEvaluation } from './evaluation.ts'
import { Handlers } from './handlers.ts'
import { checkOrder, prepareBroadcast } from './jobs.ts'
import {
  NS_CAPABILITY,
  NS_COLLECTION,
  NS_EVALUATION,
  NS_HEARTBEAT,
  NS_INVENTORY,
  NS_JOB,
  NS_REGISTRATION,
  NS_TOPIC,
} from './model.ts'
import { copyPresence, seesComponents, sendPresences, sessionBound, sessionClosed } from './presence.ts'
import { Roster } from './roster.ts'
import {
  authorizePublish,
  authorizeSubscribe,
  type BroadcastTopic,
  CAPABILITY_TYPES,
  NODE_INVENTORY,
  parseBroadcastTopic,
} from './rules.ts'
import { dropOldJobs, hasOldJobs, removeComponent, setState } from './store.sqlite.ts'
import type { Component } from './store.ts'
import { handle, request, type TopicParts, unhandle, usableTopics } from './topics.ts'
import { refuseOther } from './unsupported.ts'

const DROP_JOBS_MS = 3_600_000
/** Writes submitted together at a start, well within the queue of storage. */
const MAX_AT_ONCE = 1_000
const MAX_DISCO_ITEMS = 500
const SACM = { doc: 'SACM-XMPP', version: '0', status: 'partial' } as const

const config = {
  'capabilities.max': option(integer(32, 1, 1000), 'capabilities of one component'),
  maxHandledTopics: option(integer(20_000, 1, 1_000_000), 'directed topics that one session handles at most'),
} satisfies Options

export const sacm = defineModule<ValuesOf<typeof config>>({
  name: 'sacm',
  specs: [
    {
      ...SACM,
      omits:
        'queued requests (§2), schedules, observation, instructions by value and reference (§3), the components query (§4)',
    },
    {
      doc: 'draft-ietf-sacm-arch',
      version: '07',
      status: 'partial',
      omits: 'periodic and event-based collection and evaluation',
    },
  ],
  requires: ['pubsub', 'repository', 'roster'],
  config,
  accountData: { forget: removeComponent },
  setup(ctx) {
    const pubsub = ctx.use(PUBSUB)
    const endpoint = ctx.endpoint('service:sacm')
    const roster = new Roster(ctx, pubsub)
    const handlers = new Handlers(() => ctx.config().maxHandledTopics)
    const presence = { ctx, roster, handlers, authority: ctx.use(PRESENCE_AUTHORITY) }
    const parts: TopicParts = {
      ctx,
      pubsub,
      endpoint,
      roster,
      handlers,
      repository: ctx.use(REPOSITORY),
      maxCapabilities: () => ctx.config()['capabilities.max'],
      onRegistered: ({ bareJid }) => {
        for (const session of ctx.sessions.of(bareJid)) {
          if (session.presence) copyPresence(presence, session, session.presence)
        }
      },
    }

    endpoint.identity('component', 'generic', 'SACM integration service')
    endpoint.feature(NS_TOPIC, NS_REGISTRATION, NS_CAPABILITY, NS_HEARTBEAT, NS_JOB)
    endpoint.feature(NS_COLLECTION, NS_EVALUATION, NS_INVENTORY)
    endpoint.items(({ asker, node, page }) =>
      node === undefined ? itemsPage(endpoint.address, usableTopics(parts, asker.bare), page) : undefined,
    )
    endpoint.info(({ asker, node }) =>
      usableTopics(parts, asker.bare).includes(node)
        ? { identities: [{ category: 'component', type: 'generic', name: node }], features: [NS_TOPIC] }
        : undefined,
    )
    endpoint.onIq('set', `{${NS_TOPIC}}request`, (iq) => request(parts, iq))
    endpoint.onIq('set', `{${NS_TOPIC}}handle`, ({ payload, session }) => {
      if (!session) throw sacmError('notYours', 'only a session handles topics')
      const topic = handle(parts, payload, session)
      // After the answer, which goes out when this returns.
      if (topic.kind === 'registration') queueMicrotask(() => sendPresences(presence, session))
      return undefined
    })
    endpoint.onIq('set', `{${NS_TOPIC}}unhandle`, ({ payload, session }) => {
      if (session) unhandle(parts, payload, session)
      return undefined
    })

    pubsub.claim(claimedNodes(parts))
    ctx.showPresence((of, by) => seesComponents(presence, of, by))
    ctx.on('guard', 'stanza.received', ({ stanza }) => guardTopics(stanza, endpoint.address))
    ctx.on('observe', 'presence.updated', ({ session, presence: sent }) => copyPresence(presence, session, sent))
    ctx.on('observe', 'session.bound', ({ session }) => sessionBound(presence, session))
    ctx.on('observe', 'session.closed', async ({ session }) => {
      handlers.removeSession(session)
      // When the server stops, everyone is gone, and the next start says so.
      if (!ctx.closing.aborted) await sessionClosed(presence, session)
    })
    ctx.on('observe', 'account.removed', ({ bareJid, forgotten }) =>
      roster.removed(bareJid, forgotten(removeComponent)),
    )
    ctx.starting(() => start(ctx, parts))
    ctx.every(DROP_JOBS_MS, async () => {
      await ctx.storage.run(dropOldJobs, undefined)
    })
  },
})

/** Makes the topics that exist from the start, and an inventory in which nobody is online yet. */
async function start({ storage }: Pick<ModuleContext, 'storage'>, { pubsub, roster }: TopicParts): Promise<void> {
  for (const type of CAPABILITY_TYPES) {
    await pubsub.ensureNode(`/collection/${type}`, { type: NS_COLLECTION, persistItems: false, maxItems: 1 })
    await pubsub.ensureNode(`/evaluation/${type}`, { type: NS_EVALUATION, persistItems: false, maxItems: 1 })
  }
  await pubsub.ensureNode(NODE_INVENTORY, { type: NS_INVENTORY, persistItems: true, maxItems: 'max' })
  await roster.load()
  const stale: Component[] = []
  for (const component of roster.all()) {
    if (component.state === 'gone') roster.announce(component)
    else stale.push(component)
  }
  for (let from = 0; from < stale.length; from += MAX_AT_ONCE) {
    const together = stale.slice(from, from + MAX_AT_ONCE)
    await Promise.all(together.map(({ component: id }) => roster.change(setState, { id, state: 'gone' })))
  }
  if (await storage.run(hasOldJobs, undefined)) await storage.run(dropOldJobs, undefined)
}

/** Every NodeID that begins with `/` and is not the repository's. */
function claimedNodes(parts: TopicParts): ClaimedNodes {
  const { roster } = parts
  const known = (nodeId: string): BroadcastTopic => {
    const topic = parseBroadcastTopic(nodeId)
    if (!topic) throw sacmError('unknownTopic', `there is no topic ${nodeId} (PROTOCOL.md §2.1)`)
    return topic
  }
  const maySubscribe = (bareJid: string, nodeId: string) =>
    authorizeSubscribe(known(nodeId), nodeId, roster.actor(bareJid), roster.ofAccount(bareJid)?.capabilities ?? [])
  return {
    // The first claim that owns a NodeID has it, and the repository's module is set up before this one.
    owns: (nodeId) => nodeId.startsWith('/'),
    authorizeSubscribe: (actor, nodeId) => maySubscribe(actor.bare, nodeId),
    authorizePublish(actor, nodeId) {
      const topic = parts.pubsub.hasNode(nodeId) ? parseBroadcastTopic(nodeId) : undefined
      // Publishing to what is not there would make it, and nobody makes a topic but the server.
      if (!topic) throw sacmError('notMade', `there is no topic ${nodeId} (PROTOCOL.md §2.1)`)
      authorizePublish(topic, roster.actor(actor.bare))
    },
    visibleScopes(bareJid, nodeId) {
      try {
        maySubscribe(bareJid, nodeId)
        return 'all'
      } catch (error) {
        if (error instanceof StanzaError) return new Set()
        throw error
      }
    },
    preparePublish(publish) {
      const topic = known(publish.nodeId)
      const requester = roster.actor(publish.publisher.bare)
      switch (topic.kind) {
        case 'collection':
        case 'evaluation': {
          const order = topic.kind === 'collection' ? readCollection(publish.payload) : readEvaluation(publish.payload)
          checkOrder(parts, order, requester)
          return prepareBroadcast(order, requester, publish)
        }
        default:
          return refuseOther(publish.payload, 'nothing', '§2.1', topic.kind === 'repository')
      }
    },
  }
}

/** No topic:0 between other addresses: what the server did not stamp is not from it. SACM-XMPP §2. */
function guardTopics(stanza: Element, service: string): void {
  if (!mayHold(stanza, NS_TOPIC) || attr(stanza, 'to') === service || attr(stanza, 'type') === 'error') return
  if (childElements(stanza).some((child) => child.getNS() === NS_TOPIC)) {
    throw sacmError('onlyThroughService', `directed topics are at ${service} (PROTOCOL.md §2.2)`)
  }
}

/** XEP-0059 over names in order; a name is its own id. */
function itemsPage(jid: string, topics: readonly string[], request: RsmRequest | undefined): Page<DiscoItem> {
  const max = Math.min(request?.max ?? MAX_DISCO_ITEMS, MAX_DISCO_ITEMS)
  const { after, before } = request ?? {}
  const later = after === undefined ? topics : topics.filter((topic) => topic > after)
  const earlier = before === undefined || before === '' ? later : later.filter((topic) => topic < before)
  const from = request?.index ?? (before === undefined ? 0 : Math.max(0, earlier.length - max))
  const page = earlier.slice(from, from + max)
  const index = page[0] === undefined ? undefined : topics.indexOf(page[0])
  return {
    items: page.map((node) => ({ jid, node })),
    count: topics.length,
    ...(index === undefined ? {} : { index }),
    first: page[0],
    last: page.at(-1),
  }
}
