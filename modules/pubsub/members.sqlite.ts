/** Subscriptions and affiliations on SQLite. XEP-0060 §6.1, §6.2, §8.8, §8.9. */

import { and, count, eq, sql } from 'drizzle-orm'
import type { Db, Tx } from '../../server/module/api.ts'
import {
  affiliationOf,
  configOf,
  countSubscriptions,
  endSubscriptions,
  enforce,
  isLastOwner,
  type NodeRow,
  nodeOf,
  refuse,
  standingOf,
} from './queries.sqlite.ts'
import { mayChangeAffiliation, mayManage, mayStaySubscribed, maySubscribe } from './rules.ts'
import { affiliations, nodes, subscriptions } from './schema.sqlite.ts'
import type { AffiliationRecord, PubsubStore, SubscriptionChange, SubscriptionRecord } from './store.ts'

const ph = sql.placeholder

const queries = (db: Db) => ({
  find: db
    .select()
    .from(subscriptions)
    .where(and(eq(subscriptions.node, ph('node')), eq(subscriptions.jid, ph('jid'))))
    .prepare(),
  insert: db
    .insert(subscriptions)
    .values({ node: ph('node'), jid: ph('jid'), bareJid: ph('bareJid'), address: ph('address') })
    .prepare(),
  move: db
    .update(subscriptions)
    .set({ address: sql`${ph('address')}` })
    .where(and(eq(subscriptions.node, ph('node')), eq(subscriptions.jid, ph('jid'))))
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
  affiliate: db
    .insert(affiliations)
    .values({ node: ph('node'), bareJid: ph('bareJid'), affiliation: ph('affiliation') })
    .onConflictDoUpdate({
      target: [affiliations.node, affiliations.bareJid],
      set: { affiliation: sql`excluded.affiliation` },
    })
    .prepare(),
  unaffiliate: db
    .delete(affiliations)
    .where(and(eq(affiliations.node, ph('node')), eq(affiliations.bareJid, ph('bareJid'))))
    .prepare(),
  affiliatedCount: db
    .select({ entities: count() })
    .from(affiliations)
    .where(eq(affiliations.node, ph('node')))
    .prepare(),
  forget: db
    .delete(affiliations)
    .where(eq(affiliations.bareJid, ph('bareJid')))
    .prepare(),
})

export const subscribe: PubsubStore['subscribe'] = {
  name: 'pubsub.subscribe',
  kind: 'write',
  run(tx, { nodeId, actor, jid, address, isAuthorized, perNodeMax, perAccountMax }) {
    const node = nodeOf(tx, nodeId)
    if (!isAuthorized) enforce(maySubscribe(configOf(node), standingOf(tx, node.id, actor)))
    const q = tx.use(queries)
    const { bareJid } = actor
    const subscription = { nodeId, jid, bareJid, address }
    const existing = q.find.get({ node: node.id, jid })
    if (existing) {
      // §6.1.6: one subscription per JID, answered as if just approved; its events come from where it was asked last.
      if (existing.address !== address) q.move.run({ node: node.id, jid, address })
      return { subscription, isNew: false }
    }
    const ofAccount = q.countOf.get({ bareJid })?.subscriptions ?? 0
    if (node.subscriptionCount >= perNodeMax || ofAccount >= perAccountMax) refuse('tooManySubscriptions')
    addSubscription(tx, node, subscription)
    return { subscription, isNew: true }
  },
}

function addSubscription(tx: Tx, node: NodeRow, { jid, bareJid, address }: SubscriptionRecord): void {
  tx.use(queries).insert.run({ node: node.id, jid, bareJid, address })
  countSubscriptions(tx, node.id, 1)
}

export const unsubscribe: PubsubStore['unsubscribe'] = {
  name: 'pubsub.unsubscribe',
  kind: 'write',
  run(tx, { nodeId, jid }) {
    const node = nodeOf(tx, nodeId)
    const { bareJid } = tx.use(queries).find.get({ node: node.id, jid }) ?? refuse('notSubscribed')
    const [ended] = endSubscriptions(tx, node, bareJid, (subscription) => subscription.jid !== jid)
    return ended ?? refuse('notSubscribed')
  },
}

