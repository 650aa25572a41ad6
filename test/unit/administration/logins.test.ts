/** Logins are written a moment later, together, and none is lost to a server that closes. */

import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Logins, type LoginsParts } from '../../../modules/administration/logins.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

/** A storage that commits when it is told to. */
function start() {
  const closing = new AbortController()
  const writes: unknown[] = []
  const commits: (() => void)[] = []
  let now = 100
  const storage = {
    submitted: 0,
    settled: () => Promise.resolve(),
    run: (_operation: unknown, args: { readonly logins?: unknown }) => {
      writes.push(args.logins)
      return new Promise<void>((resolve) => commits.push(resolve))
    },
  }
  const log = { warn: () => {} }
  // As much of each as the code under test uses.
  const parts = { ctx: { storage, log, clock: { now: () => now++ }, closing: closing.signal }, store: {} }
  const logins = new Logins(parts as unknown as LoginsParts)
  const commit = async () => {
    for (const each of commits.splice(0)) each()
    await vi.advanceTimersByTimeAsync(0)
  }
  return { logins, writes, commit, closing }
}

test('the logins of a moment are one write, with the last time of each account', async () => {
  const { logins, writes } = start()
  for (const name of ['alice', 'bob', 'alice']) logins.note(name)
  expect(writes).toEqual([])
  await vi.advanceTimersByTimeAsync(1_000)
  expect(writes).toEqual([
    [
      ['alice', 102],
      ['bob', 101],
    ],
  ])
})

test('what is not on disk yet is known as such, until the last of it is', async () => {
  const { logins, commit } = start()
  logins.note('alice')
  await vi.advanceTimersByTimeAsync(1_000)
  logins.note('alice')
  await commit()
  expect(logins.isUnwritten('alice')).toBe(true)
  await vi.advanceTimersByTimeAsync(1_000)
  await commit()
  expect(logins.isUnwritten('alice')).toBe(false)
})

test('a server that closes writes what waits', () => {
  const { logins, writes, closing } = start()
  logins.note('alice')
  closing.abort()
  expect(writes).toEqual([[['alice', 100]]])
})

test('who asks for what is on disk has it written at once', async () => {
  const { logins, writes } = start()
  logins.note('alice')
  await logins.written()
  expect(writes).toEqual([[['alice', 100]]])
})

test('many accounts are not waited for', () => {
  const { logins, writes } = start()
  for (let n = 0; n < 1_000; n++) logins.note(`u${n}`)
  expect(writes).toHaveLength(1)
})

test('of an account that is removed nothing is written any more', async () => {
  const { logins, writes } = start()
  logins.note('alice')
  logins.note('bob')
  logins.forget('alice')
  await vi.advanceTimersByTimeAsync(1_000)
  expect(writes).toEqual([[['bob', 101]]])
})
