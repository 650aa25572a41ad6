/** PubsubStore's contract, on a real SQLite file: decisions, order, counts, pages, and what a restart must not change. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { SHARED_SCOPE } from '../../modules/pubsub/api.ts'
import { defaultConfig, type LinkChanges, type NodeConfig } from '../../modules/pubsub/node-config.ts'
import { type Order, PUBLICATION_ORDER } from '../../modules/pubsub/order.ts'
import type { PageStart, Place, ReadPage, Within } from '../../modules/pubsub/reads.ts'
import { type Actor, SHARED_SERVICE } from '../../modules/pubsub/records.ts'
import { pubsubOperations, sqliteStore as store } from '../../modules/pubsub/store.sqlite.ts'
import { PRUNE_BATCH, type PublishItem } from '../../modules/pubsub/store.ts'
import { DEFAULT_OPTIONS, type OptionChanges } from '../../modules/pubsub/subscription-options.ts'
import { folderAssets } from '../../server/storage/assets.ts'
import { groupCommit } from '../../server/storage/batch.ts'
import { migrate } from '../../server/storage/migrate.ts'
import { isFault } from '../../server/storage/protocol.ts'
import { openWriter } from '../../server/storage/sqlite.ts'
import { type Call, call, type Operation } from '../../server/storage/storage.ts'
import { openDirectStorage } from '../support/direct-storage.ts'
import { random } from '../support/random.ts'
import { type OpenedStorage, openModules } from './open-modules.ts'

const BOUNDS = { itemsMax: 1_000_000, childrenMax: 100, payloadMaxBytes: 1_000 }
const FOLDERS = {
  workerEntry: new URL('../../modules/worker.ts', import.meta.url),
  migrations: new URL('../../migrations/sqlite/', import.meta.url),
}
const at = (nodeId: string, service = SHARED_SERVICE) => ({ service, nodeId })
const n = at('n')
const alice: Actor = { bareJid: 'alice@test', isAdmin: false }
const bob: Actor = { bareJid: 'bob@test', isAdmin: false }
const root: Actor = { bareJid: 'root@test', isAdmin: true }

let opened: OpenedStorage
beforeAll(async () => {
  opened = await openModules()
})
afterAll(() => opened.close())
beforeEach(async () => {
  for (const { service, nodeId } of (await opened.storage.run(store.readSnapshot, undefined)).nodes)
    await opened.storage.run(store.deleteNode, { service, nodeId, actor: root })
})

const refused = (key: string) => ({ key: `pubsub.${key}` })

function create(nodeId = 'n', config: Partial<NodeConfig> = {}) {
  const node = { ...at(nodeId), creator: 'alice@test', config: { ...defaultConfig(BOUNDS), ...config }, nodesMax: 5 }
  return opened.storage.run(store.createNode, node)
}

function item(itemId: string | undefined, options: Partial<PublishItem> = {}): PublishItem {
  return {
    ...n,
    actor: alice,
    itemId,
    payload: `<p xmlns="urn:p">${itemId}</p>`,
    payloadNs: 'urn:p',
    preconditions: {},
    isAuthorized: false,
    scope: undefined,
    ...BOUNDS,
    ...options,
  }
}

const publish = (itemId: string | undefined, options: Partial<PublishItem> = {}) =>
  opened.storage.run(store.publishItem, item(itemId, options))

const page = (options: Partial<ReadPage> = {}) =>
  opened.storage.run(store.readPage, {
    ...n,
    visible: 'all',
    start: { at: 'start' },
    order: PUBLICATION_ORDER,
    lastSeq: Number.MAX_SAFE_INTEGER - 1,
    indexMax: 3,
    max: 10,
    maxChars: 100_000,
    withPayloads: false,
    ...options,
  })
const ids = async (options: Partial<ReadPage> = {}) => (await page(options)).items.map(({ itemId }) => itemId)

/** Hands a scope on to what is in the same savepoint, as a claimer's operation does. */
const shareScope: Operation<string, void> = {
  name: 'test.shareScope',
  kind: 'write',
  run: (tx, scope) => void tx.shared.set(SHARED_SCOPE, scope),
}

/** Takes the whole transaction back, as SQLite itself does after some faults. */
const endTransaction: Operation<undefined, never> = {
  name: 'test.endTransaction',
  kind: 'write',
  run(tx) {
    tx.use((db) => ({ db })).db.run(sql.raw('ROLLBACK'))
    throw new Error('the transaction is lost')
  },
}

/** What became of one savepoint. */
interface Done {
  readonly kind: string
  readonly results?: readonly unknown[]
}

