/** What an evaluation needs from the repository: the policy by value, the endpoints, their posture page by page. */

import type { PostureAttribute } from '../../modules/repository/xml.ts'
import { type Policy, parsePolicy } from '../../modules/scap/policy.ts'
import type { Client } from '../core/client.ts'
import { fetchContent, queryRows } from '../core/repository.ts'

export interface RepositoryPort {
  readonly client: Client
  readonly repository: string
  readonly signal: AbortSignal
}

/** Patterns up to which the posture is asked for by name; with more, all of it is read once. */
const MAX_QUERIES = 64

/** @throws StanzaError item-not-found; PolicyError when what is stored does not parse */
export async function fetchPolicy({ client, repository, signal }: RepositoryPort, id: string): Promise<Policy> {
  return parsePolicy(await fetchContent(client, repository, id, { signal }))
}

/** The ids of all endpoints that we may see. */
export async function fetchEndpoints({ client, repository, signal }: RepositoryPort): Promise<readonly string[]> {
  const ids: string[] = []
  for await (const { id } of queryRows(client, repository, { kind: 'endpoints' }, { signal })) ids.push(id)
  return ids
}

/**
 * The endpoint's attributes whose names match one of the patterns, each row once.
 * @param maxAgeSeconds  older values are collected again by the repository first, or marked stale
 */
export async function fetchPosture(
  { client, repository, signal }: RepositoryPort,
  endpoint: string,
  patterns: readonly string[],
  maxAgeSeconds: number | undefined,
): Promise<readonly PostureAttribute[]> {
  const wanted = withoutContained(patterns)
  const names = wanted.length > MAX_QUERIES ? [undefined] : wanted
  const rows = new Map<string, PostureAttribute>()
  for (const name of names) {
    const query = {
      kind: 'posture' as const,
      endpoint,
      ...(name === undefined ? {} : { name }),
      ...(maxAgeSeconds === undefined ? {} : { maxAgeSeconds }),
    }
    for await (const row of queryRows(client, repository, query, { signal })) {
      // Patterns may overlap; collectors may report the same name.
      rows.set(`${row.collector}\n${row.name}`, row)
    }
  }
  return [...rows.values()]
}

/** Leaves out names that a `prefix*` among the patterns holds already. */
export function withoutContained(patterns: readonly string[]): readonly string[] {
  const unique = [...new Set(patterns)]
  const prefixes = unique.filter((pattern) => pattern.indexOf('*') === pattern.length - 1)
  return unique.filter(
    (pattern) => !prefixes.some((prefix) => prefix !== pattern && pattern.startsWith(prefix.slice(0, -1))),
  )
}