export const modifyAffiliations: PubsubStore['modifyAffiliations'] = {
  name: 'pubsub.modifyAffiliations',
  kind: 'write',
  run(tx, { nodeId, actor, changes, perNodeMax }) {
    const node = nodeOf(tx, nodeId)
    enforce(mayManage(standingOf(tx, node.id, actor)))
    const q = tx.use(queries)
    const config = configOf(node)
    const changed: AffiliationRecord[] = []
    const refused: AffiliationRecord[] = []
    const ended: SubscriptionRecord[] = []
    let entities = q.affiliatedCount.get({ node: node.id })?.entities ?? 0
    for (const { bareJid, affiliation } of changes) {
      const before = affiliationOf(tx, node.id, bareJid)
      const isMore = before === 'none' && affiliation !== 'none'
      const mayChange = mayChangeAffiliation(before, affiliation, isLastOwner(tx, node.id, before))
      if (!mayChange || (isMore && entities >= perNodeMax)) {
        refused.push({ nodeId, bareJid, affiliation: before })
        continue
      }
      if (before === affiliation) continue
      if (affiliation === 'none') q.unaffiliate.run({ node: node.id, bareJid })
      else q.affiliate.run({ node: node.id, bareJid, affiliation })
      entities += isMore ? 1 : affiliation === 'none' ? -1 : 0
      changed.push({ nodeId, bareJid, affiliation })
      const standing = { affiliation, isSubscribed: true, isAdmin: false }
      if (!mayStaySubscribed(config, standing)) ended.push(...endSubscriptions(tx, node, bareJid, () => false))
    }
    return { nodeId, changed, refused, ended }
  },
}

export const modifySubscriptions: PubsubStore['modifySubscriptions'] = {
  name: 'pubsub.modifySubscriptions',
  kind: 'write',
  run(tx, { nodeId, actor, changes, perNodeMax }) {
    const node = nodeOf(tx, nodeId)
    enforce(mayManage(standingOf(tx, node.id, actor)))
    const made: SubscriptionRecord[] = []
    const ended: SubscriptionRecord[] = []
    const refused: { jid: string; state: 'subscribed' | 'none' }[] = []
    for (const change of changes) {
      const { jid, bareJid, state } = change
      const isThere = tx.use(queries).find.get({ node: node.id, jid }) !== undefined
      if (state === 'none') {
        ended.push(...endSubscriptions(tx, node, bareJid, (subscription) => subscription.jid !== jid))
      } else if (state === 'subscribed' && isThere) {
        // As it is.
      } else if (state === 'subscribed' && mayAdd(tx, node, change, perNodeMax - made.length + ended.length)) {
        const subscription = { nodeId, jid, bareJid, address: change.address }
        addSubscription(tx, node, subscription)
        made.push(subscription)
      } else {
        refused.push({ jid, state: isThere ? 'subscribed' : 'none' })
      }
    }
    return { nodeId, made, ended, refused }
  },
}

function mayAdd(tx: Tx, node: NodeRow, { bareJid }: SubscriptionChange, room: number): boolean {
  const standing = { affiliation: affiliationOf(tx, node.id, bareJid), isSubscribed: false, isAdmin: false }
  return node.subscriptionCount < room && maySubscribe(configOf(node), standing) === undefined
}

export const forgetAccount: PubsubStore['forgetAccount'] = {
  name: 'pubsub.forgetAccount',
  kind: 'write',
  run(tx, { bareJid }) {
    const q = tx.use(queries)
    for (const { node } of q.nodesOf.all({ bareJid })) endSubscriptions(tx, node, bareJid, () => false)
    q.forget.run({ bareJid })
    return { bareJid }
  },
}