/** A database of its own, written to as the storage worker does, at times of the test's choice. */
function inWorker(
  act: (worker: {
    readonly commit: (groups: readonly (readonly Call[])[]) => readonly Done[]
    readonly run: <A, R>(operation: Operation<A, R>, args: A) => Done | undefined
    readonly countOf: (nodeId: string) => readonly [kept: number, counted: number]
    readonly atTime: (now: number) => void
  }) => void,
): void {
  const folder = mkdtempSync(join(tmpdir(), 'sacm-worker-'))
  const connection = openWriter(join(folder, 'sacm.db'), undefined)
  vi.useFakeTimers({ toFake: ['Date'] })
  try {
    migrate(connection.sqlite, folderAssets(FOLDERS).migrations())
    const commitGroups = groupCommit(connection, [...pubsubOperations, shareScope, endTransaction])
    const commit = (groups: readonly (readonly Call[])[]) =>
      commitGroups(groups.map((calls) => calls.map(({ operation, args }) => [operation.name, args] as const))).map(
        (outcome) => (isFault(outcome) ? outcome : { kind: 'done', results: outcome }),
      )
    const counts = connection.sqlite.prepare<[string], { kept: number; counted: number }>(
      `select count(i.seq) kept, n.item_count counted
       from pubsub_nodes n left join pubsub_items i on i.node = n.id where n.node_id = ?`,
    )
    act({
      commit,
      run: (operation, args) => commit([[call(operation, args)]])[0],
      countOf: (nodeId) => {
        const { kept = -1, counted = -1 } = counts.get(nodeId) ?? {}
        return [kept, counted]
      },
      atTime: (now) => vi.setSystemTime(now),
    })
  } finally {
    vi.useRealTimers()
    connection.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

let subids = 0
const subscribe = (actor: Actor, jid = actor.bareJid, options = {}) =>
  opened.storage.run(store.subscribe, {
    ...n,
    actor,
    jid,
    address: 'pubsub.test',
    subid: `s${++subids}`,
    options: undefined,
    isPublic: false,
    leaseMaxMs: 60_000,
    isAuthorized: false,
    perNodeMax: 3,
    perAccountMax: 2,
    ...options,
  })

const affiliate = (changes: Parameters<typeof store.modifyAffiliations.run>[1]['changes'], actor = alice) =>
  opened.storage.run(store.modifyAffiliations, { ...n, actor, changes, perNodeMax: 3 })

const affiliateAt = (ref: typeof n, affiliation: 'member') =>
  opened.storage.run(store.modifyAffiliations, {
    ...{ ...ref, actor: alice, perNodeMax: 9 },
    changes: [{ bareJid: 'bob@test', affiliation }],
  })

test('the key of cursors is made once, and kept over a restart', async () => {
  const made = await opened.storage.run(store.ensureKey, { key: 'aa' })
  expect(await opened.storage.run(store.ensureKey, { key: 'bb' })).toEqual(made)
  await opened.reopen()
  expect(await opened.storage.run(store.readKey, undefined)).toEqual(made)
})

describe('nodes', () => {
  test('are created once, up to the bound, with their creator as owner', async () => {
    await create()
    await expect(create()).rejects.toMatchObject(refused('nodeExists'))
    await create('m')
    for (const nodeId of ['o', 'p', 'q']) await create(nodeId)
    await expect(create('r')).rejects.toMatchObject(refused('tooManyNodes'))
    const { affiliations } = await opened.storage.run(store.readSnapshot, undefined)
    expect(affiliations).toContainEqual({ ...n, bareJid: 'alice@test', affiliation: 'owner' })
  })

  test('always tell, whatever else is said of it', async () => {
    const { config } = await create('n', {
      alwaysNotify: true,
      notifyRetract: false,
      publishNodeFull: 'discard-oldest',
    })
    expect(config).toMatchObject({ notifyConfig: true, notifyRetract: true, publishNodeFull: 'retract-oldest' })
    const quiet = { notifyRetract: false, presenceBasedDelivery: true }
    const args = { ...n, actor: alice, changes: quiet, itemsMax: 9 }
    const kept = await opened.storage.run(store.configureNode, args)
    expect(kept.node.config).toMatchObject({ notifyRetract: true, presenceBasedDelivery: false })
    const free = await opened.storage.run(store.configureNode, { ...args, changes: { ...quiet, alwaysNotify: false } })
    expect(free.node.config).toMatchObject({ notifyConfig: true, ...quiet })
  })

  test('keep every option over a restart', async () => {
    const config: NodeConfig = {
      nodeType: 'leaf',
      childrenPolicy: 'whitelist',
      childrenWhitelist: 'c@test\nd@test',
      childrenMax: 7,
      title: 'T',
      description: 'D',
      type: 'urn:t',
      accessModel: 'whitelist',
      publishModel: 'subscribers',
      persistItems: false,
      maxItems: 7,
      maxPayloadBytes: 9,
      subscribe: false,
      deliverNotifications: false,
      deliverPayloads: false,
      notifyConfig: true,
      notifyDelete: false,
      notifyRetract: true,
      notificationType: 'headline',
      itemReply: 'publisher',
      sendLastItem: 'on_sub',
      language: 'en',
      contact: 'a@test\nb@test',
      itemExpireSeconds: 60,
      publishNodeFull: 'reject',
      notifySub: true,
      presenceBasedDelivery: true,
      tempSub: true,
      purgeOffline: true,
      dataformXslt: 'https://test/x.xsl',
      alwaysNotify: false,
      allowedForSuggestions: true,
      rosterGroupsAllowed: 'Friends\nServants',
    }
    const made = await create('n', config)
    expect(made.config).toEqual(config)
    await opened.reopen()
    expect((await opened.storage.run(store.readSnapshot, undefined)).nodes).toEqual([made])
  })

  test('are configured by owners and the administrator only; an option not named stays', async () => {
    await create('n', { title: 'before' })
    const configure = (actor: Actor, changes: Partial<NodeConfig>) =>
      opened.storage.run(store.configureNode, { ...n, actor, changes, itemsMax: 100 })
    await expect(configure(bob, { title: 'x' })).rejects.toMatchObject(refused('notOwner'))
    expect((await configure(root, { maxItems: 3 })).node.config).toMatchObject({ title: 'before', maxItems: 3 })
    expect((await configure(alice, { maxItems: 'max' })).node.config.maxItems).toBe('max')
  })

  test('take their items, subscriptions and affiliations with them', async () => {
    await create()
    await publish('1')
    await subscribe(bob)
    await expect(opened.storage.run(store.deleteNode, { ...n, actor: bob })).rejects.toMatchObject(refused('notOwner'))
    await opened.storage.run(store.deleteNode, { ...n, actor: alice })
    await expect(page()).rejects.toMatchObject(refused('nodeNotFound'))
    expect(await opened.storage.run(store.readSnapshot, undefined)).toEqual({
      links: [],
      relations: [],
      nodes: [],
      affiliations: [],
      subscriptions: [],
      lastSeq: expect.any(Number),
    })
    await create()
    expect(await page()).toMatchObject({ items: [], count: 0 })
  })

  test('of one name may be at every service, each with its own bound, items and members', async () => {
    await create()
    const hers = at('n', 'alice@test')
    const node = { ...hers, creator: 'alice@test', config: defaultConfig(BOUNDS), nodesMax: 1 }
    await opened.storage.run(store.createNode, node)
    await expect(opened.storage.run(store.createNode, node)).rejects.toMatchObject(refused('nodeExists'))
    const another = { ...node, ...at('m', 'alice@test') }
    await expect(opened.storage.run(store.createNode, another)).rejects.toMatchObject(refused('tooManyNodes'))
    await publish('1')
    expect(await publish('2', hers)).toMatchObject(hers)
    await subscribe(bob, 'bob@test', hers)
    expect([await ids(), await ids(hers)]).toEqual([['1'], ['2']])
    await opened.reopen()
    const { nodes, affiliations, subscriptions } = await opened.storage.run(store.readSnapshot, undefined)
    expect(nodes).toMatchObject([n, hers])
    expect(affiliations).toMatchObject([n, hers])
    expect(subscriptions).toMatchObject([hers])
    await opened.storage.run(store.deleteNode, { ...n, actor: alice })
    expect(await ids(hers)).toEqual(['2'])
  })

  test('of an account are its own, go with it, and let read whom its roster does', async () => {
    const hers = at('n', 'alice@test')
    const config = { ...defaultConfig({ ...BOUNDS, isAccount: true }), rosterGroupsAllowed: 'Friends' }
    await opened.storage.run(store.createNode, { ...hers, creator: 'alice@test', config, nodesMax: 9 })
    const changes = [
      { bareJid: 'bob@test', affiliation: 'owner' as const },
      { bareJid: 'alice@test', affiliation: 'none' as const },
    ]
    const affiliated = await opened.storage.run(store.modifyAffiliations, {
      ...hers,
      actor: alice,
      changes,
      perNodeMax: 9,
    })
    expect(affiliated).toMatchObject({ changed: [], refused: [{ affiliation: 'none' }, { affiliation: 'owner' }] })
    const friend = (relation?: { seesPresence: boolean; groups: string[] }) => ({ ...bob, relation })
    await expect(subscribe(friend(), 'bob@test', hers)).rejects.toMatchObject(refused('presenceSubscriptionRequired'))
    const { subscription } = await subscribe(friend({ seesPresence: true, groups: [] }), 'bob@test', hers)
    const toRoster = { ...hers, actor: alice, changes: { accessModel: 'roster' as const }, itemsMax: 9 }
    expect((await opened.storage.run(store.configureNode, toRoster)).ended).toEqual([])
    const stranger = friend({ seesPresence: true, groups: ['Servants'] })
    await expect(subscribe(stranger, 'bob@test/r', hers)).rejects.toMatchObject(refused('notInRosterGroup'))
    const { subid } = subscription
    const key = { ...hers, jid: 'bob@test', subid }
    expect((await opened.storage.run(store.endUnrelated, [{ ...key, subid: 'x' }, key, key])).ended).toEqual([
      subscription,
    ])
    await subscribe(friend({ seesPresence: true, groups: ['Friends'] }), 'bob@test', hers)
    await affiliateAt(hers, 'member')
    const [member] = (await opened.storage.run(store.readSnapshot, undefined)).subscriptions
    // Who has an affiliation reads by that.
    const again = { ...hers, jid: 'bob@test', subid: member?.subid }
    expect((await opened.storage.run(store.endUnrelated, [again])).ended).toEqual([])
    await create()
    await opened.storage.run(store.forgetAccount, { bareJid: 'alice@test' })
    expect((await opened.storage.run(store.readSnapshot, undefined)).nodes).toMatchObject([n])
    expect((await opened.storage.run(store.readSnapshot, undefined)).subscriptions).toEqual([])
  })

  test('of the server are made once and configured after', async () => {
    const node = { ...at('/x'), creator: 'test', config: defaultConfig(BOUNDS) }
    await opened.storage.run(store.ensureNode, node)
    const again = await opened.storage.run(store.ensureNode, { ...node, config: { ...node.config, title: 'new' } })
    expect(again.config.title).toBe('new')
    const { nodes, affiliations } = await opened.storage.run(store.readSnapshot, undefined)
    expect(nodes).toEqual([again])
    expect(affiliations).toEqual([])
  })
})

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
    await opened.storage.run(store.retractItem, { ...n, actor: alice, itemId: '1', authorized: undefined })
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
    await opened.storage.run(store.purgeNode, { ...n, actor: alice })
    const fifth = await positionOf('5')
    await expect(idsAfter(third)).rejects.toMatchObject(refused('pageNotFound'))
    // Made anew, it is another node.
    await opened.storage.run(store.deleteNode, { ...n, actor: alice })
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
        const bounds = { lastSeq: 1_000, max: 10, maxChars: 1_000, withPayloads: true }
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
      await storage.run(store.retractItem, { ...n, actor: alice, itemId: '1', authorized: undefined })
      await expect(read({ after })).rejects.toMatchObject(refused('pageNotFound'))
      const start = { at: 'after', place: after } as const
      await expect(read({}, { start })).rejects.toMatchObject(refused('pageNotFound'))
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

  test('more than max_items: the oldest go, and are named', async () => {
    await create('n', { maxItems: 2 })
    await publish('1')
    await publish('2')
    expect((await publish('3')).pruned).toEqual([{ itemId: '1', scope: undefined }])
    expect((await publish('3')).pruned).toEqual([])
    expect(await page()).toMatchObject({ count: 2 })
    const lowered = { ...n, actor: alice, changes: { maxItems: 1 }, itemsMax: 100 }
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
    expect((await opened.storage.run(store.readSnapshot, undefined)).nodes[0]?.seenType).toBe('urn:p')
  })

  test('are retracted by owners and by their publisher', async () => {
    await create('n', { publishModel: 'open' })
    await publish('1')
    await publish('2', { actor: bob })
    await publish('3', { actor: bob })
    const retract = (actor: Actor, itemId: string, authorized?: 'own' | 'any') =>
      opened.storage.run(store.retractItem, { ...n, actor, itemId, authorized })
    await expect(retract(bob, '1')).rejects.toMatchObject(refused('mayNotRetract'))
    await expect(retract(bob, '1', 'own')).rejects.toMatchObject(refused('mayNotRetract'))
    expect(await retract(bob, '2')).toEqual({ ...n, itemId: '2', scope: undefined })
    await expect(retract(bob, '2')).rejects.toMatchObject(refused('itemNotFound'))
    await retract(alice, '3')
    await retract(bob, '1', 'any')
    expect((await page()).count).toBe(0)
  })

  test('are purged by owners', async () => {
    await create()
    await publish('1', { scope: 'e', isAuthorized: true })
    await publish('2')
    const purge = (actor: Actor) => opened.storage.run(store.purgeNode, { ...n, actor })
    await expect(purge(bob)).rejects.toMatchObject(refused('notOwner'))
    await purge(alice)
    expect(await page()).toMatchObject({ items: [], count: 0 })
    expect(await page({ visible: ['e'] })).toMatchObject({ items: [], count: 0 })
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
    const order = { by: 'creation', isDescending: false } as const
    await expect(ids({ visible: ['a'], order })).rejects.toMatchObject(refused('orderUnsupported'))
    const itemIds = ['1', '2', '3']
    const found = await opened.storage.run(store.readItems, { ...n, visible: ['b'], itemIds, maxChars: 1_000 })
    expect(found.map(({ itemId }) => itemId)).toEqual(['2', '3'])
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
    await opened.storage.run(store.retractItem, { ...n, actor: alice, itemId: '4', authorized: undefined })
    await opened.reopen()
    expect((await page({ visible: ['a'] })).count).toBe(0)
    expect((await page({ visible: ['b'] })).count).toBe(2)
    expect((await page({ visible: ['a', 'b', 'c'] })).count).toBe(3)
    expect((await page()).count).toBe(3)
  })

  test('come from an operation before it in the same savepoint, unless the request has its own', () => {
    inWorker(({ commit }) => {
      const node = { ...n, creator: 'alice@test', config: defaultConfig(BOUNDS), nodesMax: 3 }
      const own = item('2', { scope: 'own' })
      const [, shared, alone] = commit([
        [call(store.createNode, node)],
        [call(shareScope, 'z'), call(store.publishItem, item('1')), call(store.publishItem, own)],
        [call(store.publishItem, item('3'))],
      ])
      expect(shared).toMatchObject({ results: [undefined, { scope: 'z' }, { scope: 'own' }] })
      expect(alone).toMatchObject({ results: [{ scope: undefined }] })
    })
  })
})

