/** What a subscriber chooses for one subscription, and its data form. XEP-0060 §6.3, §6.4, §12.5, §12.8, §12.19, §16.4.2. */

import type { DataForm, FormField } from '../../server/stanza/forms.ts'
import { formatDateTime, parseDateTime } from '../../server/stanza/time.ts'
import { pubsubError } from './errors.ts'

const SUBSCRIBE_OPTIONS_FORM = 'http://jabber.org/protocol/pubsub#subscribe_options'

/** RFC 6121 §4.7.2.1; `online` stands for availability without a <show/>. */
export const SHOW_VALUES = ['chat', 'online', 'away', 'xa', 'dnd'] as const
export type ShowValue = (typeof SHOW_VALUES)[number]

export const SUBSCRIPTION_TYPES = ['items', 'nodes', 'all'] as const

export interface SubscriptionOptions {
  readonly deliver: boolean
  /** UTC milliseconds; `presence`: until the subscriber goes offline; undefined: it does not end by itself. */
  readonly expire?: number | 'presence' | undefined
  /** Events come only while the subscriber's presence is one of these; none: whatever it is, offline too. */
  readonly showValues: readonly ShowValue[]
  /** Events about items come gathered. */
  readonly digest: boolean
  /** How long events are gathered. */
  readonly digestFrequencyMs: number
  /** Events come with a message body, where the payload can be put in words. §12.8 */
  readonly includeBody: boolean
  /** Of a collection: whether events of the items in it come, of the nodes in it, or of both. XEP-0248 §6.1 */
  readonly subscriptionType: (typeof SUBSCRIPTION_TYPES)[number]
  /** How far below the collection that is: 1 for the nodes that are in it themselves. */
  readonly subscriptionDepth: number | 'all'
}
export type OptionChanges = Partial<SubscriptionOptions>

/** What a subscription has while nobody chose. XEP-0060 §6.4. */
export const DEFAULT_OPTIONS: SubscriptionOptions = {
  deliver: true,
  showValues: [],
  digest: false,
  digestFrequencyMs: 60_000,
  includeBody: false,
  subscriptionType: 'nodes', // XEP-0248 §6.1
  subscriptionDepth: 1, // XEP-0248 §6.1
}

/** A longer `digest_frequency` is invalid: what is gathered is held in memory. */
const DIGEST_FREQUENCY_MAX_MS = 86_400_000

/** Do both mean the same? Where a lease ends does not make it another subscription. */
export function areSameOptions(a: SubscriptionOptions, b: SubscriptionOptions): boolean {
  return (
    a.deliver === b.deliver &&
    a.digest === b.digest &&
    a.digestFrequencyMs === b.digestFrequencyMs &&
    a.includeBody === b.includeBody &&
    a.subscriptionType === b.subscriptionType &&
    a.subscriptionDepth === b.subscriptionDepth &&
    (a.expire === 'presence') === (b.expire === 'presence') &&
    a.showValues.length === b.showValues.length &&
    a.showValues.every((value) => b.showValues.includes(value))
  )
}

/** When the subscription ends by itself; undefined: at no known time. */
export function endOf({ expire }: SubscriptionOptions): number | undefined {
  return typeof expire === 'number' ? expire : undefined
}

/** Do they ask for events of one kind? One subscription of a JID to a collection does for each. XEP-0248 §6.1.3 */
export function areOfOneType(a: SubscriptionOptions, b: SubscriptionOptions): boolean {
  const [one, other] = [a.subscriptionType, b.subscriptionType]
  return one === other || one === 'all' || other === 'all'
}

/** What a node allows beside what every node does. */
export interface Offers {
  readonly hasBodies: boolean
  readonly isCollection: boolean
}

/**
 * The form with what holds now: to fill in (§6.3.3), or as an answer (§6.3.7, §6.4.2).
 * @param offers  where payloads cannot be put in words, `include_body` MUST NOT be offered (§12.8)
 * XEP-0060 §16.4.2.
 */
