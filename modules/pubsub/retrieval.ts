/** Retrieve items of a node. XEP-0060 §6.5; XEP-0059. Of a collection: collected.ts. */

import type { Page, RsmRequest } from '../../server/stanza/rsm.ts'
import type { Element } from '../../server/xml/element.ts'
import { renderItems } from './answer-xml.ts'
import { type Asker, freshen, nodeView, type PubsubParts, run } from './context.ts'
import { pubsubError } from './errors.ts'
import { type NodeView, publisherShown } from './node-view.ts'
import type { Order } from './order.ts'
import type { ItemPage, PageStart, Place, Visible, Within } from './reads.ts'
import type { NodeRef } from './records.ts'
import type { EntityRequest } from './requests.ts'
import { mayRetrieve } from './rules.ts'

type Request<K extends EntityRequest['kind']> = Extract<EntityRequest, { kind: K }>

/** §6.5. */
export async function items(parts: PubsubParts, asker: Asker, request: Request<'items'>): Promise<Element> {
  const { nodeId, itemIds } = request
  const ref = { service: asker.service, nodeId }
  const node = nodeView(parts, ref)
  const visible = authorizeRetrieve(parts, asker, node)
  checkSubid(node, asker, request.subid)
  const publisherOf = publisherShown(node)
  if (visible.length === 0) return renderItems(nodeId, [], publisherOf, undefined)
  if (node.record.config.itemExpireSeconds !== 'max') await freshen(parts, node)
  const { pageMaxItems, pageMaxChars: maxChars } = parts.config()
  if (itemIds.length > pageMaxItems) throw pubsubError('tooManyItems', `at most ${pageMaxItems} ids in one request`)
  if (itemIds.length > 0) {
    const found = await run(parts, parts.store.readItems, { ...ref, visible, itemIds, maxChars })
    return renderItems(nodeId, found, publisherOf, undefined)
  }
  const page = await readPage(parts, ref, visible, { ...request, withPayloads: true })
  return renderItems(nodeId, page.items, publisherOf, toldOf(parts, page, request))
}

/** §6.5.4: an answer that was cut says so, whether or not the asker knows result sets. */
export function toldOf(
  parts: PubsubParts,
  page: ItemPage,
  request: Pick<PageRequest, 'page' | 'maxItems'>,
): Page<unknown> | undefined {
  const count = page.count ?? page.items.length
  const isCut = page.items.length < Math.min(request.maxItems ?? count, count)
  return request.page || isCut ? pageOf(parts, page) : undefined
}

/** Who has several subscriptions says which one asks. §6.5.9.1, §6.5.9.2 */
export function checkSubid({ subscribers }: NodeView, { jid }: Asker, subid: string | undefined): void {
  const own = [jid.full, jid.bare].flatMap((each) => subscribers.get(each)?.subscriptions ?? [])
  if (subid === undefined && own.length > 1) throw pubsubError('subidRequired')
  if (subid !== undefined && own.length > 0 && !own.some((each) => each.subid === subid))
    throw pubsubError('invalidSubid')
}

/** What the asker sees there. @throws StanzaError when it may not retrieve, or nothing is kept. §6.5.9 */
export function authorizeRetrieve(parts: PubsubParts, asker: Asker, node: NodeView): Visible {
  const { nodeId, config } = node.record
  const claim = parts.claims.of(node.record)
  claim?.authorizeSubscribe(asker.jid, nodeId)
  const refusal = claim ? undefined : mayRetrieve(config, parts.replica.standing(node, asker.actor))
  if (refusal) throw pubsubError(refusal)
  if (config.nodeType === 'collection') throw pubsubError('noItemsHere', 'ask the nodes in the collection')
  if (!config.persistItems) throw pubsubError('notPersistent') // §6.5.9.4
  return parts.claims.visible(asker.actor.bareJid, node.record)
}

/** Which part of a node's items is asked for, and how. */
export interface PageRequest {
  readonly page: RsmRequest | undefined
  readonly order: Order
  /** Of an archive. */
  readonly within?: Within
  readonly maxItems: number | undefined
  readonly withPayloads: boolean
}

/** Reads the page that was asked for, within the bounds of one answer. XEP-0059 §2.2 to §2.7; XEP-0413. */
export function readPage(
  parts: PubsubParts,
  { service, nodeId }: NodeRef,
  visible: Visible,
  request: PageRequest,
): Promise<ItemPage> {
  const { pageIndexMax: indexMax, pagePassedMax: passedMax } = parts.config()
  const { within } = request
  const bounds = pageBounds(parts, request)
  const args = { service, nodeId, visible, indexMax, passedMax, ...bounds, ...(within && { within }) }
  return run(parts, parts.store.readPage, args)
}

/** What is read, and how much of it at most. */
export function pageBounds(parts: PubsubParts, request: PageRequest) {
  const { pageMaxItems, pageMaxChars: maxChars } = parts.config()
  const { page, order, maxItems, withPayloads } = request
  return {
    start: startOf(parts, request),
    order,
    // What is committed can be read before its events have gone out: here, no item comes before its event.
    lastSeq: parts.replica.lastSeq,
    max: Math.min(page?.max ?? pageMaxItems, maxItems ?? pageMaxItems, pageMaxItems),
    maxChars,
    withPayloads,
  }
}

function startOf(parts: PubsubParts, { page, order, maxItems }: PageRequest): PageStart {
  if (page?.index !== undefined) return { at: 'index', index: page.index } // §2.6
  if (page?.after !== undefined) return { at: 'after', place: placeOf(parts, page.after) }
  if (page?.before === '') return { at: 'end' } // §2.5
  if (page?.before !== undefined) return { at: 'before', place: placeOf(parts, page.before) }
  // XEP-0060 §6.5.7: max_items asks for the most recent.
  return maxItems === undefined || order.isDescending ? { at: 'start' } : { at: 'end' }
}

/** What a page's ids are, or an item's own id: the last that a subscriber was told of. */
function placeOf(parts: PubsubParts, text: string): Place {
  return parts.cursors().decode(text) ?? { itemId: text }
}

/** The page as RSM tells of it. */
export function pageOf(parts: PubsubParts, { items, count, index }: ItemPage): Page<unknown> {
  const [first, last] = [items[0], items.at(-1)].map((item) => item && parts.cursors().encode(item.position))
  return { items, count, first, last, ...(index !== undefined && { index }) }
}
