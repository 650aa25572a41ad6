/** PubsubStore's contract: a node's archive against a model of it. XEP-0442 §3; XEP-0313 §3.2, §4; XEP-0413 §4.3 */

import { expect, test, vi } from 'vitest'
import { defaultConfig, type NodeConfig } from '../../../modules/pubsub/node-config.ts'
import type { Order } from '../../../modules/pubsub/order.ts'
import type { PagedItem, PageStart, ReadPage, Visible, Within } from '../../../modules/pubsub/reads.ts'
import type { Position } from '../../../modules/pubsub/records.ts'
import { sqliteStore as store } from '../../../modules/pubsub/store.sqlite.ts'
import type { Storage } from '../../../server/storage/storage.ts'
import { openDirectStorage } from '../../support/direct-storage.ts'
import { type Random, random, rounds } from '../../support/random.ts'
import { ArchiveModel, type Version } from './archive-model.ts'
import { alice, BOUNDS, item, n, refused } from './fixture.ts'

const STEPS = 120
/** Items of the node, and what it is told to keep of the past: never less than it has items, as then it would keep more. */
const SIZES = [
  { ids: ['1', '2', '3', '4', '5'], bounds: [0, 5, 6, 100] },
  { ids: ['1', '2'], bounds: [0, 2, 3, 6] },
  { ids: ['1'], bounds: [0, 1, 3] },
] as const
const WHOLE: Within = { after: undefined, before: undefined, fromMs: undefined, toMs: undefined }

async function withNode(config: Partial<NodeConfig>, act: (storage: Storage) => Promise<void>): Promise<void> {
  const storage = openDirectStorage()
  vi.useFakeTimers({ toFake: ['Date'] })
  vi.setSystemTime(1)
  try {
    const node = { ...n, creator: 'alice@test', config: { ...defaultConfig(BOUNDS), ...config }, nodesMax: 3 }
    await storage.run(store.createNode, node)
    await act(storage)
  } finally {
    vi.useRealTimers()
    await storage.close()
  }
}

const read = (storage: Storage, options: Partial<ReadPage>) =>
  storage.run(store.readPage, {
    ...{ ...n, visible: 'all', start: { at: 'start' }, order: { by: 'modification', isDescending: false } },
    ...{ indexMax: 1_000, passedMax: 1_000, lastSeq: 1_000_000, max: 3, maxChars: 1_000_000, withPayloads: true },
    ...options,
  })

/** Page after page, forwards or backwards. */
async function readAll(storage: Storage, options: Partial<ReadPage>, isForward: boolean): Promise<PagedItem[]> {
  const all: PagedItem[] = []
  for (let place: Position | undefined; ; ) {
    const start: PageStart = place ? { at: isForward ? 'after' : 'before', place } : { at: isForward ? 'start' : 'end' }
    const page = await read(storage, { ...options, start })
    if (isForward) all.push(...page.items)
    else all.unshift(...page.items)
    place = page.items.at(isForward ? -1 : 0)?.position
    if (!place || (options.within && !page.hasMore)) return all
  }
}

const shown = ({ itemId, payload, position }: Pick<Version, 'itemId' | 'payload' | 'position'>) =>
  `${position.seq} ${itemId} ${payload}`

function inOrder(versions: readonly Version[], { by, isDescending }: Order): Version[] {
  const key = ({ position }: Version) => (by === 'creation' ? position.creation * 1_000_000 : 0) + position.seq
  return versions.toSorted((a, b) => (key(a) - key(b)) * (isDescending ? -1 : 1))
}