export function optionsForm(type: 'form' | 'result', options: SubscriptionOptions, offers: Offers): DataForm {
  const { deliver, expire, showValues, digest, digestFrequencyMs, includeBody } = options
  const { subscriptionType, subscriptionDepth } = options
  const { hasBodies, isCollection } = offers
  const end = expire === undefined ? [] : [expire === 'presence' ? expire : formatDateTime(expire)]
  const fields: FormField[] = [
    { name: 'pubsub#deliver', type: 'boolean', label: 'Send event notifications', values: [deliver ? '1' : '0'] },
    { name: 'pubsub#digest', type: 'boolean', label: 'Gather notifications of items', values: [digest ? '1' : '0'] },
    {
      name: 'pubsub#digest_frequency',
      type: 'text-single',
      label: `For how many milliseconds notifications are gathered, up to ${DIGEST_FREQUENCY_MAX_MS}`,
      values: [String(digestFrequencyMs)],
    },
    {
      name: 'pubsub#expire',
      type: 'text-single',
      label: 'When the subscription ends: a time, or "presence" for when you go offline; empty: never',
      values: end,
    },
    {
      name: 'pubsub#show-values',
      type: 'list-multi',
      label: 'Presence at which notifications are sent; none chosen: whatever it is',
      values: showValues,
      options: SHOW_VALUES.map((value) => ({ value })),
    },
  ]
  if (hasBodies)
    fields.push({
      name: 'pubsub#include_body',
      type: 'boolean',
      label: 'Send a message body with the payload',
      values: [includeBody ? '1' : '0'],
    })
  if (isCollection)
    fields.push(
      {
        name: 'pubsub#subscription_type',
        type: 'list-single',
        label: 'Of what in the collection notifications are sent',
        values: [subscriptionType],
        options: SUBSCRIPTION_TYPES.map((value) => ({ value })),
      },
      {
        name: 'pubsub#subscription_depth',
        type: 'text-single',
        label: 'How many levels below the collection count: a number, or "all"',
        values: [String(subscriptionDepth)],
      },
    )
  const shown = type === 'form' ? fields : fields.map(({ name, values }) => ({ name, values }))
  return { type, formType: SUBSCRIBE_OPTIONS_FORM, fields: shown }
}

/**
 * Reads a submitted form; a field left out leaves its option as it is, an unknown one is ignored (XEP-0004 §3.2).
 * @throws StanzaError invalid-options
 * XEP-0060 §6.3.5, §6.3.6.2.
 */
export function parseOptionsForm(form: DataForm): OptionChanges {
  if (form.type !== 'submit') throw invalid('the form is not of type submit')
  if (form.formType !== undefined && form.formType !== SUBSCRIBE_OPTIONS_FORM)
    throw invalid(`the form's FORM_TYPE is not ${SUBSCRIBE_OPTIONS_FORM}`)
  const changes: { -readonly [K in keyof SubscriptionOptions]?: SubscriptionOptions[K] } = {}
  for (const { name, values } of form.fields) {
    if (name === 'pubsub#deliver') changes.deliver = flag(name, values)
    else if (name === 'pubsub#expire') changes.expire = end(values)
    else if (name === 'pubsub#show-values') changes.showValues = shows(values)
    else if (name === 'pubsub#digest') changes.digest = flag(name, values)
    else if (name === 'pubsub#digest_frequency') changes.digestFrequencyMs = frequency(values)
    else if (name === 'pubsub#include_body') changes.includeBody = flag(name, values)
    else if (name === 'pubsub#subscription_type') changes.subscriptionType = typeOf(values)
    else if (name === 'pubsub#subscription_depth') changes.subscriptionDepth = depth(values)
  }
  return changes
}

function flag(name: string, values: readonly string[]): boolean {
  const [value] = values
  if (values.length === 1 && (value === '1' || value === 'true')) return true
  if (values.length === 1 && (value === '0' || value === 'false')) return false
  throw invalid(`${name} is neither true nor false`)
}

function end(values: readonly string[]): SubscriptionOptions['expire'] {
  const [value = ''] = values
  if (values.length > 1) throw invalid('pubsub#expire takes one value')
  if (value === '') return undefined
  if (value === 'presence') return value
  const time = parseDateTime(value)
  if (time === undefined) throw invalid('pubsub#expire is no time as of XEP-0082')
  return time
}

function frequency(values: readonly string[]): number {
  const [value = ''] = values
  const number = /^[0-9]{1,9}$/.test(value) ? Number(value) : 0
  if (values.length === 1 && number >= 1 && number <= DIGEST_FREQUENCY_MAX_MS) return number
  throw invalid(`pubsub#digest_frequency is a whole number from 1 to ${DIGEST_FREQUENCY_MAX_MS}`)
}

function typeOf(values: readonly string[]): SubscriptionOptions['subscriptionType'] {
  const known = values.length === 1 ? SUBSCRIPTION_TYPES.find((value) => value === values[0]) : undefined
  if (!known) throw invalid('pubsub#subscription_type is items, nodes or all')
  return known
}

function depth(values: readonly string[]): number | 'all' {
  const [value = ''] = values
  if (values.length !== 1 || !/^([0-9]{1,9}|all)$/.test(value))
    throw invalid('pubsub#subscription_depth is a whole number, or all')
  return value === 'all' ? value : Number(value)
}

function shows(values: readonly string[]): readonly ShowValue[] {
  const unknown = values.find((value) => !(SHOW_VALUES as readonly string[]).includes(value))
  if (unknown !== undefined) throw invalid(`pubsub#show-values: there is no ${unknown}`)
  return SHOW_VALUES.filter((value) => values.includes(value))
}

function invalid(text: string): Error {
  return pubsubError('invalidOptions', text)
}
