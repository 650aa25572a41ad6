/** Publish-subscribe at `pubsub.<domain>` and at the domain itself. XEP-0060. */

import { defineModule, type ModuleContext } from '../../server/module/api.ts'
import type { Jid } from '../../server/stanza/jid.ts'
import { attr } from '../../server/xml/element.ts'
import { NS_FORMS } from '../../server/xml/namespaces.ts'
import { CLIENT_CAPABILITIES } from '../caps/index.ts'
import { OFFLINE } from '../offline/index.ts'
import { ROSTERS } from '../roster/index.ts'
import { reviewAccount, reviewAll, rosterChanged, subscriptionEnded } from './access.ts'
import { accountForgotten, serveAccounts, tellAccountEnded } from './account.ts'
import { PUBSUB } from './api.ts'
import { archiveForm, archiveMetadata, longArchives, queryArchive, trimArchives } from './archive.ts'
import { ARCHIVE_FEATURES, NS_MAM, renderStanzaId, STANZA_ID_FEATURE } from './archive-xml.ts'
import { Audience } from './audience.ts'
import { bounced } from './bounces.ts'
import { Claims } from './claims.ts'
import { ensureRoot } from './collections.ts'
import { type PubsubConfig, pubsubConfig } from './config.ts'
import { askerOf, type PubsubParts, run } from './context.ts'
import { registerCounts, startCounts } from './counts.ts'
import { Cursors, newCursorKey } from './cursors.ts'
import { Deletions } from './deletions.ts'
import { EXTENSIONS, FEATURES, listItems, listItemsAsWanted, nodeInfo, SHIM_HEADERS } from './discovery.ts'
import { Elsewhere } from './elsewhere.ts'
import { NS_EXTENDED_DISCOVERY } from './extended-discovery.ts'
import { Inheritance } from './inherited.ts'
import { reviewKept } from './kept.ts'
import { Awaiting, sendLastItems } from './last-item.ts'
import { endAllTemporary, endTemporaryOf, purgeAllAbsent, purgeLeft, sweep } from './leases.ts'
import { Managed } from './managed.ts'
import { NS_PAM } from './managed-xml.ts'
import { beginAccount } from './newcomers.sqlite.ts'
import { Notifier } from './notify.ts'
import { getPending } from './pending.ts'
import { showsOf } from './presence.ts'
import { mayReadList } from './public-access.ts'
import { publicChanged } from './public-changes.ts'
import { isPublicList } from './public-names.ts'
import { type NodeRef, SHARED_SERVICE } from './records.ts'
import { Replica } from './replica.ts'
import { pubsubSeam } from './seam.ts'
import { perform } from './service.ts'
import { sqliteStore } from './store.sqlite.ts'
import { answerRequest } from './subscriber.ts'
import { NS_PUBSUB, NS_PUBSUB_EVENT, NS_PUBSUB_OWNER, NS_SHIM, parsePubsub } from './xml.ts'

export {
  type ClaimedNodes,
  type ClaimedPublish,
  type PersonalItem,
  type PersonalNode,
  type PersonalNodes,
  type PreparedPublish,
  PUBSUB,
  type Pubsub,
  type ServerNode,
  SHARED_SCOPE,
} from './api.ts'

