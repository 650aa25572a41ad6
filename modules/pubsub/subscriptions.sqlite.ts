/** Subscriptions on SQLite. XEP-0060 §6.1 to §6.3, §8.6, §8.8, §12.5, §12.19. */

import { and, asc, count, eq, lte, sql } from 'drizzle-orm'
import type { Db, Tx } from '../../server/module/api.ts'
import { canHaveBody } from './bodies.ts'
import { nodeToSubscribe } from './moved.sqlite.ts'
import {
  affiliationOf,
  configOf,
  countSubscriptions,
  enforce,
  findNode,
  type NodeRow,
  nodeOf,
  refuse,
  ruledBy,
  standingOf,
} from './queries.sqlite.ts'
import type { NodeRef, SubscriptionKey, SubscriptionRecord } from './records.ts'
import {
  affiliationAt,
  asksRoster,
  mayManage,
  mayStaySubscribed,
  maySubscribe,
  needsApproval,
  type Standing,
} from './rules.ts'
import { nodes, subscriptions } from './schema.sqlite.ts'
import {
  type ModifySubscriptions,
  type PubsubStore,
  type RefusedSubscription,
  type SubscriptionChange,
  SWEEP_BATCH,
} from './store.ts'
import {
  areOfOneType,
  areSameOptions,
  DEFAULT_OPTIONS,
  endOf,
  type OptionChanges,
  type SubscriptionOptions,
} from './subscription-options.ts'

const ph = sql.placeholder

type SubscriptionRow = typeof subscriptions.$inferSelect

const ofJid = and(eq(subscriptions.node, ph('node')), eq(subscriptions.jid, ph('jid')))
const one = and(ofJid, eq(subscriptions.subid, ph('subid')))
const inOrder = asc(sql`${subscriptions}.rowid`)

const queries = (db: Db) => ({
  all: db
    .select({ subscription: subscriptions, service: nodes.service, nodeId: nodes.nodeId })
    .from(subscriptions)
    .innerJoin(nodes, eq(nodes.id, subscriptions.node))
    .orderBy(inOrder)
    .prepare(),
  ofJid: db.select().from(subscriptions).where(ofJid).orderBy(inOrder).prepare(),
  ofNode: db
    .select()
    .from(subscriptions)
    .where(eq(subscriptions.node, ph('node')))
    .prepare(),
  ofAccount: db
    .select()
    .from(subscriptions)
    .where(and(eq(subscriptions.bareJid, ph('bareJid')), eq(subscriptions.node, ph('node'))))
    .prepare(),
  countOf: db
    .select({ subscriptions: count() })
    .from(subscriptions)
    .where(eq(subscriptions.bareJid, ph('bareJid')))
    .prepare(),
  nodesOf: db
    .selectDistinct({ node: nodes })
    .from(nodes)
    .innerJoin(subscriptions, eq(subscriptions.node, nodes.id))
    .where(eq(subscriptions.bareJid, ph('bareJid')))
    .prepare(),
  ending: db
    .select({ subscription: subscriptions, node: nodes })
    .from(subscriptions)
    .innerJoin(nodes, eq(subscriptions.node, nodes.id))
    .where(lte(subscriptions.expiresAt, ph('now')))
    .limit(ph('max'))
    .prepare(),
  insert: db
    .insert(subscriptions)
    .values({
      node: ph('node'),
      jid: ph('jid'),
      bareJid: ph('bareJid'),
      address: ph('address'),
      subid: ph('subid'),
      state: ph('state'),
      isPublic: ph('isPublic'),
      options: ph('options'),
      expiresAt: ph('expiresAt'),
    })
    .prepare(),
  move: db
    .update(subscriptions)
    .set({ address: sql`${ph('address')}`, isPublic: sql`${ph('isPublic')}` })
    .where(one)
    .prepare(),
  approve: db.update(subscriptions).set({ state: 'subscribed' }).where(one).prepare(),
  // drizzle types a placeholder in set() as no value of the column, although it fills it in like any other.
  setOptions: db
    .update(subscriptions)
    .set({ options: ph('options'), expiresAt: ph('expiresAt') } as never)
    .where(one)
    .prepare(),
  delete: db.delete(subscriptions).where(one).prepare(),
})

function recordOf({ service, nodeId }: NodeRef, row: SubscriptionRow): SubscriptionRecord {
  const { jid, bareJid, address, subid, state, isPublic } = row
  return { service, nodeId, jid, bareJid, address, subid, state, isPublic, options: optionsOf(row) }
}

/** An option that is newer than its subscription has its default. */
function optionsOf({ options }: Pick<SubscriptionRow, 'options'>): SubscriptionOptions {
  return options ? { ...DEFAULT_OPTIONS, ...options } : DEFAULT_OPTIONS
}

