/** A node's configuration and its data forms. XEP-0060 §8.1.3, §8.2, §8.3, §17.4.4; XEP-0004. */

import type { DataForm, FieldType, FormField } from '../../server/stanza/forms.ts'
import { tryParseJid } from '../../server/stanza/jid.ts'
import { pubsubError } from './errors.ts'

export const NODE_CONFIG_FORM = 'http://jabber.org/protocol/pubsub#node_config'
export const PUBLISH_OPTIONS_FORM = 'http://jabber.org/protocol/pubsub#publish-options'

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
}
export type ConfigChanges = Partial<NodeConfig>

/** Its place among the nodes of its service, by NodeID. XEP-0248. */
export interface Links {
  /** Empty: it stands at the root. */
  readonly parents: readonly string[]
  readonly children: readonly string[]
}
export type LinkChanges = Partial<Links>

/** A collection keeps no items, whatever else is said of it. XEP-0248 §4.1. */
export function normalized(config: NodeConfig): NodeConfig {
  return config.nodeType === 'leaf' ? config : { ...config, persistItems: false }
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
  }
}

/** One line of the form: how a value is shown, and how it is read back. */
interface Option<K extends keyof NodeConfig = keyof NodeConfig> {
  readonly key: K
  readonly field: `pubsub#${string}`
  readonly label: string
  readonly type: FieldType
  readonly options?: readonly string[]
  /** Shown for nodes of this kind alone. */
  readonly of?: NodeConfig['nodeType']
  /** Beside these, at an account's nodes; without any of the others: only there. */
  readonly accountOptions?: readonly string[]
  render(config: NodeConfig): string
  /** @throws StanzaError not-acceptable when the node cannot be so */
  parse(value: string, bounds: ConfigBounds): NodeConfig[K]
}

const MAX_CONTACTS = 20
const MAX_EXPIRE_SECONDS = 3_153_600_000

const SHARED_MODELS = ['open', 'authorize', 'whitelist'] as const
/** Whoever the account's roster lets. §4.5 */
const ROSTER_MODELS = ['presence', 'roster'] as const

/** Offered in forms; the empty one is none. RFC 5646 */
const LANGUAGES =
  ' ar bg ca cs da de el en es et fi fr ga he hi hr hu is it ja ko lt lv mt nb nl pl pt ro ru sk sl sr sv tr uk vi zh'.split(
    ' ',
  )

