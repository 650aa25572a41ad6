/** Requests of XEP-0060 as typed values; nothing is decided here. The answers: answer-xml.ts. XEP-0060 §17. */

import { parseForm, readBoolean } from '../../server/stanza/forms.ts'
import { type Jid, tryParseJid } from '../../server/stanza/jid.ts'
import { parseRsm } from '../../server/stanza/rsm.ts'
import { attr, childElements, childOf, childrenOf, type Element, textOf } from '../../server/xml/element.ts'
import { NS_FORMS } from '../../server/xml/namespaces.ts'
import { serialize } from '../../server/xml/serialize.ts'
import { isAttachmentNode, isKept } from './attachment-names.ts'
import { pubsubError } from './errors.ts'
import { type ConfigBounds, type NodeConfig, parseConfigForm, parseLinks } from './node-config.ts'
import { parseOrder } from './order.ts'
import { parsePreconditions } from './preconditions.ts'
import { NS_PPS } from './public-names.ts'
import { ROOT_ID } from './records.ts'
import { parseRelationships } from './relationship-fields.ts'
import type {
  EntityRequest,
  OneSubscription,
  OwnerRequest,
  Payload,
  PubsubRequest,
  SubmittedConfig,
} from './requests.ts'
import { isAffiliation } from './rules.ts'
import type { AffiliationChange } from './store.ts'
import { type OptionChanges, parseOptionsForm } from './subscription-options.ts'

export const NS_PUBSUB = 'http://jabber.org/protocol/pubsub'
export const NS_PUBSUB_OWNER = 'http://jabber.org/protocol/pubsub#owner'
export const NS_SHIM = 'http://jabber.org/protocol/shim'
export const NS_PUBSUB_EVENT = 'http://jabber.org/protocol/pubsub#event'

/** The collections that a notification came by. XEP-0248 §5.3.1. */
export function collectionsOf(message: Element): string[] {
  const headers = childOf(message, 'headers', NS_SHIM)
  const all = headers ? childrenOf(headers, 'header', NS_SHIM) : []
  return all.filter((header) => attr(header, 'name') === 'Collection').map(textOf)
}

/** NodeIDs and ItemIDs are kept and indexed, so they are bounded like a JID's parts. RFC 7622 §3.1. */
const MAX_ID_BYTES = 1023
/** Of an XMPP URI: every character of a NodeID may be escaped. */
const MAX_ADDRESS_BYTES = 3 * MAX_ID_BYTES + 4096
/** The name of an attachment node has a JID, a NodeID and an ItemID in it, three octets for each of theirs. XEP-0470 */
const MAX_KEPT_ID_BYTES = 8 * 1024

/**
 * Reads `<pubsub/>` of either namespace.
 * @throws StanzaError of the module's table when it is not what XEP-0060 §17.1 or §17.4 says, or asks for what is not
 *         implemented
 */
export function parsePubsub(type: 'get' | 'set', pubsub: Element, bounds: ConfigBounds): PubsubRequest {
  const ns = pubsub.getNS() === NS_PUBSUB_OWNER ? NS_PUBSUB_OWNER : NS_PUBSUB
  const [action, ...others] = childElements(pubsub).filter((child) => child.getNS() === ns)
  if (!action) throw pubsubError('malformed', 'an empty request')
  // §17.1: a choice of one, so that nothing that was asked for is passed over in silence.
  const companion = ns === NS_PUBSUB ? COMPANIONS[action.getName()] : undefined
  const surplus = others.length > 1 ? others[1] : others.find((other) => other.getName() !== companion)
  if (surplus) throw pubsubError('malformed', `<${surplus.getName()}/> has no place beside <${action.getName()}/>`)
  const request =
    ns === NS_PUBSUB_OWNER ? parseOwner(type, pubsub, action, bounds) : parseEntity(type, pubsub, action, bounds)
  if (!request) throw pubsubError('malformed', `no ${type} request <${action.getName()}/> here`)
  return request
}

/** What may come with a request. §6.3.7, §7.1.5, §8.1.3 */
const COMPANIONS: Readonly<Record<string, string>> = {
  subscribe: 'options',
  publish: 'publish-options',
  create: 'configure',
}

