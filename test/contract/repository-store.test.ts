/** The repository's operations on a real SQLite file: endpoints, reports, history, policies, results, pages. */

import { eq } from 'drizzle-orm'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { savePolicy, saveResult } from '../../modules/repository/content.sqlite.ts'
import { findEndpoint, loadReplica, setLabel, unbind } from '../../modules/repository/endpoint.sqlite.ts'
import type { EvaluationResult, PostureAttribute, PostureReport } from '../../modules/repository/model.ts'
import {
  listEndpoints,
  listPolicies,
  listPosture,
  listResults,
  readPolicy,
} from '../../modules/repository/query.sqlite.ts'
import { dropOldParts, saveReport } from '../../modules/repository/report.sqlite.ts'
import type { Reach } from '../../modules/repository/rules.ts'
import { attributes } from '../../modules/repository/schema.sqlite.ts'
import type { ListPosture, SavedReport, SaveReport } from '../../modules/repository/store.ts'
import type { Operation } from '../../server/storage/storage.ts'
import { type OpenedStorage, openModules } from './open-modules.ts'

const ANY: Reach = { any: true, endpoints: [], labels: [], mayBind: false }
const SELF: Reach = { any: false, endpoints: [], labels: [], mayBind: true }
const ALL = { visible: 'any', paging: { max: 500 } } as const

let opened: OpenedStorage
beforeEach(async () => {
  opened = await openModules('direct')
})
afterEach(() => opened.close())

function attribute(name: string, value: string | undefined, more: Partial<PostureAttribute> = {}): PostureAttribute {
  return { name, value, type: 'string', status: value === undefined ? 'does-not-exist' : 'exists', ...more }
}

function reportOf(more: Partial<PostureReport> = {}): PostureReport {
  return {
    collected: 1_000,
    method: 'self',
    scope: 'full',
    identifiers: [{ type: 'machine-id', value: 'm1' }],
    covers: [],
    attributes: [],
    ...more,
  }
}

let serial = 0
function save(report: Partial<PostureReport>, more: Partial<SaveReport> = {}): Promise<SavedReport> {
  serial += 1
  const text = JSON.stringify(reportOf(report))
  return opened.storage.run(saveReport, {
    itemId: `r${serial}`,
    hash: text,
    collector: 'c@test',
    reach: ANY,
    format: 'posture',
    report: text,
    ...more,
  })
}

function posture(query: Partial<ListPosture> = {}) {
  return opened.storage.run(listPosture, { ...ALL, ...query })
}

/** Every row of an attribute, those of no length too, which no query shows. */
const allOf: Operation<string, (typeof attributes.$inferSelect)[]> = {
  name: 'test.allOf',
  kind: 'read',
  run: (tx, name) =>
    tx
      .use((db) => ({ db }))
      .db.select()
      .from(attributes)
      .where(eq(attributes.name, name))
      .all(),
}

describe('endpoint identity (SACM-XMPP §1)', () => {
  test('a match on a strong identifier is the same endpoint, and new identifiers are learned', async () => {
    const first = await save({})
    const second = await save({
      identifiers: [
        { type: 'machine-id', value: 'm1' },
        { type: 'serial', value: 's1' },
      ],
    })
    const third = await save({ identifiers: [{ type: 'serial', value: 's1' }] })
    expect([first.isNew, second.isNew, third.isNew]).toEqual([true, false, false])
    expect(new Set([first.endpoint, second.endpoint, third.endpoint]).size).toBe(1)
    const { rows } = await opened.storage.run(listEndpoints, ALL)
    expect(rows.map(({ identifiers }) => identifiers)).toEqual([
      [
        { type: 'machine-id', value: 'm1' },
        { type: 'serial', value: 's1' },
      ],
    ])
    const found = await opened.storage.run(findEndpoint, { identifiers: [{ type: 'serial', value: 's1' }] })
    expect(found).toBe(first.endpoint)
  })

  test('identifiers of two endpoints in one report: kept apart, both flagged', async () => {
    const a = await save({ identifiers: [{ type: 'machine-id', value: 'm1' }] })
    const b = await save({ identifiers: [{ type: 'serial', value: 's2' }] })
    const both = await save({
      identifiers: [
        { type: 'serial', value: 's2' },
        { type: 'machine-id', value: 'm1' },
      ],
    })
    expect(both.endpoint).toBe(a.endpoint)
    const { rows } = await opened.storage.run(listEndpoints, ALL)
    expect(rows.map(({ id, conflicts, identifiers }) => [id, conflicts, identifiers])).toEqual([
      [a.endpoint, [b.endpoint], [{ type: 'machine-id', value: 'm1' }]],
      [b.endpoint, [a.endpoint], [{ type: 'serial', value: 's2' }]],
    ])
    const ambiguous = await opened.storage.run(findEndpoint, {
      identifiers: [
        { type: 'serial', value: 's2' },
        { type: 'machine-id', value: 'm1' },
      ],
    })
    expect(ambiguous).toBeUndefined()
  })

  test('a discovered endpoint has no attributes and no strong identifier (G-010)', async () => {
    const weak = [
      { type: 'mac', value: '02:00' },
      { type: 'fqdn', value: 'printer.test' },
    ]
    const first = await save({ identifiers: weak })
    const again = await save({ identifiers: [...weak].reverse() })
    const other = await save({ identifiers: weak.slice(0, 1) })
    expect(again.endpoint).toBe(first.endpoint)
    expect(other.endpoint).not.toBe(first.endpoint)
    expect((await posture()).count).toBe(0)
  })
})

