/**
 * Who gets the events of a node by the collections above it, and whom its parents keep from all of them. XEP-0248 §5.3,
 * §6.1, §10.1; XEP-0496 §4.4.
 */

import type { AccountView } from '../../server/module/api.ts'
import type { Audience } from './audience.ts'
import type { Claims } from './claims.ts'
import type { Ancestor, NodeView, Subscriber } from './node-view.ts'
import { isPublicList } from './public-names.ts'
import { SHARED_SERVICE, type SubscriptionRecord } from './records.ts'
import type { Replica } from './replica.ts'
import { isLetThrough, mayGetThrough, maySee, type Standing } from './rules.ts'

/** A subscription that gets an event by the collection it is of. */
export interface Inherited {
  readonly subscription: SubscriptionRecord
  /** The JID has others at that collection. */
  readonly hasOthers: boolean
}

const NONE: readonly Inherited[] = []

/** What of a node an event tells: what is in it, or the node itself. */
export type Subject = 'items' | 'nodes'

/**
 * A collection never shows anybody more than its nodes would: of XEP-0248 §10.1, which lets the access model of the
 * collection decide alone, the service takes the careful reading, and asks the node as well.
 */
export class Inheritance {
  readonly #replica: Replica
  readonly #accounts: AccountView
  readonly #claims: Claims
  readonly #audience: Pick<Audience, 'relation'>

  constructor(replica: Replica, accounts: AccountView, claims: Claims, audience: Pick<Audience, 'relation'>) {
    this.#audience = audience
    this.#replica = replica
    this.#accounts = accounts
    this.#claims = claims
  }

  /** Of an event of the node, or of what is in it: as far up as there are collections. */
  of(node: NodeView, subject: Subject): readonly Inherited[] {
    // Most nodes are in no collection that anybody follows, and then there is nothing to find out.
    const isInNone = node.parents.size === 0 && !this.#replica.rootOf(node.record.service)?.subscribers.size
    // Lists of public subscriptions stand in no collection, the root neither.
    return isInNone || isPublicList(node.record.nodeId)
      ? NONE
      : this.#from(node, subject, this.#replica.ancestors(node))
  }

  /** That a node came into a collection, or left it. */
  ofLink(collection: NodeView, child: NodeView): readonly Inherited[] {
    const farther = this.#replica.ancestors(collection).map((each) => ({ ...each, distance: each.distance + 1 }))
    return this.#from(child, 'nodes', [{ node: collection, distance: 1 }, ...farther])
  }

  /** May the account have items of the node by a collection now? */
  mayGet(bareJid: string, node: NodeView): boolean {
    return mayGetThrough(node.record.config, this.#standing(node, bareJid))
  }

  /** Do the node's parents let the account know of what is there? XEP-0496 §4.4 */
  letsThrough(bareJid: string, node: NodeView): boolean {
    return node.relation === undefined || isLetThrough(this.#standing(node, bareJid))
  }

  #from(node: NodeView, subject: Subject, above: readonly Ancestor[]): readonly Inherited[] {
    // Nodes of other modules are in no collection, the root neither.
    if (this.#claims.of(node.record)) return NONE
    return above.flatMap(({ node: { subscribers }, distance }) =>
      [...subscribers.values()].flatMap((subscriber) => {
        const meant = subscriber.subscriptions.filter((each) => isMeant(each, subject, distance))
        if (meant.length === 0 || !this.#mayKnow(subscriber, node, subject)) return []
        return meant.map((subscription) => ({ subscription, hasOthers: subscriber.tellsIds }))
      }),
    )
  }

  #mayKnow({ bareJid }: Subscriber, node: NodeView, subject: Subject): boolean {
    const { config } = node.record
    const standing = this.#standing(node, bareJid)
    return subject === 'items' ? mayGetThrough(config, standing) : maySee(config, standing)
  }

  #standing(node: NodeView, bareJid: string): Standing {
    const { service } = node.record
    const isAdmin = service === SHARED_SERVICE && this.#accounts.roles(bareJid).has('admin')
    return this.#replica.standing(node, { bareJid, isAdmin, relation: this.#audience.relation(service, bareJid) })
  }
}

function isMeant({ options }: SubscriptionRecord, subject: Subject, distance: number): boolean {
  const { subscriptionType: type, subscriptionDepth: depth } = options
  return (type === subject || type === 'all') && (depth === 'all' || depth >= distance)
}
