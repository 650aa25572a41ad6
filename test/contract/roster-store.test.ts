/** The operations of rosters on a real SQLite file: both sides change together, versions and removals are remembered. */

import { array, assert, asyncProperty, constantFrom, oneof, record } from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { REMEMBERED_REMOVALS } from '../../modules/roster/book.sqlite.ts'
import { Replica } from '../../modules/roster/replica.ts'
import { isFrom, isTo } from '../../modules/roster/rules.ts'
import { rosterStore as store } from '../../modules/roster/store.sqlite.ts'
import type { Step } from '../../modules/roster/store.ts'
import type { SubscriptionType } from '../../server/module/api.ts'
import { type OpenedStorage, openModules } from './open-modules.ts'

let opened: OpenedStorage
beforeEach(async () => {
  opened = await openModules('direct')
})
afterEach(() => opened.close())

const limits = { items: 10, requests: 2 }
const account = { fromIs: 'account', toIs: 'account', limits } as const

function negotiate(from: string, to: string, type: SubscriptionType): Promise<readonly Step[]> {
  return opened.storage.run(store.negotiate, { ...account, from, to, type, request: `<presence from="${from}"/>` })
}
const set = (owner: string, contact: string, name = '', groups: readonly string[] = []) =>
  opened.storage.run(store.setItem, { owner, contact, name, groups, limits })
const remove = (owner: string, contact: string) =>
  opened.storage.run(store.removeItem, { owner, contact, contactIs: 'account', limits })
const load = (owner: string) => opened.storage.run(store.load, { owner })

/** The steps in short: what is pushed to whom, what is told, who is shown and hidden. */
function brief(steps: readonly Step[]): string[] {
  return steps.flatMap((step) => {
    switch (step.kind) {
      case 'changed':
        return step.isPushed
          ? [`${step.owner}: ${step.item.contact} ${step.item.isListed ? step.item.subscription : 'removed'}`]
          : []
      case 'told':
      case 'routed':
        return [`${step.kind} ${step.to}: ${step.type} from ${step.from}`]
      default:
        return [`${step.of} ${step.kind} to ${step.to}`]
    }
  })
}

