/** Random text is as long as asked for and never the same, also where the pool ends within it. */

import { expect, test } from 'vitest'
import { randomText } from '../../../server/auth/random.ts'

test('no two are alike, over many pools', () => {
  const texts = Array.from({ length: 2_000 }, () => randomText(18, 'base64url'))
  expect(new Set(texts).size).toBe(2_000)
  for (const text of texts) expect(Buffer.from(text, 'base64url')).toHaveLength(18)
})

test('every byte is as likely to be zero as any other', () => {
  const bytes = Buffer.from(Array.from({ length: 2_000 }, () => randomText(24, 'base64')).join(''), 'base64')
  const zeros = bytes.filter((byte) => byte === 0).length
  // 187.5 are to be expected, and their deviation is 14: what was wiped and told again would show.
  expect(zeros).toBeLessThan(400)
})