const OPTIONS: readonly Option[] = [
  choice('nodeType', 'pubsub#node_type', 'Whether the node holds items or other nodes', ['leaf', 'collection']),
  {
    ...choice('childrenPolicy', 'pubsub#children_association_policy', 'Who may put nodes into this collection', [
      'owners',
      'whitelist',
      'all',
    ]),
    of: 'collection',
  },
  {
    ...jids('childrenWhitelist', 'pubsub#children_association_whitelist', 'Who is on the whitelist for that', 1_000),
    of: 'collection',
  },
  {
    key: 'childrenMax',
    field: 'pubsub#children_max',
    label: 'How many nodes the collection holds; "max" for as many as the service allows',
    type: 'text-single',
    of: 'collection',
    render: (config) => String(config.childrenMax),
    parse: (value, bounds) =>
      value === 'max' ? 'max' : wholeNumber('pubsub#children_max', value, bounds.childrenMax, 'use "max"'),
  },
  text('title', 'pubsub#title', 'A short name for the node'),
  text('description', 'pubsub#description', 'A description of the node'),
  text('type', 'pubsub#type', 'Namespace of the payloads at this node'),
  {
    ...choice('accessModel', 'pubsub#access_model', 'Who may subscribe and retrieve items', SHARED_MODELS),
    accountOptions: ROSTER_MODELS,
    parse(value, { isAccount }) {
      const model = [...SHARED_MODELS, ...(isAccount ? ROSTER_MODELS : [])].find((each) => each === value)
      if (!model) throw pubsubError('unsupportedAccessModel', `access model ${value} is not available here`)
      return model
    },
  },
  {
    ...text('rosterGroupsAllowed', 'pubsub#roster_groups_allowed', 'Roster groups that may subscribe and retrieve'),
    type: 'list-multi',
    accountOptions: [],
  },
  choice('publishModel', 'pubsub#publish_model', 'Who may publish', ['publishers', 'subscribers', 'open']),
  flag('persistItems', 'pubsub#persist_items', 'Keep items'),
  {
    key: 'maxItems',
    field: 'pubsub#max_items',
    label: 'How many items to keep; "max" for as many as the service allows',
    type: 'text-single',
    render: (config) => String(config.maxItems),
    parse: (value, bounds) =>
      value === 'max' ? 'max' : wholeNumber('pubsub#max_items', value, bounds.itemsMax, 'use "max"'),
  },
  {
    key: 'maxPayloadBytes',
    field: 'pubsub#max_payload_size',
    label: 'The largest payload in bytes',
    type: 'text-single',
    render: (config) => String(config.maxPayloadBytes),
    // Larger than what the service takes is no promise that could be kept; the form then shows what holds.
    parse: (value, bounds) =>
      Math.min(wholeNumber('pubsub#max_payload_size', value, Number.MAX_SAFE_INTEGER, ''), bounds.payloadMaxBytes),
  },
  flag('subscribe', 'pubsub#subscribe', 'Allow subscriptions'),
  flag('deliverNotifications', 'pubsub#deliver_notifications', 'Send event notifications'),
  flag('deliverPayloads', 'pubsub#deliver_payloads', 'Send payloads with event notifications'),
  flag('notifyConfig', 'pubsub#notify_config', 'Tell subscribers when the configuration changes'),
  flag('notifyDelete', 'pubsub#notify_delete', 'Tell subscribers when the node is deleted'),
  flag('notifyRetract', 'pubsub#notify_retract', 'Tell subscribers when items are removed'),
  choice('notificationType', 'pubsub#notification_type', 'Message type of notifications', ['normal', 'headline']),
  choice('itemReply', 'pubsub#itemreply', 'Whom items name as their publisher', ['owner', 'publisher', 'none']),
  choice('sendLastItem', 'pubsub#send_last_published_item', 'When to send the last item', [
    'never',
    'on_sub',
    'on_sub_and_presence',
  ]),
  // §5.4: SHOULD be a list. Whatever else is submitted is a language too.
  {
    ...text('language', 'pubsub#language', 'The default language of the node'),
    type: 'list-single',
    options: LANGUAGES,
  },
  jids('contact', 'pubsub#contact', 'Whom to ask about the node', MAX_CONTACTS),
  {
    key: 'itemExpireSeconds',
    field: 'pubsub#item_expire',
    label: 'Seconds after which items go; "max": they stay',
    type: 'text-single',
    render: (config) => String(config.itemExpireSeconds),
    parse: (value) =>
      value === 'max' ? 'max' : wholeNumber('pubsub#item_expire', value, MAX_EXPIRE_SECONDS, 'use "max"'),
  },
  choice('publishNodeFull', 'pubsub#publish_node_full', 'What a publish to a full node does', [
    'retract-oldest',
    'discard-oldest',
    'reject',
  ]),
  flag('notifySub', 'pubsub#notify_sub', 'Tell owners about new subscribers and unsubscribes'),
  flag('presenceBasedDelivery', 'pubsub#presence_based_delivery', 'Send notifications to available users only'),
  flag('tempSub', 'pubsub#tempsub', 'End every subscription when its subscriber goes offline'),
  flag('purgeOffline', 'pubsub#purge_offline', 'Remove items when who published them goes offline'),
  {
    ...text('dataformXslt', 'pubsub#dataform_xslt', 'URL of an XSL transformation of payloads into data forms'),
    parse(value) {
      if (value.length > MAX_TEXT_CHARS || (value !== '' && !URL.canParse(value)))
        throw pubsubError('invalidConfig', `pubsub#dataform_xslt is a URL of at most ${MAX_TEXT_CHARS} characters`)
      return value
    },
  },
]