/** Every subscription there is, oldest first, for the copy in memory. */
export function allSubscriptions(tx: Tx): SubscriptionRecord[] {
  const rows = tx.use(queries).all.all()
  return rows.map(({ subscription, ...ref }) => recordOf(ref, subscription))
}

/**
 * The one that a request means.
 * @param absent  the refusal where there is none
 * @throws Refusal subidRequired, invalidSubid too. §6.2.3, §6.3.4
 */
function theOne(
  tx: Tx,
  node: NodeRow,
  { jid, subid }: Omit<SubscriptionKey, keyof NodeRef>,
  absent: 'notSubscribed' | 'noSuchSubscriber',
): SubscriptionRow {
  const rows = tx.use(queries).ofJid.all({ node: node.id, jid })
  const [first] = rows
  if (!first) return refuse(absent)
  if (subid === undefined) return rows.length === 1 ? first : refuse('subidRequired')
  return rows.find((row) => row.subid === subid) ?? refuse('invalidSubid')
}

/** §12.19: a lease that is longer than the service allows is cut, not refused. */
function bounded(tx: Tx, changes: OptionChanges, leaseMaxMs: number): OptionChanges {
  const { expire } = changes
  return typeof expire === 'number' ? { ...changes, expire: Math.min(expire, tx.now + leaseMaxMs) } : changes
}

/** What the node's form of options does not offer. §6.3.6.2, §12.8 */
function checkOptions({ type, seenType, nodeType }: NodeRow, changes: OptionChanges | undefined): void {
  const isOfCollections = changes?.subscriptionType !== undefined || changes?.subscriptionDepth !== undefined
  if (nodeType === 'leaf' && isOfCollections)
    refuse('invalidOptions', 'subscription_type and subscription_depth are for collections')
  const payloadNs = type || (seenType ?? undefined)
  if (changes?.includeBody && !canHaveBody(payloadNs))
    refuse('invalidOptions', `there is no message body for ${payloadNs}`)
}

/** XEP-0248 §6.1.3. */
function checkTypes({ nodeType }: NodeRow, others: readonly SubscriptionRow[], options: SubscriptionOptions): void {
  if (nodeType === 'leaf') return
  if (others.some((row) => areOfOneType(optionsOf(row), options)))
    refuse('subscribedAlready', 'a subscription of this type is there; change its options')
}

function columnsOf(options: SubscriptionOptions): Pick<SubscriptionRow, 'options' | 'expiresAt'> {
  const isDefault = options.expire === undefined && areSameOptions(options, DEFAULT_OPTIONS)
  return { options: isDefault ? null : options, expiresAt: endOf(options) ?? null }
}

export const subscribe: PubsubStore['subscribe'] = {
  name: 'pubsub.subscribe',
  kind: 'write',
  run(tx, request) {
    const { service, nodeId, actor, jid, address, isPublic, isAuthorized, perNodeMax, perAccountMax } = request
    const { bareJid } = actor
    const node = nodeToSubscribe(tx, request)
    const config = configOf(node)
    const standing = standingOf(tx, node, actor)
    if (!isAuthorized) enforce(maySubscribe(config, standing))
    // Whom an owner has to approve is approved at the target.
    if (node.target !== null && needsApproval(config, standing)) refuse('subscriptionRequired')
    const q = tx.use(queries)
    const rows = q.ofJid.all({ node: node.id, jid })
    if (rows.some(({ state }) => state === 'pending')) refuse('pendingSubscription')
    checkOptions(node, request.options)
    const changes = request.options && bounded(tx, request.options, request.leaseMaxMs)
    const options = { ...DEFAULT_OPTIONS, ...changes }
    // §6.1.6: with other options it is another subscription; else the one that is there, as if just approved, and its
    // events come from where it was asked last.
    const existing = changes ? rows.find((row) => areSameOptions(optionsOf(row), options)) : rows[0]
    if (existing) {
      const { subid } = existing
      const kept = changes ? columnsOf(options) : existing
      // XEP-0465 §4.3: public or not, as it was asked for last.
      if (existing.address !== address || existing.isPublic !== isPublic)
        q.move.run({ node: node.id, jid, subid, address, isPublic: Number(isPublic) })
      if (changes) q.setOptions.run({ node: node.id, jid, subid, options: kept.options, expiresAt: kept.expiresAt })
      return { subscription: recordOf(node, { ...existing, ...kept, address, isPublic }), isNew: false }
    }
    checkTypes(node, rows, options)
    const ofAccount = q.countOf.get({ bareJid })?.subscriptions ?? 0
    if (node.subscriptionCount >= perNodeMax || ofAccount >= perAccountMax) refuse('tooManySubscriptions')
    const state = !isAuthorized && needsApproval(config, standing) ? 'pending' : 'subscribed'
    const { subid } = request
    const subscription = { service, nodeId, jid, bareJid, address, subid, state, isPublic, options } as const
    addSubscription(tx, node, subscription)
    return { subscription, isNew: true }
  },
}

