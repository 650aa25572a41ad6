/** A node's configuration in and out of its data form. XEP-0060 §8.1.3, §8.2. */

import { describe, expect, test } from 'vitest'
import {
  configForm,
  configResult,
  defaultConfig,
  type NodeConfig,
  normalized,
  parseConfigForm,
  parseLinks,
} from '../../../modules/pubsub/node-config.ts'
import { UNRELATED } from '../../../modules/pubsub/relationship-fields.ts'
import { StanzaError } from '../../../server/stanza/errors.ts'
import type { DataForm, FormField } from '../../../server/stanza/forms.ts'
import { LEAF_OPTIONS } from '../../support/pubsub-config.ts'

const BOUNDS = { itemsMax: 100, childrenMax: 100, payloadMaxBytes: 1_000 }
const form = (fields: Record<string, string | string[]>, formType?: string): DataForm => ({
  type: 'submit',
  formType,
  fields: Object.entries(fields).map(([name, value]): FormField => ({ name, values: [value].flat() })),
})
const parse = (fields: Record<string, string | string[]>, formType?: string) =>
  parseConfigForm(form(fields, formType), BOUNDS)

function refusal(run: () => unknown): readonly [string, string | undefined] {
  try {
    run()
  } catch (error) {
    if (error instanceof StanzaError) return [error.condition, error.application[0]?.getName()]
  }
  throw new Error('not refused')
}

test('what a form shows is read back as the same configuration', () => {
  // What is of collections alone is not shown for a leaf. XEP-0248 §7.2.1
  const config: NodeConfig = { ...LEAF_OPTIONS, childrenPolicy: 'owners', childrenWhitelist: '', childrenMax: 'max' }
  const { childrenPolicy: _policy, childrenWhitelist: _whitelist, childrenMax: _max, ...ofLeaf } = config
  const { rosterGroupsAllowed: _groups, ...shared } = ofLeaf
  const account = { ...BOUNDS, isAccount: true }
  for (const shown of [configForm(config), configResult(config), configForm(defaultConfig(BOUNDS))]) {
    const read = parseConfigForm({ ...shown, type: 'submit' }, BOUNDS)
    expect(Object.keys(read).sort()).toEqual(Object.keys(shared).sort())
  }
  expect(parseConfigForm({ ...configForm(config), type: 'submit' }, BOUNDS)).toEqual(shared)
  expect(parseConfigForm({ ...configForm(config, undefined, []), type: 'submit' }, account)).toEqual(ofLeaf)
})

test("a collection's form has its children and who may add some, and nothing of items", () => {
  const config: NodeConfig = {
    ...normalized({ ...defaultConfig(BOUNDS), nodeType: 'collection' }),
    childrenPolicy: 'whitelist',
    childrenWhitelist: 'a@test\nb@test',
    childrenMax: 3,
  }
  expect(config.persistItems).toBe(false)
  const shown: DataForm = {
    ...configForm(config, { links: { parents: ['p'], children: ['c', 'd'] }, relationships: UNRELATED }),
    type: 'submit',
  }
  const read = parseConfigForm(shown, BOUNDS)
  expect({ ...config, ...read }).toEqual(config)
  expect(read).toMatchObject({ childrenPolicy: 'whitelist', childrenWhitelist: 'a@test\nb@test', childrenMax: 3 })
  expect(shown.fields.map(({ name }) => name)).not.toContain('pubsub#max_items')
  expect(parseLinks(shown)).toEqual({ parents: ['p'], children: ['c', 'd'] })
})

test('the place that a form gives: what is not named stays, and nothing is the root', () => {
  expect(parseLinks(form({ 'pubsub#title': 'x' }))).toEqual({})
  expect(parseLinks(form({ 'pubsub#collection': '' }))).toEqual({ parents: [] })
  expect(parseLinks(form({ 'pubsub#collection': [], 'pubsub#children': [] }))).toEqual({ parents: [], children: [] })
  expect(parseLinks(form({ 'pubsub#children': ['a\nb', 'a'] }))).toEqual({ children: ['a', 'b'] })
})

test('what only a roster can tell is for the nodes of accounts', () => {
  const account = { ...BOUNDS, isAccount: true }
  expect(defaultConfig(account)).toMatchObject({ accessModel: 'presence', maxItems: 1, itemReply: 'publisher' })
  expect(refusal(() => parse({ 'pubsub#access_model': 'roster' }))).toEqual([
    'not-acceptable',
    'unsupported-access-model',
  ])
  expect(parse({ 'pubsub#roster_groups_allowed': 'Friends' })).toEqual({})
  const choices = (name: string, groups?: readonly string[]) =>
    configForm({ ...defaultConfig(account), rosterGroupsAllowed: 'Gone' }, undefined, groups)
      .fields.find((field) => field.name === `pubsub#${name}`)
      ?.options?.map(({ value }) => value)
  expect(choices('roster_groups_allowed', ['Friends'])).toEqual(['Friends', 'Gone'])
  expect(choices('roster_groups_allowed')).toBeUndefined()
  expect(choices('access_model', [])).toEqual(['open', 'authorize', 'whitelist', 'presence', 'roster'])
  expect(choices('access_model')).toEqual(['open', 'authorize', 'whitelist'])
})

test('a field left out changes nothing, an unknown one is ignored, and both truths are understood', () => {
  expect(parse({ 'pubsub#body_xslt': '', 'pubsub#never_heard_of': '0' })).toEqual({})
  expect(refusal(() => parse({ 'pubsub#body_xslt': 'x' }))).toEqual(['not-acceptable', undefined])
  expect(parse({ 'pubsub#persist_items': 'true', 'pubsub#notify_delete': '0' })).toEqual({
    persistItems: true,
    notifyDelete: false,
  })
  expect(parse({ 'pubsub#title': '', 'pubsub#max_items': 'max' })).toEqual({ title: '', maxItems: 'max' })
})

test('a payload bound beyond what the service takes shows what holds', () => {
  expect(parse({ 'pubsub#max_payload_size': '78643200' })).toEqual({ maxPayloadBytes: 1_000 })
})

describe('refused', () => {
  test.each([
    [{ 'pubsub#access_model': 'presence' }, 'not-acceptable', 'unsupported-access-model'],
    [{ 'pubsub#publish_model': 'nobody' }, 'not-acceptable', undefined],
    [{ 'pubsub#max_items': '0' }, 'not-acceptable', undefined],
    [{ 'pubsub#max_items': '101' }, 'not-acceptable', undefined],
    [{ 'pubsub#max_items': '-1' }, 'not-acceptable', undefined],
    [{ 'pubsub#max_items': '1e3' }, 'not-acceptable', undefined],
    [{ 'pubsub#persist_items': 'yes' }, 'not-acceptable', undefined],
    [{ 'pubsub#persist_items': ['1', '0'] }, 'not-acceptable', undefined],
    [{ 'pubsub#title': 'x'.repeat(5_000) }, 'not-acceptable', undefined],
    [{ 'pubsub#node_type': 'tree' }, 'not-acceptable', undefined],
    [{ 'pubsub#children_max': '101' }, 'not-acceptable', undefined],
    [{ 'pubsub#children_association_whitelist': '@' }, 'not-acceptable', undefined],
  ])('%j', (fields, condition, application) => {
    expect(refusal(() => parse(fields))).toEqual([condition, application])
  })

  test('a form of another type', () => {
    expect(refusal(() => parse({}, 'urn:other'))[0]).toBe('bad-request')
  })
})
