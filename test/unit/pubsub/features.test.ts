/** What is advertised is what the README's table of XEP-0060 §11 says, row by row. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { FEATURES } from '../../../modules/pubsub/discovery.ts'
import { NS_PUBSUB } from '../../../modules/pubsub/xml.ts'

/** Advertised though the table of §11 lacks them: XEP-0060 §6.5.4, §8.2.2 (max_items=max). */
const BESIDE = ['config-node-max', 'rsm']
const ROWS = 44

test('the table has a row per feature, and a yes for each that is advertised', () => {
  const readme = readFileSync(join(import.meta.dirname, '../../../modules/pubsub/README.md'), 'utf8')
  const rows = [...readme.matchAll(/^\| (\(the namespace itself\)|[a-z-]+) +\| (.+?) +\|$/gm)].slice(1)
  const table = rows.filter(([, name]) => !name?.startsWith('-')).map(([, name = '', here]) => ({ name, here }))
  expect(table).toHaveLength(ROWS)
  const held = table.filter(({ here }) => here === 'yes').map(({ name }) => name)
  const names = ['(the namespace itself)', ...held.filter((name) => !name.startsWith('('))]
  const expected = names.map((name) => (name.startsWith('(') ? NS_PUBSUB : `${NS_PUBSUB}#${name}`))
  expect(new Set(FEATURES)).toEqual(new Set([...expected, ...BESIDE.map((name) => `${NS_PUBSUB}#${name}`)]))
})
