/** PubsubStore's contract: items of some time in the order of first publication. XEP-0413 §4.3 */

import { expect, test, vi } from 'vitest'
import { defaultConfig } from '../../../modules/pubsub/node-config.ts'
import type { PageStart } from '../../../modules/pubsub/reads.ts'
import type { Position } from '../../../modules/pubsub/records.ts'
import { sqliteStore as store } from '../../../modules/pubsub/store.sqlite.ts'
import { openDirectStorage } from '../../support/direct-storage.ts'
import { random } from '../../support/random.ts'
import { BOUNDS, item, n, refused } from './fixture.ts'

test('by first publication of those of some time: in the order of the one, as far as the other', async () => {
  const storage = openDirectStorage()
  vi.useFakeTimers({ toFake: ['Date'] })
  try {
    const node = { ...n, creator: 'alice@test', config: defaultConfig(BOUNDS), nodesMax: 3 }
    await storage.run(store.createNode, node)
    const from = random(413)
    const kept = new Map<string, { readonly at: number; readonly creation: number }>()
    for (let at = 1; at <= 60; at++) {
      vi.setSystemTime(at * 10)
      const itemId = String(from.int(30))
      const { position } = await storage.run(store.publishItem, item(itemId))
      kept.set(itemId, { at: at * 10, creation: position?.creation ?? 0 })
    }
    const refusals = { few: 0, many: 0 }
    for (let round = 0; round < 200; round++) {
      const [fromMs, toMs] = [from.int(600), from.int(600)].sort((a, b) => a - b)
      const isDescending = from.int(2) === 0
      const found = [...kept].filter(([, { at }]) => at >= (fromMs ?? 0) && at <= (toMs ?? 0))
      const wanted = found.sort(([, a], [, b]) => (a.creation - b.creation) * (isDescending ? -1 : 1))
      const isMany = from.int(2) === 0
      const passedMax = isMany ? 100 : from.int(20)
      const isForward = from.int(2) === 0
      const read = async (): Promise<string[]> => {
        const ids: string[] = []
        for (let place: Position | undefined; ; ) {
          const start: PageStart = place
            ? { at: isForward ? 'after' : 'before', place }
            : { at: isForward ? 'start' : 'end' }
          const page = await storage.run(store.readPage, {
            ...{ ...n, visible: 'all', start, order: { by: 'creation', isDescending }, indexMax: 3, passedMax },
            ...{ lastSeq: 1_000, max: 4, maxChars: 1_000, withPayloads: true },
            within: { after: undefined, before: undefined, fromMs, toMs },
          })
          const texts = page.items.map(({ itemId }) => itemId)
          ids[isForward ? 'push' : 'unshift'](...texts)
          place = page.items.at(isForward ? -1 : 0)?.position
          if (!page.hasMore || !place) return ids
        }
      }
      const ids = await read().catch((error: unknown) => {
        expect(error).toMatchObject(refused('orderUnsupported'))
        refusals[isMany ? 'many' : 'few'] += 1
      })
      if (ids) expect(ids).toEqual(wanted.map(([itemId]) => itemId))
    }
    expect(refusals.many).toBe(0)
    expect(refusals.few).toBeGreaterThan(0)
    expect(refusals.few).toBeLessThan(90)
  } finally {
    vi.useRealTimers()
    await storage.close()
  }
})
