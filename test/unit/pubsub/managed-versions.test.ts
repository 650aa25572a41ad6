/** Versions of a list of subscriptions: the same list is the same version, and what led from one to the next is kept. */

import { expect, test } from 'vitest'
import { ManagedVersions } from '../../../modules/pubsub/managed-versions.ts'
import type { ManagedSubscription } from '../../../modules/pubsub/records.ts'

const BOB = 'bob@test'
const to = (nodeId: string, isPublic = false): ManagedSubscription => ({
  ...{ service: 'pubsub.test', nodeId, jid: BOB, subid: '1', state: 'subscribed', isPublic },
})
const made = (nodeId: string) => [{ subscription: to(nodeId), isEnded: false }]
const versions = (managedChangesMax = 9, managedListsMax = 9) =>
  new ManagedVersions(() => ({ managedChangesMax, managedListsMax }))
const nodesOf = (steps: ReturnType<ManagedVersions['since']>) =>
  steps?.map(({ changes }) => changes.map(({ subscription }) => subscription.nodeId).join())

test('a version is the list, in whatever order, and anew after a restart', () => {
  const [one, other] = [versions().of(BOB, [to('a'), to('b')]), versions().of(BOB, [to('b'), to('a')])]
  expect(one).toBe(other)
  expect(versions().of(BOB, [to('a'), to('b', true)])).not.toBe(one)
  expect(versions().of(BOB, [])).not.toBe(one)
})

test('what changed since a version, from the last time that it held', () => {
  const known = versions()
  const empty = known.of(BOB, [])
  const a = known.changed(BOB, [to('a')], made('a'))
  const ab = known.changed(BOB, [to('a'), to('b')], made('b'))
  expect(nodesOf(known.since(BOB, empty))).toEqual(['a', 'b'])
  expect(nodesOf(known.since(BOB, a))).toEqual(['b'])
  expect(known.since(BOB, ab)).toEqual([])
  expect(known.since(BOB, 'another')).toBeUndefined()
  known.changed(BOB, [to('a')], made('b'))
  known.changed(BOB, [to('a'), to('c')], made('c'))
  expect(nodesOf(known.since(BOB, a))).toEqual(['c'])
  expect(nodesOf(known.since(BOB, empty))).toEqual(['a', 'b', 'b', 'c'])
})

test('so many changes are kept, of so many lists; of the others the list is told', () => {
  const known = versions(2, 2)
  const [start] = [known.of(BOB, [])]
  const first = known.changed(BOB, [to('a')], made('a'))
  for (const nodeId of ['b', 'c']) known.changed(BOB, [to(nodeId)], made(nodeId))
  expect(known.since(BOB, start)).toBeUndefined()
  expect(nodesOf(known.since(BOB, first))).toEqual(['b', 'c'])
  known.of('carol@test', [])
  known.of('dave@test', [])
  expect([BOB, 'carol@test', 'dave@test'].map((account) => known.has(account))).toEqual([false, true, true])
  expect(known.since(BOB, first)).toBeUndefined()
  known.forget('carol@test')
  expect(known.has('carol@test')).toBe(false)
})

test('nobody knows a list whose first change this is', () => {
  const known = versions()
  const version = known.changed(BOB, [to('a')], made('a'))
  expect(known.since(BOB, version)).toEqual([])
  expect(known.since(BOB, versions().of(BOB, []))).toBeUndefined()
})
