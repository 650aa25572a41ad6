/** PubsubStore's contract: the orders of items, pages of them, and who is shown which. */

import { beforeEach, describe, expect, test, vi } from 'vitest'
import { defaultConfig } from '../../../modules/pubsub/node-config.ts'
import { type Order, PUBLICATION_ORDER } from '../../../modules/pubsub/order.ts'
import type { PageStart, Place, ReadPage, Within } from '../../../modules/pubsub/reads.ts'
import { SHARED_SERVICE } from '../../../modules/pubsub/records.ts'
import { sqliteStore as store } from '../../../modules/pubsub/store.sqlite.ts'
import { openDirectStorage } from '../../support/direct-storage.ts'
import { random } from '../../support/random.ts'
import {
  alice,
  BOUNDS,
  create,
  ids,
  item,
  NO_PAST,
  n,
  opened,
  page,
  publish,
  refused,
  usePubsubStore,
} from './fixture.ts'

usePubsubStore()

describe('items', () => {
  test('stand in the order of publication; publishing an id again moves it to the newest', async () => {
    await create()
    for (const id of ['1', '2', '3', '1']) await publish(id)
    await opened.reopen()
    expect(await ids()).toEqual(['2', '3', '1'])
    expect(await page({ max: 0 })).toEqual({ items: [], count: 3, index: 0, hasMore: false })
    const [last] = (await page({ start: { at: 'end' }, max: 1, withPayloads: true })).items
    expect(last).toMatchObject({ itemId: '1', publisher: 'alice@test', payload: '<p xmlns="urn:p">1</p>' })
  })

  test('page both ways; a place that is no more is refused', async () => {
    await create()
    for (let n = 1; n <= 7; n++) await publish(String(n))
    expect(await page({ max: 3 })).toMatchObject({ count: 7, index: 0 })
    expect(await ids({ max: 3 })).toEqual(['1', '2', '3'])
    expect(await ids({ max: 3, start: { at: 'after', place: { itemId: '3' } } })).toEqual(['4', '5', '6'])
    expect(await ids({ max: 3, start: { at: 'after', place: { itemId: '7' } } })).toEqual([])
    expect(await ids({ max: 3, start: { at: 'before', place: { itemId: '5' } } })).toEqual(['2', '3', '4'])
    expect(await page({ max: 3, start: { at: 'end' } })).toMatchObject({ index: 4, count: 7 })
    expect(await ids({ max: 3, start: { at: 'end' } })).toEqual(['5', '6', '7'])
    await expect(ids({ start: { at: 'after', place: { itemId: 'x' } } })).rejects.toMatchObject(refused('pageNotFound'))
  })

  test('stand in the order of their first publication too', async () => {
    await create()
    const [b] = [await publish('a'), await publish('b')].slice(1)
    for (const id of ['c', 'a', 'd', 'b']) await publish(id)
    for (const isDescending of [false, true]) {
      const order = { by: 'creation', isDescending } as const
      const straight = ['a', 'b', 'c', 'd']
      const wanted = isDescending ? straight.toReversed() : straight
      expect(await ids({ order })).toEqual(wanted)
      expect(await ids({ order, max: 2, start: { at: 'end' } })).toEqual(wanted.slice(2))
      expect(await ids({ order, max: 2, start: { at: 'index', index: 1 } })).toEqual(wanted.slice(1, 3))
      expect(await ids({ order, max: 1, start: { at: 'index', index: 3 } })).toEqual(wanted.slice(3))
      expect(await ids({ order, start: { at: 'after', place: { itemId: 'b' } } })).toEqual(
        isDescending ? ['a'] : ['c', 'd'],
      )
      // The place of the item as it was: it outlives it.
      const place = b?.position ?? { itemId: '' }
      expect(await ids({ order, start: { at: 'before', place } })).toEqual(isDescending ? ['d', 'c'] : ['a'])
    }
  })

  test('that nobody was told of yet are left out', async () => {
    await create()
    const lastSeq = (await publish('1')).position?.seq ?? 0
    await publish('2')
    expect(await ids({ lastSeq })).toEqual(['1'])
    expect(await ids({ lastSeq, start: { at: 'end' } })).toEqual(['1'])
    expect(await ids({ lastSeq, order: { by: 'modification', isDescending: true } })).toEqual(['1'])
    expect(await ids({ lastSeq, start: { at: 'after', place: { itemId: '2' } } })).toEqual([])
    expect(await ids({ lastSeq, start: { at: 'before', place: { itemId: '2' } } })).toEqual(['1'])
  })

  test('page from a place whose item is gone', async () => {
    await create()
    const positions = []
    for (const id of ['1', '2', '3', '4', '2']) positions.push((await publish(id)).position ?? { itemId: '' })
    const [first, second] = positions
    if (!first || !second) throw new Error('no positions')
    expect(await ids({ start: { at: 'after', place: second } })).toEqual(['3', '4', '2'])
    expect(await ids({ start: { at: 'before', place: second } })).toEqual(['1'])
    // Published anew: which of its places is meant is not known.
    const again = { at: 'after', place: { itemId: '2' } } as const
    await expect(ids({ start: again })).rejects.toMatchObject(refused('pageNotFound'))
    await opened.storage.run(store.retractItem, { ...NO_PAST, ...n, actor: alice, itemId: '1', authorized: undefined })
    expect(await ids({ start: { at: 'after', place: first } })).toEqual(['3', '4', '2'])
    // Nothing as old is kept, and yet nothing is left out.
    for (const id of ['3', '4']) await publish(id)
    await opened.reopen()
    expect(await ids({ start: { at: 'after', place: first } })).toEqual(['2', '3', '4'])
  })

  test('do not page from a place behind which something went unseen', async () => {
    const idsAfter = (place: Place | undefined) => ids({ start: { at: 'after', place: place ?? { itemId: '' } } })
    const positionOf = async (id: string) => (await publish(id)).position
    await create('n', { maxItems: 2 })
    const [first, second, third] = [await positionOf('1'), await positionOf('2'), await positionOf('3')]
    expect(await idsAfter(first)).toEqual(['2', '3'])
    await publish('4')
    await opened.reopen()
    await expect(idsAfter(first)).rejects.toMatchObject(refused('pageNotFound'))
    expect(await idsAfter(second)).toEqual(['3', '4'])
    await opened.storage.run(store.purgeNode, { ...NO_PAST, ...n, actor: alice })
    const fifth = await positionOf('5')
    await expect(idsAfter(third)).rejects.toMatchObject(refused('pageNotFound'))
    // Made anew, it is another node.
    await opened.storage.run(store.deleteNode, { ...NO_PAST, ...n, actor: alice })
    await create()
    await publish('6')
    await expect(idsAfter(fifth)).rejects.toMatchObject(refused('pageNotFound'))
  })

  test('of several nodes are merged: pages of every size, order and direction are those of one list', async () => {
    const from = random(7)
    const nodeIds = ['a', 'b', 'c', 'd', 'n']
    for (const nodeId of nodeIds) await create(nodeId)
    const newest: { readonly name: string; readonly seq: number; readonly creation: number }[] = []
    for (let at = 0; at < 60; at += 1) {
      const nodeId = from.pick(nodeIds)
      const itemId = String(from.int(8))
      const { position } = await publish(itemId, { nodeId })
      const name = `${nodeId}${itemId}`
      const before = newest.findIndex((each) => each.name === name)
      if (before >= 0) newest.splice(before, 1)
      // What is in a node that is not asked for takes places too.
      if (position && nodeId !== 'd') newest.push({ name, ...position })
    }
    const read = async (order: Order, start: PageStart, max: number) => {
      const asked = { service: SHARED_SERVICE, nodeIds: ['n', 'c', 'b', 'a', 'none'], order, start, max }
      const bounds = { lastSeq: 1_000, maxChars: 10_000, withPayloads: true }
      return opened.storage.run(store.readCollected, { ...asked, ...bounds })
    }
    for (const by of ['modification', 'creation'] as const)
      for (const isDescending of [false, true])
        for (const max of [1, 3, 100]) {
          const order = { by, isDescending }
          const sorted = newest.toSorted((a, b) => (by === 'creation' ? a.creation - b.creation : a.seq - b.seq))
          const wanted = (isDescending ? sorted.toReversed() : sorted).map(({ name }) => name)
          for (const isForward of [true, false]) {
            const seen: string[] = []
            let start: PageStart = { at: isForward ? 'start' : 'end' }
            for (let pages = 0; pages <= wanted.length; pages += 1) {
              const { items, count } = await read(order, start, max)
              expect(count).toBe(wanted.length)
              const names = items.map(({ nodeId, itemId }) => `${nodeId}${itemId}`)
              if (isForward) seen.push(...names)
              else seen.unshift(...names)
              const place = (isForward ? items.at(-1) : items[0])?.position
              if (!place) break
              start = { at: isForward ? 'after' : 'before', place }
            }
            expect(seen, `${by} ${isDescending} ${max} ${isForward}`).toEqual(wanted)
          }
        }
  })

  test('are an archive: a part by place and by time, which says whether there is more', async () => {
    const storage = openDirectStorage()
    vi.useFakeTimers({ toFake: ['Date'] })
    try {
      const node = { ...n, creator: 'alice@test', config: defaultConfig(BOUNDS), nodesMax: 3 }
      for (const nodeId of ['m', 'n']) await storage.run(store.createNode, { ...node, nodeId })
      const positions = []
      // The node beside it is published to at the same times.
      for (const [index, now] of [100, 200, 200, 300, 400].entries()) {
        vi.setSystemTime(now)
        await storage.run(store.publishItem, item(`m${index}`, { nodeId: 'm' }))
        positions.push((await storage.run(store.publishItem, item(String(index)))).position)
      }
      const none = { after: undefined, before: undefined, fromMs: undefined, toMs: undefined }
      const read = async (within: Partial<Within>, options: Partial<ReadPage> = {}) => {
        const asked = { ...n, visible: 'all', start: { at: 'start' }, order: PUBLICATION_ORDER, indexMax: 3 } as const
        const bounds = { passedMax: 3, lastSeq: 1_000, max: 10, maxChars: 1_000, withPayloads: true }
        const request = { ...asked, ...bounds, within: { ...none, ...within }, ...options }
        const page = await storage.run(store.readPage, request)
        return [page.items.map(({ itemId }) => itemId).join(''), page.hasMore]
      }
      expect(await read({})).toEqual(['01234', false])
      expect(await read({}, { max: 3 })).toEqual(['012', true])
      expect(await read({}, { max: 5 })).toEqual(['01234', false])
      expect(await read({}, { max: 3, start: { at: 'end' } })).toEqual(['234', true])
      expect(await read({}, { maxChars: 70 })).toEqual(['012', true])
      for (const [fromMs, toMs, wanted] of [
        [200, 300, '123'],
        [201, undefined, '34'],
        [undefined, 200, '012'],
        [undefined, 99, ''],
        [401, undefined, ''],
        [100, 400, '01234'],
        [300, 200, ''],
      ] as const)
        expect(await read({ fromMs, toMs })).toEqual([wanted, false])
      const [, after, , before] = positions
      if (!after) throw new Error('no position')
      expect(await read({ after, before })).toEqual(['2', false])
      expect(await read({ after, toMs: 300 }, { max: 1 })).toEqual(['2', true])
      expect(await read({ fromMs: 200 }, { max: 1, start: { at: 'end' } })).toEqual(['4', true])
      await storage.run(store.retractItem, { ...NO_PAST, ...n, actor: alice, itemId: '1', authorized: undefined })
      await expect(read({ after })).rejects.toMatchObject(refused('pageNotFound'))
      const start = { at: 'after', place: after } as const
      await expect(read({}, { start })).rejects.toMatchObject(refused('pageNotFound'))
    } finally {
      vi.useRealTimers()
      await storage.close()
    }
  })

  test('a part by time is what was published then, though the clock was set back meanwhile', async () => {
    const storage = openDirectStorage()
    vi.useFakeTimers({ toFake: ['Date'] })
    try {
      const node = { ...n, creator: 'alice@test', config: defaultConfig(BOUNDS), nodesMax: 3 }
      for (const nodeId of ['m', 'n']) await storage.run(store.createNode, { ...node, nodeId })
      const times = new Map<string, number>()
      for (const [index, now] of [100, 300, 150, 200, 310, 120].entries()) {
        vi.setSystemTime(now)
        const itemId = String(index)
        times.set(itemId, (await storage.run(store.publishItem, item(itemId))).publishedAt)
        // The newest, wherever it is, says what time it was.
        await storage.run(store.publishItem, item(itemId, { nodeId: 'm' }))
      }
      const asked = { ...n, visible: 'all', start: { at: 'start' }, indexMax: 3, withPayloads: true } as const
      const bounds = { passedMax: 30, lastSeq: 1_000, max: 10, maxChars: 1_000 }
      const none = { after: undefined, before: undefined }
      for (const by of ['modification', 'creation'] as const)
        for (const fromMs of [undefined, 99, 100, 101, 150, 200, 299, 300, 301, 310, 311])
          for (const toMs of [undefined, 99, 100, 150, 200, 300, 309, 310]) {
            const order = { by, isDescending: false }
            const { items } = await storage.run(store.readPage, {
              ...asked,
              ...bounds,
              order,
              within: { ...none, fromMs, toMs },
            })
            const wanted = [...times].filter(([, time]) => time >= (fromMs ?? 0) && time <= (toMs ?? 999))
            expect(items.map(({ itemId, publishedAt }) => [itemId, publishedAt])).toEqual(wanted)
          }
      expect([...times.values()]).toEqual([100, 300, 300, 300, 310, 310])
    } finally {
      vi.useRealTimers()
      await storage.close()
    }
  })

  test('a page of large payloads stops at its bound, but never at nothing', async () => {
    await create('n', { maxPayloadBytes: 1_000_000 })
    const payload = `<p xmlns="urn:p">${'x'.repeat(400)}</p>`
    for (const id of ['1', '2', '3']) await publish(id, { payload, payloadMaxBytes: 1_000_000 })
    expect(await ids({ withPayloads: true, maxChars: 900 })).toEqual(['1', '2'])
    expect(await ids({ withPayloads: true, maxChars: 10 })).toEqual(['1'])
    const read = (itemIds: string[], maxChars: number) =>
      opened.storage.run(store.readItems, { ...n, visible: 'all', itemIds, maxChars })
    expect((await read(['3', 'x', '1', '3'], 900)).map(({ itemId }) => itemId)).toEqual(['3', '1'])
    await expect(read(['1', '2', '3'], 900)).rejects.toMatchObject(refused('tooManyItems'))
  })

  test('pages by index count from the nearer end, up to a bound', async () => {
    await create()
    for (const id of ['1', '2', '3', '4', '5', '6', '7', '8', '9']) await publish(id)
    const at = async (index: number) => (await ids({ start: { at: 'index', index }, max: 2 })).join()
    expect([await at(0), await at(2), await at(6), await at(8), await at(9)]).toEqual(['1,2', '3,4', '7,8', '9', ''])
    await expect(at(4)).rejects.toMatchObject(refused('pageByIndex'))
    expect(await page({ start: { at: 'index', index: 7 }, max: 1 })).toMatchObject({ index: 7, count: 9 })
  })
})