describe('grants', () => {
  test('self binds the first endpoint in the same savepoint; another is refused and leaves nothing', async () => {
    const first = await save({}, { reach: SELF })
    expect(first.isSelf).toBe(true)
    await opened.reopen()
    expect((await save({}, { reach: ANY })).isSelf).toBe(true)
    const other = save(
      { identifiers: [{ type: 'machine-id', value: 'm2' }], attributes: [attribute('a', '1')] },
      { reach: SELF },
    )
    await expect(other).rejects.toMatchObject({ name: 'Refusal', key: 'endpointNotGranted' })
    expect((await opened.storage.run(listEndpoints, ALL)).count).toBe(1)
    expect((await posture()).count).toBe(0)
    const replica = await opened.storage.run(loadReplica, undefined)
    expect(replica.bindings).toEqual([{ bareJid: 'c@test', endpoint: first.endpoint }])
    await opened.storage.run(unbind, { bareJid: 'c@test' })
    expect((await save({ identifiers: [{ type: 'machine-id', value: 'm2' }] }, { reach: SELF })).isSelf).toBe(true)
  })

  test('an id or a label lets report for just that endpoint', async () => {
    const { endpoint } = await save({})
    const byId: Reach = { any: false, endpoints: [endpoint], labels: [], mayBind: false }
    const byLabel: Reach = { any: false, endpoints: [], labels: ['lab'], mayBind: false }
    await expect(save({}, { reach: byId })).resolves.toMatchObject({ endpoint })
    await expect(save({}, { reach: byLabel })).rejects.toMatchObject({ key: 'endpointNotGranted' })
    await opened.storage.run(setLabel, { endpoint, label: 'lab', isSet: true })
    await expect(save({}, { reach: byLabel })).resolves.toMatchObject({ endpoint })
    await opened.storage.run(setLabel, { endpoint, label: 'lab', isSet: false })
    await expect(save({}, { reach: byLabel })).rejects.toMatchObject({ key: 'endpointNotGranted' })
    const unknown = opened.storage.run(setLabel, { endpoint: 'nobody', label: 'lab', isSet: true })
    await expect(unknown).rejects.toMatchObject({ key: 'endpointUnknown' })
  })
})

