/** What is advertised is what the README's table of XEP-0060 §10 says, row by row. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ACCOUNT_FEATURES, FEATURES } from '../../../modules/pubsub/discovery.ts'
import { NS_PUBSUB } from '../../../modules/pubsub/xml.ts'

/** Advertised though the table of §10 lacks them: XEP-0060 §6.5.4, §8.2.2 (max_items=max); XEP-0248 §5.1. */
const BESIDE = ['collections', 'config-node-max', 'multi-collections', 'rsm']
const ROWS = 44

const readme = readFileSync(join(import.meta.dirname, '../../../modules/pubsub/README.md'), 'utf8')
const table = [...readme.matchAll(/^\| (\(the namespace itself\)|[a-z-]+) +\| (.+?) +\| (.+?) +\|$/gm)]
  .filter(([, name]) => name !== 'feature' && !name?.startsWith('-'))
  .map(([, name = '', service, account]) => ({ name, service, account }))

/** What a column says yes to, as it is advertised. */
function held(column: 'service' | 'account'): string[] {
  return table
    .filter((row) => row[column] === 'yes')
    .map(({ name }) => (name.startsWith('(') ? NS_PUBSUB : `${NS_PUBSUB}#${name}`))
}
const named = (names: readonly string[]) => names.map((name) => `${NS_PUBSUB}#${name}`)

test('the table has a row per feature, and a yes for each that is advertised', () => {
  expect(table).toHaveLength(ROWS)
  expect(new Set(FEATURES)).toEqual(new Set([...held('service'), ...named(BESIDE)]))
  expect(new Set(ACCOUNT_FEATURES)).toEqual(new Set([...held('account'), ...named([...BESIDE, 'pubsub-on-a-jid'])]))
})
