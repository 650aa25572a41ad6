/** Nodes and items in service discovery. XEP-0060 §5.1 to §5.5; XEP-0030, XEP-0059, XEP-0128. */

import type { DiscoInfo, DiscoItem, DiscoItemsQuery, DiscoQuery } from '../../server/module/api.ts'
import type { DataForm, FormField } from '../../server/stanza/forms.ts'
import { type Page, pageOfSorted, type RsmRequest } from '../../server/stanza/rsm.ts'
import { formatDateTime } from '../../server/stanza/time.ts'
import { childOf, type Element } from '../../server/xml/element.ts'
import { ARCHIVE_FEATURES } from './archive-xml.ts'
import { canonicalName, NS_ATTACHMENTS } from './attachment-names.ts'
import { cachingHints } from './caching-hints.ts'
import { type Asker, addressesOf, askerOf, boundsOf, freshen, type PubsubParts } from './context.ts'
import { pubsubError } from './errors.ts'
import { discoverMore, parseExtension } from './extended-discovery.ts'
import { entriesMax } from './list-page.ts'
import { itemLimit } from './node-config.ts'
import { keyOfNode, pageOfNodes, parseNodeOrder, turned } from './node-lists.ts'
import { NS_CACHING } from './node-options.ts'
import type { NodeView } from './node-view.ts'
import { NS_ORDER_BY, ORDER_FEATURES, parseOrder } from './order.ts'
import { readable } from './public-lists.ts'
import { isPublicList, NS_PPS, subjectOf } from './public-names.ts'
import { ROOT_ID, SHARED_SERVICE } from './records.ts'
import { NS_RELATIONSHIPS, relationshipResult } from './relationship-fields.ts'
import { relationshipsOf } from './relationships.ts'
import { authorizeRetrieve, pageOf, readPage } from './retrieval.ts'
import { maySee } from './rules.ts'
import { hasTypeFilter, NS_TYPE_FILTER, typeFilter, typeOf } from './type-filter.ts'
import { NS_PUBSUB, NS_SHIM } from './xml.ts'

const META_DATA_FORM = `${NS_PUBSUB}#meta-data`

/** §10: what holds, each as its own feature. `access-open` tells the default access model. */
export const FEATURES: readonly string[] = [
  NS_PUBSUB,
  ...[
    'access-open',
    'auto-create',
    'collections',
    'config-node',
    'config-node-max',
    'create-and-configure',
    'create-nodes',
    'delete-items',
    'delete-nodes',
    'get-pending',
    'instant-nodes',
    'item-ids',
    'last-published',
    'leased-subscription',
    'manage-subscriptions',
    'member-affiliation',
    'meta-data',
    'modify-affiliations',
    'multi-collections',
    'multi-items',
    'multi-subscribe',
    'outcast-affiliation',
    'persistent-items',
    'presence-notifications',
    'publish',
    'publish-node-full',
    'publish-only-affiliation',
    'publish-options',
    'publisher-affiliation',
    'purge-nodes',
    'retract-items',
    'retrieve-affiliations',
    'retrieve-default',
    'retrieve-default-sub',
    'retrieve-items',
    'retrieve-subscriptions',
    'rsm',
    'subscribe',
    'subscription-notifications',
    'subscription-options',
  ].map((name) => `${NS_PUBSUB}#${name}`),
]

/** The same at an account, where the roster has its say, and `access-presence` is the default. XEP-0163 §5. */
export const ACCOUNT_FEATURES: readonly string[] = [
  ...FEATURES.filter((feature) => feature !== `${NS_PUBSUB}#access-open`),
  ...['access-presence', 'auto-subscribe', 'filtered-notifications', 'presence-subscribe', 'pubsub-on-a-jid'].map(
    (name) => `${NS_PUBSUB}#${name}`,
  ),
].sort()

/**
 * What extends XEP-0060 at services and accounts alike. XEP-0413 §5, XEP-0460 §14, XEP-0462 §3.1, XEP-0465 §6, XEP-0470 §6,
 * XEP-0496 §7.
 */
