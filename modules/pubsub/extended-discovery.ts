/**
 * Lists of nodes and items as the asker wants them: what belongs to a node by so many layers, with what tells where it
 * stands. XEP-0499
 *
 * All that is listed has one order, in which a page is found again: nodes by their NodeIDs, each before its own items,
 * and those as they were published. So what comes and goes elsewhere moves no page, and a page costs what is in it, and
 * at a node the branch below.
 */

import type { DiscoItem, DiscoItemsQuery } from '../../server/module/api.ts'
import { StanzaError } from '../../server/stanza/errors.ts'
import { type DataForm, parseForm, readBoolean, readInteger, readList } from '../../server/stanza/forms.ts'
import { firstNot, type Page, type RsmRequest } from '../../server/stanza/rsm.ts'
import { childOf, type Element } from '../../server/xml/element.ts'
import { NS_FORMS } from '../../server/xml/namespaces.ts'
import { type Asker, freshen, type PubsubParts } from './context.ts'
import { pubsubError } from './errors.ts'
import type { NodeView } from './node-view.ts'
import { PUBLICATION_ORDER } from './order.ts'
import { isPublicList } from './public-names.ts'
import type { Visible } from './reads.ts'
import { type NodeRecord, ROOT_ID } from './records.ts'
import { authorizeRetrieve, readPage } from './retrieval.ts'

export const NS_EXTENDED_DISCOVERY = 'urn:xmpp:pubsub-ext-disco:0'

/** Nodes that are counted for an answer at most; beyond, it says no count. XEP-0059 §2.2 */
const COUNTED_NODES_MAX = 10_000
const DEPTH_MAX = 1_000_000

/** What the form asks for. §3.1 */
export interface Extension {
  readonly hasNodes: boolean
  readonly hasItems: boolean
  readonly hasLinked: boolean
  readonly isFull: boolean
  readonly depth: number
}

/**
 * The form of a disco#items query; undefined: it has none, and is answered as ever (§4).
 * @throws StanzaError bad-request for a form that is not submitted or asks for another type, not-acceptable for a
 *         value that cannot be
 */
export function parseExtension(query: Element): Extension | undefined {
  const x = childOf(query, 'x', NS_FORMS)
  const form = x && parseForm(x)
  if (form?.formType !== NS_EXTENDED_DISCOVERY) return undefined
  if (form.type !== 'submit') throw pubsubError('malformed', 'the form is not of type submit')
  const types = readList(form, 'type') ?? []
  const isUnknown = types.some((type) => type !== 'nodes' && type !== 'items')
  if (isUnknown) throw pubsubError('malformed', 'type is "nodes", "items" or both')
  return {
    hasNodes: types.length === 0 || types.includes('nodes'),
    hasItems: types.length === 0 || types.includes('items'),
    hasLinked: readBoolean(form, 'linked_nodes') ?? false,
    isFull: readBoolean(form, 'full_metadata') ?? false,
    depth: readInteger(form, 'depth', 0, DEPTH_MAX) ?? 0,
  }
}

/** How nodes are listed otherwise. */
export interface Listing {
  isListed(node: NodeView): boolean
  /** XEP-0462. */
  isAsked(node: NodeRecord): boolean
  metaData(node: NodeView, isFull: boolean): DataForm
}

/** Where an entry stands: a node, or an item of it. */
interface Spot {
  readonly nodeId: string
  /** Of an item; empty: the node itself. */
  readonly cursor: string
}

interface Entry {
  readonly spot: Spot
  readonly item: DiscoItem
}

/**
 * @param base  the node that is asked; undefined: all that stand at the root
 * @throws StanzaError as for retrieving items where the asker may not see the node, item-not-found for a place that is
 *         none, feature-not-implemented for a page by index, policy-violation where there is nothing to show for long
 */
export async function discoverMore(
  parts: PubsubParts,
  asker: Asker,
  base: NodeView | undefined,
  { page = { max: undefined } }: DiscoItemsQuery,
  wanted: Extension,
  listing: Listing,
): Promise<Page<DiscoItem>> {
  if (base && !listing.isListed(base)) authorizeRetrieve(parts, asker, base)
  if (page.index !== undefined) throw pubsubError('pageByIndex', 'pages begin at an entry')
  const nodeIds = base ? branchOf(base, wanted) : parts.replica.sortedNodeIds(asker.service)
  const nodes = { parts, asker, base, wanted, listing, nodeIds }
  const { entries, hasMore } = await walk(nodes, page)
  const [first, last] = [entries[0], entries.at(-1)].map((entry) => entry && textOf(entry.spot))
  return { items: entries.map(({ item }) => item), count: countOf(nodes), hasMore, first, last }
}

interface Nodes {
  readonly parts: PubsubParts
  readonly asker: Asker
  readonly base: NodeView | undefined
  readonly wanted: Extension
  readonly listing: Listing
  /** Candidates, in their order. */
  readonly nodeIds: readonly string[]
}

/** The node and what belongs to it: so many layers of children, and what links to what is in a layer. */
function branchOf(base: NodeView, { depth, hasLinked }: Extension): string[] {
  const layers = new Map<NodeView, number>([[base, 0]])
  // A map is walked to its end, what is added on the way too.
  for (const [node, layer] of layers)
    for (const each of node.related ?? []) {
      const isChild = each.relation?.kind === 'parent'
      if (isChild ? layer < depth : hasLinked) layers.set(each, isChild ? layer + 1 : layer)
    }
  return [...layers.keys()].map(({ record }) => record.nodeId).sort()
}

