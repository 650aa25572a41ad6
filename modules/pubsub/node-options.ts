/** What can be chosen for a node, line by line: how each value is shown in a form, and how it is read back. XEP-0060 §16.4.4 */

import type { FieldType } from '../../server/stanza/forms.ts'
import { tryParseJid } from '../../server/stanza/jid.ts'
import { pubsubError } from './errors.ts'
import type { ConfigBounds, NodeConfig } from './node-config.ts'

export const NS_CACHING = 'urn:xmpp:pubsub-caching:0'

/** One line of the form. */
export interface Option<K extends keyof NodeConfig = keyof NodeConfig> {
  readonly key: K
  readonly field: `pubsub#${string}` | `{${string}}${string}`
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

export const OPTIONS: readonly Option[] = [
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
  flag('persistItems', 'pubsub#persist_items', 'Keep items; set to false, those that are kept go at once'),
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
  // XEP-0460 §8: with it all options hold that it takes; §10.
  flag('alwaysNotify', `{${NS_CACHING}}always-notify`, 'Tell subscribers of every change, whatever else is chosen'),
  flag('allowedForSuggestions', `{${NS_CACHING}}allowed-for-suggestions`, 'Clients may suggest the node to anybody'),
]

/** Options of the registry that cannot be had here: asked for, they are refused, and said to be unset, they are. */
export const REFUSED: Readonly<Record<string, string>> = {
  'pubsub#body_xslt': 'message bodies are made by the service itself', // §12.8
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
  'alwaysNotify',
  'allowedForSuggestions',
])

/** Those of a node's kind. */
export function optionsOf({ nodeType }: NodeConfig, isAccount: boolean): readonly Option[] {
  const ofKind = OPTIONS.filter(({ of = nodeType }) => of === nodeType)
  return ofKind.filter(
    (option) => (isAccount || !isForAccounts(option)) && (nodeType === 'leaf' || !OF_ITEMS.has(option.key)),
  )
}

/** Its values are kept one per line. */
export function isMulti({ type }: Option): boolean {
  return type === 'jid-multi' || type === 'list-multi'
}

export function isForAccounts({ options, accountOptions }: Option): boolean {
  return accountOptions !== undefined && options === undefined
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
