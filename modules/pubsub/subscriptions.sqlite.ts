/** Subscriptions on SQLite. XEP-0060 §6.1 to §6.3, §8.6, §8.8, §12.5, §12.19. */

import type { Tx } from '../../server/module/api.ts'
import { canHaveBody } from './bodies.ts'
import { nodeToSubscribe } from './moved.sqlite.ts'
import { configOf, enforce, type NodeRow, nodeOf, refuse, standingOf } from './queries.sqlite.ts'
import type { NodeRef, SubscriptionKey, SubscriptionRecord } from './records.ts'
import { mayManage, maySubscribe, needsApproval } from './rules.ts'
import type { ModifySubscriptions, PubsubStore, RefusedSubscription, SubscriptionChange } from './store.ts'
import {
  areOfOneType,
  areSameOptions,
  DEFAULT_OPTIONS,
  type OptionChanges,
  type SubscriptionOptions,
} from './subscription-options.ts'
import {
  addSubscription,
  approve,
  columnsOf,
  optionsOf,
  queries,
  recordOf,
  removeSubscription,
  type SubscriptionRow,
} from './subscription-rows.sqlite.ts'

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

/** §12.19: a lease that is longer than the service allows is cut, not refused. One that is over ends nothing: §6.3.6.2. */
function bounded(tx: Tx, changes: OptionChanges, leaseMaxMs: number): OptionChanges {
  const { expire } = changes
  if (typeof expire !== 'number') return changes
  if (expire <= tx.now) refuse('invalidOptions', 'pubsub#expire is a time that is over')
  return { ...changes, expire: Math.min(expire, tx.now + leaseMaxMs) }
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
      const publicSince = isPublic ? (existing.publicSince ?? tx.now) : null
      if (existing.address !== address || existing.isPublic !== isPublic)
        q.move.run({ node: node.id, jid, subid, address, isPublic: Number(isPublic), publicSince })
      if (changes) q.setOptions.run({ node: node.id, jid, subid, options: kept.options, expiresAt: kept.expiresAt })
      return { subscription: recordOf(node, { ...existing, ...kept, address, isPublic, publicSince }), isNew: false }
    }
    checkTypes(node, rows, options)
    const ofAccount = q.countOf.get({ bareJid })?.subscriptions ?? 0
    if (node.subscriptionCount >= perNodeMax || ofAccount >= perAccountMax) refuse('tooManySubscriptions')
    const state = !isAuthorized && needsApproval(config, standing) ? 'pending' : 'subscribed'
    const { subid } = request
    const publicSince = isPublic && state === 'subscribed' ? tx.now : undefined
    const whose = { service, nodeId, jid, bareJid, address, subid }
    const subscription = { ...whose, state, isPublic, publicSince, options } as const
    addSubscription(tx, node, subscription)
    return { subscription, isNew: true }
  },
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