export const EXTENSIONS: readonly string[] = [
  ...ORDER_FEATURES,
  NS_ATTACHMENTS,
  NS_CACHING,
  NS_PPS,
  NS_RELATIONSHIPS,
  NS_TYPE_FILTER,
]

/** The headers that notifications may carry. XEP-0131 §5. */
export const SHIM_HEADERS: DiscoInfo = { identities: [], features: [`${NS_SHIM}#Collection`, `${NS_SHIM}#SubID`] }

/** §5.3, §5.4. Who may not see a node is told its kind and no more. */
export function nodeInfo(
  parts: PubsubParts,
  query: DiscoQuery,
  asker = askerOf(parts.accounts, query.asker, query.to.bare),
): DiscoInfo | undefined {
  if (isPublicList(query.node)) return isListThere(parts, asker, query.node) ? listInfo(asker) : undefined
  const node = parts.replica.get({ service: asker.service, nodeId: nameOf(parts, asker, query.node) })
  if (!node || isHidden(parts, asker, node)) return undefined
  return {
    identities: [identityOf(node)],
    features: [NS_PUBSUB, ...archiveFeatures(node)],
    forms: isListed(parts, asker, node) ? [metaData(parts, node)] : [],
  }
}

function listInfo({ service }: Asker): DiscoInfo {
  const archive = service === SHARED_SERVICE ? [] : ARCHIVE_FEATURES
  return { identities: [{ category: 'pubsub', type: 'leaf' }], features: [NS_PUBSUB, NS_PPS, ...archive] }
}

/** Is there a list of public subscriptions so called, of what the asker may see? XEP-0465. */
function isListThere(parts: PubsubParts, asker: Asker, nodeId: string): boolean {
  const subject = subjectOf({ service: asker.service, nodeId })
  const target = subject && 'nodeId' in subject ? parts.replica.get(subject) : undefined
  return (subject && 'account' in subject) || (target !== undefined && isListed(parts, asker, target))
}

/** Of an account's node; those of the shared service are told by the service. */
function archiveFeatures({ record: { service, config } }: NodeView): readonly string[] {
  return service !== SHARED_SERVICE && config.persistItems ? ARCHIVE_FEATURES : []
}

function identityOf({ record }: NodeView): { category: string; type: string; name?: string } {
  const { title } = record.config
  return { category: 'pubsub', type: record.config.nodeType, ...(title && { name: title }) }
}

function metaData(parts: PubsubParts, node: NodeView): DataForm {
  const { record, affiliations, subscribers } = node
  const { config, creator, createdAt } = record
  // XEP-0460 §5: SHOULD be the number that it is
  const { itemsMax } = boundsOf(parts.config(), record.service)
  // Everybody who may read the node sees the same items there.
  const isWhole = parts.claims.of(record) === undefined
  const having = (wanted: string) => [...affiliations].filter(([, kind]) => kind === wanted).map(([bareJid]) => bareJid)
  const fields: FormField[] = [
    { name: 'pubsub#type', type: 'text-single', values: textValue(typeOf(record)) },
    { name: 'pubsub#creator', type: 'jid-single', values: [creator] },
    { name: 'pubsub#creation_date', type: 'text-single', values: [formatDateTime(createdAt)] },
    { name: 'pubsub#title', type: 'text-single', values: textValue(config.title) },
    { name: 'pubsub#description', type: 'text-single', values: textValue(config.description) },
    { name: 'pubsub#language', type: 'list-single', values: textValue(config.language) },
    {
      name: 'pubsub#contact',
      type: 'jid-multi',
      values: textValue(config.contact).flatMap((jids) => jids.split('\n')),
    },
    { name: 'pubsub#access_model', type: 'list-single', values: [config.accessModel] },
    { name: 'pubsub#publish_model', type: 'list-single', values: [config.publishModel] },
    { name: 'pubsub#max_items', type: 'text-single', values: [String(itemLimit(config.maxItems, itemsMax))] },
    { name: 'pubsub#owner', type: 'jid-multi', values: having('owner') },
    { name: 'pubsub#publisher', type: 'jid-multi', values: having('publisher') },
    { name: 'pubsub#num_subscribers', type: 'text-single', values: [String(subscribers.size)] },
    ...(config.nodeType === 'leaf' ? cachingHints(config, isWhole) : []),
    ...relationshipResult(relationshipsOf(node)),
  ]
  return { type: 'result', formType: META_DATA_FORM, fields: fields.filter(({ values }) => values.length > 0) }
}

