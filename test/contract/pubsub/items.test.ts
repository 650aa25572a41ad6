/** PubsubStore's contract: what an item must be, how many there are, and when they go. */

import { describe, expect, test } from 'vitest'
import type { Actor } from '../../../modules/pubsub/records.ts'
import { sqliteStore as store } from '../../../modules/pubsub/store.sqlite.ts'
import { PRUNE_BATCH } from '../../../modules/pubsub/store.ts'
import { call } from '../../../server/storage/storage.ts'
import {
  alice,
  at,
  bob,
  create,
  ids,
  item,
  NO_PAST,
  n,
  opened,
  page,
  publish,
  refused,
  snapshot,
  usePubsubStore,
} from './fixture.ts'

usePubsubStore()

describe('items', () => {
  test('more than max_items: the oldest go, and are named', async () => {
    await create('n', { maxItems: 2 })
    await publish('1')
    await publish('2')
    expect((await publish('3')).pruned).toEqual([{ itemId: '1', scope: undefined }])
    expect((await publish('3')).pruned).toEqual([])
    expect(await page()).toMatchObject({ count: 2 })
    const lowered = { ...NO_PAST, ...n, actor: alice, changes: { maxItems: 1 }, itemsMax: 100 }
    expect((await opened.storage.run(store.configureNode, lowered)).pruned).toEqual([{ itemId: '2', scope: undefined }])
    expect(await ids()).toEqual(['3'])
  })

  test('a bound lowered far below is reached in batches', async () => {
    await create()
    const calls = Array.from({ length: PRUNE_BATCH + 5 }, (_, n) => call(store.publishItem, item(`i${n}`)))
    await opened.storage.submit(calls)
    expect((await publish('x', { itemsMax: 2 })).pruned).toHaveLength(PRUNE_BATCH)
    expect((await publish('y', { itemsMax: 2 })).pruned).toHaveLength(5)
    expect(await ids()).toEqual(['x', 'y'])
    expect((await page()).count).toBe(2)
  })

  test('of a transient node are not kept', async () => {
    await create('n', { persistItems: false })
    expect(await publish('1')).toMatchObject({ itemId: '1', pruned: [] })
    expect(await page()).toMatchObject({ count: 0 })
  })

  test('stay as long as they are not so old that they expire', async () => {
    await create('n', { itemExpireSeconds: 3_600 })
    await publish('1')
    await publish('2')
    expect(await opened.storage.run(store.expireItems, { ...NO_PAST, ...n })).toEqual({
      ...n,
      expired: [],
      unarchived: 0,
    })
    expect((await page()).count).toBe(2)
  })

  test('must fit the node', async () => {
    await create('n', { type: 'urn:p', maxPayloadBytes: 30 })
    await expect(publish(undefined)).rejects.toMatchObject(refused('itemRequired'))
    await expect(publish('1', { payload: undefined, payloadNs: undefined })).rejects.toMatchObject(
      refused('payloadRequired'),
    )
    await expect(publish('1', { payloadNs: 'urn:q' })).rejects.toMatchObject(refused('invalidPayload'))
    await expect(publish('1', { payload: 'ä'.repeat(16) })).rejects.toMatchObject(refused('payloadTooBig'))
    await expect(publish('1', { preconditions: { 'pubsub#access_model': 'whitelist' } })).rejects.toMatchObject(
      refused('preconditionNotMet'),
    )
    await expect(publish('1', { actor: bob })).rejects.toMatchObject(refused('mayNotPublish'))
    await expect(publish('1', at('x'))).rejects.toMatchObject(refused('nodeNotFound'))
    expect((await page()).count).toBe(0)
    await publish('1', { preconditions: { 'pubsub#access_model': 'open', 'pubsub#persist_items': 'true' } })
    expect((await page()).count).toBe(1)
  })

  test("the first payload's namespace is seen as the node's type, once", async () => {
    await create()
    expect((await publish('1')).seenType).toBe('urn:p')
    expect((await publish('2', { payloadNs: 'urn:q' })).seenType).toBeUndefined()
    expect((await snapshot()).nodes[0]?.seenType).toBe('urn:p')
  })

  test('are retracted by owners and by their publisher', async () => {
    await create('n', { publishModel: 'open' })
    await publish('1')
    await publish('2', { actor: bob })
    await publish('3', { actor: bob })
    const retract = (actor: Actor, itemId: string, authorized?: 'own' | 'any') =>
      opened.storage.run(store.retractItem, { ...NO_PAST, ...n, actor, itemId, authorized })
    await expect(retract(bob, '1')).rejects.toMatchObject(refused('mayNotRetract'))
    await expect(retract(bob, '1', 'own')).rejects.toMatchObject(refused('mayNotRetract'))
    expect(await retract(bob, '2')).toEqual({ ...n, itemId: '2', scope: undefined, unarchived: 0 })
    await expect(retract(bob, '2')).rejects.toMatchObject(refused('itemNotFound'))
    await retract(alice, '3')
    await retract(bob, '1', 'any')
    expect((await page()).count).toBe(0)
  })

  test('are purged by owners', async () => {
    await create()
    await publish('1', { scope: 'e', isAuthorized: true })
    await publish('2')
    const purge = (actor: Actor) => opened.storage.run(store.purgeNode, { ...NO_PAST, ...n, actor })
    await expect(purge(bob)).rejects.toMatchObject(refused('notOwner'))
    await purge(alice)
    expect(await page()).toMatchObject({ items: [], count: 0 })
    expect(await page({ visible: ['e'] })).toMatchObject({ items: [], count: 0 })
  })
})

describe('items that go with who published them', () => {
  const purge = (publisher: string | undefined, from?: { seq: number; before: number }) =>
    opened.storage.run(store.purgeAbsent, { ...NO_PAST, ...n, publisher, from })

  test('only where the node is so, and only those of that account', async () => {
    await create('n', { publishModel: 'open' })
    for (const [itemId, actor] of [
      ['1', alice],
      ['2', bob],
      ['3', bob],
    ] as const)
      await publish(itemId, { actor })
    expect(await purge('bob@test')).toMatchObject({ gone: [], isEmpty: false, next: undefined })
    const changes = { purgeOffline: true }
    await opened.storage.run(store.configureNode, { ...NO_PAST, ...n, actor: alice, changes, itemsMax: 9 })
    expect(await purge('bob@test', { seq: 0, before: 0 })).toMatchObject({ gone: [] }) // published since
    expect(await purge('bob@test')).toMatchObject({ gone: [{ itemId: '2' }, { itemId: '3' }], isEmpty: false })
    expect(await page()).toMatchObject({ count: 1, items: [{ itemId: '1' }] })
    expect(await purge(undefined)).toMatchObject({ gone: [{ itemId: '1' }], isEmpty: true, next: undefined })
    expect(await page()).toMatchObject({ count: 0, items: [] })
  })

  test('a part at a time', async () => {
    await create('n', { purgeOffline: true, publishModel: 'open' })
    const calls = Array.from({ length: PRUNE_BATCH + 1 }, (_, at) =>
      call(store.publishItem, item(String(at), { actor: bob })),
    )
    await opened.storage.submit(calls)
    const first = await purge('bob@test')
    expect(first.gone).toHaveLength(PRUNE_BATCH)
    expect(await purge('bob@test', first.next)).toMatchObject({
      gone: [{ itemId: String(PRUNE_BATCH) }],
      isEmpty: true,
    })
  })
})
