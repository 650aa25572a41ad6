/**
 * Every account is a pubsub service: the same use cases at its bare JID. XEP-0060 §9, XEP-0163, XEP-0222, XEP-0223.
 *
 * Anyone may ask it, and nobody learns by that which accounts there are: who does not see the owner's presence and has
 * no right at the node gets the same answer for a node that is closed to it, one that is not there, and no account.
 */

import type { IqRequest, ModuleContext, SessionHandle } from '../../server/module/api.ts'
import { StanzaError } from '../../server/stanza/errors.ts'
import { parseForm } from '../../server/stanza/forms.ts'
import type { Jid } from '../../server/stanza/jid.ts'
import { attr, type Element } from '../../server/xml/element.ts'
import { NS_FORMS } from '../../server/xml/namespaces.ts'
import type { Capabilities } from '../caps/index.ts'
import { AUTHORIZATION_FORM } from './approval.ts'
import { archiveForm, archiveMetadata, queryArchive } from './archive.ts'
import { archivedNode, NS_MAM } from './archive-xml.ts'
import { isAttachmentNode } from './attachment-names.ts'
import { NOTIFY_SUFFIX } from './audience.ts'
import type { PubsubConfig } from './config.ts'
import { type Asker, boundsOf, type PubsubParts, tellConfigured, tellOwners } from './context.ts'
import { ACCOUNT_FEATURES, EXTENSIONS, listItemsAsWanted, nodeInfo, SHIM_HEADERS } from './discovery.ts'
import { pubsubError } from './errors.ts'
import { NS_EXTENDED_DISCOVERY } from './extended-discovery.ts'
import { sendPersonalItems } from './last-item.ts'
import { getPending } from './pending.ts'
import { isPublicList } from './public-names.ts'
import type { PubsubRequest } from './requests.ts'
import { perform } from './service.ts'
import type { AccountForgotten } from './store.ts'
import { isStranger, refuseStranger } from './strangers.ts'
import { answerRequest } from './subscriber.ts'
import { NS_PUBSUB, NS_PUBSUB_OWNER, NS_SHIM, parsePubsub } from './xml.ts'

/** Registers the service at every account. */
export function serveAccounts(ctx: ModuleContext<PubsubConfig>, parts: PubsubParts): void {
  const account = ctx.endpoint('account')
  account.identity('pubsub', 'pep')
  account.feature(...ACCOUNT_FEATURES, NS_SHIM, ...EXTENSIONS, NS_EXTENDED_DISCOVERY)
  account.info((query) =>
    whenReady(parts, query.to.bare, () =>
      query.node === NS_SHIM ? SHIM_HEADERS : nodeInfo(parts, query, askerAt(parts, query.asker, query.to)),
    ),
  )
  account.items((query) =>
    whenReady(parts, query.to.bare, () => listItemsAsWanted(parts, query, askerAt(parts, query.asker, query.to))),
  )
  account.command(getPending(parts, (asker) => askerAt(parts, asker, asker)))
  account.onMessage(`{${NS_FORMS}}x`, ({ from, to, payload }) =>
    from.bare === to.bare && isApproval(payload) ? answerRequest(parts, askerAt(parts, from, to), payload) : false,
  )
  for (const ns of [NS_PUBSUB, NS_PUBSUB_OWNER])
    for (const type of ['get', 'set'] as const)
      account.onIq(type, `{${ns}}pubsub`, (iq) => answer(parts, iq), { from: 'whether-or-not' })
  serveArchives(ctx, parts)
  tellWhoComes(ctx, parts)
}

/**
 * Archives of the account's nodes. Its disco does not tell of them, since there the feature means the archive of the
 * owner's own messages (XEP-0313 §7); each node's does.
 */
