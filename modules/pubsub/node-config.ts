/** A node's configuration and its data forms. XEP-0060 §8.1.3, §8.2, §8.3, §16.4.4; XEP-0004. */

import type { DataForm, FormField } from '../../server/stanza/forms.ts'
import { pubsubError } from './errors.ts'
import { isForAccounts, isMulti, OPTIONS, type Option, optionsOf, REFUSED } from './node-options.ts'
import { type RelationshipChanges, type Relationships, relationshipFields, UNRELATED } from './relationship-fields.ts'

export const NODE_CONFIG_FORM = 'http://jabber.org/protocol/pubsub#node_config'

export interface NodeConfig {
  /** A collection holds nodes and no items. XEP-0248 */
  readonly nodeType: 'leaf' | 'collection'
  /** Who may put nodes into a collection. */
  readonly childrenPolicy: 'owners' | 'whitelist' | 'all'
  /** For that policy: JIDs, one per line. */
  readonly childrenWhitelist: string
  readonly childrenMax: number | 'max'
  /** Empty: unset. */
  readonly title: string
  readonly description: string
  /** Namespace that payloads must have; empty: any. */
  readonly type: string
  readonly accessModel: 'open' | 'authorize' | 'whitelist' | 'presence' | 'roster'
  /** Roster groups that a node of access model `roster` is for, one per line. */
  readonly rosterGroupsAllowed: string
  readonly publishModel: 'publishers' | 'subscribers' | 'open'
  readonly persistItems: boolean
  readonly maxItems: number | 'max'
  readonly maxPayloadBytes: number
  readonly subscribe: boolean
  readonly deliverNotifications: boolean
  readonly deliverPayloads: boolean
  readonly notifyConfig: boolean
  readonly notifyDelete: boolean
  readonly notifyRetract: boolean
  readonly notificationType: 'normal' | 'headline'
  readonly itemReply: 'owner' | 'publisher' | 'none'
  readonly sendLastItem: 'never' | 'on_sub' | 'on_sub_and_presence'
  readonly language: string
  /** JIDs, one per line. */
  readonly contact: string
  /** `max`: items do not expire. */
  readonly itemExpireSeconds: number | 'max'
  readonly publishNodeFull: 'retract-oldest' | 'discard-oldest' | 'reject'
  readonly notifySub: boolean
  readonly presenceBasedDelivery: boolean
  readonly tempSub: boolean
  /** Items go when who published them goes offline. */
  readonly purgeOffline: boolean
  /** URL of an XSL transformation that clients may apply to payloads; empty: none. */
  readonly dataformXslt: string
  /** Every change is told to every subscriber, whatever else is chosen. XEP-0460 §8 */
  readonly alwaysNotify: boolean
  /** Clients may suggest the node to anybody. XEP-0460 §10 */
  readonly allowedForSuggestions: boolean
}
export type ConfigChanges = Partial<NodeConfig>

/** Its place among the nodes of its service, by NodeID. XEP-0248. */
export interface Links {
  /** Empty: it stands at the root. */
  readonly parents: readonly string[]
  readonly children: readonly string[]
}
export type LinkChanges = Partial<Links>

/** What holds, whatever else is said: a collection keeps no items (XEP-0248 §4.1), and always is always (XEP-0460 §8). */
export function normalized(config: NodeConfig): NodeConfig {
  if (config.nodeType === 'collection') return { ...config, persistItems: false }
  return config.alwaysNotify ? { ...config, ...telling(config) } : config
}

/** How many items a node may keep. XEP-0060 §7.1.2.5. */
export function itemLimit(maxItems: NodeConfig['maxItems'] | null, itemsMax: number): number {
  return maxItems === 'max' || maxItems === null ? itemsMax : Math.min(maxItems, itemsMax)
}

/** What it takes that nobody misses anything. */
function telling({ publishNodeFull }: NodeConfig): ConfigChanges {
  return {
    deliverNotifications: true,
    notifyConfig: true,
    notifyDelete: true,
    notifyRetract: true,
    presenceBasedDelivery: false,
    publishNodeFull: publishNodeFull === 'discard-oldest' ? 'retract-oldest' : publishNodeFull,
  }
}

/** Is every change told to every subscriber, whoever makes it? XEP-0460 §8 */
export function tellsAll(config: NodeConfig): boolean {
  return Object.entries(telling(config)).every(([key, value]) => config[key as keyof ConfigChanges] === value) // its own keys
}

/** What the service allows at most. */
export interface ConfigBounds {
  readonly itemsMax: number
  readonly childrenMax: number
  readonly payloadMaxBytes: number
  /** The service is an account's: its roster can tell who may read. */
  readonly isAccount?: boolean
}

/**
 * What a new node gets when its creator says nothing. XEP-0060 §4.5 recommends `open`; SACM-XMPP §5 wants `normal`.
 * An account's: XEP-0163 §3.5, §4.3.4, §5; its nodes are for one item as long as nobody says otherwise.
 */
export function defaultConfig(bounds: ConfigBounds): NodeConfig {
  return bounds.isAccount ? { ...sharedDefaults(bounds), ...ACCOUNT_DEFAULTS } : sharedDefaults(bounds)
}

const ACCOUNT_DEFAULTS = {
  accessModel: 'presence',
  maxItems: 1,
  notificationType: 'headline',
  itemReply: 'publisher',
} as const satisfies ConfigChanges

