/** The cache of passwords that were right. */

import { expect, test } from 'vitest'
import type { ScramKeys } from '../../../server/auth/keys.ts'
import { PasswordCache } from '../../../server/auth/password-cache.ts'

const keys = (storedKey: string): ScramKeys => ({
  hash: 'sha256',
  salt: 'AAAA',
  iterations: 1,
  storedKey,
  serverKey: '',
})

test('finds a password only with the keys it was checked against', () => {
  const cache = new PasswordCache(10)
  cache.add(keys('old'), 'pencil')
  expect(cache.has(keys('old'), 'pencil')).toBe(true)
  expect(cache.has(keys('old'), 'pencils')).toBe(false)
  expect(cache.has(keys('new'), 'pencil')).toBe(false)
})

test('forgets the one not used for longest', () => {
  const cache = new PasswordCache(2)
  cache.add(keys('a'), 'pencil')
  cache.add(keys('b'), 'pencil')
  cache.has(keys('a'), 'pencil')
  cache.add(keys('c'), 'pencil')
  expect(cache.size).toBe(2)
  expect(['a', 'b', 'c'].map((key) => cache.has(keys(key), 'pencil'))).toEqual([true, false, true])
})

test('of no entries remembers nothing', () => {
  const cache = new PasswordCache(0)
  cache.add(keys('a'), 'pencil')
  expect(cache.has(keys('a'), 'pencil')).toBe(false)
})