export const pubsub = defineModule<PubsubConfig>({
  name: 'pubsub',
  specs: [
    {
      doc: 'XEP-0060',
      version: '1.30.0',
      status: 'partial',
      omits: 'transformations of payloads (body_xslt, §12.8)',
    },
    {
      doc: 'XEP-0163',
      version: '1.2.2',
      status: 'partial',
      omits: 'strangers do not discover the nodes of an account, which would tell that it exists (§6)',
    },
    { doc: 'XEP-0222', version: '1.0', status: 'complete' },
    { doc: 'XEP-0223', version: '1.1.1', status: 'complete' },
    { doc: 'XEP-0131', version: '1.2', status: 'complete' },
    { doc: 'XEP-0248', version: '0.5.0', status: 'complete' },
    { doc: 'XEP-0059', version: '1.0', status: 'complete' },
    {
      doc: 'XEP-0376',
      version: '0.1.1',
      status: 'partial',
      omits: 'the parts that it only thinks about: automatic subscriptions, filters, archives (§3.5 to §3.7)',
    },
    {
      doc: 'XEP-0413',
      version: '0.2.1',
      status: 'partial',
      omits: 'lists of nodes by modification, of which it says nothing',
    },
    {
      doc: 'XEP-0313',
      version: '1.1.3',
      status: 'partial',
      omits: 'archives of anything but nodes',
    },
    { doc: 'XEP-0346', version: '0.2', status: 'complete' },
    {
      doc: 'XEP-0359',
      version: '0.7.0',
      status: 'partial',
      omits: 'ids of anything but events of items that are kept',
    },
    { doc: 'XEP-0442', version: '0.2.0', status: 'complete' },
    { doc: 'XEP-0460', version: '0.1.0', status: 'complete' },
    { doc: 'XEP-0462', version: '0.1.1', status: 'complete' },
    { doc: 'XEP-0465', version: '0.1.1', status: 'complete' },
    { doc: 'XEP-0470', version: '0.2.0', status: 'complete' },
    { doc: 'XEP-0496', version: '0.1.0', status: 'complete' },
    { doc: 'XEP-0499', version: '0.1.0', status: 'complete' },
  ],
  requires: ['commands', 'offline', 'roster', 'caps'],
  config: pubsubConfig,
  accountData: { begin: beginAccount, forget: sqliteStore.forgetAccount },
  setup(ctx) {
    let cursors: Cursors | undefined
    const parts = makeParts(ctx, () => {
      if (!cursors) throw new Error('no cursors before the server has started')
      return cursors
    })
    const managed = serveManaged(ctx, parts)
    parts.replica.watch((change) => {
      publicChanged(parts, change)
      managed.changed(change)
      subscriptionEnded(parts, change)
    })
    registerCounts(ctx.metrics, parts.counts, () => parts.replica.size)
    ctx.provide(PUBSUB, pubsubSeam(parts))
    ctx.starting(async () => {
      cursors = new Cursors(await cursorKey(parts), ctx.storage.epoch)
      parts.replica.load(await run(parts, parts.store.readSnapshot, undefined))
      parts.elsewhere.load(await run(parts, parts.store.allElsewhere, undefined))
      await ensureRoot(parts)
      await endAllTemporary(parts)
      await purgeAllAbsent(parts)
      await reviewAll(parts)
    })
    let long: readonly NodeRef[] | undefined
    ctx.every(ctx.config().sweepSeconds * 1000, async (signal) => {
      await sweep(parts, signal)
      long = await trimArchives(parts, long ?? (await longArchives(parts)), signal)
    })
    followPresence(ctx, parts)
    parts.offline.review((kept, session) => reviewKept(parts, kept, session))
    ctx.on('observe', 'roster.ended', ({ owner }) => tellAccountEnded(parts, owner))
    ctx.on('observe', 'account.removed', ({ forgotten }) =>
      accountForgotten(parts, forgotten(sqliteStore.forgetAccount)),
    )
    ctx.on('observe', 'account.changed', ({ bareJid }) => reviewAccount(parts, bareJid))
    ctx.on('observe', 'roster.changed', (change) => rosterChanged(parts, change))
    serveAccounts(ctx, parts)
    ctx.endpoint('server').identity('pubsub', 'pep') // XEP-0222 §5, XEP-0223 §5: before they store anything, clients ask there
    for (const at of ['server', 'service:pubsub'] as const) {
      const endpoint = ctx.endpoint(at)
      endpoint.identity('pubsub', 'service')
      endpoint.feature(...FEATURES, NS_SHIM, ...EXTENSIONS)
      endpoint.info((query) => (query.node === NS_SHIM ? SHIM_HEADERS : nodeInfo(parts, query)))
      endpoint.command(getPending(parts, (jid) => askerOf(parts.accounts, jid, endpoint.address)))
      endpoint.onMessage(`{${NS_FORMS}}x`, ({ from, payload }) =>
        answerRequest(parts, askerOf(parts.accounts, from, endpoint.address), payload),
      )
      // At the domain itself other things are listed too, and a form that is about nodes means nothing.
      const list = at === 'server' ? listItems : listItemsAsWanted
      endpoint.items((query) => list(parts, query))
      endpoint.onMessage(`{${NS_PUBSUB_EVENT}}event`, (message) => bounced(parts, message, message.payload))
      for (const ns of [NS_PUBSUB, NS_PUBSUB_OWNER]) {
        for (const type of ['get', 'set'] as const) {
          endpoint.onIq(type, `{${ns}}pubsub`, ({ from, payload }) =>
            perform(parts, askerOf(parts.accounts, from, endpoint.address), parsePubsub(type, payload, parts.config())),
          )
        }
      }
    }
    serveOwnAddress(ctx, parts)
  },
})

/**
 * An account's own subscriptions, at whatever service. XEP-0376.
 * COMPAT(Libervia 0.9): it looks for the feature at the server's own address, and asks there.
 */
function serveManaged(ctx: ModuleContext<PubsubConfig>, parts: PubsubParts): Managed {
  const account = ctx.endpoint('account')
  const { sessions } = ctx
  const shared = ctx.endpoint('service:pubsub').address
  const isOurs = (service: Jid) => service.domain === ctx.domain || service.domain === shared
  const managed = new Managed({ parts, account, sessions, clients: ctx.use(CLIENT_CAPABILITIES), isOurs })
  account.onMessage(`{${NS_PUBSUB_EVENT}}event`, (message) => {
    if (attr(message.stanza, 'type') === 'error') return bounced(parts, message, message.payload, message.to.bare)
    managed.heard(message.from, message.to, message.payload)
    return false
  })
  for (const endpoint of [account, ctx.endpoint('server')]) {
    endpoint.feature(NS_PAM)
    endpoint.onIq('set', `{${NS_PAM}}pam`, (iq) => managed.ask(iq))
    endpoint.onIq('get', `{${NS_PAM}}subscriptions`, (iq) => managed.list(iq))
  }
  ctx.on('observe', 'account.removed', ({ bareJid }) => managed.forget(bareJid))
  return managed
}