function textValue(text: string | undefined): readonly string[] {
  return text ? [text] : []
}

/** §5.2, §14.1. */
function isListed(parts: PubsubParts, asker: Asker, node: NodeView): boolean {
  const { record } = node
  if (parts.claims.of(record)) return parts.claims.mayUse(asker.jid, record)
  return maySee(record.config, parts.replica.standing(node, asker.actor))
}

/** The same where XEP-0499 is offered: as the query's form wants it. */
export async function listItemsAsWanted(
  parts: PubsubParts,
  query: DiscoItemsQuery,
  asker = askerOf(parts.accounts, query.asker, query.to.bare),
): Promise<Page<DiscoItem> | undefined> {
  const wanted = parseExtension(query.payload)
  if (!wanted) return listItems(parts, query, asker)
  refuseOrder(query.payload)
  const isAsked = typeFilter(query.payload)
  if (query.node && isPublicList(query.node)) {
    const page = listIds(parts, asker, query.node, query)
    const items = page.items.map((item) => ({ ...item, node: query.node ?? ROOT_ID }))
    return { ...page, items: wanted.hasItems ? items : [] }
  }
  const nodeId = nameOf(parts, asker, query.node ?? ROOT_ID)
  const base = query.node ? parts.replica.get({ service: asker.service, nodeId }) : undefined
  if (query.node && (!base || isHidden(parts, asker, base))) return undefined
  return discoverMore(parts, asker, base, query, wanted, {
    isListed: (node) => isListed(parts, asker, node),
    isAsked,
    metaData: (node, isFull) => (isFull ? metaData(parts, node) : relationshipData(node)),
  })
}

/** XEP-0499 §3.1: that it is a node, and where it stands. */
function relationshipData(node: NodeView): DataForm {
  return { type: 'result', formType: META_DATA_FORM, fields: relationshipResult(relationshipsOf(node)) }
}

function nameOf(parts: PubsubParts, { service }: Asker, nodeId: string): string {
  return canonicalName(nodeId, addressesOf(parts, service))
}

/** That something is attached to an item tells that there is the item. XEP-0470 */
function isHidden(parts: PubsubParts, asker: Asker, node: NodeView): boolean {
  return node.target !== undefined && !isListed(parts, asker, node)
}

/** §5.2 without a node; §5.5 with one, which may be a collection (XEP-0248 §5.2). */
export async function listItems(
  parts: PubsubParts,
  query: DiscoItemsQuery,
  asker = askerOf(parts.accounts, query.asker, query.to.bare),
): Promise<Page<DiscoItem> | undefined> {
  if (query.node === undefined || query.node === ROOT_ID) return listFirstLevel(parts, asker, query)
  if (isPublicList(query.node)) return listIds(parts, asker, query.node, query)
  const node = parts.replica.get({ service: asker.service, nodeId: nameOf(parts, asker, query.node) })
  if (node && isHidden(parts, asker, node)) return undefined
  if (node?.record.config.nodeType !== 'collection') return node && listItemIds(parts, asker, node, query)
  const children = isListed(parts, asker, node)
    ? [...node.children].filter((child) => isListed(parts, asker, child))
    : []
  children.sort((a, b) => (a.record.nodeId < b.record.nodeId ? -1 : 1))
  return listNodes(parts, asker, children, query)
}

