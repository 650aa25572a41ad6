/** The replica against a reader that answers late: what is applied meanwhile is neither lost nor applied twice. */

import { beforeEach, expect, test } from 'vitest'
import { type ChangedStep, Replica } from '../../../modules/roster/replica.ts'
import { STRANGER } from '../../../modules/roster/rules.ts'
import type { RosterItem, RosterRecord, RosterStore } from '../../../modules/roster/store.ts'
import type { Storage } from '../../../server/module/api.ts'

const operation: RosterStore['load'] = { name: 'roster.load', kind: 'read', run: () => empty }
const empty: RosterRecord = { epoch: '0', sequence: 0, items: [] }

function item(contact: string, version: number, more: Partial<RosterItem> = {}): RosterItem {
  return { ...STRANGER, contact, name: `v${version}`, groups: [], isListed: true, version, ...more }
}
function step(sequence: number, changed: RosterItem, epoch = 'e'): ChangedStep {
  return { kind: 'changed', owner: 'a@test', epoch, sequence, item: changed, isPushed: true }
}

/** Answers when told to, or at once. */
class Reader {
  isLate = false
  reads = 0
  answer: (record: RosterRecord) => void = () => {}
  fail: (error: Error) => void = () => {}

  readonly run: Storage['run'] = <A, R>(_operation: unknown, _args: A, applied?: (result: R) => void) => {
    this.reads += 1
    const { promise, resolve, reject } = Promise.withResolvers<R>()
    const answer = (record: RosterRecord): void => {
      // The only operation here is the one that loads a roster.
      applied?.(record as R)
      resolve(record as R)
    }
    this.answer = answer
    this.fail = reject
    if (!this.isLate) answer(empty)
    return promise
  }
}

let reader: Reader
let replica: Replica
beforeEach(() => {
  reader = new Reader()
  replica = new Replica(reader, operation, 2)
})

test('a reader that answers at once leaves nothing to wait for', () => {
  expect(replica.ready('a@test', true)).toBeUndefined()
  expect(replica.ready('a@test', true)).toBeUndefined()
  expect(reader.reads).toBe(1)
  replica.apply(step(1, item('b@test', 1)))
  expect(replica.item('a@test', 'b@test')?.name).toBe('v1')
  replica.apply(step(2, item('b@test', 2, { isListed: false })))
  expect(replica.item('a@test', 'b@test')).toBeUndefined()
})

test('steps that come while it loads are applied to what is loaded, those it holds already are not', async () => {
  reader.isLate = true
  const first = replica.ready('a@test', true)
  expect(replica.ready('a@test', true)).toBeInstanceOf(Promise)
  replica.apply(step(4, item('b@test', 4)))
  replica.apply(step(5, item('b@test', 5)))
  replica.apply(step(6, item('c@test', 6)))
  // Read after the fifth was committed, and before this thread heard of it.
  reader.answer({ epoch: 'e', sequence: 5, items: [item('b@test', 5)] })
  await first
  expect(reader.reads).toBe(1)
  expect(replica.get('a@test')?.sequence).toBe(6)
  expect(replica.item('a@test', 'b@test')?.name).toBe('v5')
  expect(replica.item('a@test', 'c@test')?.name).toBe('v6')
  replica.apply(step(5, item('c@test', 5)))
  expect(replica.item('a@test', 'c@test')?.name).toBe('v6')
})

test('a load that fails is tried again', async () => {
  reader.isLate = true
  const pending = replica.ready('a@test', true)
  reader.fail(new Error('no disk'))
  await expect(pending).rejects.toThrow('no disk')
  reader.isLate = false
  expect(replica.ready('a@test', true)).toBeUndefined()
})

test('rosters of accounts that have left are bounded, those of connected ones are not', () => {
  for (const owner of ['a@test', 'b@test', 'c@test', 'd@test']) expect(replica.ready(owner, true)).toBeUndefined()
  expect(replica.size).toBe(4)
  replica.release('a@test')
  replica.release('b@test')
  expect(replica.ready('a@test', true)).toBeUndefined()
  replica.release('c@test')
  replica.release('d@test')
  expect(replica.get('b@test')).toBeUndefined()
  expect(replica.get('a@test')).toBeDefined()
  expect(replica.size).toBe(3)
  expect(replica.ready('e@test', false)).toBeUndefined()
  expect(replica.get('c@test')).toBeUndefined()
  replica.drop('a@test')
  expect(replica.get('a@test')).toBeUndefined()
})
