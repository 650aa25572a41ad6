/** The throttle of failed logins on a hand-moved clock. */

import { beforeEach, describe, expect, test } from 'vitest'
import { LoginThrottle, networkOf, type ThrottleOptions } from '../../../server/auth/throttle.ts'
import { SaslError } from '../../../server/stanza/errors.ts'

let now = 0
/** Every wait, as it was asked for; it is over at once. */
let waits: number[] = []
let throttle: LoginThrottle

function make(options: Partial<ThrottleOptions> = {}): LoginThrottle {
  return new LoginThrottle({
    freeFailures: 3,
    freeFailuresPerAddress: 6,
    slowestMs: 10_000,
    forgiveMs: 60_000,
    maxTracked: 100,
    now: () => now,
    wait: async (ms) => void waits.push(ms),
    ...options,
  })
}

beforeEach(() => {
  now = 1_000_000
  waits = []
  throttle = make()
})

const wrong = (): never => {
  throw new SaslError('not-authorized')
}
const right = () => 'in'

async function attempt(account: string | undefined, check: () => string, address = '192.0.2.1'): Promise<string> {
  try {
    return await throttle.attempt(address, account, check)
  } catch (error) {
    if (error instanceof SaslError) return error.condition
    throw error
  }
}

async function fail(times: number, account: string | undefined = 'alice', address?: string): Promise<string[]> {
  const answers: string[] = []
  for (let i = 0; i < times; i++) answers.push(await attempt(account, wrong, address))
  return answers
}

describe('an account', () => {
  test('has free failures, then each delay is twice the one before, up to the slowest', async () => {
    expect(await fail(3)).toEqual(['not-authorized', 'not-authorized', 'not-authorized'])
    expect(waits).toEqual([])
    for (let i = 0; i < 6; i++) {
      expect(await attempt('alice', wrong)).toBe('not-authorized')
      now += waits.at(-1) ?? 0 // it waited
    }
    expect(waits).toEqual([1000, 2000, 4000, 8000, 10_000, 10_000])
  })

  test('is slowed from every address', async () => {
    for (let i = 0; i < 4; i++) await fail(1, 'alice', `192.0.2.${i + 1}`)
    expect(waits).toEqual([1000])
    await fail(1, 'bob', '192.0.2.9')
    expect(waits).toEqual([1000])
  })

  test('that does not exist is slowed like one that does: the name counts', async () => {
    await fail(4, 'nobody-at-all')
    expect(waits).toEqual([1000])
  })

  test('with a right password waits its turn too, or the delay would tell', async () => {
    await fail(4)
    expect(await attempt('alice', right)).toBe('in')
    expect(waits).toEqual([1000, 2000])
  })

  test('is forgiven one failure after a time', async () => {
    await fail(3)
    now += 60_000
    await fail(1)
    expect(waits).toEqual([])
    await fail(1)
    expect(waits).toEqual([1000])
    now += 60_000 * 100
    await fail(3)
    expect(waits).toEqual([1000])
  })
})

describe('attempts at the same time', () => {
  test('get their outcomes one after the other; beyond the longest wait none, right or wrong', async () => {
    await fail(4)
    waits = []
    now += 1000
    const checks = [wrong, wrong, right, right, wrong, right]
    const answers = await Promise.all(checks.map((check) => attempt('alice', check)))
    expect(answers.filter((answer) => answer !== 'temporary-auth-failure').length).toBe(waits.length)
    expect(answers.filter((answer) => answer === 'temporary-auth-failure').length).toBeGreaterThanOrEqual(4)
    expect(Math.max(...waits)).toBeLessThanOrEqual(10_000)
  })

  test('that are over before one failure counts find out no more', async () => {
    const { promise, resolve } = Promise.withResolvers<void>()
    const slow = async (): Promise<string> => {
      await promise
      return wrong()
    }
    const guesses = Array.from({ length: 200 }, () => attempt('alice', slow as unknown as () => string))
    resolve()
    const answers = await Promise.all(guesses)
    expect(answers.filter((answer) => answer === 'not-authorized').length).toBeLessThanOrEqual(8)
  })

  test('that are right are never slowed when nobody failed', async () => {
    const answers = await Promise.all(Array.from({ length: 1000 }, () => attempt('alice', right)))
    expect(new Set(answers)).toEqual(new Set(['in']))
    expect(waits).toEqual([])
  })

  test('are not even checked when they would be refused', async () => {
    for (let i = 0; i < 9; i++) await fail(1)
    let checks = 0
    const counted = (): never => {
      checks++
      return wrong()
    }
    await Promise.all(Array.from({ length: 50 }, () => attempt('alice', counted)))
    expect(checks).toBeLessThanOrEqual(1)
  })
})

describe('an address', () => {
  test('is slowed whatever names it tries, and names that cannot exist', async () => {
    for (let i = 0; i < 5; i++) await fail(1, `user${i}`)
    await fail(1, undefined)
    expect(waits).toEqual([])
    await fail(1, 'user9')
    expect(waits).toEqual([1000])
    expect(await attempt('carol', right, '198.51.100.7')).toBe('in')
    expect(waits).toEqual([1000])
  })

  test('from which an account has logged in has a count of its own for it', async () => {
    expect(await attempt('alice', right)).toBe('in')
    await fail(20, 'alice', '198.51.100.7')
    waits = []
    expect(await attempt('alice', right)).toBe('in')
    expect(waits).toEqual([])
    // And that one is no way around it.
    await fail(4)
    expect(waits).toEqual([1000])
  })

  test.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:0db8::1', '2001:db8:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['', ''],
  ])('%s counts as %s', (address, network) => {
    expect(networkOf(address)).toBe(network)
  })
})

test('errors that are no wrong password cost nothing', async () => {
  const odd = (): never => {
    throw new SaslError('malformed-request')
  }
  for (let i = 0; i < 50; i++) await attempt('alice', odd)
  expect(waits).toEqual([])
  expect(throttle.size).toBe(0)
})

test('memory is bounded, and the oldest goes first', async () => {
  for (let i = 0; i < 1000; i++) await attempt(`user${i}`, wrong, `10.0.${i >> 8}.${i & 255}`)
  for (let i = 0; i < 1000; i++) await attempt(`user${i}`, right, `10.1.${i >> 8}.${i & 255}`)
  expect(throttle.size).toBeLessThanOrEqual(300)
  await fail(4, 'kept')
  for (let i = 0; i < 50; i++) await attempt(`other${i}`, wrong, `10.2.0.${i}`)
  waits = []
  now += 1000
  await fail(1, 'kept', '203.0.113.1')
  expect(waits).toEqual([2000])
})