describe('reports', () => {
  test('the same id and bytes are a repeat, other bytes a conflict', async () => {
    await save({ attributes: [attribute('a', '1')] }, { itemId: 'one', hash: 'h' })
    await expect(save({}, { itemId: 'one', hash: 'h' })).rejects.toMatchObject({ key: 'reportRepeated' })
    await expect(save({}, { itemId: 'one', hash: 'i' })).rejects.toMatchObject({ key: 'reportIdTaken' })
    const foreign = save({}, { itemId: 'one', hash: 'h', collector: 'd@test' })
    await expect(foreign).rejects.toMatchObject({ key: 'reportIdTaken' })
  })

  test('a change adds a row, sameness moves last seen, and the past can be asked', async () => {
    const first = await save({ collected: 1_000, attributes: [attribute('a', '1'), attribute('b', 'x')] })
    expect(first).toMatchObject({ added: 2, changed: 0, same: 0 })
    const then = Date.now()
    await tick(then)
    const second = await save({ collected: 2_000, attributes: [attribute('a', '2'), attribute('b', 'x')] })
    expect(second).toMatchObject({ added: 0, changed: 1, same: 1 })
    const now = await posture()
    expect(now.rows.map(({ name, value, collected, lastSeen }) => [name, value, collected, lastSeen])).toEqual([
      ['b', 'x', 1_000, 2_000],
      ['a', '2', 2_000, 2_000],
    ])
    const past = await posture({ asOf: then })
    expect(past.rows.map(({ name, value }) => [name, value])).toEqual([
      ['a', '1'],
      ['b', 'x'],
    ])
    expect((await posture({ asOf: 0 })).rows).toEqual([])
  })

  test('late news is history only', async () => {
    await save({ collected: 5_000, attributes: [attribute('a', 'new')] })
    const late = await save({ collected: 4_000, attributes: [attribute('a', 'old')] })
    expect(late).toMatchObject({ outdated: 1, changed: 0 })
    expect((await posture()).rows.map(({ value }) => value)).toEqual(['new'])
    await opened.reopen()
    const kept = await opened.storage.run(allOf, 'a')
    expect(kept).toMatchObject([{ value: 'new', validUntil: null }, { value: 'old' }])
    expect(kept[1]?.validUntil).toBe(kept[1]?.validFrom)
  })

  test('a collector whose clock runs ahead does not outrank later reports', async () => {
    await save({ collected: Date.now() + 1e10, attributes: [attribute('a', 'ahead')] })
    await save({ collected: Date.now() + 1e9, attributes: [attribute('a', 'later')] })
    expect((await posture()).rows.map(({ value }) => value)).toEqual(['later'])
  })

  test('full: what a covered prefix no longer has does not exist; delta and partial remove nothing', async () => {
    const names = ['package.a', 'package.b', 'packages', 'user.a']
    await save({ covers: ['package.'], attributes: names.map((name) => attribute(name, '1')) })
    await save({ scope: 'partial', attributes: [attribute('package.a', '1')] })
    await save({ scope: 'delta', attributes: [attribute('user.a', undefined)] })
    const full = await save({ collected: 2_000, covers: ['package.'], attributes: [attribute('package.a', '1')] })
    expect(full).toMatchObject({ same: 1, removed: 1 })
    const again = await save({ collected: 3_000, covers: ['package.'], attributes: [attribute('package.a', '1')] })
    expect(again).toMatchObject({ same: 1, removed: 0 })
    const status = new Map((await posture()).rows.map(({ name, status }) => [name, status]))
    expect(Object.fromEntries(status)).toEqual({
      'package.a': 'exists',
      'package.b': 'does-not-exist',
      packages: 'exists',
      'user.a': 'does-not-exist',
    })
  })

  test('parts are applied together when all are there', async () => {
    const part = (number: number) => ({ part: { set: 's', number, of: 3 }, covers: ['p.'] })
    await save({ covers: ['p.'], attributes: [attribute('p.0', '0')] })
    const third = await save({ ...part(3), attributes: [attribute('p.3', '3')] }, { itemId: 'three' })
    const first = await save({ ...part(1), attributes: [attribute('p.1', '1')] })
    expect([third.isWaiting, first.isWaiting]).toEqual([true, true])
    expect((await posture()).rows.map(({ name }) => name)).toEqual(['p.0'])
    await expect(save({ ...part(1), attributes: [] })).rejects.toMatchObject({ key: 'partMismatch' })
    const otherHead = save({ ...part(2), collected: 7, attributes: [] })
    await expect(otherHead).rejects.toMatchObject({ key: 'partMismatch' })
    const last = await save({ ...part(2), attributes: [attribute('p.2', '2')] })
    expect(last).toMatchObject({ isWaiting: false, added: 3, removed: 1 })
    // Nothing waits any more: the same set may be used again.
    await expect(save({ ...part(1), attributes: [] })).resolves.toMatchObject({ isWaiting: true })
    expect(await opened.storage.run(dropOldParts, undefined)).toBe(0)
  })

  test('a collector may have a bounded number of sets open', async () => {
    for (let set = 0; set < 16; set++) await save({ part: { set: `s${set}`, number: 1, of: 2 } })
    await expect(save({ part: { set: 'more', number: 1, of: 2 } })).rejects.toMatchObject({ key: 'tooManySets' })
    const other = save({ part: { set: 'more', number: 1, of: 2 } }, { collector: 'd@test' })
    await expect(other).resolves.toMatchObject({ isWaiting: true })
  })

  test('3,000 attributes are stored in one short step', async () => {
    const attributes = Array.from({ length: 3_000 }, (_, i) =>
      attribute(`package.name-${i}.version`, `1.${i}`, { type: 'version' }),
    )
    const started = performance.now()
    await save({ attributes })
    const stored = performance.now() - started
    const again = performance.now()
    await save({ collected: 2_000, attributes })
    const seen = performance.now() - again
    console.info(`3,000 attributes: new ${stored.toFixed(0)} ms, seen again ${seen.toFixed(0)} ms`)
    expect((await posture({ paging: { max: 0 } })).count).toBe(3_000)
    // Ten times the target: this shows a wrong plan, not a busy machine.
    expect(Math.max(stored, seen)).toBeLessThan(1_000)
  })
})

