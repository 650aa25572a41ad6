/** Answers the repository's queries for an account, within its grants. SACM-XMPP §4. */

import { type ModuleContext, Refusal, type Role } from '../../server/module/api.ts'
import type { Page, RsmRequest } from '../../server/stanza/rsm.ts'
import { RawXml } from '../../server/xml/element.ts'
import { repositoryError } from './errors.ts'
import type { Grants } from './grants.ts'
import type { PostureRow, RepositoryAnswer, RepositoryQuery } from './model.ts'
import { defined } from './payload.ts'
import { listEndpoints, listPolicies, listPosture, listResults, readPolicy } from './query.sqlite.ts'
import { READERS } from './rules.ts'
import type { Paging, Rows } from './store.ts'

/** A publisher reads what it may publish. */
const POLICY_READERS: readonly Role[] = [...READERS, 'publisher']

interface Parts {
  readonly ctx: Pick<ModuleContext, 'clock' | 'storage'>
  readonly grants: Grants
  readonly pageRows: { readonly default: number; readonly max: number }
}

/** @throws StanzaError role-required, item-not-found for an unknown page or content */
export async function answerQuery(parts: Parts, asker: string, query: RepositoryQuery): Promise<RepositoryAnswer> {
  const { ctx, grants } = parts
  const isPolicy = query.kind === 'policies' || query.kind === 'content'
  grants.requireRole(asker, isPolicy ? POLICY_READERS : READERS)
  const visible = grants.visible(asker, READERS)
  try {
    switch (query.kind) {
      case 'endpoints': {
        const { kind, page, ...filters } = query
        const rows = await ctx.storage.scan(listEndpoints, { ...filters, visible, paging: pagingOf(parts, page) })
        return { kind, page: pageOf(rows), withheld: rows.withheld }
      }
      case 'posture': {
        const { kind, page, maxAgeSeconds, waitSeconds: _, ...filters } = query
        const rows = await ctx.storage.scan(listPosture, { ...filters, visible, paging: pagingOf(parts, page) })
        const freshSince = maxAgeSeconds === undefined ? undefined : ctx.clock.now() - maxAgeSeconds * 1000
        return { kind, page: markStale(pageOf(rows), freshSince), withheld: rows.withheld }
      }
      case 'policies': {
        const { kind, page, platform, ...filters } = query
        // Our policies name no platform, so none is for a certain one.
        const paging = platform === undefined ? pagingOf(parts, page) : { max: 0 }
        const rows = await ctx.storage.scan(listPolicies, { ...filters, paging })
        const found = platform === undefined ? rows : { ...rows, count: 0 }
        return { kind, page: pageOf(found), withheld: 0 }
      }
      case 'results': {
        const { kind, page, ...filters } = query
        const rows = await ctx.storage.scan(listResults, { ...filters, visible, paging: pagingOf(parts, page) })
        return { kind, page: pageOf(rows), withheld: rows.withheld }
      }
      case 'content': {
        const document = await ctx.storage.run(readPolicy, { id: query.id })
        if (document === undefined) throw repositoryError('contentUnknown', `there is no content ${query.id}`)
        return { kind: 'content', content: new RawXml(document) }
      }
    }
  } catch (error) {
    if (error instanceof Refusal && error.key === 'cursorUnknown') {
      throw repositoryError('cursorUnknown', 'there is no such place to page from: read from the start')
    }
    throw error
  }
}

/** SACM-XMPP §4: collecting again for the asker is not done yet, so old rows are marked for everyone. */
function markStale(page: Page<PostureRow>, freshSince: number | undefined): Page<PostureRow> {
  if (freshSince === undefined) return page
  return { ...page, items: page.items.map((row) => (row.lastSeen < freshSince ? { ...row, stale: true } : row)) }
}

function pagingOf({ pageRows }: Parts, request: RsmRequest | undefined): Paging {
  if (request?.index !== undefined) throw repositoryError('pageByIndex', 'page by after or before')
  const max = Math.min(request?.max ?? pageRows.default, pageRows.max)
  return {
    max,
    ...defined({
      after: request?.after === undefined ? undefined : cursorOf(request.after),
      before: request?.before === undefined ? undefined : request.before === '' ? null : cursorOf(request.before),
    }),
  }
}

/** A cursor is a row number, which is nobody's business but ours. @throws StanzaError item-not-found */
function cursorOf(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new Refusal('cursorUnknown')
  return Number(text)
}

function pageOf<T>({ rows, first, last, count }: Rows<T>): Page<T> {
  return { items: rows, count, first: first?.toString(), last: last?.toString() }
}
