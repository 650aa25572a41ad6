/** Pubsub's conversations, and that they reach every row of its error table. */

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { PUBSUB_ERROR_KEYS } from '../../modules/pubsub/errors.ts'
import { runScenarios } from '../support/scenario.ts'

// The root holds what all scenarios leave.
runScenarios('pubsub', { set: { 'pubsub.collectionReadNodesMax': '10000' } })

test('every row of the error table is reached by a scenario that says so', () => {
  const folders = ['attachments', 'pubsub', 'pubsub-limits', 'pubsub-nodes', 'pep', 'component'].map((name) =>
    join(import.meta.dirname, name),
  )
  const texts = folders.flatMap((folder) => readdirSync(folder).map((name) => readFileSync(join(folder, name), 'utf8')))
  const reached = texts.flatMap((text) => [...text.matchAll(/^# error (\w+)$/gm)].map(([, key]) => key))
  expect(new Set(reached)).toEqual(new Set(PUBSUB_ERROR_KEYS))
})