describe('what the worker knows of a node', () => {
  const create = call(store.createNode, { ...n, creator: 'alice@test', config: defaultConfig(BOUNDS), nodesMax: 3 })
  const put = (id: string, options: Partial<PublishItem> = {}) => call(store.publishItem, item(id, options))
  const outlaw = call(store.modifyAffiliations, {
    ...n,
    actor: alice,
    changes: [{ bareJid: 'bob@test', affiliation: 'outcast' }],
    perNodeMax: 3,
  })
  const open = call(store.configureNode, { ...n, actor: alice, changes: { publishModel: 'open' }, itemsMax: 9 })
  const asBob = { actor: bob }
  const kinds = (outcomes: readonly Done[]) => outcomes.map(({ kind }) => kind).join(' ')

  test('counts what a refusal in the same savepoint does not undo', () => {
    inWorker(({ commit, countOf }) => {
      const refusing = put('x', asBob)
      expect(kinds(commit([[create], [put('1')], [put('2'), put('3'), refusing], [put('4')], [put('1')]]))).toBe(
        'done done refused done done',
      )
      expect(countOf('n')).toEqual([2, 2])
    })
  })

  test('is on disk whenever another verb looks, and survives that verb being undone', () => {
    inWorker(({ commit, countOf }) => {
      const retract = call(store.retractItem, { ...n, actor: alice, itemId: '1', authorized: undefined })
      const refusing = call(store.retractItem, { ...n, actor: alice, itemId: 'none', authorized: undefined })
      const outcomes = commit([
        [create],
        [put('1')],
        [put('2')],
        [put('3'), retract, put('4'), refusing],
        [put('5')],
        [retract],
        [put('6')],
      ])
      expect(kinds(outcomes)).toBe('done done done refused done done done')
      expect(countOf('n')).toEqual([3, 3])
      commit([[put('7')], [call(store.purgeNode, { ...n, actor: alice })], [put('8')]])
      expect(countOf('n')).toEqual([1, 1])
      commit([[put('9')], [call(store.deleteNode, { ...n, actor: alice })], [create], [put('10')]])
      expect(countOf('n')).toEqual([1, 1])
    })
  })

  test('is nothing of a node whose making was undone', () => {
    inWorker(({ commit }) => {
      const outcomes = commit([[create, put('1'), put('2', asBob)], [put('3')], [create], [put('4', asBob)]])
      expect(kinds(outcomes)).toBe('refused refused done refused')
      expect(outcomes[1]).toMatchObject(refused('nodeNotFound'))
    })
    inWorker(({ commit, countOf }) => {
      // The second node gets the first one's place in the table, and only its own count.
      const look = call(store.expireItems, n)
      commit([[create, put('1'), put('2', asBob)], [create], [put('3')], [put('4')], [look]])
      expect(countOf('n')).toEqual([2, 2])
    })
  })

  test('follows configuration and affiliations, and the end of an account', () => {
    inWorker(({ commit }) => {
      const gone = call(store.forgetAccount, { bareJid: 'bob@test' })
      const verdicts = [[create], [put('1', asBob)], [open], [put('2', asBob)], [outlaw], [put('3', asBob)], [gone]]
      expect(kinds(commit([...verdicts, [put('4', asBob)]]))).toBe('done refused done done done refused done done')
    })
  })

  test('is unknown again after a lost transaction', () => {
    inWorker(({ commit, run, countOf }) => {
      commit([[create], [put('1')]])
      const lost = commit([[put('2')], [call(endTransaction, undefined)], [put('3')]])
      expect(kinds(lost)).toBe('unavailable unavailable unavailable')
      expect(run(store.publishItem, item('4'))).toMatchObject({ kind: 'done' })
      expect(countOf('n')).toEqual([2, 2])
    })
  })
})