function serveArchives(ctx: ModuleContext<PubsubConfig>, parts: PubsubParts): void {
  const account = ctx.endpoint('account')
  const at = <T>({ from, to, payload }: IqRequest, act: (asker: Asker) => T | Promise<T>) => {
    // Without a node it is those messages that are asked for.
    if (attr(payload, 'node') === undefined) throw new StanzaError('cancel', 'service-unavailable')
    const nodeId = archivedNode(payload)
    return whenReady(parts, to.bare, () => {
      const asker = askerAt(parts, from, to)
      // What is public has rules of its own: public-lists.ts.
      if (!isPublicList(nodeId)) refuseStranger(parts, asker, nodeId)
      return act(asker)
    })
  }
  const forAll = { from: 'whether-or-not' } as const
  account.onIq('get', `{${NS_MAM}}query`, (iq) => at(iq, () => archiveForm(iq.payload)), forAll)
  account.onIq(
    'get',
    `{${NS_MAM}}metadata`,
    (iq) => at(iq, (asker) => archiveMetadata(parts, asker, iq.payload)),
    forAll,
  )
  account.onIq(
    'set',
    `{${NS_MAM}}query`,
    (iq) =>
      at(iq, (asker) =>
        queryArchive(parts, asker, iq.payload, (message) => {
          if (iq.session) ctx.sessions.deliver(iq.session, message)
          else account.send(message)
        }),
      ),
    forAll,
  )
}

function answer(parts: PubsubParts, { type, from, to, payload }: IqRequest) {
  const request = parsePubsub(type, payload, boundsOf(parts.config(), to.bare))
  return whenReady(parts, to.bare, () => {
    const asker = askerAt(parts, from, to)
    const nodeId = nodeAsked(request)
    if (nodeId !== undefined && isStranger(parts, asker, nodeId)) return answerStranger(parts, asker, request)
    return perform(parts, asker, request)
  })
}

/** Once the account's roster is in memory, which it is while its owner has a session. */
function whenReady<T>(parts: PubsubParts, account: string, act: () => T | Promise<T>): T | Promise<T> {
  const ready = parts.accounts.exists(account) ? parts.audience.ready(account) : undefined
  return ready ? ready.then(act) : act()
}

/** Who asks an account. An administrator of the server has no rights there but its own. */
function askerAt(parts: PubsubParts, jid: Jid, { bare }: Jid): Asker {
  const actor = { bareJid: jid.bare, isAdmin: false, relation: parts.audience.relation(bare, jid.bare) }
  return { jid, service: bare, address: bare, actor }
}

/** Of which node a request tells something to whoever asks; undefined: of none. */
function nodeAsked(request: PubsubRequest): string | undefined {
  if (!('nodeId' in request) || request.nodeId === undefined) return undefined
  // Its own subscriptions and affiliations: none, as with anybody it has nothing to do with. Nobody else creates.
  if (request.kind === 'subscriptions' || request.kind === 'affiliations' || request.kind === 'create') return undefined
  // Lists of public subscriptions have rules of their own: public-lists.ts.
  return isPublicList(request.nodeId) ? undefined : request.nodeId
}

/**
 * A stranger is told nothing; only what it attached itself it may take back, and where there is nothing of its own it
 * learns no more than of any other account.
 * @throws StanzaError presence-subscription-required (as a rejection)
 */
async function answerStranger(parts: PubsubParts, asker: Asker, request: PubsubRequest): Promise<undefined> {
  const refusal = pubsubError('presenceSubscriptionRequired') // XEP-0060 §6.1.3.2
  const isOwn = request.kind === 'retract' && request.itemId === asker.actor.bareJid
  if (!isOwn || !isAttachmentNode(request.nodeId)) throw refusal
  try {
    await perform(parts, asker, request)
  } catch (error) {
    throw error instanceof StanzaError ? refusal : error
  }
}

function isApproval(x: Element): boolean {
  try {
    return parseForm(x).formType === AUTHORIZATION_FORM
  } catch (error) {
    if (error instanceof StanzaError) return false // not the server's to complain about: it goes to the clients
    throw error
  }
}

/**
 * A client shows what it wants to hear of: the last items of those nodes, once for each as long as it wants them. Those of
 * the account itself, of everyone whose presence it sees, and of whom it visits. XEP-0060 §9.1.3, §9.2, XEP-0163 §4.3.4.
 */