/** What is at the service's own address alone: archives of nodes, since the domain's would be another thing (XEP-0442). */
function serveOwnAddress(ctx: ModuleContext<PubsubConfig>, parts: PubsubParts): void {
  const endpoint = ctx.endpoint('service:pubsub')
  const asker = (jid: Jid) => askerOf(parts.accounts, jid, endpoint.address)
  endpoint.feature(...ARCHIVE_FEATURES, STANZA_ID_FEATURE, NS_EXTENDED_DISCOVERY)
  // XEP-0346 §3: templates and filled-in forms are items like others, at nodes of a certain name.
  endpoint.identity('pubsub', 'urn:xmpp:fdp:0')
  endpoint.onIq('get', `{${NS_MAM}}query`, ({ payload }) => archiveForm(payload))
  endpoint.onIq('get', `{${NS_MAM}}metadata`, ({ from, payload }) => archiveMetadata(parts, asker(from), payload))
  endpoint.onIq('set', `{${NS_MAM}}query`, ({ from, payload, session }) =>
    queryArchive(parts, asker(from), payload, (message) => {
      // To the one session that asked, or to nobody: results are not kept for later.
      if (session) ctx.sessions.deliver(session, message)
      else endpoint.send(message)
    }),
  )
}

/** Written once, so that a server whose disk is full or read-only starts all the same. */
async function cursorKey(parts: PubsubParts): Promise<string> {
  const known = await run(parts, parts.store.readKey, undefined)
  return (known ?? (await run(parts, parts.store.ensureKey, { key: newCursorKey() }))).key
}

/** Who comes online gets last items (§4.3); what lasts as long as somebody is online ends with it (§12.5). */
function followPresence(ctx: ModuleContext<PubsubConfig>, parts: PubsubParts): void {
  ctx.on('observe', 'presence.updated', async ({ session, presence, isInitial }) => {
    if (presence) {
      if (isInitial) await sendLastItems(parts, session)
      return
    }
    const isLast = !ctx.sessions.of(session.bareJid).some((other) => other.presence !== undefined)
    if (isLast) parts.notifier.wentOffline(session.bareJid)
    await Promise.all([
      endTemporaryOf(parts, session.bareJid, session.fullJid.full, isLast),
      isLast ? purgeLeft(parts, session.bareJid) : undefined,
    ])
  })
}

function makeParts(ctx: ModuleContext<PubsubConfig>, cursors: () => Cursors): PubsubParts {
  const { domain, storage, accounts, log, sessions } = ctx
  const claims = new Claims()
  const replica = new Replica()
  const audience = new Audience({
    rosters: ctx.use(ROSTERS),
    clients: ctx.use(CLIENT_CAPABILITIES),
    sessions,
    isSubscribed: (bareJid, node) => replica.accounts.isSubscribed(bareJid, node),
  })
  // The envelope carries its sender's address already, so either endpoint may put it on the road.
  const service = ctx.endpoint('service:pubsub')
  const inheritance = new Inheritance(replica, accounts, claims, audience)
  const notifier = new Notifier({
    send: (_address, stanza) => service.send(stanza),
    maySee: (bareJid, node, scope) => {
      const { record } = node
      if (isPublicList(record.nodeId)) return mayReadList({ replica, claims, audience, accounts }, record, bareJid)
      // XEP-0470: who subscribed to what is about a node, and may ask for the node itself no more, gets nothing.
      if (node.target) return inheritance.mayGet(bareJid, node)
      if (record.service !== SHARED_SERVICE) return audience.mayRead(node, bareJid)
      return claims.maySee(bareJid, record, scope)
    },
    audience,
    presenceOf: (jid) => showsOf(sessions, jid),
    now: () => ctx.clock.now(),
    stanzaId: (node, position) =>
      node.service === SHARED_SERVICE ? renderStanzaId(service.address, cursors().encode(position)) : '',
    bounds: () => ctx.config(),
    inheritance,
  })
  ctx.closing.addEventListener('abort', () => notifier.close())
  return {
    domain,
    serviceAddress: service.address,
    storage,
    accounts,
    log,
    claims,
    audience,
    emit: (hook, event) => ctx.emit(hook, event),
    notifier,
    cursors,
    config: () => ctx.config(),
    store: sqliteStore,
    replica,
    elsewhere: new Elsewhere(),
    offline: ctx.use(OFFLINE),
    counts: startCounts(),
    awaiting: new Awaiting(),
    deletions: new Deletions(),
  }
}
