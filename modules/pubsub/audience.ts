/**
 * Who may read an account's nodes by its roster, and which resources get their events without having subscribed.
 * XEP-0060 §4.5, §9; XEP-0163 §4.3.
 *
 * The roster is in memory on the main thread, and the rules run in the storage worker, so a request carries what the
 * roster said when it was made. It may say something else by the time the request commits. Nothing leaks by that: each
 * event and each retrieval is allowed by the roster of that moment, here. And nothing stays wrong: what commits is
 * applied in commit order, so when a subscription appears in memory the roster there has every change that was
 * committed before it, and it is looked at again; every later change looks at all that are there. access.ts does both.
 */

import type { SessionHandle, SessionView } from '../../server/module/api.ts'
import type { Jid } from '../../server/stanza/jid.ts'
import type { ClientCapabilities } from '../caps/index.ts'
import type { Relation, Rosters } from '../roster/index.ts'
import { affiliationIn, type NodeView } from './node-view.ts'
import { SHARED_SERVICE } from './records.ts'
import { superiorsOf } from './relationships.ts'
import { mayRead, needsApproval, type Standing } from './rules.ts'
import { Visitors } from './visitors.ts'

/** A client that wants the events of a node says so by a feature of the node's name and this. XEP-0060 §9.2. */
export const NOTIFY_SUFFIX = '+notify'

export interface AudienceParts {
  readonly rosters: Rosters
  readonly clients: ClientCapabilities
  readonly sessions: Pick<SessionView, 'of'>
  /** By whatever resource. */
  readonly isSubscribed: (bareJid: string, node: NodeView) => boolean
}

export class Audience {
  readonly #parts: AudienceParts
  readonly visitors = new Visitors()

  constructor(parts: AudienceParts) {
    this.#parts = parts
  }

  /** Loads the roster of the node's owner; undefined when it is there, or there is none to load. */
  ready(service: string): Promise<void> | undefined {
    return service === SHARED_SERVICE ? undefined : this.#parts.rosters.ready(service)
  }

  /** What the owner's roster says of an entity; undefined at the shared service. */
  relation(service: string, bareJid: string): Relation | undefined {
    return service === SHARED_SERVICE ? undefined : this.#parts.rosters.relation(service, bareJid)
  }

  /** Does it see the presence of the node's owner, or is it that? */
  seesPresence(service: string, bareJid: string): boolean {
    return service === bareJid || this.relation(service, bareJid)?.seesPresence === true
  }

  /** The groups of the owner's roster; undefined at the shared service. */
  groups(service: string): readonly string[] | undefined {
    return service === SHARED_SERVICE ? undefined : this.#parts.rosters.groups(service)
  }

  /** Accounts whose events the account may get without having subscribed: its own, and those it sees. */
  *sources(bareJid: string): Iterable<string> {
    yield bareJid
    yield* this.#parts.rosters.subscriptions(bareJid)
  }

  /** Who sees the presence of the node's owner, and has a resource that wants the node's events. */
  *interested({ record: { service, nodeId } }: NodeView): Iterable<string> {
    if (service === SHARED_SERVICE) return
    for (const bareJid of this.#parts.rosters.subscribers(service))
      if (this.wanting(bareJid, nodeId).length > 0) yield bareJid
  }

  /** May the entity read an account's node now? */
  mayRead(node: NodeView, bareJid: string): boolean {
    return mayRead(node.record.config, this.#standing(node, bareJid)) === undefined
  }

  /** The account's available resources that want the events of nodes so called. §9.2 */
  wanting(bareJid: string, nodeId: string): SessionHandle[] {
    return this.#asking(bareJid, nodeId).filter((session) => session.presence)
  }

  /** The same, with those that show themselves to some alone. */
  #asking(bareJid: string, nodeId: string): SessionHandle[] {
    const feature = `${nodeId}${NOTIFY_SUFFIX}`
    const { sessions, clients } = this.#parts
    return sessions.of(bareJid).filter((session) => clients.of(session)?.features.has(feature))
  }

  /**
   * The resources that get an event of an account's node without having subscribed. Who subscribed by a full JID gets
   * it there once. XEP-0163 §4.3.2
   */
  implied(node: NodeView): Jid[] {
    const { service } = node.record
    if (service === SHARED_SERVICE) return []
    const visitors = [...this.visitors.at(service)].map((session) => session.bareJid)
    const accounts = new Set([service, ...this.#parts.rosters.subscribers(service), ...visitors])
    return [...accounts].flatMap((bareJid) => (node.subscribers.has(bareJid) ? [] : this.resources(node, bareJid)))
  }

  /** Those of one account: where it gets events rather than at its bare JID, also when that is subscribed. */
  resources(node: NodeView, bareJid: string): Jid[] {
    const asking = this.#asking(bareJid, node.record.nodeId)
    if (asking.length === 0) return []
    const isImplied = this.isImplied(node, bareJid)
    const sessions = asking.filter((session) => (isImplied && session.presence) || this.#isVisitor(node, session))
    return sessions.map(({ fullJid }) => fullJid).filter(({ full }) => !node.subscribers.has(full))
  }

  /** §9.1.3 */
  #isVisitor(node: NodeView, session: SessionHandle): boolean {
    const { service, config } = node.record
    if (config.accessModel !== 'open' || !config.subscribe) return false
    return this.visitors.isAt(session, service) && this.mayRead(node, session.bareJid)
  }

  /** Is the account subscribed without having asked? §9.1; whom an authorize node's owner has to approve is not. */
  isImplied(node: NodeView, bareJid: string, config = node.record.config): boolean {
    const { service } = node.record
    if (bareJid === service) return true
    const standing = this.#standing(node, bareJid)
    if (!config.subscribe || !standing.relation?.seesPresence) return false
    return mayRead(config, standing) === undefined && !needsApproval(config, standing)
  }

  #standing(node: NodeView, bareJid: string): Standing {
    const relation = this.relation(node.record.service, bareJid)
    const at = (each: NodeView, isSubscribed: boolean): Standing => {
      return { affiliation: affiliationIn(each, bareJid), isSubscribed, isAdmin: false, relation }
    }
    const parents = superiorsOf(node, (parent) => at(parent, this.#parts.isSubscribed(bareJid, parent)))
    return parents ? { ...at(node, false), parents } : at(node, false)
  }
}