function addSubscription(tx: Tx, node: NodeRow, subscription: SubscriptionRecord): void {
  const { jid, bareJid, address, subid, state, isPublic, options } = subscription
  tx.use(queries).insert.run({ node: node.id, jid, bareJid, address, subid, state, isPublic, ...columnsOf(options) })
  countSubscriptions(tx, node.id, 1)
}

function removeSubscription(tx: Tx, node: NodeRow, row: SubscriptionRow): SubscriptionRecord {
  tx.use(queries).delete.run({ node: node.id, jid: row.jid, subid: row.subid })
  countSubscriptions(tx, node.id, -1)
  return recordOf(node, row)
}

function approve(tx: Tx, node: NodeRow, row: SubscriptionRow): SubscriptionRecord {
  tx.use(queries).approve.run({ node: node.id, jid: row.jid, subid: row.subid })
  return recordOf(node, { ...row, state: 'subscribed' })
}

export const unsubscribe: PubsubStore['unsubscribe'] = {
  name: 'pubsub.unsubscribe',
  kind: 'write',
  run(tx, key) {
    const node = nodeOf(tx, key)
    return removeSubscription(tx, node, theOne(tx, node, key, 'notSubscribed'))
  },
}

export const setOptions: PubsubStore['setOptions'] = {
  name: 'pubsub.setOptions',
  kind: 'write',
  run(tx, { changes, leaseMaxMs, ...key }) {
    const node = nodeOf(tx, key)
    const row = theOne(tx, node, key, 'noSuchSubscriber')
    checkOptions(node, changes)
    const options = { ...optionsOf(row), ...bounded(tx, changes, leaseMaxMs) }
    const others = tx.use(queries).ofJid.all({ node: node.id, jid: row.jid })
    if (changes.subscriptionType)
      checkTypes(
        node,
        others.filter(({ subid }) => subid !== row.subid),
        options,
      )
    const columns = columnsOf(options)
    tx.use(queries).setOptions.run({ node: node.id, jid: row.jid, subid: row.subid, ...columns })
    return recordOf(node, { ...row, ...columns })
  },
}

export const answerRequest: PubsubStore['answerRequest'] = {
  name: 'pubsub.answerRequest',
  kind: 'write',
  run(tx, { actor, jid, subid, isAllowed, ...ref }) {
    const node = nodeOf(tx, ref)
    enforce(mayManage(standingOf(tx, node, actor)))
    const row = tx
      .use(queries)
      .ofJid.all({ node: node.id, jid })
      .find((each) => each.state === 'pending' && (subid === undefined || each.subid === subid))
    // §12.13: of several owners, the first one's answer holds.
    if (!row) return refuse('noRequest')
    return { subscription: isAllowed ? approve(tx, node, row) : removeSubscription(tx, node, row), isAllowed }
  },
}

export const modifySubscriptions: PubsubStore['modifySubscriptions'] = {
  name: 'pubsub.modifySubscriptions',
  kind: 'write',
  run(tx, request) {
    const node = nodeOf(tx, request)
    const { service, nodeId } = request
    enforce(mayManage(standingOf(tx, node, request.actor)))
    const made: SubscriptionRecord[] = []
    const ended: SubscriptionRecord[] = []
    const refused: RefusedSubscription[] = []
    for (const change of request.changes) {
      const { jid, subid, state } = change
      const rows = tx.use(queries).ofJid.all({ node: node.id, jid })
      const meant = subid === undefined ? rows : rows.filter((row) => row.subid === subid)
      if (state === 'none' && (meant.length > 0 || subid === undefined)) {
        ended.push(...meant.map((row) => removeSubscription(tx, node, row)))
      } else if (state === 'subscribed' && meant.length > 0) {
        // Those that are pending are approved, the others stay as they are.
        made.push(...meant.filter((row) => row.state === 'pending').map((row) => approve(tx, node, row)))
      } else if (state === 'subscribed' && subid === undefined && mayAdd(tx, node, change, request)) {
        const subscription = newSubscription(node, change)
        addSubscription(tx, node, subscription)
        made.push(subscription)
      } else {
        // What is there, by the id that was named.
        refused.push({ jid, ...(subid !== undefined && { subid }), state: meant[0]?.state ?? 'none' })
      }
    }
    return { service, nodeId, made, ended, refused }
  },
}