/** Options of the registry that cannot be had here: asked for, they are refused, and said to be unset, they are. */
const REFUSED: Readonly<Record<string, string>> = {
  'pubsub#body_xslt': 'message bodies are made by the service itself', // §13.8
}

/** Options that mean nothing where there are no items. */
const OF_ITEMS: ReadonlySet<keyof NodeConfig> = new Set([
  'type',
  'publishModel',
  'persistItems',
  'maxItems',
  'maxPayloadBytes',
  'deliverPayloads',
  'notifyRetract',
  'itemReply',
  'sendLastItem',
  'itemExpireSeconds',
  'publishNodeFull',
  'purgeOffline',
  'dataformXslt',
])

function optionsOf({ nodeType }: NodeConfig, isAccount: boolean): readonly Option[] {
  const ofKind = OPTIONS.filter(({ of = nodeType }) => of === nodeType)
  return ofKind.filter(
    (option) => (isAccount || !isForAccounts(option)) && (nodeType === 'leaf' || !OF_ITEMS.has(option.key)),
  )
}

/**
 * The form that an owner fills in, with what holds now. XEP-0060 §8.2.2, §8.3.3; XEP-0248 §7.2.
 * @param rosterGroups  of the account whose node it is; undefined: it is no account's
 */
export function configForm(config: NodeConfig, links: Links = UNLINKED, rosterGroups?: readonly string[]): DataForm {
  const isAccount = rosterGroups !== undefined
  const fields = optionsOf(config, isAccount).map((option): FormField => {
    const { field, label, type, options = [], accountOptions = [] } = option
    const values = valuesOf(option, config)
    const groups = option.key === 'rosterGroupsAllowed' ? [...(rosterGroups ?? []), ...values] : []
    const choices = [...new Set([...options, ...(isAccount ? accountOptions : []), ...groups])]
    const isList = type === 'list-single' || type === 'list-multi'
    return { name: field, type, label, values, ...(isList && { options: choices.map((value) => ({ value })) }) }
  })
  return { type: 'form', formType: NODE_CONFIG_FORM, fields: [...fields, ...linkFields(config, links)] }
}

/** The configuration as told to subscribers, who need not know every collection the node is in. XEP-0060 §8.2.5.3. */
export function configResult(config: NodeConfig): DataForm {
  // What an account calls its roster groups is its own.
  const told = optionsOf(config, false)
  const fields = told.map((option): FormField => ({ name: option.field, values: valuesOf(option, config) }))
  return { type: 'result', formType: NODE_CONFIG_FORM, fields }
}

const UNLINKED: Links = { parents: [], children: [] }

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

function isMulti({ type }: Option): boolean {
  return type === 'jid-multi' || type === 'list-multi'
}

