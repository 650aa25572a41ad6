/** PubsubStore's contract in the worker itself: what it knows of nodes between commits, whatever is undone. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'drizzle-orm'
import { describe, expect, test, vi } from 'vitest'
import { SHARED_SCOPE } from '../../../modules/pubsub/api.ts'
import { defaultConfig } from '../../../modules/pubsub/node-config.ts'
import { SHARED_SERVICE } from '../../../modules/pubsub/records.ts'
import { pubsubOperations, sqliteStore as store } from '../../../modules/pubsub/store.sqlite.ts'
import type { PublishItem } from '../../../modules/pubsub/store.ts'
import { folderAssets } from '../../../server/storage/assets.ts'
import { groupCommit } from '../../../server/storage/batch.ts'
import { migrate } from '../../../server/storage/migrate.ts'
import { isFault } from '../../../server/storage/protocol.ts'
import { openWriter } from '../../../server/storage/sqlite.ts'
import { type Call, call, type Operation } from '../../../server/storage/storage.ts'
import { alice, at, BOUNDS, bob, item, NO_PAST, n, refused, root } from './fixture.ts'

const FOLDERS = {
  workerEntry: new URL('../../../modules/worker.ts', import.meta.url),
  migrations: new URL('../../../migrations/sqlite/', import.meta.url),
}

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
    /** What went for room, and what is in the past besides; both are counted as they are. */
    readonly pastOf: (nodeId: string) => readonly [number, number]
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
    const pasts = connection.sqlite.prepare<[string], Record<'pruned' | 'prunedRows' | 'past' | 'pastRows', number>>(
      `select pruned_count pruned, past_count past,
         (select count(*) from pubsub_items where node = n.id and seq <= n.pruned_seq) prunedRows,
         (select count(*) from pubsub_past_items where node = n.id) pastRows
       from pubsub_nodes n where node_id = ?`,
    )
    const counts = connection.sqlite.prepare<[string], { kept: number; counted: number }>(
      `select count(i.seq) kept, n.item_count counted
       from pubsub_nodes n left join pubsub_items i on i.node = n.id and i.seq > n.pruned_seq where n.node_id = ?`,
    )
    act({
      commit,
      run: (operation, args) => commit([[call(operation, args)]])[0],
      pastOf: (nodeId) => {
        const { pruned = -1, prunedRows, past = -1, pastRows } = pasts.get(nodeId) ?? {}
        expect({ pruned, past }).toEqual({ pruned: prunedRows, past: pastRows })
        return [pruned, past]
      },
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

describe('what the worker knows of a node', () => {
  const create = call(store.createNode, { ...n, creator: 'alice@test', config: defaultConfig(BOUNDS), nodesMax: 3 })
  const put = (id: string, options: Partial<PublishItem> = {}) => call(store.publishItem, item(id, options))
  const outlaw = call(store.modifyAffiliations, {
    ...n,
    actor: alice,
    changes: [{ bareJid: 'bob@test', affiliation: 'outcast' }],
    perNodeMax: 3,
  })
  const open = call(store.configureNode, {
    ...NO_PAST,
    ...n,
    actor: alice,
    changes: { publishModel: 'open' },
    itemsMax: 9,
  })
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
      const retract = call(store.retractItem, { ...NO_PAST, ...n, actor: alice, itemId: '1', authorized: undefined })
      const refusing = call(store.retractItem, {
        ...NO_PAST,
        ...n,
        actor: alice,
        itemId: 'none',
        authorized: undefined,
      })
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
      commit([[put('7')], [call(store.purgeNode, { ...NO_PAST, ...n, actor: alice })], [put('8')]])
      expect(countOf('n')).toEqual([1, 1])
      commit([[put('9')], [call(store.deleteNode, { ...NO_PAST, ...n, actor: alice })], [create], [put('10')]])
      expect(countOf('n')).toEqual([1, 1])
    })
  })

  test('is right of its past, whatever is undone', () => {
    inWorker(({ commit, countOf, pastOf }) => {
      const full = { ...defaultConfig(BOUNDS), maxItems: 2 }
      const make = call(store.createNode, { ...n, creator: 'alice@test', config: full, nodesMax: 3 })
      const keeping = { archiveMax: 4 }
      const keep = (id: string) => put(id, keeping)
      const refusing = put('x', asBob)
      const retract = (itemId: string) =>
        call(store.retractItem, { ...keeping, ...n, actor: alice, itemId, authorized: undefined })
      commit([[make], [keep('1')], [keep('2')], [keep('3')], [keep('3'), keep('4'), refusing]])
      expect([countOf('n'), pastOf('n')]).toEqual([
        [2, 2],
        [1, 0],
      ])
      // 3 is replaced, 2 goes for room; then 4, and 1 is published anew, whose old version was pruned.
      commit([[keep('3'), keep('4')], [retract('1'), refusing], [keep('1')]])
      expect([countOf('n'), pastOf('n')]).toEqual([
        [2, 2],
        [2, 2],
      ])
      // The oldest go: nothing that a refusal brings back.
      commit([[keep('5'), keep('6'), keep('7'), refusing], [keep('5')], [retract('2'), refusing]])
      expect(pastOf('n').reduce((a, b) => a + b)).toBe(4)
      commit([[call(store.purgeNode, { ...keeping, ...n, actor: alice }), refusing], [keep('8')], [retract('5')]])
      expect(countOf('n')).toEqual([1, 1])
      expect(pastOf('n').reduce((a, b) => a + b)).toBe(4)
      commit([[call(store.purgeNode, { ...keeping, ...n, actor: alice })], [call(endTransaction, undefined)]])
      commit([[call(store.purgeNode, { ...keeping, ...n, actor: alice })]])
      expect([countOf('n'), pastOf('n')]).toEqual([
        [0, 0],
        [0, 4],
      ])
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
      const look = call(store.expireItems, { ...NO_PAST, ...n })
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
    const remove = (nodeId: string) => call(store.deleteNode, { ...NO_PAST, ...at(nodeId), actor: root })
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

describe('items that go by themselves', () => {
  test('expire from the oldest on, and count no more', () => {
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
      expect(run(store.expireItems, { ...NO_PAST, ...n })).toMatchObject({ results: [{ expired: [{ itemId: '2' }] }] })
      expect(run(store.expireItems, { ...NO_PAST, ...at('none') })).toMatchObject({
        results: [{ ...at('none'), expired: [] }],
      })
    })
  })
})

test('the scope of an item comes from an operation before it in the same savepoint, unless the request has its own', () => {
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
