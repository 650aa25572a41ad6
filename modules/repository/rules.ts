/**
 * What the repository decides, without I/O: which endpoint a report is about, who may report for it and who may read
 * it, and what a reported value changes. SACM-XMPP §1 (roles, endpoint identity), §3 (reports).
 */

import { createHash } from 'node:crypto'
import type { Grant, Role } from '../../server/module/api.ts'
import type { EndpointIdentifier, PostureAttribute } from './model.ts'

/** Identifiers by which an endpoint is recognised, strongest first. */
const STRONG: readonly string[] = ['machine-id', 'serial', 'cert']

/** Those identifiers by which an endpoint is recognised, strongest first. */
export function strongIdentifiers(identifiers: readonly EndpointIdentifier[]): readonly EndpointIdentifier[] {
  return identifiers
    .filter(({ type }) => STRONG.includes(type))
    .sort((a, b) => STRONG.indexOf(a.type) - STRONG.indexOf(b.type))
}

/**
 * The endpoint id for these identifiers: from the strongest, else from all of them, so that the same host gets the
 * same id again. A hash, since a machine-id is not to be told to everyone (machine-id(5)).
 * @param attempt  above zero when the ids before are taken by endpoints that conflict with this one
 */
export function mintEndpointId(identifiers: readonly EndpointIdentifier[], attempt: number): string {
  const strongest = strongIdentifiers(identifiers)[0]
  const basis = strongest ? [strongest] : identifiers
  const text = basis.map(({ type, value }) => `${type}\0${value}`).sort()
  const hash = createHash('sha256').update(['sacm endpoint', String(attempt), ...text].join('\0'))
  return `ep-${hash.digest('hex').slice(0, 20)}`
}

/** Readers of the repository, whose grants open endpoints to queries. A collector reads what it may report. */
export const READERS: readonly Role[] = ['consumer', 'evaluator', 'orchestrator', 'repository', 'admin', 'collector']

/** What a set of grants reaches. */
export interface Reach {
  readonly any: boolean
  readonly endpoints: readonly string[]
  readonly labels: readonly string[]
  /** A `self` grant that is not bound to an endpoint yet. */
  readonly mayBind: boolean
}

/** What the grants of these roles reach together. */
export function reachOf(grants: readonly Grant[], roles: readonly Role[]): Reach {
  const endpoints: string[] = []
  const labels: string[] = []
  let any = false
  let mayBind = false
  for (const grant of grants) {
    if (!roles.includes(grant.role)) continue
    if (grant.scope === 'any') any = true
    else if (grant.scope === 'id') endpoints.push(grant.endpointId)
    else if (grant.scope === 'label') labels.push(grant.label)
    else if (grant.endpointId !== undefined) endpoints.push(grant.endpointId)
    else mayBind = true
  }
  return { any, endpoints, labels, mayBind }
}

/**
 * May an account act for this endpoint? `bind`: yes, and its `self` grant is bound to it by this.
 * @param bound  endpoint to which the account's `self` grant is bound on disk
 */
export function decideReach(
  reach: Reach,
  endpoint: { readonly id: string; readonly labels: readonly string[] },
  bound: string | undefined,
): 'granted' | 'bind' | 'refused' {
  if (reach.any || reach.endpoints.includes(endpoint.id)) return 'granted'
  if (endpoint.labels.some((label) => reach.labels.includes(label))) return 'granted'
  if (!reach.mayBind) return 'refused'
  if (bound === undefined) return 'bind'
  return bound === endpoint.id ? 'granted' : 'refused'
}

type Value = Pick<PostureAttribute, 'value' | 'type' | 'status'> & { readonly reason?: string | undefined }

/** True when two values say the same of the endpoint. */
export function isSameValue(a: Value, b: Value): boolean {
  return a.status === b.status && a.value === b.value && a.type === b.type && a.reason === b.reason
}

/** The first text after all that begin with `prefix`, in SQLite's binary order. */
export function prefixEnd(prefix: string): string {
  return `${prefix}\u{10ffff}`
}

/** A name pattern as SQLite's GLOB reads it: only `*` is special. */
export function globOf(pattern: string): string {
  return pattern.replace(/[[\]?]/g, (character) => `[${character}]`)
}