function parseEntity(
  type: 'get' | 'set',
  pubsub: Element,
  action: Element,
  bounds: ConfigBounds,
): EntityRequest | undefined {
  switch (`${type} ${action.getName()}`) {
    case 'get subscriptions':
      return { kind: 'subscriptions', nodeId: attr(action, 'node'), page: parseRsm(pubsub) }
    case 'get affiliations':
      return { kind: 'affiliations', nodeId: attr(action, 'node'), page: parseRsm(pubsub) }
    case 'get items':
      return parseItems(pubsub, action)
    case 'set subscribe':
      return parseSubscribe(pubsub, action)
    case 'set unsubscribe':
      return { kind: 'unsubscribe', ...oneSubscription(action) }
    case 'get options':
      return { kind: 'getOptions', ...oneSubscription(action) }
    case 'set options':
      return { kind: 'setOptions', ...oneSubscription(action), changes: submittedOptions(action) }
    case 'get default':
      return { kind: 'getDefaultOptions', nodeId: attr(action, 'node') }
    case 'set publish':
      return parsePublish(pubsub, action)
    case 'set retract':
      return parseRetract(action)
    case 'set create':
      return parseCreate(pubsub, action, bounds)
    default:
      return undefined
  }
}

function parseOwner(
  type: 'get' | 'set',
  pubsub: Element,
  action: Element,
  bounds: ConfigBounds,
): OwnerRequest | undefined {
  switch (`${type} ${action.getName()}`) {
    case 'get configure':
      return { kind: 'getConfig', nodeId: nodeIdOf(action) }
    case 'set configure':
      return { kind: 'configure', nodeId: nodeIdOf(action), submitted: submitted(action, bounds) }
    case 'get default':
      return { kind: 'getDefault', nodeType: nodeTypeOf(action) }
    case 'set collection':
      return parseAssociation(action)
    case 'set delete': {
      const redirect = childOf(action, 'redirect', NS_PUBSUB_OWNER)
      if (!attr(action, 'node')) throw pubsubError('rootFixed', 'the root is not deleted; name a node')
      return { kind: 'delete', nodeId: nodeIdOf(action), redirect: redirect && addressOf(redirect) }
    }
    case 'set purge':
      return { kind: 'purge', nodeId: nodeIdOf(action) }
    case 'get subscriptions':
      return { kind: 'getSubscriptions', nodeId: nodeIdOf(action), page: parseRsm(pubsub) }
    case 'set subscriptions':
      return { kind: 'setSubscriptions', nodeId: nodeIdOf(action), changes: subscriptionChanges(action) }
    case 'get affiliations':
      return { kind: 'getAffiliations', nodeId: nodeIdOf(action), page: parseRsm(pubsub) }
    case 'set affiliations':
      return { kind: 'setAffiliations', nodeId: nodeIdOf(action), changes: affiliationChanges(action) }
    default:
      return undefined
  }
}

/** §8.3.2; XEP-0248 §7.3.1. */
function nodeTypeOf(action: Element): NodeConfig['nodeType'] {
  const type = attr(action, 'type') ?? 'leaf'
  if (type !== 'leaf' && type !== 'collection') throw pubsubError('malformed', `no nodes of type ${type} here`)
  return type
}

function nodeIdOf(action: Element): string {
  const nodeId = attr(action, 'node')
  if (nodeId === undefined || nodeId === '') throw pubsubError('nodeIdRequired') // §8.2.3.3
  return checkNodeId(nodeId)
}

/** Where a deleted node is to be found. §8.4 */
function addressOf(redirect: Element): string {
  const uri = checkId(attr(redirect, 'uri') ?? '', 'address', MAX_ADDRESS_BYTES)
  if (!URL.canParse(uri)) throw pubsubError('malformed', 'a <redirect/> has the address of a node in its uri')
  return uri
}

function checkNodeId(id: string): string {
  return checkId(id, 'NodeID', isKept(id) ? MAX_KEPT_ID_BYTES : MAX_ID_BYTES)
}

function checkId(id: string, what: string, max: number): string {
  if (Buffer.byteLength(id) > max) throw pubsubError('malformed', `the ${what} is longer than ${max} bytes`)
  return id
}

/** A subscription without a node is one to the root, and so are items asked for without one. XEP-0060 §6.3.2; XEP-0248 §8.1. */
function nodeOrRoot(action: Element): string {
  return attr(action, 'node') ? nodeIdOf(action) : ROOT_ID
}