describe('queries', () => {
  test('pages go forward and back over a stable order, with count', async () => {
    const attributes = Array.from({ length: 7 }, (_, i) => attribute(`n${i}`, `${i}`))
    await save({ attributes })
    const names = (page: Awaited<ReturnType<typeof posture>>) => page.rows.map(({ name }) => name)
    const first = await posture({ paging: { max: 3 } })
    expect([names(first), first.count]).toEqual([['n0', 'n1', 'n2'], 7])
    const second = await posture({ paging: { max: 3, after: first.last ?? -1 } })
    expect([names(second), second.count]).toEqual([['n3', 'n4', 'n5'], 7])
    const back = await posture({ paging: { max: 2, before: second.first ?? -1 } })
    expect(names(back)).toEqual(['n1', 'n2'])
    expect(names(await posture({ paging: { max: 2, before: null } }))).toEqual(['n5', 'n6'])
    const end = await posture({ paging: { max: 3, after: (await posture()).last ?? -1 } })
    expect([end.rows, end.first, end.count]).toEqual([[], undefined, 7])
    await expect(posture({ paging: { max: 3, after: 999 } })).rejects.toMatchObject({ key: 'cursorUnknown' })
  })

  test('name patterns take * anywhere and nothing else', async () => {
    const given = ['file./etc/shadow.mode', 'file./etc/shadow.owner', 'file./tmp.mode', 'a[b]?c', 'axbxc']
    await save({ attributes: given.map((name) => attribute(name, '1')) })
    const match = async (name: string) => (await posture({ name })).rows.map((row) => row.name).sort()
    expect(await match('file.*.mode')).toEqual(['file./etc/shadow.mode', 'file./tmp.mode'])
    expect(await match('*shadow*')).toEqual(['file./etc/shadow.mode', 'file./etc/shadow.owner'])
    expect(await match('a[b]?*')).toEqual(['a[b]?c'])
    expect(await match('a?b?c')).toEqual([])
    expect(await match('axbxc')).toEqual(['axbxc'])
    expect(await match('*')).toHaveLength(5)
  })

  test('filters, and grants with the count of what they withhold', async () => {
    const a = await save({ attributes: [attribute('x', '1'), attribute('y', '1')] })
    const b = await save({
      collected: 9_000,
      method: 'remote',
      identifiers: [{ type: 'machine-id', value: 'm2' }],
      attributes: [attribute('x', '2')],
    })
    await opened.storage.run(setLabel, { endpoint: b.endpoint, label: 'lab', isSet: true })
    const count = async (query: Partial<ListPosture>) => (await posture(query)).count
    expect(await count({ endpoint: a.endpoint })).toBe(2)
    expect(await count({ label: 'lab' })).toBe(1)
    expect(await count({ after: 9_000 })).toBe(1)
    expect(await count({ before: 9_000 })).toBe(2)
    expect(await count({ method: 'remote' })).toBe(1)
    expect(await count({ collector: 'nobody@test' })).toBe(0)
    expect(await count({ format: 'posture', name: 'x' })).toBe(2)
    const mine = await posture({ visible: [a.endpoint] })
    expect([mine.count, mine.withheld]).toEqual([2, 1])
    const nothing = await posture({ visible: [], endpoint: b.endpoint })
    expect([nothing.rows, nothing.withheld]).toEqual([[], 1])
    const endpoints = await opened.storage.run(listEndpoints, { ...ALL, visible: [b.endpoint] })
    expect([endpoints.rows.map(({ labels }) => labels), endpoints.withheld]).toEqual([[['lab']], 1])
  })

  test('a page ends early when its texts would not fit a stanza', async () => {
    await save({ attributes: Array.from({ length: 100 }, (_, i) => attribute(`n${i}`, 'v'.repeat(5_000))) })
    const page = await posture({ paging: { max: 100 } })
    expect(page.rows.length).toBeGreaterThan(10)
    expect(page.rows.length).toBeLessThan(40)
    const next = await posture({ paging: { max: 1, after: page.last ?? -1 } })
    expect(next.rows[0]?.name).toBe(`n${page.rows.length}`)
    const back = await posture({ paging: { max: 100, before: null } })
    expect(back.rows.at(-1)?.name).toBe('n99')
  })
})

