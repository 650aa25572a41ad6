/**
 * A list of public subscriptions as a node: who may read it, and what it looks like to who tells of it. XEP-0465 §4.2, §4.4.
 *
 * What such a list holds is made from the subscriptions whenever somebody asks. The store has a row for it from the day
 * when somebody first subscribes to it, and that row says nothing but its name.
 */

import type { AccountView } from '../../server/module/api.ts'
import type { Audience } from './audience.ts'
import type { Claims } from './claims.ts'
import { type ConfigBounds, defaultConfig, type NodeConfig } from './node-config.ts'
import type { NodeView } from './node-view.ts'
import { subjectOf } from './public-names.ts'
import type { Actor, NodeRef } from './records.ts'
import type { Replica } from './replica.ts'
import { mayRetrieve } from './rules.ts'

/** Who decides. */
export interface Deciders {
  readonly replica: Replica
  readonly claims: Claims
  readonly audience: Pick<Audience, 'relation'>
  readonly accounts: Pick<AccountView, 'exists'>
}

/** The row of a list: any may subscribe as far as the store knows, and the rules of here are asked first. */
export function listConfig(bounds: ConfigBounds): NodeConfig {
  const config = { persistItems: false, notifyRetract: true, sendLastItem: 'never', itemReply: 'none' } as const
  return { ...defaultConfig(bounds), accessModel: 'open', ...config }
}

/** The list as it is now; undefined where there is none. Who may read a node may know its subscribers, and nobody else. */
export function listView({ replica, accounts }: Deciders, list: NodeRef, bounds: ConfigBounds): NodeView | undefined {
  const subject = subjectOf(list)
  if (!subject) return undefined
  const row = replica.get(list)
  const { service, nodeId } = list
  const config = row?.record.config ?? listConfig(bounds)
  const record = row?.record ?? { service, nodeId, creator: service, createdAt: 0, config, seenType: undefined }
  const alone = { parents: NO_NODES, children: NO_NODES, relation: undefined, related: undefined, ...UNATTACHED }
  const nobody = { subscribers: NONE, pending: NONE, ...alone }
  const view = { ...nobody, affiliations: NONE, ...(row && { subscribers: row.subscribers }) }
  if ('account' in subject) return accounts.exists(subject.account) ? { ...view, record } : undefined
  const target = replica.get(subject)
  if (!target) return undefined
  const { accessModel, rosterGroupsAllowed } = target.record.config
  const { affiliations, relation } = target
  return {
    ...view,
    affiliations,
    relation,
    record: { ...record, config: { ...config, accessModel, rosterGroupsAllowed } },
  }
}

const UNATTACHED = { target: undefined, beside: undefined }
const NONE: ReadonlyMap<string, never> = new Map<string, never>()
const NO_NODES: ReadonlySet<NodeView> = new Set()

/** May the account be told of the list now? */
export function mayReadList({ replica, claims, audience }: Deciders, list: NodeRef, bareJid: string): boolean {
  const subject = subjectOf(list)
  // What an account makes public is for everybody.
  if (!subject || 'account' in subject) return subject !== undefined
  const target = replica.get(subject)
  if (!target || !claims.maySee(bareJid, subject, undefined)) return false
  const { service } = subject
  const actor: Actor = { bareJid, isAdmin: false, relation: audience.relation(service, bareJid) }
  return mayRetrieve(target.record.config, replica.standing(target, actor)) === undefined
}