test('the worker knows how many nodes there are, whatever is undone', () => {
  inWorker(({ commit, run }) => {
    const make = (nodeId: string, service = SHARED_SERVICE) =>
      call(store.createNode, {
        ...at(nodeId, service),
        creator: 'bob@test',
        config: defaultConfig(BOUNDS),
        nodesMax: 2,
      })
    const remove = (nodeId: string) => call(store.deleteNode, { ...at(nodeId), actor: root })
    const gone = call(store.forgetAccount, { bareJid: 'bob@test' })
    const kinds = (...groups: readonly (readonly Call[])[]) =>
      commit(groups)
        .map(({ kind }) => kind)
        .join(' ')
    expect(kinds([make('a')], [make('b'), make('a')], [make('b')], [make('c')])).toBe('done refused done refused')
    // Undone: that there is room, and that there is not.
    expect(kinds([remove('a'), make('c'), make('d')], [make('c')], [remove('a')])).toBe('refused refused done')
    expect(kinds([make('c')], [make('d')], [remove('b'), make('d'), remove('d')])).toBe('done refused done')
    expect(kinds([make('e')], [call(endTransaction, undefined)])).toBe('unavailable unavailable')
    expect(kinds([make('f')], [make('g')])).toBe('done refused')
    // An account ends, and another of its name begins.
    expect(kinds([make('a', 'bob@test'), make('b', 'bob@test')], [gone, make('c', 'bob@test'), make('c')])).toBe(
      'done refused',
    )
    expect(kinds([make('d', 'bob@test')], [gone], [make('d', 'bob@test')])).toBe('refused done done')
    expect(run(store.createNode, make('e', 'bob@test').args)).toMatchObject({ kind: 'done' })
    expect(run(store.createNode, make('f', 'bob@test').args)).toMatchObject(refused('tooManyNodes'))
  })
})

