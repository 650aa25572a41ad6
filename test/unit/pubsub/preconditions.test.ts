/** What a publish wants of its node. XEP-0060 §7.1.5 */

import { describe, expect, test } from 'vitest'
import { defaultConfig } from '../../../modules/pubsub/node-config.ts'
import { OPTIONS } from '../../../modules/pubsub/node-options.ts'
import { configFor, parsePreconditions, unmetPrecondition } from '../../../modules/pubsub/preconditions.ts'
import { UNRELATED } from '../../../modules/pubsub/relationship-fields.ts'

const NOWHERE = () => ({ parents: [], relationships: UNRELATED })
const BOUNDS = { itemsMax: 100, childrenMax: 100, payloadMaxBytes: 1_000 }

test.each([
  ['submit', 'urn:other'],
  ['submit', undefined],
  ['form', 'http://jabber.org/protocol/pubsub#publish-options'],
  ['cancel', 'http://jabber.org/protocol/pubsub#publish-options'],
] as const)('%s of %s is no form of preconditions', (type, formType) => {
  const form = { type, formType, fields: [] }
  expect(() => parsePreconditions(form)).toThrow(expect.objectContaining({ condition: 'bad-request' }))
})

test('preconditions hold by value; an unknown field never does', () => {
  const config = defaultConfig(BOUNDS)
  const unmet = (fields: Record<string, string>) => unmetPrecondition(config, fields, BOUNDS, NOWHERE)
  expect(unmet({})).toBeUndefined()
  expect(
    unmet({ 'pubsub#access_model': 'open', 'pubsub#persist_items': 'true', 'pubsub#max_items': 'max' }),
  ).toBeUndefined()
  expect(unmet({ 'pubsub#access_model': 'whitelist' })).toBe('pubsub#access_model')
  expect(unmet({ 'pubsub#persist_items': '0' })).toBe('pubsub#persist_items')
  expect(unmet({ 'pubsub#persist_items': 'perhaps' })).toBe('pubsub#persist_items')
  expect(unmet({ 'pubsub#unheard_of': '1' })).toBe('pubsub#unheard_of')
})

test('a list has no order, and what is of accounts alone is unknown elsewhere', () => {
  const account = { ...BOUNDS, isAccount: true }
  const allowed = { ...defaultConfig(account), rosterGroupsAllowed: 'A\nB' }
  const unmet = (groups: string) =>
    unmetPrecondition(allowed, { 'pubsub#roster_groups_allowed': groups }, account, NOWHERE)
  expect(unmet('B\nA')).toBeUndefined()
  expect(unmet('A')).toBe('pubsub#roster_groups_allowed')
  expect(() => configFor({ 'pubsub#roster_groups_allowed': 'A' }, BOUNDS)).toThrow(
    expect.objectContaining({ condition: 'conflict' }),
  )
})

describe('every option is a precondition', () => {
  const bounds = { ...BOUNDS, isAccount: true }
  const config = defaultConfig(bounds)
  /** What each is not by default, as clients write it. */
  const OTHERWISE: Readonly<Record<string, string>> = {
    'pubsub#node_type': 'collection',
    'pubsub#children_association_policy': 'all',
    'pubsub#children_association_whitelist': 'a@test',
    'pubsub#children_max': '7',
    'pubsub#title': 'T',
    'pubsub#description': 'D',
    'pubsub#type': 'urn:t',
    'pubsub#access_model': 'whitelist',
    'pubsub#roster_groups_allowed': 'Friends',
    'pubsub#publish_model': 'open',
    'pubsub#persist_items': 'false',
    'pubsub#max_items': 'max',
    'pubsub#max_payload_size': '9',
    'pubsub#subscribe': '0',
    'pubsub#deliver_notifications': '0',
    'pubsub#deliver_payloads': 'false',
    'pubsub#notify_config': '1',
    'pubsub#notify_delete': '0',
    'pubsub#notify_retract': 'true',
    'pubsub#notification_type': 'normal',
    'pubsub#itemreply': 'none',
    'pubsub#send_last_published_item': 'never',
    'pubsub#language': 'cs',
    'pubsub#contact': 'a@test',
    'pubsub#item_expire': '60',
    'pubsub#publish_node_full': 'reject',
    'pubsub#notify_sub': '1',
    'pubsub#presence_based_delivery': '1',
    'pubsub#tempsub': 'true',
    'pubsub#purge_offline': '1',
    'pubsub#dataform_xslt': 'http://x.test/y.xsl',
    '{urn:xmpp:pubsub-caching:0}always-notify': '1',
    '{urn:xmpp:pubsub-caching:0}allowed-for-suggestions': '1',
  }

  test.each(Object.entries(OTHERWISE))('%s', (field, value) => {
    expect(unmetPrecondition(config, { [field]: value }, bounds, NOWHERE)).toBe(field)
    const made = configFor({ [field]: value }, bounds)
    expect(made).not.toEqual(config)
    expect(unmetPrecondition(made, { [field]: value }, bounds, NOWHERE)).toBeUndefined()
  })

  test('and this is all of them', () => {
    expect(new Set(OPTIONS.map(({ field }) => field))).toEqual(new Set(Object.keys(OTHERWISE)))
  })

  test('a value that the service cuts is met by what it was cut to, and by nothing else', () => {
    const made = configFor({ 'pubsub#max_payload_size': '99999' }, bounds)
    expect(unmetPrecondition(made, { 'pubsub#max_payload_size': '99999' }, bounds, NOWHERE)).toBeUndefined()
    expect(unmetPrecondition(made, { 'pubsub#max_payload_size': '999' }, bounds, NOWHERE)).toBe(
      'pubsub#max_payload_size',
    )
  })
})

test('a place is where a node is, in whatever order it is told', () => {
  const relationships = { link: 'l', parent: 'above-l' }
  const unmet = (wanted: Record<string, string>, at = { parents: ['c', 'd'], relationships }) =>
    unmetPrecondition(defaultConfig(BOUNDS), wanted, BOUNDS, () => at)
  const [collection, link, parent] = [
    'pubsub#collection',
    '{urn:xmpp:pubsub-relationships:0}link',
    '{urn:xmpp:pubsub-relationships:0}parent',
  ]
  expect(unmet({ [collection]: 'd\nc', [link]: 'l', [parent]: 'above-l' })).toBeUndefined()
  for (const other of ['', 'c', 'c\nd\ne']) expect(unmet({ [collection]: other })).toBe(collection)
  for (const other of ['', 'l\nl', 'above-l']) expect(unmet({ [link]: other })).toBe(link)
  expect(unmet({ [parent]: 'l' })).toBe(parent)
  expect(unmet({ [parent]: '' })).toBeUndefined()
  const child = { parents: [], relationships: { link: '', parent: 'p' } }
  expect(unmet({ [parent]: '' }, child)).toBe(parent)
  expect(unmet({ [collection]: '', [link]: '', [parent]: 'p' }, child)).toBeUndefined()
  expect(unmet({ 'pubsub#children': '' }, child)).toBe('pubsub#children')
})