describe('subscriptions', () => {
  test('change both rosters, and are there after a restart', async () => {
    expect(brief(await negotiate('a@test', 'b@test', 'subscribe'))).toEqual([
      'a@test: b@test none',
      'told b@test: subscribe from a@test',
    ])
    expect(await opened.storage.run(store.requestsTo, { owner: 'b@test' })).toEqual(['<presence from="a@test"/>'])
    expect(brief(await negotiate('a@test', 'b@test', 'subscribe'))).toEqual([])
    expect(brief(await negotiate('b@test', 'a@test', 'subscribed'))).toEqual([
      'b@test: a@test from',
      'told a@test: subscribed from b@test',
      'a@test: b@test to',
      'b@test shown to a@test',
    ])
    await opened.reopen()
    expect(await opened.storage.run(store.requestsTo, { owner: 'b@test' })).toEqual([])
    expect((await load('a@test')).items).toMatchObject([{ contact: 'b@test', subscription: 'to', isAsking: false }])
    expect((await load('b@test')).items).toMatchObject([{ contact: 'a@test', subscription: 'from', isAsked: false }])
  })

  test('end on both sides when an item is removed', async () => {
    for (const [from, to] of [
      ['a@test', 'b@test'],
      ['b@test', 'a@test'],
    ] as const) {
      await negotiate(from, to, 'subscribe')
      await negotiate(to, from, 'subscribed')
    }
    expect(brief(await remove('a@test', 'b@test'))).toEqual([
      'a@test hidden to b@test',
      'a@test: b@test removed',
      'told b@test: unsubscribe from a@test',
      'b@test: a@test to',
      'b@test hidden to a@test',
      'told b@test: unsubscribed from a@test',
      'b@test: a@test none',
    ])
    await expect(remove('a@test', 'b@test')).rejects.toMatchObject({ key: 'itemUnknown' })
    expect((await load('a@test')).items).toEqual([])
    expect((await load('b@test')).items).toMatchObject([{ contact: 'a@test', subscription: 'none' }])
  })

  test('a request makes no item, and is withdrawn without a trace', async () => {
    await negotiate('a@test', 'b@test', 'subscribe')
    expect((await load('b@test')).items).toMatchObject([{ isListed: false, isAsked: true, version: 0 }])
    expect(brief(await negotiate('a@test', 'b@test', 'unsubscribe'))).toEqual([
      'a@test: b@test none',
      'told b@test: unsubscribe from a@test',
    ])
    expect((await load('b@test')).items).toEqual([])
  })

  test('a pre-approval answers the request', async () => {
    expect(brief(await negotiate('b@test', 'a@test', 'subscribed'))).toEqual(['b@test: a@test none'])
    expect(brief(await negotiate('a@test', 'b@test', 'subscribe'))).toEqual([
      'a@test: b@test none',
      'b@test: a@test from',
      'told a@test: subscribed from b@test',
      'a@test: b@test to',
      'b@test shown to a@test',
    ])
  })

  test('a refusal leaves neither side changed', async () => {
    await negotiate('a@test', 'x@test', 'subscribe')
    await negotiate('b@test', 'x@test', 'subscribe')
    await expect(negotiate('c@test', 'x@test', 'subscribe')).rejects.toMatchObject({ key: 'requestsFull' })
    expect((await load('c@test')).items).toEqual([])
    for (let n = 0; n < limits.items; n++) await set('full@test', `${n}@test`)
    await expect(set('full@test', 'more@test')).rejects.toMatchObject({ key: 'rosterFull' })
    await expect(negotiate('full@test', 'more@test', 'subscribe')).rejects.toMatchObject({ key: 'rosterFull' })
    expect((await load('more@test')).items).toEqual([])
    await set('full@test', '3@test', 'changing one is no new one')
  })

  test('to a service are handed on, and its answers come in', async () => {
    const to = { ...account, toIs: 'service' } as const
    const asked = await opened.storage.run(store.negotiate, { ...to, from: 'a@test', to: 's.test', type: 'subscribe' })
    expect(brief(asked)).toEqual(['a@test: s.test none', 'routed s.test: subscribe from a@test'])
    const from = { ...account, fromIs: 'service' } as const
    const answered = await opened.storage.run(store.negotiate, {
      ...from,
      from: 's.test',
      to: 'a@test',
      type: 'subscribed',
    })
    expect(brief(answered)).toEqual(['told a@test: subscribed from s.test', 'a@test: s.test to'])
    const left = await opened.storage.run(store.removeItem, {
      owner: 'a@test',
      contact: 's.test',
      contactIs: 'service',
      limits,
    })
    expect(brief(left)).toEqual(['a@test: s.test removed', 'routed s.test: unsubscribe from a@test'])
  })

  test('of an account that is gone end at its contacts, who keep their items', async () => {
    for (const [from, to] of [
      ['a@test', 'b@test'],
      ['b@test', 'a@test'],
    ] as const) {
      await negotiate(from, to, 'subscribe')
      await negotiate(to, from, 'subscribed')
    }
    await negotiate('a@test', 'c@test', 'subscribe')
    await set('d@test', 'a@test', 'only a name')
    const { items } = await load('a@test')
    const { last, steps } = await opened.storage.run(store.forgetAccount, { bareJid: 'a@test' })
    expect(last.items).toEqual(items)
    expect(brief(steps).sort()).toEqual([
      'a@test hidden to b@test',
      'b@test: a@test from',
      'b@test: a@test none',
      'told b@test: unsubscribe from a@test',
      'told b@test: unsubscribed from a@test',
      'told c@test: unsubscribe from a@test',
    ])
    await opened.reopen()
    expect(await load('a@test')).toEqual({ epoch: '0', sequence: 0, items: [] })
    expect((await load('b@test')).items).toMatchObject([{ contact: 'a@test', subscription: 'none', isAsked: false }])
    expect((await load('c@test')).items).toEqual([])
    expect((await load('d@test')).items).toMatchObject([{ contact: 'a@test', name: 'only a name' }])
  })
})