test.each(Array.from({ length: rounds(6) }, (_, at) => at + 1))('an archive of seed %i', async (seed) => {
  const from = random(seed)
  const isExpiring = from.int(3) === 0
  await withNode(isExpiring ? { itemExpireSeconds: 1 } : {}, async (storage) => {
    const model = new ArchiveModel()
    const { ids, bounds } = from.pick<(typeof SIZES)[number]>(SIZES)
    let unarchived = 0
    const bound = async () => {
      model.max = from.pick<number>(bounds)
      const archiveMax = model.max
      for (const ref of await storage.run(store.longArchives, { archiveMax }))
        unarchived += (await storage.run(store.trimArchive, { ...ref, archiveMax })).unarchived
      model.trim()
    }
    await bound()
    const log: string[] = []
    for (let step = 0, now = 10; step < STEPS; step += 1) {
      now += from.int(4) === 0 ? 400 : 5
      vi.setSystemTime(now)
      if (isExpiring) model.expire(now - 1_000)
      const itemId = from.pick<string>(ids)
      const kind = from.pick([
        'publish',
        'publish',
        'publish',
        'publish',
        'publish',
        'retract',
        'limit',
        'bound',
        'purge',
      ])
      log.push(`${kind} ${itemId}`)
      if (kind === 'bound' && from.int(3) === 0) await bound()
      if (kind === 'publish') {
        const payload = `<p xmlns="urn:p">${step}</p>`
        const scope = [undefined, undefined, 'a', 'b'][from.int(4)]
        const done = await storage.run(store.publishItem, item(itemId, { payload, scope, archiveMax: model.max }))
        if (!done.position) throw new Error('not kept')
        const [old] = model.current(itemId)
        expect(done.position.creation).toBe(old?.position.creation ?? done.position.seq)
        model.published({ position: done.position, itemId, at: now, scope, payload })
        unarchived += done.unarchived
      } else if (kind === 'retract') {
        const args = { ...n, actor: alice, itemId, authorized: undefined, archiveMax: model.max }
        if (isExpiring) unarchived += (await storage.run(store.expireItems, { ...n, archiveMax: model.max })).unarchived
        const done = storage.run(store.retractItem, args)
        if (model.retract(itemId)) unarchived += (await done).unarchived
        else await expect(done).rejects.toMatchObject(refused('itemNotFound'))
      } else if (kind === 'limit') {
        const maxItems = from.pick([1, 2, 4, 'max'] as const)
        if (isExpiring) unarchived += (await storage.run(store.expireItems, { ...n, archiveMax: model.max })).unarchived
        const args = { ...n, actor: alice, changes: { maxItems }, itemsMax: 1_000, archiveMax: model.max }
        unarchived += (await storage.run(store.configureNode, args)).unarchived
        model.maxItems = maxItems === 'max' ? Number.POSITIVE_INFINITY : maxItems
        model.prune()
      } else if (kind === 'purge' && from.int(4) === 0) {
        if (isExpiring) unarchived += (await storage.run(store.expireItems, { ...n, archiveMax: model.max })).unarchived
        unarchived += (await storage.run(store.purgeNode, { ...n, actor: alice, archiveMax: model.max })).unarchived
        model.purge()
      }
      if (isExpiring) unarchived += (await storage.run(store.expireItems, { ...n, archiveMax: model.max })).unarchived
      await check(storage, model, from, now, log)
      // Of what is purged not even the places of more than an archive holds were ever in it.
      expect(unarchived).toBeLessThanOrEqual(model.dropped)
    }
  })
})

test('as much of the past is kept as there are items, where those are more than the bound', async () => {
  await withNode({}, async (storage) => {
    const publish = (itemId: string, payload: string) =>
      storage.run(store.publishItem, item(itemId, { payload: `<p xmlns="urn:p">${payload}</p>`, archiveMax: 2 }))
    const archive = async () => (await readAll(storage, { within: WHOLE }, true)).map(({ itemId }) => itemId)
    for (let at = 0; at < 6; at++) await publish(`i${at}`, 'first')
    for (let round = 0; round < 4; round++) await publish('i5', `${round}`)
    // What changes all the time leaves the others where they are.
    expect(await archive()).toEqual(['i0', 'i1', 'i2', 'i3', 'i4', ...Array.from({ length: 5 }, () => 'i5')])
    for (let at = 0; at < 5; at++) await publish(`i${at}`, 'second')
    expect(await archive()).toEqual([
      'i3',
      'i4',
      ...Array.from({ length: 5 }, () => 'i5'),
      'i0',
      'i1',
      'i2',
      'i3',
      'i4',
    ])
    const take = { ...n, actor: alice, authorized: undefined, archiveMax: 2 }
    for (let at = 0; at < 5; at++) await storage.run(store.retractItem, { ...take, itemId: `i${at}` })
    await publish('i5', 'last')
    expect((await archive()).length).toBe(3)
    expect(await storage.run(store.longArchives, { archiveMax: 2 })).toEqual([])
    expect(await storage.run(store.longArchives, { archiveMax: 1 })).toHaveLength(1)
  })
})

