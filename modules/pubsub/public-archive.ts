/**
 * The archive of a list of public subscriptions: what is in the list, in the order in which it became public. XEP-0465
 * §4.2, XEP-0442, XEP-0313 §4.
 */

import { hash } from 'node:crypto'
import { pageOf } from '../../server/stanza/rsm.ts'
import type { ArchiveQuery } from './archive-xml.ts'
import type { PubsubParts } from './context.ts'
import { pubsubError } from './errors.ts'
import type { PublicEntry } from './public-lists.ts'
import type { ItemPage, PagedItem } from './reads.ts'
import type { Position } from './records.ts'

/** An entry, and where it stands. */
interface Placed {
  readonly entry: PublicEntry
  readonly position: Position
}

type Part = Omit<ArchiveQuery, 'nodeId' | 'queryId' | 'isFlipped' | 'with'>

/** @throws StanzaError item-not-found for an id of what is not in the list */
export function findPublic(parts: PubsubParts, entries: readonly PublicEntry[], query: Part): ItemPage {
  const { page, order, ids, startMs = 0, endMs = Number.POSITIVE_INFINITY, afterId, beforeId } = query
  const { pageMaxItems } = parts.config()
  if (ids.length > pageMaxItems) throw pubsubError('tooManyItems', `at most ${pageMaxItems} ids in one query`)
  const all = entries.map(placed).sort(inOrder)
  const idOf = ({ position }: Placed) => parts.cursors().encode(position)
  const byId = new Map(all.map((each) => [idOf(each), each]))
  const named = (id: string) => {
    const found = byId.get(id)
    if (!found) throw pubsubError('pageNotFound', `${id} is not in this archive`)
    return found
  }
  const wanted = ids.length > 0 ? new Set(ids.map(named)) : undefined
  const [after, before] = [afterId, beforeId].map((id) => (id === undefined ? undefined : named(id)))
  for (const id of [page?.after, page?.before]) if (id) named(id)
  const found = all.filter((each) => {
    const { since } = each.entry
    const isWithin = since >= startMs && since <= endMs
    return isWithin && (wanted?.has(each) ?? true) && !(after && inOrder(each, after) <= 0) && isBefore(each, before)
  })
  const ordered = order.isDescending ? found.reverse() : found
  const { items, count, index = 0 } = pageOf(ordered, idOf, page, pageMaxItems)
  const isBackward = page?.before !== undefined
  const hasMore = isBackward ? index > 0 : index + items.length < ordered.length
  return { items: items.map(itemOf), count, index, hasMore }
}

function isBefore(each: Placed, bound: Placed | undefined): boolean {
  return bound === undefined || inOrder(each, bound) < 0
}

/** Of those that became public at once, the order says nothing, and is always the same. */
function inOrder({ position: a }: Placed, { position: b }: Placed): number {
  return a.seq - b.seq || a.creation - b.creation
}

/** Fewer than a time has, for a place is made of a number and one that is not larger. */
const TAG_BYTES = 5

/** Where an entry stands in the archive as long as it is in the list. */
export function placeOf({ id, since }: PublicEntry): Position {
  return { seq: since, creation: hash('sha256', id, 'buffer').readUIntBE(0, TAG_BYTES) }
}

function placed(entry: PublicEntry): Placed {
  return { entry, position: placeOf(entry) }
}

function itemOf({ entry, position }: Placed): PagedItem {
  return { itemId: entry.id, publisher: '', publishedAt: entry.since, payload: entry.payload(), position }
}
