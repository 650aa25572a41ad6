/** Subscriptions that end, or are approved, by what happens elsewhere. XEP-0060 §8.7.4, §12.14, §12.19, §12.5. */

import type { Tx } from '../../server/module/api.ts'
import { isPublicList, subjectOf } from './public-names.ts'
import { affiliationOf, configOf, findNode, type NodeRow, readNode, ruledBy, standingOf } from './queries.sqlite.ts'
import type { Actor, SubscriptionRecord } from './records.ts'
import {
  affiliationAt,
  asksRoster,
  mayGetThrough,
  mayRetrieve,
  mayStaySubscribed,
  needsApproval,
  type Standing,
} from './rules.ts'
import { type PubsubStore, SWEEP_BATCH } from './store.ts'
import { approve, queries, removeSubscription } from './subscription-rows.sqlite.ts'

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

export const endUnread: PubsubStore['endUnread'] = {
  name: 'pubsub.endUnread',
  kind: 'write',
  run(tx, keys) {
    const ended = keys.flatMap(({ actor, jid, subid, ...ref }) => {
      const node = findNode(tx, ref)
      const rows = node ? tx.use(queries).ofJid.all({ node: node.id, jid }) : []
      const row = rows.find((each) => each.subid === subid)
      return node && row && !mayStay(tx, node, actor) ? [removeSubscription(tx, node, row)] : []
    })
    return { ended }
  },
}

/** As access.ts has it. */
function mayStay(tx: Tx, node: NodeRow, actor: Actor): boolean {
  if (isPublicList(node.nodeId)) {
    const subject = subjectOf(node)
    // What an account makes public is for everybody.
    if (!subject || 'account' in subject) return true
    const target = readNode(tx, subject)
    return target !== undefined && mayRetrieve(configOf(target), standingOf(tx, target, actor)) === undefined
  }
  const standing = standingOf(tx, node, actor)
  return node.target === null ? mayStaySubscribed(configOf(node), standing) : mayGetThrough(configOf(node), standing)
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