function sharedDefaults(bounds: ConfigBounds): NodeConfig {
  return {
    nodeType: 'leaf',
    childrenPolicy: 'owners',
    childrenWhitelist: '',
    childrenMax: 'max',
    title: '',
    description: '',
    type: '',
    accessModel: 'open',
    rosterGroupsAllowed: '',
    publishModel: 'publishers',
    persistItems: true,
    maxItems: 'max',
    maxPayloadBytes: bounds.payloadMaxBytes,
    subscribe: true,
    deliverNotifications: true,
    deliverPayloads: true,
    notifyConfig: false,
    notifyDelete: true, // §8.4.2: subscribers MUST be told
    notifyRetract: false,
    notificationType: 'normal',
    itemReply: 'none',
    sendLastItem: 'on_sub_and_presence', // §4.3: MUST be so where last-published is advertised
    language: '',
    contact: '',
    itemExpireSeconds: 'max',
    publishNodeFull: 'retract-oldest', // §7.1.2.5
    notifySub: false,
    presenceBasedDelivery: false,
    tempSub: false,
    purgeOffline: false,
    dataformXslt: '',
    alwaysNotify: false,
    allowedForSuggestions: false, // XEP-0460 §10: SHOULD be so
  }
}

/** Where a node stands among the others. */
export interface Place {
  readonly links: Links
  readonly relationships: Relationships
}

/** The place that a request gives a node: its collections, its nodes, and what it belongs to. */
export interface PlaceChanges {
  readonly links: LinkChanges
  readonly relationships: RelationshipChanges
}

/**
 * The form that an owner fills in, with what holds now. XEP-0060 §8.2.2, §8.3.3; XEP-0248 §7.2; XEP-0496 §4.2.
 * @param rosterGroups  of the account whose node it is; undefined: it is no account's
 */
export function configForm(
  config: NodeConfig,
  { links, relationships }: Place = NOWHERE,
  rosterGroups?: readonly string[],
): DataForm {
  const isAccount = rosterGroups !== undefined
  const fields = optionsOf(config, isAccount).map((option): FormField => {
    const { field, label, type, options = [], accountOptions = [] } = option
    const values = valuesOf(option, config)
    const groups = option.key === 'rosterGroupsAllowed' ? [...(rosterGroups ?? []), ...values] : []
    const choices = [...new Set([...options, ...(isAccount ? accountOptions : []), ...groups])]
    const isList = type === 'list-single' || type === 'list-multi'
    return { name: field, type, label, values, ...(isList && { options: choices.map((value) => ({ value })) }) }
  })
  const places = [...linkFields(config, links), ...relationshipFields(relationships)]
  return { type: 'form', formType: NODE_CONFIG_FORM, fields: [...fields, ...places] }
}

/** The configuration as told to subscribers, who need not know every collection the node is in. XEP-0060 §8.2.5.3. */
export function configResult(config: NodeConfig): DataForm {
  // What an account calls its roster groups is its own.
  const told = optionsOf(config, false)
  const fields = told.map((option): FormField => ({ name: option.field, values: valuesOf(option, config) }))
  return { type: 'result', formType: NODE_CONFIG_FORM, fields }
}

const NOWHERE: Place = { links: { parents: [], children: [] }, relationships: UNRELATED }

/** XEP-0248 §7.2, §8.1: who has no parent stands at the root, which has no name. */
function linkFields({ nodeType }: NodeConfig, { parents, children }: Links): FormField[] {
  const collection: FormField = {
    name: 'pubsub#collection',
    type: 'text-multi',
    label: 'The collections that this node is in',
    values: parents.length > 0 ? parents : [''],
  }
  const own = {
    name: 'pubsub#children',
    type: 'text-multi',
    label: 'The nodes in this collection',
    values: children,
  } as const
  return nodeType === 'leaf' ? [collection] : [collection, own]
}

/** The place that a submitted form gives the node; what it does not name stays. XEP-0248 §7.2. */
export function parseLinks(form: DataForm): LinkChanges {
  const named = (name: string) => {
    const field = form.fields.find((each) => each.name === name)
    // Line by line: clients send a text-multi either way (XEP-0004 §3.3).
    return field && [...new Set(field.values.flatMap((value) => value.split('\n')))].filter((nodeId) => nodeId !== '')
  }
  const [parents, children] = [named('pubsub#collection'), named('pubsub#children')]
  return { ...(parents && { parents }), ...(children && { children }) }
}

function valuesOf(option: Option, config: NodeConfig): readonly string[] {
  const value = option.render(config)
  if (!isMulti(option)) return [value]
  return value === '' ? [] : value.split('\n')
}

/**
 * Reads a submitted form; a field left out leaves its option as it is, an unknown one is ignored (XEP-0004 §3.2).
 * @throws StanzaError not-acceptable for a value that cannot be, bad-request for another form
 * XEP-0060 §8.1.2, §8.2.4, §8.2.5.2.
 */
export function parseConfigForm(form: DataForm, bounds: ConfigBounds): ConfigChanges {
  if (form.formType !== undefined && form.formType !== NODE_CONFIG_FORM)
    throw pubsubError('malformed', `the form's FORM_TYPE is not ${NODE_CONFIG_FORM}`)
  const changes: Partial<Record<keyof NodeConfig, NodeConfig[keyof NodeConfig]>> = {}
  for (const { name, values } of form.fields) {
    const option = OPTIONS.find(({ field }) => field === name)
    const refusal = REFUSED[name]
    if (refusal !== undefined && values.some((value) => value !== ''))
      throw pubsubError('invalidConfig', `${name} is not available here: ${refusal}`)
    if (!option || (isForAccounts(option) && !bounds.isAccount)) continue
    if (values.length > 1 && option.type !== 'text-single' && !isMulti(option))
      throw pubsubError('invalidConfig', `${name} takes one value`)
    changes[option.key] = option.parse(values.join('\n'), bounds)
  }
  // Each option parses the type of its own key; see Option.
  return changes as ConfigChanges
}
