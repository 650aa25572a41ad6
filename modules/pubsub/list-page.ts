/** Pages of what memory holds: subscriptions, affiliations, nodes. XEP-0059. */

import { type Page, pageOfSorted, type RsmRequest } from '../../server/stanza/rsm.ts'
import type { PubsubParts } from './context.ts'

/** Entries in one answer: who asks for no page may not know how to get the rest, and gets more. XEP-0060 §5.2; XEP-0059 §1 */
export function entriesMax({ config }: Pick<PubsubParts, 'config'>, request: RsmRequest | undefined): number {
  const { pageMaxItems, listMaxEntries } = config()
  return request ? pageMaxItems : listMaxEntries
}

/**
 * The part of a list that is asked for. Where no result set is asked for: all of it, and no `page`, or of a list that is
 * too long the first of its pages.
 * @param idOf  the unique text of an entry, by whose order it is paged: a place stays a place when its entry is gone
 */
export function listPage<T>(
  parts: PubsubParts,
  all: readonly T[],
  idOf: (entry: T) => string,
  request: RsmRequest | undefined,
): { readonly list: readonly T[]; readonly page: Page<unknown> | undefined } {
  const max = entriesMax(parts, request)
  if (!request && all.length <= max) return { list: all, page: undefined }
  const keyed = all.map((entry) => ({ id: idOf(entry), entry }))
  keyed.sort((a, b) => (a.id < b.id ? -1 : 1))
  const page = pageOfSorted(keyed, ({ id }) => id, request ?? { max }, max)
  return { list: page.items.map(({ entry }) => entry), page }
}