function subscriberOf(action: Element): Jid {
  const jid = tryParseJid(attr(action, 'jid') ?? '')
  if (!jid) throw pubsubError('invalidJid', 'the subscription needs a valid jid') // §6.1.3.1
  return jid
}

function oneSubscription(action: Element): OneSubscription {
  const nodeId = nodeOrRoot(action)
  if (attr(action, 'jid') === undefined) throw pubsubError('jidRequired') // §6.3.4.3
  return { nodeId, jid: subscriberOf(action), subid: subidOf(action) }
}

function subidOf(action: Element): string | undefined {
  const subid = attr(action, 'subid')
  return subid === '' ? undefined : subid
}

function parseSubscribe(pubsub: Element, action: Element): EntityRequest {
  const options = childOf(pubsub, 'options', NS_PUBSUB)
  // §6.3.7: <options/> follows <subscribe/>, the action, and names neither node nor JID of its own.
  if (options && (attr(options, 'node') !== undefined || attr(options, 'jid') !== undefined))
    throw pubsubError('malformed', '<options/> names no node and no jid here')
  const x = options && childOf(options, 'x', NS_FORMS)
  const changes = x && submittedOptions(options)
  const isPublic = asksToBePublic(action, options)
  return { kind: 'subscribe', nodeId: nodeOrRoot(action), jid: subscriberOf(action), options: changes, isPublic }
}

/** XEP-0465 §4.1. COMPAT(Libervia 0.9): a field of the options' form says so. */
export function asksToBePublic(subscribe: Element, options: Element | undefined): boolean {
  const x = options && childOf(options, 'x', NS_FORMS)
  const isSaid = childOf(subscribe, 'public', NS_PPS) !== undefined
  return isSaid || (x && readBoolean(parseForm(x), `{${NS_PPS}}public`)) === true
}

/** The options that an `<options/>` submits; undefined when it cancels. §6.3.5. */
function submittedOptions(options: Element): OptionChanges | undefined {
  const x = childOf(options, 'x', NS_FORMS)
  if (!x) throw pubsubError('malformed', 'options are submitted as a data form')
  const form = parseForm(x)
  return form.type === 'cancel' ? undefined : parseOptionsForm(form)
}

function parseItems(pubsub: Element, action: Element): EntityRequest {
  const maxItems = attr(action, 'max_items')
  if (maxItems !== undefined && !/^[0-9]{1,9}$/.test(maxItems))
    throw pubsubError('malformed', 'max_items is not a number of at most nine digits')
  const itemIds = childrenOf(action, 'item', NS_PUBSUB).map((item) => {
    const id = attr(item, 'id')
    if (id === undefined) throw pubsubError('itemRequired', 'an <item/> to retrieve needs an id')
    return id
  })
  return {
    kind: 'items',
    nodeId: nodeOrRoot(action),
    itemIds,
    maxItems: maxItems === undefined ? undefined : Number(maxItems),
    page: parseRsm(pubsub),
    order: parseOrder(pubsub),
    subid: subidOf(action),
  }
}

function parsePublish(pubsub: Element, action: Element): EntityRequest {
  const nodeId = nodeIdOf(action)
  const items = childrenOf(action, 'item', NS_PUBSUB)
  if (items.length > 1) throw pubsubError('malformed', 'one item in a publish') // §7.1.1: batches went with 1.13
  const [item] = items
  const options = childOf(pubsub, 'publish-options', NS_PUBSUB)
  const form = options && childOf(options, 'x', NS_FORMS)
  if (options && !form) throw pubsubError('malformed', '<publish-options/> has no form') // §7.1.5
  const id = item && attr(item, 'id')
  return {
    kind: 'publish',
    nodeId,
    hasItem: item !== undefined,
    itemId: id === undefined || id === '' ? undefined : checkId(id, 'ItemID', MAX_ID_BYTES),
    payload: item && parsePayload(item),
    // XEP-0470 §4.3: there, whatever they are, they are ignored.
    preconditions: form && !isAttachmentNode(nodeId) ? parsePreconditions(parseForm(form)) : {},
  }
}