describe('versions', () => {
  const since = async (version: number, epoch?: string) =>
    await opened.storage.run(store.changesSince, {
      owner: 'a@test',
      epoch: epoch ?? (await load('a@test')).epoch,
      version,
    })

  test('tell what changed, the last of each item, oldest first', async () => {
    await set('a@test', 'b@test', 'B', ['g'])
    await set('a@test', 'c@test')
    await set('a@test', 'b@test', 'BB')
    await remove('a@test', 'c@test')
    expect(await since(2)).toMatchObject([
      { contact: 'b@test', name: 'BB', version: 3 },
      { contact: 'c@test', isListed: false, version: 4 },
    ])
    expect(await since(4)).toEqual([])
    expect(await since(5)).toBeUndefined()
    expect(await since(2, 'other')).toBeUndefined()
  })

  test('a request to the account is no change that it sees', async () => {
    await set('a@test', 'b@test')
    const { sequence } = await load('a@test')
    await negotiate('c@test', 'a@test', 'subscribe')
    expect((await load('a@test')).sequence).toBeGreaterThan(sequence)
    expect(await since(sequence)).toEqual([])
  })

  test('so many removals are remembered; who knows less gets the whole roster', async () => {
    for (let n = 0; n <= REMEMBERED_REMOVALS; n++) {
      await set('a@test', `${n}@test`)
      await remove('a@test', `${n}@test`)
    }
    expect(await since(1)).toBeUndefined()
    const known = await since(2)
    expect(known).toHaveLength(REMEMBERED_REMOVALS)
  })
})

test('when an account was last seen', async () => {
  const bareJid = 'a@test'
  expect(await opened.storage.run(store.lastSeen, { bareJid })).toBeUndefined()
  await opened.storage.run(store.noteSeen, { bareJid, at: 12345 })
  await opened.reopen()
  expect(await opened.storage.run(store.lastSeen, { bareJid })).toBe(12345)
  await opened.storage.run(store.noteSeen, { bareJid, at: undefined })
  expect(await opened.storage.run(store.lastSeen, { bareJid })).toBeUndefined()
})

describe('whatever three accounts do', () => {
  const person = constantFrom('a', 'b', 'c')
  const act = oneof(
    record({ who: person, whom: person, type: constantFrom('subscribe', 'subscribed', 'unsubscribe', 'unsubscribed') }),
    record({ who: person, whom: person, type: constantFrom('set', 'remove') }),
  )
  let run = 0

  test('both sides agree, versions only grow, and a replica fed by the steps is what is on disk', async () => {
    await opened.close()
    opened = await openModules('worker')
    await assert(
      asyncProperty(array(act, { maxLength: 40 }), async (acts) => {
        run += 1
        const jid = (name: string) => `${name}-${run}@test`
        const replica = new Replica(opened.storage, store.load, 10)
        const versions = new Map<string, number>()
        for (const name of ['a', 'b', 'c']) await replica.ready(jid(name), true)
        const applied = (steps: readonly Step[]): void => {
          for (const step of steps) {
            if (step.kind !== 'changed') continue
            replica.apply(step)
            expect(step.sequence).toBeGreaterThan(versions.get(step.owner) ?? 0)
            versions.set(step.owner, step.sequence)
          }
        }
        const pending = acts
          .filter(({ who, whom }) => who !== whom)
          .map(async ({ who, whom, type }) => {
            const [owner, contact] = [jid(who), jid(whom)]
            if (type === 'set') {
              await opened.storage.run(store.setItem, { owner, contact, name: 'n', groups: [], limits }, applied)
            } else if (type === 'remove') {
              const removal = { owner, contact, contactIs: 'account', limits } as const
              await opened.storage.run(store.removeItem, removal, applied).catch(isRefused)
            } else {
              await opened.storage.run(store.negotiate, { ...account, from: owner, to: contact, type }, applied)
            }
          })
        await Promise.all(pending)
        for (const [one, other] of [
          ['a', 'b'],
          ['b', 'a'],
          ['a', 'c'],
          ['c', 'a'],
          ['b', 'c'],
          ['c', 'b'],
        ] as const) {
          const mine = replica.item(jid(one), jid(other))
          const theirs = replica.item(jid(other), jid(one))
          expect(mine !== undefined && isTo(mine)).toBe(theirs !== undefined && isFrom(theirs))
          expect(mine?.isAsking ?? false).toBe(theirs?.isAsked ?? false)
        }
        for (const name of ['a', 'b', 'c']) {
          const { items, ...head } = await load(jid(name))
          const roster = replica.get(jid(name))
          expect({ epoch: roster?.epoch, sequence: roster?.sequence }).toEqual(head)
          expect(new Map(items.map((item) => [item.contact, item]))).toEqual(roster?.items)
        }
      }),
      { numRuns: 60 },
    )
  })
})

function isRefused(error: unknown): void {
  expect(error).toMatchObject({ key: 'itemUnknown' })
}