/** §5.5: the name is the ItemID, and there is no node attribute. */
async function listItemIds(
  parts: PubsubParts,
  asker: Asker,
  node: NodeView,
  query: DiscoItemsQuery,
): Promise<Page<DiscoItem>> {
  const { config } = node.record
  const nothing = { items: [], count: 0, first: undefined, last: undefined }
  // A node that keeps nothing has no items to list, which is no error here.
  if (!config.persistItems) return nothing
  const visible = authorizeRetrieve(parts, asker, node)
  if (visible.length === 0) return nothing
  await freshen(parts, node)
  const page = await readPage(parts, node.record, visible, {
    page: query.page,
    order: parseOrder(query.payload),
    maxItems: undefined,
    withPayloads: false,
  })
  const items = page.items.map(({ itemId }): DiscoItem => ({ jid: asker.address, name: itemId }))
  return { ...pageOf(parts, page), items }
}

/** Of a list of public subscriptions. XEP-0465. */
function listIds(
  parts: PubsubParts,
  asker: Asker,
  nodeId: string,
  { page, payload }: DiscoItemsQuery,
): Page<DiscoItem> {
  if (childOf(payload, 'order', NS_ORDER_BY)) throw pubsubError('orderUnsupported', 'what is public comes by its ids')
  const { pageMaxItems } = parts.config()
  const found = pageOfSorted(readable(parts, asker, nodeId), ({ id }) => id, page ?? { max: undefined }, pageMaxItems)
  return { ...found, items: found.items.map(({ id }): DiscoItem => ({ jid: asker.address, name: id })) }
}

/** Nodes that stand at the root, and those whose collections the asker may not see. XEP-0248 §5.2. */
function isAtFirstLevel(parts: PubsubParts, asker: Asker, node: NodeView): boolean {
  const { nodeId } = node.record
  // The others are found by the names of what they are about.
  if (nodeId === ROOT_ID || isPublicList(nodeId) || node.target || !isListed(parts, asker, node)) return false
  for (const each of node.parents) if (isListed(parts, asker, each)) return false
  return true
}

/** All, as far as they fit, a page of all, or those of certain types (XEP-0462), for which each node is looked at. */
function listFirstLevel(parts: PubsubParts, asker: Asker, query: DiscoItemsQuery): Page<DiscoItem> {
  const { service } = asker
  const isShown = (node: NodeView) => isAtFirstLevel(parts, asker, node)
  const isAsked = typeFilter(query.payload)
  if (!hasTypeFilter(query.payload)) {
    const order = parseNodeOrder(query.payload)
    return rendered(asker, pageOfNodes(parts, asker, query.page, order, isShown))
  }
  const all = parts.replica.sortedNodeIds(service).flatMap((nodeId) => parts.replica.get({ service, nodeId }) ?? [])
  return listNodes(
    parts,
    asker,
    all.filter((node) => isAsked(node.record) && isShown(node)),
    query,
  )
}

/**
 * Nodes in the order of their NodeIDs, or of creation. That order tells where a page begins even when the node it was named by is no
 * more, so there is no item-not-found here. XEP-0059 §2.4.
 */
function listNodes(
  parts: PubsubParts,
  asker: Asker,
  listed: readonly NodeView[],
  { page: request, payload }: DiscoItemsQuery,
): Page<DiscoItem> {
  const order = parseNodeOrder(payload)
  const isAsked = typeFilter(payload)
  const nodes = listed.filter(({ record }) => isAsked(record))
  const key = (node: NodeView) => keyOfNode(node, order)
  if (order.by === 'creation') nodes.sort((a, b) => (key(a) < key(b) ? -1 : 1))
  const max = entriesMax(parts, request)
  const read = (each: RsmRequest) => pageOfSorted(nodes, key, each, max)
  const asked = request ?? { max }
  return rendered(asker, order.isDescending ? turned(asked, nodes.length, max, read) : read(asked))
}

function refuseOrder(query: Element): void {
  if (childOf(query, 'order', NS_ORDER_BY)) throw pubsubError('orderUnsupported', 'nodes come by their NodeIDs here')
}

function rendered({ address: jid }: Asker, page: Page<NodeView>): Page<DiscoItem> {
  const items = page.items.map(({ record }): DiscoItem => {
    const { title } = record.config
    return { jid, node: record.nodeId, ...(title && { name: title }) }
  })
  return { ...page, items }
}