function parsePayload(item: Element): Payload | undefined {
  const payloads = childElements(item)
  const [element] = payloads
  if (payloads.length > 1) throw pubsubError('invalidPayload', 'an item has one payload') // §7.1.3.6
  if (item.children.some((child) => typeof child === 'string' && child.trim() !== ''))
    throw pubsubError('invalidPayload', 'an item holds an element, not text')
  return element && payloadOf(element)
}

/** No namespace is called so: whatever the payload's is, it is declared on it. */
const NOWHERE = ' '

/** An element as a payload to keep. */
export function payloadOf(element: Element): Payload {
  return { element, xml: serialize(element, NOWHERE), ns: element.getNS() ?? '' }
}

function parseRetract(action: Element): EntityRequest {
  const nodeId = nodeIdOf(action)
  const items = childrenOf(action, 'item', NS_PUBSUB)
  const itemId = items[0] && attr(items[0], 'id')
  if (itemId === undefined || itemId === '') throw pubsubError('itemRequired') // §7.2.3.4
  if (items.length > 1) throw pubsubError('malformed', 'one item in a retract') // §7.2.1
  const notify = attr(action, 'notify')
  return { kind: 'retract', nodeId, itemId, notify: notify === 'true' || notify === '1' }
}

function parseCreate(pubsub: Element, action: Element, bounds: ConfigBounds): EntityRequest {
  const parts = childElements(pubsub).filter((child) => child.getNS() === NS_PUBSUB)
  const configure = parts.find((part) => part.getName() === 'configure')
  // §8.1.3: <configure/> follows <create/> and has no node of its own; parts[0] is <create/>.
  if (configure && attr(configure, 'node') !== undefined)
    throw pubsubError('malformed', '<configure/> names no node here')
  const nodeId = attr(action, 'node')
  return {
    kind: 'create',
    nodeId: nodeId === undefined || nodeId === '' ? undefined : checkNodeId(nodeId),
    submitted: (configure && childOf(configure, 'x', NS_FORMS) && submitted(configure, bounds)) ?? NOTHING_SAID,
  }
}

const NOTHING_SAID: SubmittedConfig = { changes: {}, links: {}, relationships: {} }

function parseAssociation(action: Element): OwnerRequest {
  const kinds = ['associate', 'dissociate'] as const
  const asked = kinds.flatMap((kind) => childrenOf(action, kind, NS_PUBSUB_OWNER).map((element) => ({ kind, element })))
  const [first] = asked
  if (!first || asked.length > 1) throw pubsubError('malformed', 'a collection takes one <associate/> or <dissociate/>')
  return { kind: first.kind, nodeId: nodeIdOf(action), child: nodeIdOf(first.element) }
}

/** The form that a `<configure/>` submits; undefined when it cancels. §8.2.4. */
function submitted(configure: Element, bounds: ConfigBounds): SubmittedConfig | undefined {
  const x = childOf(configure, 'x', NS_FORMS)
  if (!x) throw pubsubError('malformed', 'a configuration is submitted as a data form')
  const form = parseForm(x)
  if (form.type === 'cancel') return undefined
  if (form.type !== 'submit') throw pubsubError('malformed', 'the form is not of type submit')
  return {
    changes: parseConfigForm(form, bounds),
    links: parseLinks(form),
    relationships: parseRelationships(form),
  }
}

function subscriptionChanges(action: Element): { jid: Jid; subid: string | undefined; state: string }[] {
  return childrenOf(action, 'subscription', NS_PUBSUB_OWNER).flatMap((entry) => {
    const jid = subscriberOf(entry)
    const state = attr(entry, 'subscription')
    // §8.8.2.1: an entry without a state changes nothing
    return state === undefined ? [] : [{ jid, subid: subidOf(entry), state }]
  })
}

function affiliationChanges(action: Element): AffiliationChange[] {
  const seen = new Set<string>()
  return childrenOf(action, 'affiliation', NS_PUBSUB_OWNER).flatMap((entry) => {
    const { bare } = subscriberOf(entry)
    if (seen.has(bare)) throw pubsubError('malformed', `two affiliations for ${bare}`) // §8.9.2.4
    seen.add(bare)
    const affiliation = attr(entry, 'affiliation')
    if (affiliation === undefined) return [] // §8.9.2.1
    return [{ bareJid: bare, affiliation: isAffiliation(affiliation) ? affiliation : undefined }]
  })
}