describe('subscriptions', () => {
  test('are one per JID; asked again they move to that address', async () => {
    await create()
    const { subscription, isNew } = await subscribe(bob)
    expect(isNew).toBe(true)
    expect(subscription).toMatchObject({ jid: 'bob@test', address: 'pubsub.test', state: 'subscribed' })
    expect(await subscribe(bob, 'bob@test', { address: 'test', isPublic: true })).toMatchObject({ isNew: false })
    await opened.reopen()
    const { subscriptions } = await opened.storage.run(store.readSnapshot, undefined)
    expect(subscriptions).toEqual([{ ...subscription, address: 'test', isPublic: true }])
    const again = await subscribe(bob, 'bob@test', { address: 'test' })
    expect(again).toEqual({ subscription: { ...subscription, address: 'test' }, isNew: false })
  })

  test('to the list of the subscribers of a node end with the node; such lists are not counted as nodes', async () => {
    await create()
    const list = { service: SHARED_SERVICE, nodeId: 'urn:xmpp:pps:subscribers:0/n' }
    await opened.storage.run(store.ensureNode, { ...list, creator: 'test', config: defaultConfig(BOUNDS) })
    await subscribe(bob, 'bob@test', list)
    const second = { ...at('m'), creator: 'alice@test', config: defaultConfig(BOUNDS), nodesMax: 2 }
    await opened.storage.run(store.createNode, second)
    await opened.storage.run(store.deleteNode, { ...n, actor: alice })
    const { nodes, subscriptions } = await opened.storage.run(store.readSnapshot, undefined)
    expect([nodes.map(({ nodeId }) => nodeId), subscriptions]).toEqual([['m'], []])
  })

  test('at services of others are kept as they are told, over a restart, until they are left', async () => {
    const at = { service: 'rain.example', jid: 'bob@test' }
    const one = { ...at, nodeId: 'n', subid: 's1', state: 'pending', isPublic: true } as const
    const others = [
      { ...at, nodeId: 'n', subid: undefined, state: 'subscribed', isPublic: false },
      { ...at, nodeId: 'm', subid: 's1', state: 'unconfigured', isPublic: false },
      { ...at, jid: 'carol@test', nodeId: 'n', subid: 's1', state: 'subscribed', isPublic: false },
    ] as const
    for (const each of [one, ...others]) await opened.storage.run(store.keepElsewhere, each)
    const told = { ...one, state: 'subscribed', isPublic: false } as const
    await opened.storage.run(store.keepElsewhere, told)
    await opened.reopen()
    const all = () => opened.storage.run(store.allElsewhere, undefined)
    expect(new Set(await all())).toEqual(new Set([told, ...others]))
    await opened.storage.run(store.dropElsewhere, { ...at, nodeId: 'n', subid: '' })
    expect(new Set(await all())).toEqual(new Set([told, others[1], others[2]]))
    await opened.storage.run(store.dropElsewhere, { ...at, nodeId: 'n', subid: undefined })
    expect(new Set(await all())).toEqual(new Set([others[1], others[2]]))
    for (const bareJid of ['bob@test', 'carol@test']) await opened.storage.run(store.forgetElsewhere, { bareJid })
    expect(await all()).toEqual([])
  })

  test('are bounded per account and per node', async () => {
    await create()
    await subscribe(bob, 'bob@test/1')
    await subscribe(bob, 'bob@test/2')
    await expect(subscribe(bob, 'bob@test/3')).rejects.toMatchObject(refused('tooManySubscriptions'))
    await subscribe(alice)
    await expect(subscribe(root)).rejects.toMatchObject(refused('tooManySubscriptions'))
    const unsubscribe = { ...n, jid: 'bob@test/1', subid: undefined }
    expect(await opened.storage.run(store.unsubscribe, unsubscribe)).toMatchObject({ jid: 'bob@test/1' })
    await expect(opened.storage.run(store.unsubscribe, unsubscribe)).rejects.toMatchObject(refused('notSubscribed'))
    await subscribe(root)
  })

  test('follow access model and affiliation', async () => {
    await create()
    await subscribe(bob)
    await affiliate([{ bareJid: 'alice@test', affiliation: 'owner' }])
    await subscribe(alice)
    const closed = { ...n, actor: alice, changes: { accessModel: 'whitelist' as const }, itemsMax: 9 }
    const { ended } = await opened.storage.run(store.configureNode, closed)
    expect(ended.map(({ jid }) => jid)).toEqual(['bob@test'])
    await expect(subscribe(bob)).rejects.toMatchObject(refused('closedNode'))
    await affiliate([{ bareJid: 'bob@test', affiliation: 'member' }])
    await subscribe(bob)
    const banned = await affiliate([{ bareJid: 'bob@test', affiliation: 'outcast' }])
    expect(banned.ended.map(({ jid }) => jid)).toEqual(['bob@test'])
    await expect(subscribe(bob)).rejects.toMatchObject(refused('outcast'))
  })

  test('are managed by owners; what cannot be is named with what it is', async () => {
    await create()
    await affiliate([{ bareJid: 'carol@test', affiliation: 'outcast' }])
    const entry = (bareJid: string, state: 'subscribed' | 'none' | undefined) => ({
      jid: bareJid,
      bareJid,
      address: 'pubsub.test',
      subid: undefined,
      newSubid: bareJid,
      state,
    })
    const modify = (actor: Actor, changes: ReturnType<typeof entry>[]) =>
      opened.storage.run(store.modifySubscriptions, { ...n, actor, changes, perNodeMax: 1 })
    await expect(modify(bob, [])).rejects.toMatchObject(refused('notOwner'))
    const first = await modify(alice, [
      entry('bob@test', 'subscribed'),
      entry('carol@test', 'subscribed'),
      entry('dora@test', 'subscribed'),
      entry('erin@test', undefined),
    ])
    expect(first.made.map(({ jid }) => jid)).toEqual(['bob@test'])
    expect(first.refused).toEqual([
      { jid: 'carol@test', state: 'none' },
      { jid: 'dora@test', state: 'none' },
      { jid: 'erin@test', state: 'none' },
    ])
    const second = await modify(alice, [entry('bob@test', 'none'), entry('dora@test', 'subscribed')])
    expect(second).toMatchObject({ ended: [{ jid: 'bob@test' }], made: [{ jid: 'dora@test' }], refused: [] })
  })
})