function tellWhoComes(ctx: ModuleContext<PubsubConfig>, parts: PubsubParts): void {
  const { audience, replica } = parts
  const told = new WeakMap<SessionHandle, ReadonlySet<string>>()
  /** Those that have been told what is at the accounts that they see. */
  const seeing = new WeakSet<SessionHandle>()
  const nodesAt = (services: Iterable<string>, nodeIds: Iterable<string>) =>
    [...services].flatMap((service) =>
      replica.hasService(service) ? [...nodeIds].flatMap((nodeId) => replica.get({ service, nodeId }) ?? []) : [],
    )
  ctx.on('observe', 'presence.updated', ({ session, presence }) => {
    if (presence) return
    told.delete(session)
    seeing.delete(session)
    audience.visitors.left(session)
  })
  ctx.on('observe', 'session.closed', ({ session }) => audience.visitors.left(session))
  ctx.on('observe', 'presence.directed', async ({ session, to, presence }) => {
    const account = to.bare
    if (!presence) audience.visitors.went(session, account)
    // §9.1.3: what it wants is known by the presence that it broadcasts; while it does not, by this one.
    else if (parts.accounts.exists(account) && audience.visitors.came(session, account)) {
      const nodes = nodesAt([account], replica.sortedNodeIds(account))
      const open = nodes.filter(({ record }) => record.config.accessModel === 'open')
      // Before it is known what it wants, these come with what else it wants.
      if (told.has(session) && (!session.presence || !audience.seesPresence(account, session.bareJid)))
        await sendPersonalItems(parts, session.bareJid, open, session)
    }
  })
  ctx.on('observe', 'caps.known', async ({ session, capabilities }) => {
    const before = told.get(session)
    const now = new Set(interests(capabilities))
    // What it did not want for a while has perhaps changed since.
    told.set(session, now)
    const news = [...now].filter((nodeId) => !before?.has(nodeId))
    const nodes = new Set(nodesAt(audience.visitors.of(session), news))
    if (session.presence) {
      // It may have shown itself to some before, and to everybody only now.
      const wanted = seeing.has(session) ? news : now
      for (const node of nodesAt(audience.sources(session.bareJid), wanted)) nodes.add(node)
      seeing.add(session)
    }
    if (nodes.size > 0) await sendPersonalItems(parts, session.bareJid, [...nodes], session)
  })
}

function interests({ features }: Capabilities): string[] {
  return [...features].flatMap((each) => (each.endsWith(NOTIFY_SUFFIX) ? [each.slice(0, -NOTIFY_SUFFIX.length)] : []))
}

/**
 * An account is no more: whoever is subscribed to its nodes hears that they went with it, those too who are by the
 * presence that they saw until now. XEP-0060 §8.4.2, §9.1.2
 */
export function tellAccountEnded({ replica, notifier }: PubsubParts, account: string): void {
  for (const nodeId of replica.sortedNodeIds(account)) {
    const node = replica.get({ service: account, nodeId })
    if (node?.record.config.notifyDelete)
      notifier.toAll(node, { kind: 'delete', nodeId, redirect: undefined }, { except: account })
  }
}

/** Its nodes go with it, and what it had at others. */
export function accountForgotten(parts: PubsubParts, { bareJid, unlisted }: AccountForgotten): void {
  const { replica } = parts
  for (const nodeId of [...replica.sortedNodeIds(bareJid)]) replica.deleted({ service: bareJid, nodeId })
  const ended = replica.accounts.subscriptionsOf(bareJid, 'everywhere')
  replica.accountForgotten(bareJid)
  for (const subscription of ended) {
    const node = replica.get(subscription)
    if (node) tellOwners(parts, node, subscription, 'none')
  }
  for (const record of unlisted) {
    replica.ensured(record)
    const node = replica.get(record)
    if (node && record.config.notifyConfig) tellConfigured(parts, node)
  }
}
