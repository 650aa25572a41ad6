/** Pages of what memory holds: subscriptions, affiliations, nodes. XEP-0059. */

import { type Page, pageOfSorted, type RsmRequest } from '../../server/stanza/rsm.ts'
import type { PubsubParts } from './context.ts'

/**
 * The part of a list that is asked for; all of it, and no `page`, where no result set is asked for.
 * @param idOf  the unique text of an entry, by whose order it is paged: a place stays a place when its entry is gone
 */
export function listPage<T>(
  parts: PubsubParts,
  all: readonly T[],
  idOf: (entry: T) => string,
  request: RsmRequest | undefined,
): { readonly list: readonly T[]; readonly page: Page<unknown> | undefined } {
  if (!request) return { list: all, page: undefined }
  const keyed = all.map((entry) => ({ id: idOf(entry), entry }))
  keyed.sort((a, b) => (a.id < b.id ? -1 : 1))
  const page = pageOfSorted(keyed, ({ id }) => id, request, parts.config().pageMaxItems)
  return { list: page.items.map(({ entry }) => entry), page }
}