describe('affiliations', () => {
  test('change by the state chart; the last owner stays, the others are done all the same', async () => {
    await create()
    const result = await affiliate([
      { bareJid: 'alice@test', affiliation: 'none' },
      { bareJid: 'bob@test', affiliation: 'publisher' },
    ])
    expect(result.refused).toEqual([{ ...n, bareJid: 'alice@test', affiliation: 'owner' }])
    expect(result.changed).toEqual([{ ...n, bareJid: 'bob@test', affiliation: 'publisher' }])
    await affiliate([{ bareJid: 'bob@test', affiliation: 'owner' }])
    await affiliate([{ bareJid: 'alice@test', affiliation: 'none' }], root)
    await expect(affiliate([])).rejects.toMatchObject(refused('notOwner'))
  })

  test('are bounded', async () => {
    await create()
    const result = await affiliate(
      ['b', 'c', 'd'].map((name) => ({ bareJid: `${name}@test`, affiliation: 'member' as const })),
    )
    expect(result.refused).toEqual([{ ...n, bareJid: 'd@test', affiliation: 'none' }])
  })

  test('go with the account, its subscriptions too', async () => {
    await create()
    await affiliate([{ bareJid: 'bob@test', affiliation: 'member' }])
    await subscribe(bob, 'bob@test/x')
    await opened.storage.run(store.forgetAccount, { bareJid: 'bob@test' })
    const { affiliations, subscriptions } = await opened.storage.run(store.readSnapshot, undefined)
    expect(subscriptions).toEqual([])
    expect(affiliations.map(({ bareJid }) => bareJid)).toEqual(['alice@test'])
    await subscribe(bob, 'bob@test/1')
    await subscribe(bob, 'bob@test/2')
  })
})

