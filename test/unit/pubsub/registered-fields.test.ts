/** What forms ask and tell has the names and the types that are registered for them. XEP-0060 §16.4; XEP-0068 §3.4; XEP-0248. */

import { expect, test } from 'vitest'
import { configForm, configResult, defaultConfig } from '../../../modules/pubsub/node-config.ts'
import { DEFAULT_OPTIONS, optionsForm } from '../../../modules/pubsub/subscription-options.ts'
import type { DataForm } from '../../../server/stanza/forms.ts'

const NODE_CONFIG: Readonly<Record<string, string>> = {
  access_model: 'list-single',
  body_xslt: 'text-single',
  contact: 'jid-multi',
  dataform_xslt: 'text-single',
  deliver_notifications: 'boolean',
  deliver_payloads: 'boolean',
  description: 'text-single',
  item_expire: 'text-single',
  itemreply: 'list-single',
  language: 'list-single',
  max_items: 'text-single',
  max_payload_size: 'text-single',
  node_type: 'list-single',
  notification_type: 'list-single',
  notify_config: 'boolean',
  notify_delete: 'boolean',
  notify_retract: 'boolean',
  notify_sub: 'boolean',
  persist_items: 'boolean',
  presence_based_delivery: 'boolean',
  publish_model: 'list-single',
  publish_node_full: 'list-single',
  purge_offline: 'boolean',
  roster_groups_allowed: 'list-multi',
  send_last_published_item: 'list-single',
  tempsub: 'boolean',
  subscribe: 'boolean',
  title: 'text-single',
  type: 'text-single',
}
const COLLECTIONS: Readonly<Record<string, string>> = {
  children: 'text-multi',
  children_association_policy: 'list-single',
  children_association_whitelist: 'jid-multi',
  children_max: 'text-single',
  collection: 'text-multi',
}
const SUBSCRIBE_OPTIONS: Readonly<Record<string, string>> = {
  deliver: 'boolean',
  digest: 'boolean',
  digest_frequency: 'text-single',
  expire: 'text-single',
  include_body: 'boolean',
  'show-values': 'list-multi',
  subscription_type: 'list-single',
  subscription_depth: 'text-single', // XEP-0248 §6.1: any number of levels, of which the registry lists one
}
const BOUNDS = { itemsMax: 10, childrenMax: 10, payloadMaxBytes: 10, isAccount: true }

/** Fields of XEP-0060 by name and type; those of others say whose they are. */
function registered({ fields }: DataForm): Record<string, string | undefined> {
  const own = fields.filter(({ name }) => !/^\{[^}]+\}|^x-/.test(name))
  return Object.fromEntries(own.map(({ name, type }) => [name.replace(/^pubsub#/, ''), type]))
}

function without(all: Readonly<Record<string, string>>, ...names: string[]): Record<string, string> {
  return Object.fromEntries(Object.entries(all).filter(([name]) => !names.includes(name)))
}

test('a leaf of an account has every field that is registered but the one that is not offered', () => {
  const form = configForm(defaultConfig(BOUNDS), undefined, ['Friends'])
  expect(registered(form)).toEqual({ ...without(NODE_CONFIG, 'body_xslt'), collection: 'text-multi' })
})

test('a collection has no field of its own making', () => {
  const form = configForm({ ...defaultConfig(BOUNDS), nodeType: 'collection' }, undefined, [])
  expect({ ...NODE_CONFIG, ...COLLECTIONS }).toMatchObject(registered(form))
  expect(registered(form)).toMatchObject(COLLECTIONS)
})

test('what subscribers are told of a configuration has no other names', () => {
  const known = new Set(Object.keys(NODE_CONFIG))
  expect(Object.keys(registered(configResult(defaultConfig(BOUNDS)))).filter((name) => !known.has(name))).toEqual([])
})

test('options of a subscription', () => {
  const form = optionsForm('form', DEFAULT_OPTIONS, { hasBodies: true, isCollection: true })
  expect(registered(form)).toEqual(SUBSCRIBE_OPTIONS)
})
