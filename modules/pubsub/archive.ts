/**
 * A node's archive: each version of its items, in the order of publication or of first publication; also what was replaced or
 * went for room, and the places of what was taken away. XEP-0442; XEP-0313 §3.2, §4, §5.
 */

import { pageOf as pageOfList } from '../../server/stanza/rsm.ts'
import type { Element } from '../../server/xml/element.ts'
import {
  type ArchiveEnd,
  type ArchiveQuery,
  archivedNode,
  parseArchiveQuery,
  renderArchived,
  renderArchiveForm,
  renderFin,
  renderMetadata,
} from './archive-xml.ts'
import { canonicalName } from './attachment-names.ts'
import { refuseReader } from './attachment-targets.ts'
import { type Asker, addressesOf, archivingOf, boundsOf, freshen, nodeView, type PubsubParts, run } from './context.ts'
import { pubsubError } from './errors.ts'
import type { NodeView } from './node-view.ts'
import { itemEvent } from './notify.ts'
import { PUBLICATION_ORDER } from './order.ts'
import { listView } from './public-access.ts'
import { findPublic } from './public-archive.ts'
import { readable } from './public-lists.ts'
import { isPublicList } from './public-names.ts'
import type { ItemPage, PagedItem, Visible, Within } from './reads.ts'
import type { NodeRef, Position } from './records.ts'
import { authorizeRetrieve, pageOf, readPage } from './retrieval.ts'

/** No part of it. */
const ALL = {
  order: PUBLICATION_ORDER,
  ids: [],
  startMs: undefined,
  endMs: undefined,
  afterId: undefined,
  beforeId: undefined,
}

const NONE: ItemPage = { items: [], count: 0, index: undefined, hasMore: false }

/**
 * Sends what matches by `deliver`, then says that this was it. XEP-0313 §4: the result comes after the last item.
 * @throws StanzaError as for retrieving items, and item-not-found for an id that is not in the archive
 */
export async function queryArchive(
  parts: PubsubParts,
  asker: Asker,
  payload: Element,
  deliver: (message: Element) => void,
): Promise<Element> {
  const query = parseArchiveQuery(payload)
  const { node, find } = await archiveOf(parts, asker, query.nodeId)
  const isOther = query.with !== undefined && query.with.bare !== asker.address
  // §4.1.1: all that comes from a node comes from its service.
  const page = isOther ? NONE : await find(query)
  for (const item of query.isFlipped ? page.items.toReversed() : page.items)
    if (node) deliver(message(parts, asker, node, query, item))
  return renderFin(pageOf(parts, page), !page.hasMore)
}

interface Archive {
  /** Undefined of a list of what is public at an account that does not exist. */
  readonly node: NodeView | undefined
  readonly find: (part: Part) => Promise<ItemPage> | ItemPage
}

type Part = Omit<ArchiveQuery, 'nodeId' | 'queryId' | 'isFlipped' | 'with'>

async function archiveOf(parts: PubsubParts, asker: Asker, asked: string): Promise<Archive> {
  const { service } = asker
  const nodeId = canonicalName(asked, addressesOf(parts, service))
  const ref = { service, nodeId }
  if (isPublicList(nodeId)) {
    const entries = readable(parts, asker, nodeId)
    const node = listView(parts, ref, boundsOf(parts.config(), service))
    return { node, find: (part) => findPublic(parts, entries, part) }
  }
  refuseReader(parts, asker, nodeId)
  const node = nodeView(parts, ref)
  const visible = authorizeRetrieve(parts, asker, node)
  await freshen(parts, node)
  return { node, find: (part) => (visible.length === 0 ? NONE : find(parts, node, visible, part)) }
}

async function find(parts: PubsubParts, node: NodeView, visible: Visible, query: Part): Promise<ItemPage> {
  if (query.ids.length > 0) return findByIds(parts, node, visible, query)
  const { page, order, startMs: fromMs, endMs: toMs, afterId, beforeId } = query
  const [after, before] = [afterId, beforeId].map((id) => (id === undefined ? undefined : placeOf(parts, id)))
  const within: Within = { after, before, fromMs, toMs }
  // An item's own id is none of the archive's.
  for (const id of [page?.after, page?.before]) if (id) placeOf(parts, id)
  return readPage(parts, node.record, visible, {
    page,
    order,
    within,
    maxItems: undefined,
    withPayloads: true,
  })
}