describe('collections', () => {
  const bounds = { childrenMax: 3, parentsMax: 2 }
  const collection = (nodeId: string, config: Partial<NodeConfig> = {}) =>
    create(nodeId, { nodeType: 'collection', ...config })
  const relink = (nodeId: string, links: LinkChanges, actor = alice) =>
    opened.storage.run(store.relink, { ...at(nodeId), actor, links, ...bounds })
  const pair = (parent: string, child: string) => ({ service: SHARED_SERVICE, parent, child })
  const associate = (parent: string, child: string, actor = alice) =>
    opened.storage.run(store.associate, { ...pair(parent, child), actor, ...bounds })
  const dissociate = (parent: string, child: string, actor = alice) =>
    opened.storage.run(store.dissociate, { ...pair(parent, child), actor })
  const links = async () => (await opened.storage.run(store.readSnapshot, undefined)).links
  const configure = (nodeId: string, changes: Partial<NodeConfig>) =>
    opened.storage.run(store.configureNode, { ...at(nodeId), actor: alice, changes, itemsMax: 9 })

  test('hold nodes, from either side, over a restart, and until one of both goes', async () => {
    await collection('a')
    await collection('b')
    await create('n')
    expect(await relink('n', { parents: ['a', 'b'] })).toEqual({ added: [pair('a', 'n'), pair('b', 'n')], removed: [] })
    expect(await relink('b', { children: [] })).toEqual({ added: [], removed: [pair('b', 'n')] })
    expect(await relink('a', { parents: [], children: ['n', 'b'] })).toEqual({ added: [pair('a', 'b')], removed: [] })
    expect(await associate('b', 'n')).toEqual({ added: [pair('b', 'n')], removed: [] })
    expect(await associate('b', 'n')).toEqual({ added: [], removed: [] })
    await opened.reopen()
    expect(await links()).toEqual([pair('a', 'n'), pair('a', 'b'), pair('b', 'n')])
    expect(await dissociate('a', 'n')).toEqual({ added: [], removed: [pair('a', 'n')] })
    await expect(dissociate('a', 'n')).rejects.toMatchObject(refused('notAssociated'))
    await opened.storage.run(store.deleteNode, { ...at('b'), actor: alice })
    expect(await links()).toEqual([])
  })

  test('have no cycle, by whatever way round', async () => {
    for (const nodeId of ['a', 'b', 'c']) await collection(nodeId)
    await associate('a', 'b')
    await associate('b', 'c')
    for (const [parent, child] of [
      ['c', 'a'],
      ['b', 'a'],
      ['a', 'a'],
    ] as const)
      await expect(associate(parent, child)).rejects.toMatchObject(refused('cycle'))
    await expect(relink('a', { parents: ['c'] })).rejects.toMatchObject(refused('cycle'))
    await expect(relink('c', { children: ['a'] })).rejects.toMatchObject(refused('cycle'))
    await associate('a', 'c') // two ways down are no way round
  })

  test('are bounded, as they are configured and as the service allows', async () => {
    await collection('a', { childrenMax: 1 })
    await collection('b')
    await create('n')
    await associate('a', 'n')
    await expect(associate('a', 'b')).rejects.toMatchObject(refused('tooManyAssociated'))
    // What goes makes room.
    expect(await relink('a', { children: ['b'] })).toEqual({ added: [pair('a', 'b')], removed: [pair('a', 'n')] })
    const tight = { ...at('n'), actor: alice, links: { parents: ['b'] }, childrenMax: 3, parentsMax: 0 }
    await expect(opened.storage.run(store.relink, tight)).rejects.toMatchObject(refused('tooManyAssociated'))
  })

  test('take nodes of those alone whom both sides let', async () => {
    await collection('a')
    await opened.storage.run(store.createNode, {
      ...n,
      creator: 'bob@test',
      config: defaultConfig(BOUNDS),
      nodesMax: 3,
    })
    await expect(associate('a', 'n')).rejects.toMatchObject(refused('mayNotAssociate')) // not alice's
    await expect(associate('a', 'n', bob)).rejects.toMatchObject(refused('mayNotAssociate'))
    await configure('a', { childrenPolicy: 'whitelist', childrenWhitelist: 'x@test\nbob@test' })
    await associate('a', 'n', bob)
    await expect(dissociate('a', 'n', { bareJid: 'carol@test', isAdmin: false })).rejects.toMatchObject(
      refused('mayNotAssociate'),
    )
    await dissociate('a', 'n') // by the collection's owner
    await configure('a', { childrenPolicy: 'all' })
    await associate('a', 'n', bob)
    await dissociate('a', 'n', bob)
    await opened.storage.run(store.modifyAffiliations, {
      ...at('a'),
      actor: alice,
      changes: [{ bareJid: 'bob@test', affiliation: 'outcast' }],
      perNodeMax: 3,
    })
    await expect(associate('a', 'n', bob)).rejects.toMatchObject(refused('mayNotAssociate'))
    await associate('a', 'n', root)
  })

  test('are no leaves: no items, no children of a leaf, and no way back', async () => {
    await create('n', { maxItems: 5 })
    await create('m')
    await publish('1')
    await expect(associate('n', 'm')).rejects.toMatchObject(refused('notACollection'))
    await expect(relink('n', { children: ['m'] })).rejects.toMatchObject(refused('notACollection'))
    expect(await configure('n', { nodeType: 'collection' })).toMatchObject({ isPurged: true, pruned: [] })
    expect(await page()).toMatchObject({ count: 0, items: [] })
    await expect(publish('2')).rejects.toMatchObject(refused('noPublishingHere'))
    await expect(configure('n', { nodeType: 'leaf' })).rejects.toMatchObject(refused('nodeTypeFixed'))
    await associate('n', 'm')
    await expect(associate('x', 'm')).rejects.toMatchObject(refused('nodeNotFound'))
  })
})