describe('scopes', () => {
  beforeEach(async () => {
    await create()
    await publish('1', { scope: 'a' })
    await publish('2', { scope: 'b' })
    await publish('3')
    await publish('4', { scope: 'a' })
  })

  test('bound what is listed, counted and paged from', async () => {
    expect(await page({ visible: ['a'] })).toMatchObject({
      count: 3,
      items: [{ itemId: '1' }, { itemId: '3' }, { itemId: '4' }],
    })
    expect(await ids({ visible: ['b', 'x'] })).toEqual(['2', '3'])
    expect(await ids({ visible: ['a'], max: 2, start: { at: 'end' } })).toEqual(['3', '4'])
    expect(await ids({ visible: ['a'], start: { at: 'after', place: { itemId: '1' } } })).toEqual(['3', '4'])
    await expect(ids({ visible: ['a'], start: { at: 'after', place: { itemId: '2' } } })).rejects.toMatchObject(
      refused('pageNotFound'),
    )
    const itemIds = ['1', '2', '3']
    const found = await opened.storage.run(store.readItems, { ...n, visible: ['b'], itemIds, maxChars: 1_000 })
    expect(found.map(({ itemId }) => itemId)).toEqual(['2', '3'])
  })

  test('by creation too, as far as not too many others stand in between', async () => {
    await publish('1', { scope: 'a' })
    for (const isDescending of [false, true]) {
      const order = { by: 'creation', isDescending } as const
      const wanted = isDescending ? ['4', '3', '1'] : ['1', '3', '4']
      expect(await ids({ visible: ['a'], order })).toEqual(wanted)
      expect(await ids({ visible: ['a'], order, max: 1, start: { at: 'end' } })).toEqual(wanted.slice(2))
      const place = { itemId: '3' }
      expect(await ids({ visible: ['a'], order, start: { at: 'after', place } })).toEqual(wanted.slice(2))
      expect(await ids({ visible: ['a'], order, max: 1, start: { at: 'before', place } })).toEqual(wanted.slice(0, 1))
      expect(await page({ visible: ['a'], order, max: 2, withPayloads: true })).toMatchObject({ count: 3, index: 0 })
    }
    const order = { by: 'creation', isDescending: false } as const
    await expect(ids({ visible: ['b'], order, start: { at: 'index', index: 1 } })).rejects.toMatchObject(
      refused('pageByIndex'),
    )
    expect(await ids({ visible: ['c'], order })).toEqual(['3'])
    await publish('5', { scope: 'a' })
    await expect(ids({ visible: ['c'], order })).rejects.toMatchObject(refused('orderUnsupported'))
    expect(await ids({ visible: ['c'], order, max: 1, passedMax: 9 })).toEqual(['3'])
  })

  test('are read the same way when they are too many to be merged', async () => {
    const many = ['a', ...Array.from({ length: 100 }, (_, n) => `x${n}`)]
    for (const withPayloads of [true, false]) {
      for (const start of [
        { at: 'start' },
        { at: 'end' },
        { at: 'after', place: { itemId: '1' } },
        { at: 'before', place: { itemId: '4' } },
      ] as const) {
        const options = { start, max: 2, withPayloads }
        expect(await page({ visible: many, ...options })).toEqual(await page({ visible: ['a'], ...options }))
      }
    }
    expect(await ids({ visible: many, max: 2 })).toEqual(['1', '3'])
  })

  test('are counted right when items change scope, go, and the server starts again', async () => {
    await publish('1', { scope: 'b' })
    await publish('3', { scope: 'c' })
    await opened.storage.run(store.retractItem, { ...NO_PAST, ...n, actor: alice, itemId: '4', authorized: undefined })
    await opened.reopen()
    expect((await page({ visible: ['a'] })).count).toBe(0)
    expect((await page({ visible: ['b'] })).count).toBe(2)
    expect((await page({ visible: ['a', 'b', 'c'] })).count).toBe(3)
    expect((await page()).count).toBe(3)
  })
})
