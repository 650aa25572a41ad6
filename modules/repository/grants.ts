/** Who reads what: the roles of each query and topic, and the endpoints that an account's grants open to it. */

import type { AccountView, Role } from '../../server/module/api.ts'
import { NS_POLICY } from '../scap/policy.ts'
import { repositoryError } from './errors.ts'
import { NS_POSTURE, NS_RESULT } from './model.ts'
import { READERS, reachOf } from './rules.ts'
import type { RepositoryReplica, Visible } from './store.ts'

export const NODE_POLICY = '/repository/policy'
export const NODE_POSTURE = '/repository/posture'
export const NODE_RESULTS = '/repository/results'
const NODE_CHANGES = '/repository/changes'

interface RepositoryNode {
  /** Namespace of its payloads. */
  readonly type?: string
  readonly persistItems: boolean
  readonly publish: readonly Role[]
  /** Empty: every account. */
  readonly subscribe: readonly Role[]
}

/** SACM-XMPP §2, the table of topics. */
export const REPOSITORY_NODES: ReadonlyMap<string, RepositoryNode> = new Map([
  [NODE_POLICY, { type: NS_POLICY, persistItems: true, publish: ['publisher', 'orchestrator'], subscribe: [] }],
  [
    NODE_POSTURE,
    {
      type: NS_POSTURE,
      persistItems: true,
      publish: ['collector'],
      subscribe: ['evaluator', 'repository', 'consumer'],
    },
  ],
  [
    NODE_RESULTS,
    {
      type: NS_RESULT,
      persistItems: true,
      publish: ['evaluator'],
      subscribe: ['repository', 'orchestrator', 'consumer'],
    },
  ],
  [NODE_CHANGES, { persistItems: false, publish: [], subscribe: ['evaluator', 'orchestrator', 'consumer'] }],
])

/** Main-thread copy of what grants depend on: labels of endpoints, and bindings of `self` grants. */
export class Grants {
  readonly #accounts: AccountView
  readonly #byLabel = new Map<string, Set<string>>()
  readonly #bindings = new Map<string, string>()

  constructor(accounts: AccountView) {
    this.#accounts = accounts
  }

  load(replica: RepositoryReplica): void {
    for (const { endpoint, label } of replica.labels) this.label(endpoint, label)
    for (const { bareJid, endpoint } of replica.bindings) this.#bindings.set(bareJid, endpoint)
  }

  label(endpoint: string, label: string): void {
    const endpoints = this.#byLabel.get(label)
    if (endpoints) endpoints.add(endpoint)
    else this.#byLabel.set(label, new Set([endpoint]))
  }

  bind(bareJid: string, endpoint: string): void {
    this.#bindings.set(bareJid, endpoint)
  }

  /** Forgets a binding; true when there was one. */
  unbind(bareJid: string): boolean {
    return this.#bindings.delete(bareJid)
  }

  bindings(): Iterable<readonly [bareJid: string, endpoint: string]> {
    return this.#bindings
  }

  /** @throws StanzaError role-required */
  requireRole(bareJid: string, roles: readonly Role[]): void {
    const held = this.#accounts.roles(bareJid)
    if (roles.some((role) => held.has(role))) return
    const [last, ...others] = [...roles].reverse()
    const named = others.length > 0 ? `${others.reverse().join(', ')} or ${last}` : last
    throw repositoryError('roleRequired', `this needs the role ${named} (PROTOCOL.md §1)`)
  }

  /** The endpoints that these roles of the account open. */
  visible(bareJid: string, roles: readonly Role[]): Visible {
    const reach = reachOf(this.#accounts.grants(bareJid), roles)
    if (reach.any) return 'any'
    const endpoints = new Set(reach.endpoints)
    const bound = reach.mayBind ? this.#bindings.get(bareJid) : undefined
    if (bound !== undefined) endpoints.add(bound)
    for (const label of reach.labels) for (const endpoint of this.#byLabel.get(label) ?? []) endpoints.add(endpoint)
    return [...endpoints]
  }

  mayRead(bareJid: string, endpoint: string): boolean {
    const visible = this.visible(bareJid, READERS)
    return visible === 'any' || visible.includes(endpoint)
  }
}