describe('policies', () => {
  const policy = {
    id: 'base',
    version: '1',
    title: 'T',
    type: 'system',
    rules: 2,
    publisher: 'o@test',
    hash: 'h',
    document: '<p/>',
  }

  test('a version is stored once and stays as it is; the latest is given by value', async () => {
    await opened.storage.run(savePolicy, policy)
    await expect(opened.storage.run(savePolicy, policy)).rejects.toMatchObject({ key: 'policyRepeated' })
    const changed = opened.storage.run(savePolicy, { ...policy, hash: 'i' })
    await expect(changed).rejects.toMatchObject({ key: 'policyVersionTaken' })
    await opened.storage.run(savePolicy, { ...policy, version: '2', hash: 'j', document: '<p2/>' })
    await opened.reopen()
    expect(await opened.storage.run(readPolicy, { id: 'base' })).toBe('<p2/>')
    expect(await opened.storage.run(readPolicy, { id: 'none' })).toBeUndefined()
    const { rows } = await opened.storage.run(listPolicies, { paging: { max: 10 }, name: 'b*', version: '1' })
    expect(rows).toEqual([expect.objectContaining({ id: 'base', version: '1', rules: 2, publisher: 'o@test' })])
  })
})

describe('results', () => {
  const resultOf = (endpoint: string, more: Partial<EvaluationResult> = {}): EvaluationResult => ({
    endpoint,
    policy: 'base',
    evaluated: 5,
    score: 50,
    rules: [
      { id: 'r1', verdict: 'pass', title: 'One', severity: 'high', evidence: [] },
      {
        id: 'r2',
        verdict: 'error',
        message: 'unreadable',
        evidence: [{ name: 'a', status: 'exists', value: '1', collected: 4 }],
      },
    ],
    ...more,
  })
  const saveOf = (result: EvaluationResult, itemId: string, reach = ANY) =>
    opened.storage.run(saveResult, {
      itemId,
      hash: JSON.stringify(result),
      evaluator: 'e@test',
      reach,
      result: JSON.stringify(result),
    })

  test('evidence comes back as it went in; the newest evaluation of a subject is current', async () => {
    const { endpoint } = await save({})
    const result = resultOf(endpoint)
    await saveOf(result, 'one')
    await expect(saveOf(result, 'one')).rejects.toMatchObject({ key: 'resultRepeated' })
    await expect(saveOf(resultOf(endpoint, { score: 1 }), 'one')).rejects.toMatchObject({ key: 'resultIdTaken' })
    const then = Date.now()
    await tick(then)
    await saveOf(resultOf(endpoint, { rules: [{ id: 'r1', verdict: 'fail', evidence: [] }] }), 'two')
    await saveOf(resultOf(endpoint, { policy: 'other' }), 'three')
    await opened.reopen()
    const now = await opened.storage.run(listResults, { ...ALL, policy: 'base' })
    expect(now.rows.map(({ id, rule }) => [id, rule.id, rule.verdict])).toEqual([['two', 'r1', 'fail']])
    const past = await opened.storage.run(listResults, { ...ALL, asOf: then })
    expect(past.rows.map(({ rule }) => rule)).toEqual(result.rules)
    const errors = await opened.storage.run(listResults, { ...ALL, verdict: 'error', rule: 'r2' })
    expect(errors.count).toBe(1)
    const hidden = await opened.storage.run(listResults, { ...ALL, visible: [] })
    expect([hidden.count, hidden.withheld]).toEqual([0, 3])
  })

  test('the endpoint must be known and granted', async () => {
    await expect(saveOf(resultOf('ep-none'), 'x')).rejects.toMatchObject({ key: 'endpointUnknown' })
    const { endpoint } = await save({})
    const refused = saveOf(resultOf(endpoint), 'x', { ...ANY, any: false })
    await expect(refused).rejects.toMatchObject({ key: 'endpointNotGranted' })
    expect((await opened.storage.run(listResults, ALL)).count).toBe(0)
  })
})

/** Lets the clock pass `moment`, so that what follows is later. */
async function tick(moment: number): Promise<void> {
  const limit = performance.now() + 1_000
  while (Date.now() <= moment && performance.now() < limit) await new Promise(setImmediate)
}