function newSubscription({ service, nodeId }: NodeRow, change: SubscriptionChange): SubscriptionRecord {
  const { jid, bareJid, address, newSubid } = change
  const whose = { service, nodeId, jid, bareJid, address, subid: newSubid }
  return { ...whose, state: 'subscribed', isPublic: false, options: DEFAULT_OPTIONS }
}

function mayAdd(
  tx: Tx,
  node: NodeRow,
  { bareJid, relation }: SubscriptionChange,
  { perNodeMax }: ModifySubscriptions,
): boolean {
  const standing = standingOf(tx, node, { bareJid, isAdmin: false, relation })
  // Counted anew: earlier entries of the same request changed it.
  const { subscriptionCount } = nodeOf(tx, node)
  return subscriptionCount < perNodeMax && maySubscribe(configOf(node), standing) === undefined
}

/**
 * After a change of the access model or of an affiliation: who may no longer read is out, and whom nobody need approve
 * any more is in. XEP-0060 §8.7.4, §12.14.
 * @param bareJid  undefined: all subscribers of the node
 */
export function reviewSubscriptions(
  tx: Tx,
  node: NodeRow,
  bareJid?: string,
): { ended: SubscriptionRecord[]; approved: SubscriptionRecord[] } {
  const config = configOf(node)
  const q = tx.use(queries)
  const rows = bareJid === undefined ? q.ofNode.all({ node: node.id }) : q.ofAccount.all({ node: node.id, bareJid })
  const ended: SubscriptionRecord[] = []
  const approved: SubscriptionRecord[] = []
  for (const row of rows) {
    const affiliation = affiliationAt(node.service, row.bareJid, affiliationOf(tx, ruledBy(node), row.bareJid))
    // Whom the roster lets read is judged where the roster is: access.ts. A request finds no owner to answer it any more.
    if (asksRoster(config) && affiliation === 'none' && row.state === 'subscribed') continue
    const standing: Standing = { affiliation, isSubscribed: row.state === 'subscribed', isAdmin: false }
    if (!mayStaySubscribed(config, standing)) ended.push(removeSubscription(tx, node, row))
    else if (row.state === 'pending' && !needsApproval(config, standing)) approved.push(approve(tx, node, row))
  }
  return { ended, approved }
}

/** The same of one account, at all that is about a node. */
export function reviewBeside(tx: Tx, { id, hasAttachments }: NodeRow, bareJid: string): SubscriptionRecord[] {
  if (!hasAttachments) return []
  const all = tx.use(queries).nodesOf.all({ bareJid })
  return all.flatMap(({ node }) => (node.target === id ? reviewSubscriptions(tx, node, bareJid).ended : []))
}

/** Ends all subscriptions of an account. */
export function endAllOf(tx: Tx, bareJid: string): void {
  const q = tx.use(queries)
  for (const { node } of q.nodesOf.all({ bareJid }))
    for (const row of q.ofAccount.all({ node: node.id, bareJid })) removeSubscription(tx, node, row)
}

export const endLeases: PubsubStore['endLeases'] = {
  name: 'pubsub.endLeases',
  kind: 'write',
  run(tx) {
    const rows = tx.use(queries).ending.all({ now: tx.now, max: SWEEP_BATCH })
    return { ended: rows.map(({ node, subscription }) => removeSubscription(tx, node, subscription)) }
  },
}

export const endUnrelated: PubsubStore['endUnrelated'] = {
  name: 'pubsub.endUnrelated',
  kind: 'write',
  run(tx, keys) {
    const ended = keys.flatMap(({ jid, subid, ...ref }) => {
      const node = findNode(tx, ref)
      // Somebody with an affiliation reads by that, and another access model asks for something else.
      if (!node || !asksRoster(node)) return []
      const rows = tx.use(queries).ofJid.all({ node: node.id, jid })
      const row = rows.find((each) => each.subid === subid)
      if (!row || affiliationOf(tx, ruledBy(node), row.bareJid) !== 'none') return []
      return [removeSubscription(tx, node, row)]
    })
    return { ended }
  },
}

export const endTemporary: PubsubStore['endTemporary'] = {
  name: 'pubsub.endTemporary',
  kind: 'write',
  run(tx, keys) {
    const ended = keys.flatMap(({ jid, subid, ...ref }) => {
      const node = findNode(tx, ref)
      const rows = node ? tx.use(queries).ofJid.all({ node: node.id, jid }) : []
      const row = rows.find((each) => each.subid === subid)
      if (!node || !row || !(node.tempSub || row.options?.expire === 'presence')) return []
      return [removeSubscription(tx, node, row)]
    })
    return { ended }
  },
}