function isForAccounts({ options, accountOptions }: Option): boolean {
  return accountOptions !== undefined && options === undefined
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

/** Preconditions of a publish: field -> the value that must hold. */
export type Preconditions = Readonly<Record<string, string>>

/**
 * Reads `<publish-options/>`' form. XEP-0060 §7.1.5.
 * @throws StanzaError bad-request for another form
 */
export function parsePreconditions(form: DataForm): Preconditions {
  if (form.formType !== PUBLISH_OPTIONS_FORM)
    throw pubsubError('malformed', `the form's FORM_TYPE is not ${PUBLISH_OPTIONS_FORM}`)
  return Object.fromEntries(form.fields.map(({ name, values }) => [name, values.join('\n')]))
}

/**
 * The configuration of a node that a publish makes: the default but for what the preconditions want. XEP-0060 §7.1.5.
 * @throws StanzaError precondition-not-met for a field that is unknown, or a value that cannot be
 */
export function configFor(preconditions: Preconditions, bounds: ConfigBounds): NodeConfig {
  const fields = Object.entries(preconditions).map(([name, value]) => ({ name, values: value.split('\n') }))
  const known = OPTIONS.filter((option) => bounds.isAccount || !isForAccounts(option))
  const unknown = fields.find(({ name }) => !known.some(({ field }) => field === name))
  if (unknown) throw pubsubError('preconditionNotMet', `${unknown.name} is unknown`)
  return { ...defaultConfig(bounds), ...parseConfigForm({ type: 'submit', formType: undefined, fields }, bounds) }
}

/** The first precondition that does not hold, an unknown field included; undefined when all do. XEP-0060 §7.1.5. */
export function unmetPrecondition(config: NodeConfig, preconditions: Preconditions): string | undefined {
  for (const [name, wanted] of Object.entries(preconditions)) {
    const option = OPTIONS.find(({ field }) => field === name)
    if (!option) return name
    const flag = readFlag(wanted) === true ? '1' : '0'
    const value = option.type === 'boolean' ? flag : isMulti(option) ? inOrder(wanted) : wanted
    if (option.type === 'boolean' && readFlag(wanted) === undefined) return name
    const now = option.render(config)
    if ((isMulti(option) ? inOrder(now) : now) !== value) return name
  }
  return undefined
}

/** A list without the order that its values came in. */
function inOrder(lines: string): string {
  return lines.split('\n').sort().join('\n')
}

type KeysOf<T> = { [K in keyof NodeConfig]: NodeConfig[K] extends T ? K : never }[keyof NodeConfig]

function text(
  key: 'title' | 'description' | 'type' | 'language' | 'dataformXslt' | 'rosterGroupsAllowed',
  field: Option['field'],
  label: string,
): Option {
  return {
    key,
    field,
    label,
    type: 'text-single',
    render: (config) => config[key],
    parse(value) {
      if (value.length > MAX_TEXT_CHARS)
        throw pubsubError('invalidConfig', `${field} is longer than ${MAX_TEXT_CHARS} characters`)
      return value
    },
  }
}

const MAX_TEXT_CHARS = 4096

function jids(key: 'contact' | 'childrenWhitelist', field: Option['field'], label: string, max: number): Option {
  return {
    key,
    field,
    label,
    type: 'jid-multi',
    render: (config) => config[key],
    parse(value) {
      const known = value.split('\n').filter((jid) => jid !== '')
      if (known.length > max || known.some((jid) => !tryParseJid(jid)))
        throw pubsubError('invalidConfig', `${field} takes up to ${max} JIDs`)
      return known.join('\n')
    },
  }
}

function flag(key: KeysOf<boolean>, field: Option['field'], label: string): Option {
  return {
    key,
    field,
    label,
    type: 'boolean',
    render: (config) => (config[key] ? '1' : '0'),
    parse(value) {
      const parsed = readFlag(value)
      if (parsed === undefined) throw pubsubError('invalidConfig', `${field} is neither true nor false`)
      return parsed
    },
  }
}

/** XEP-0004 §3.3: a boolean field's lexical forms. */
function readFlag(value: string): boolean | undefined {
  if (value === '1' || value === 'true') return true
  return value === '0' || value === 'false' ? false : undefined
}

function choice(
  key:
    | 'nodeType'
    | 'childrenPolicy'
    | 'accessModel'
    | 'publishModel'
    | 'notificationType'
    | 'itemReply'
    | 'sendLastItem'
    | 'publishNodeFull',
  field: Option['field'],
  label: string,
  values: readonly string[],
  refuse: (value: string) => Error = (value) =>
    pubsubError('invalidConfig', `${field}: ${value} is not available here`),
): Option {
  return {
    key,
    field,
    label,
    type: 'list-single',
    options: values,
    render: (config) => config[key],
    parse(value) {
      if (!values.includes(value)) throw refuse(value)
      // One of `values`, which are those of this key's type.
      return value as NodeConfig[typeof key]
    },
  }
}

function wholeNumber(field: string, value: string, max: number, hint: string): number {
  const number = /^[0-9]{1,15}$/.test(value) ? Number(value) : 0
  if (number >= 1 && number <= max) return number
  throw pubsubError('invalidConfig', `${field} is a whole number from 1 to ${max}${hint && `; ${hint}`}`)
}