/** §4.1.3: all of them, or none. */
async function findByIds(
  parts: PubsubParts,
  { record }: NodeView,
  visible: Visible,
  { ids, page, order }: Part,
): Promise<ItemPage> {
  const { pageMaxItems, pageMaxChars: maxChars } = parts.config()
  if (ids.length > pageMaxItems) throw pubsubError('tooManyItems', `at most ${pageMaxItems} ids in one query`)
  const seqs = ids.map((id) => placeOf(parts, id).seq)
  const { service, nodeId } = record
  const found = await run(parts, parts.store.readArchived, { service, nodeId, visible, seqs, maxChars })
  const key = ({ position }: PagedItem) => (order.by === 'creation' ? position.creation : position.seq)
  const ordered = found.toSorted((a, b) => (order.isDescending ? key(b) - key(a) : key(a) - key(b)))
  const {
    items,
    count,
    index = 0,
  } = pageOfList(ordered, ({ position }) => parts.cursors().encode(position), page, pageMaxItems)
  const isBackward = page?.before !== undefined
  return { items, count, index, hasMore: isBackward ? index > 0 : index + items.length < found.length }
}

function placeOf(parts: PubsubParts, id: string): Position {
  const position = parts.cursors().decode(id)
  if (!position) throw pubsubError('pageNotFound', `${id} is not in this archive`)
  return position
}

function message(parts: PubsubParts, asker: Asker, node: NodeView, query: ArchiveQuery, item: PagedItem): Element {
  const { publishedAt, position, itemId, isGone } = item
  const { nodeId } = node.record
  const isHeadline = node.record.config.notificationType === 'headline'
  return renderArchived(asker.jid.full, asker.address, query.queryId, {
    id: parts.cursors().encode(position),
    publishedAt,
    // §3.2: a placeholder, which is what subscribers were told when the item was taken away (XEP-0442 §3).
    event: isGone ? { kind: 'retract', nodeId, itemIds: [itemId] } : itemEvent(node, item),
    ...(isHeadline && { type: 'headline' }),
  })
}

/** The filters there are, of one node or of any. XEP-0313 §4.1.5. */
export function archiveForm(payload: Element): Element {
  return renderArchiveForm(typeof payload.attrs['node'] === 'string' ? payload.attrs['node'] : undefined)
}

/** Where the archive begins and ends. XEP-0313 §5. */
export async function archiveMetadata(parts: PubsubParts, asker: Asker, payload: Element): Promise<Element> {
  const nodeId = archivedNode(payload)
  const archive = await archiveOf(parts, asker, nodeId)
  const ends = [{ max: 1 }, { max: 1, before: '' }].map(async (page): Promise<ArchiveEnd | undefined> => {
    const [item] = (await archive.find({ ...ALL, page })).items
    return item && { id: parts.cursors().encode(item.position), publishedAt: item.publishedAt }
  })
  const [start, end] = await Promise.all(ends)
  return renderMetadata(nodeId, start, end)
}

/** Nodes that have more of a past than is kept, of before the option was lowered. */
export function longArchives(parts: PubsubParts): Promise<readonly NodeRef[]> {
  return parts.storage.scan(parts.store.longArchives, archivingOf(parts))
}

/** Drops what these archives have too much. @returns those that are left */
export async function trimArchives(
  parts: PubsubParts,
  refs: readonly NodeRef[],
  signal: AbortSignal,
): Promise<readonly NodeRef[]> {
  for (const [at, { service, nodeId }] of refs.entries())
    for (let isDone = false; !isDone; ) {
      if (signal.aborted) return refs.slice(at)
      const result = await run(
        parts,
        parts.store.trimArchive,
        { service, nodeId, ...archivingOf(parts) },
        ({ unarchived }) => {
          parts.counts.unarchived += unarchived
        },
      )
      isDone = result.isDone
    }
  return []
}