/** Is it at most so many layers below the root of the service? */
function isWithin(node: NodeView, { depth, hasLinked }: Extension): boolean {
  let layer = 0
  for (let { relation } = node; relation; { relation } = relation.to) {
    if (relation.kind === 'parent') layer += 1
    else if (!hasLinked) return false
  }
  return layer <= depth
}

/** The nodes that may be shown, from a place on or back from it; the node of the place is one of them. */
function* shown({ parts, asker, base, wanted, listing, nodeIds }: Nodes, from = '', isBackward = false) {
  const step = isBackward ? -1 : 1
  const end = from === '' ? nodeIds.length - 1 : firstNot(nodeIds, (nodeId) => nodeId <= from) - 1
  const start = isBackward ? end : firstNot(nodeIds, (nodeId) => nodeId < from)
  for (let at = start; at >= 0 && at < nodeIds.length; at += step) {
    const nodeId = nodeIds[at] ?? ROOT_ID
    const node = parts.replica.get({ service: asker.service, nodeId })
    if (!node || nodeId === ROOT_ID || isPublicList(nodeId) || !(base || isWithin(node, wanted))) continue
    if ((node === base || listing.isAsked(node.record)) && listing.isListed(node)) yield node
  }
}

async function walk(nodes: Nodes, page: RsmRequest): Promise<{ entries: readonly Entry[]; hasMore: boolean }> {
  const { pageMaxItems, discoveryReadsMax } = nodes.parts.config()
  const max = Math.min(page.max ?? pageMaxItems, pageMaxItems)
  const isBackward = page.before !== undefined
  const place = page.before || page.after
  const from = place ? spotOf(place) : undefined
  const entries: Entry[] = []
  let reads = 0
  let isCut = false
  for (const node of shown(nodes, from?.nodeId, isBackward)) {
    if (isCut || entries.length >= max) return { entries, hasMore: true }
    if (reads >= discoveryReadsMax) {
      if (entries.length > 0) return { entries, hasMore: true }
      throw pubsubError('tooWide', `${reads} nodes without an item to show; ask for nodes as well`)
    }
    const cursor = node.record.nodeId === from?.nodeId ? from.cursor : undefined
    // Before the node itself there is nothing of it.
    if (isBackward && cursor === '') continue
    const part = { isBackward, cursor, room: max - entries.length }
    const found = await entriesOf(nodes, node, part)
    isCut = found.isCut
    reads += nodes.wanted.hasItems ? 1 : 0
    if (isBackward) entries.unshift(...found.entries)
    else entries.push(...found.entries)
  }
  return { entries, hasMore: isCut }
}

interface Part {
  readonly isBackward: boolean
  /** Where to begin; empty: the node itself; undefined: another node. */
  readonly cursor: string | undefined
  readonly room: number
}

/** The node, then its items, as far as they are on this side of the place. */
async function entriesOf(nodes: Nodes, node: NodeView, part: Part) {
  const { wanted, base } = nodes
  const { isBackward, cursor, room } = part
  const own = wanted.hasNodes && node !== base && (isBackward || cursor === undefined) ? [nodeEntry(nodes, node)] : []
  if (!wanted.hasItems) return { entries: own, isCut: false }
  const itemRoom = room - (isBackward ? 0 : own.length)
  if (itemRoom === 0) return { entries: own, isCut: true }
  const { entries, isCut } = await itemsOf(nodes, node, { ...part, room: itemRoom })
  return { entries: isBackward && entries.length === room ? entries : [...own, ...entries], isCut }
}

function nodeEntry({ asker, wanted, listing }: Nodes, node: NodeView): Entry {
  const { nodeId, config } = node.record
  const form = listing.metaData(node, wanted.isFull)
  const name = config.title && { name: config.title }
  return { spot: { nodeId, cursor: '' }, item: { jid: asker.address, node: nodeId, ...name, form } }
}

/** §3.1: each with its node. Those of a node that the asker may not retrieve from are left out. */
async function itemsOf({ parts, asker }: Nodes, node: NodeView, { isBackward, cursor, room }: Part) {
  const visible = visibleItems(parts, asker, node)
  if (visible.length === 0) return { entries: [], isCut: false }
  await freshen(parts, node)
  const page = { max: room, ...(isBackward ? { before: cursor ?? '' } : cursor ? { after: cursor } : {}) }
  const request = { page, order: PUBLICATION_ORDER, maxItems: undefined, withPayloads: false }
  const { nodeId } = node.record
  const { items, count = 0 } = await readPage(parts, node.record, visible, request)
  const entries = items.map(({ itemId, position }): Entry => {
    const spot = { nodeId, cursor: parts.cursors().encode(position) }
    return { spot, item: { jid: asker.address, node: nodeId, name: itemId } }
  })
  return { entries, isCut: items.length === room && count > room }
}

function visibleItems(parts: PubsubParts, asker: Asker, node: NodeView): Visible {
  try {
    return authorizeRetrieve(parts, asker, node)
  } catch (error) {
    if (error instanceof StanzaError) return []
    throw error
  }
}

/** Of nodes alone: items are not counted, node by node. */
function countOf(nodes: Nodes): number | undefined {
  const { base, wanted, nodeIds } = nodes
  if (wanted.hasItems || nodeIds.length > COUNTED_NODES_MAX) return undefined
  let count = 0
  for (const node of shown(nodes)) if (wanted.hasNodes && node !== base) count += 1
  return count
}

function textOf({ nodeId, cursor }: Spot): string {
  return `${cursor}/${nodeId}`
}

/** @throws StanzaError item-not-found */
function spotOf(text: string): Spot {
  const at = text.indexOf('/')
  if (at < 0) throw pubsubError('pageNotFound', `no page begins at ${text}`)
  return { cursor: text.slice(0, at), nodeId: text.slice(at + 1) }
}