async function check(storage: Storage, model: ArchiveModel, from: Random, now: number, log: readonly string[]) {
  const said = log.slice(-20).join('\n')
  const visible: Visible = from.pick(['all', 'all', ['a'], []])
  const order: Order = { by: from.pick(['creation', 'modification']), isDescending: from.int(2) === 0 }
  const isForward = from.int(2) === 0
  const part = { visible, order }
  const items = await readAll(storage, part, isForward)
  expect(items.map(shown), said).toEqual(inOrder(model.items(visible), order).map(shown))
  // With less to pass over it is the same, or refused.
  const few = await readAll(storage, { ...part, passedMax: 2 }, isForward).catch((error: unknown) => {
    expect(order.by).toBe('creation')
    expect(error).toMatchObject(refused('orderUnsupported'))
  })
  if (few) expect(few.map(shown), said).toEqual(items.map(shown))
  const archive = inOrder(model.archive(visible), order)
  const all = await readAll(storage, { ...part, within: WHOLE }, isForward)
  expect(all.map(shown), said).toEqual(archive.map(shown))
  for (const each of all) expect(each.isGone ?? false).toBe(each.payload === undefined)
  const { count } = await read(storage, { ...part, within: WHOLE, max: 0 })
  expect(count, said).toBe(archive.length)
  const [one, other] = [from.int(archive.length + 1), from.int(archive.length + 1)]
  const [low, high] = [Math.min(one, other), Math.max(one, other)]
  // Between two places, in the order asked for.
  const [first, last] = order.isDescending ? [archive[high], archive[low]] : [archive[low], archive[high]]
  const between = { ...WHOLE, after: first?.position, before: last?.position }
  const found = await readAll(storage, { ...part, within: between }, isForward)
  expect(found.map(shown), said).toEqual(boundedBy(archive, between, order).map(shown))
  // Of some time.
  const [fromMs, toMs] = [from.int(now), from.int(now)].sort((a, b) => a - b) as [number, number]
  const some = await readAll(storage, { ...part, within: { ...WHOLE, fromMs, toMs } }, isForward)
  expect(some.map(shown), said).toEqual(archive.filter(({ at }) => at >= fromMs && at <= toMs).map(shown))
  // By index, and by ids.
  const start: PageStart = { at: 'index', index: one }
  const isCounted = order.by === 'modification' || visible === 'all'
  const byIndex = read(storage, { ...part, within: WHOLE, start })
  if (isCounted || one >= archive.length) {
    const page = await byIndex
    expect(page.items.map(shown), said).toEqual(archive.slice(one, one + 3).map(shown))
  } else await expect(byIndex).rejects.toMatchObject(refused('pageByIndex'))
  const asked = archive.filter(() => from.int(2) === 0)
  const seqs = asked.map(({ position }) => position.seq)
  const byIds = await storage.run(store.readArchived, { ...n, visible, seqs, maxChars: 1_000_000 })
  expect(byIds.map(shown), said).toEqual(inOrder(asked, { by: 'modification', isDescending: false }).map(shown))
  for (const seq of missing(model, visible))
    await expect(storage.run(store.readArchived, { ...n, visible, seqs: [seq], maxChars: 99 })).rejects.toMatchObject(
      refused('pageNotFound'),
    )
}

function boundedBy(archive: readonly Version[], { after, before }: Within, { by }: Order): Version[] {
  const key = ({ creation, seq }: Position) => (by === 'creation' ? creation * 1_000_000 : 0) + seq
  return archive.filter(
    ({ position }) => (!after || key(position) > key(after)) && (!before || key(position) < key(before)),
  )
}

/** A few places that are none of the archive's. */
function missing(model: ArchiveModel, visible: Visible): number[] {
  const seqs = new Set(model.archive(visible).map(({ position }) => position.seq))
  const newest = Math.max(0, ...seqs)
  return [newest - 3, newest - 2, newest - 1, newest + 1].filter((seq) => seq > 0 && !seqs.has(seq))
}