describe('items that go with who published them', () => {
  const purge = (publisher: string | undefined, from?: { seq: number; before: number }) =>
    opened.storage.run(store.purgeAbsent, { ...n, publisher, from })

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
    await opened.storage.run(store.configureNode, { ...n, actor: alice, changes, itemsMax: 9 })
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

describe('subscriptions with options', () => {
  const options = (changes: OptionChanges) => ({ options: changes })
  const key = (subid?: string) => ({ ...n, jid: 'bob@test', subid })
  const all = async () => (await opened.storage.run(store.readSnapshot, undefined)).subscriptions

  test('other options make another one; the same ones, or none, find the one that is there', async () => {
    await create()
    const first = (await subscribe(bob)).subscription
    const second = (await subscribe(bob, 'bob@test', options({ deliver: false }))).subscription
    expect(second.subid).not.toBe(first.subid)
    expect(await subscribe(bob)).toMatchObject({ isNew: false, subscription: { subid: first.subid } })
    expect(await subscribe(bob, 'bob@test', options({ deliver: false }))).toMatchObject({
      isNew: false,
      subscription: { subid: second.subid },
    })
    await expect(opened.storage.run(store.unsubscribe, key())).rejects.toMatchObject(refused('subidRequired'))
    await expect(opened.storage.run(store.unsubscribe, key('x'))).rejects.toMatchObject(refused('invalidSubid'))
    await opened.reopen()
    expect(await all()).toEqual([first, second])
    await opened.storage.run(store.unsubscribe, key(first.subid))
    expect(await opened.storage.run(store.unsubscribe, key())).toEqual(second)
  })

  test('are changed one by one, and what is not named stays', async () => {
    await create()
    await subscribe(bob, 'bob@test', options({ showValues: ['chat'] }))
    const change = { ...key(), changes: { deliver: false }, leaseMaxMs: 1000 }
    const expected = { ...DEFAULT_OPTIONS, deliver: false, showValues: ['chat'] }
    expect((await opened.storage.run(store.setOptions, change)).options).toEqual(expected)
    await opened.reopen()
    expect(await all()).toMatchObject([{ options: expected }])
  })

  test('have a body only where payloads can be put in words', async () => {
    await create()
    const includeBody = { ...key(), changes: { includeBody: true }, leaseMaxMs: 1000 }
    await subscribe(bob)
    await opened.storage.run(store.setOptions, includeBody) // nobody knows yet
    await publish('1')
    await expect(opened.storage.run(store.setOptions, includeBody)).rejects.toMatchObject(refused('invalidOptions'))
    await expect(subscribe(bob, 'bob@test/x', options({ includeBody: true }))).rejects.toMatchObject(
      refused('invalidOptions'),
    )
    const type = 'http://www.w3.org/2005/Atom'
    await opened.storage.run(store.configureNode, { ...n, actor: alice, changes: { type }, itemsMax: 9 })
    expect((await opened.storage.run(store.setOptions, includeBody)).options).toMatchObject({ includeBody: true })
  })

  test('end with their lease, which is cut to what the service allows', async () => {
    await create()
    const before = Date.now()
    const { subscription } = await subscribe(bob, 'bob@test', options({ expire: Number.MAX_SAFE_INTEGER }))
    expect(subscription.options.expire).toBeGreaterThanOrEqual(before + 60_000)
    expect(subscription.options.expire).toBeLessThanOrEqual(Date.now() + 60_000)
    expect(await opened.storage.run(store.endLeases, undefined)).toEqual({ ended: [] })
    await opened.storage.run(store.setOptions, { ...key(), changes: { expire: 1 }, leaseMaxMs: 1 })
    expect(await opened.storage.run(store.endLeases, undefined)).toMatchObject({ ended: [{ jid: 'bob@test' }] })
    expect(await all()).toEqual([])
  })

  test('end with presence only where they, or their node, are so', async () => {
    await create()
    const lasting = (await subscribe(bob)).subscription
    const brief = (await subscribe(bob, 'bob@test', options({ expire: 'presence' }))).subscription
    const keys = [key(lasting.subid), key(brief.subid), { ...key('x'), ...at('m') }]
    expect(await opened.storage.run(store.endTemporary, keys)).toEqual({ ended: [brief] })
    await opened.storage.run(store.configureNode, {
      ...n,
      actor: alice,
      changes: { tempSub: true },
      itemsMax: 9,
    })
    expect(await opened.storage.run(store.endTemporary, keys)).toEqual({ ended: [lasting] })
  })
})

describe('subscriptions that owners approve', () => {
  const answer = (actor: Actor, isAllowed: boolean) =>
    opened.storage.run(store.answerRequest, { ...n, actor, jid: 'bob@test', subid: undefined, isAllowed })

  test('wait for the first answer, and only for an owner', async () => {
    await create('n', { accessModel: 'authorize' })
    expect(await subscribe(bob)).toMatchObject({ isNew: true, subscription: { state: 'pending' } })
    await expect(subscribe(bob)).rejects.toMatchObject(refused('pendingSubscription'))
    await expect(answer(bob, true)).rejects.toMatchObject(refused('notOwner'))
    expect(await answer(alice, true)).toMatchObject({ isAllowed: true, subscription: { state: 'subscribed' } })
    await expect(answer(alice, false)).rejects.toMatchObject(refused('noRequest'))
    await opened.reopen()
    const { subscriptions } = await opened.storage.run(store.readSnapshot, undefined)
    expect(subscriptions).toMatchObject([{ jid: 'bob@test', state: 'subscribed' }])
    expect(await subscribe(alice)).toMatchObject({ subscription: { state: 'subscribed' } })
  })

  test('go when denied; a new affiliation or access model decides those that wait', async () => {
    await create('n', { accessModel: 'authorize' })
    await subscribe(bob)
    expect(await answer(alice, false)).toMatchObject({ isAllowed: false })
    await subscribe(bob)
    const { approved } = await affiliate([{ bareJid: 'bob@test', affiliation: 'publisher' }])
    expect(approved).toMatchObject([{ jid: 'bob@test', state: 'subscribed' }])
    await subscribe(root, 'x@test', { actor: { bareJid: 'x@test', isAdmin: false } })
    const open = { ...n, actor: alice, changes: { accessModel: 'open' as const }, itemsMax: 9 }
    expect(await opened.storage.run(store.configureNode, open)).toMatchObject({
      approved: [{ jid: 'x@test' }],
      ended: [],
    })
  })
})

describe('items that go by themselves', () => {
  test('expire from the oldest on, and count no more', async () => {
    await create('n', { itemExpireSeconds: 3_600 })
    await publish('1')
    await publish('2')
    expect(await opened.storage.run(store.expireItems, n)).toEqual({ ...n, expired: [] })
    expect((await page()).count).toBe(2)
    inWorker(({ run, atTime }) => {
      const config = { itemExpireSeconds: 60, publishNodeFull: 'reject' as const, maxItems: 1 }
      const node = { ...n, creator: 'alice@test', config: { ...defaultConfig(BOUNDS), ...config }, nodesMax: 3 }
      atTime(0)
      run(store.createNode, node)
      atTime(1_000)
      run(store.publishItem, item('1'))
      atTime(60_999)
      expect(run(store.publishItem, item('2'))).toMatchObject({ kind: 'refused', ...refused('nodeFull') })
      atTime(61_000)
      expect(run(store.publishItem, item('2'))).toMatchObject({
        results: [{ expired: [{ itemId: '1', scope: undefined }], pruned: [] }],
      })
      atTime(121_000)
      expect(run(store.expireItems, n)).toMatchObject({ results: [{ expired: [{ itemId: '2' }] }] })
      expect(run(store.expireItems, at('none'))).toMatchObject({ results: [{ ...at('none'), expired: [] }] })
    })
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
