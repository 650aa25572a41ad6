/** What a queued write is taken to hold. */

import { expect, test } from 'vitest'
import { weigh } from '../../../server/storage/weigh.ts'

test('text counts by its length, wherever it stands', () => {
  const text = 'x'.repeat(10_000)
  for (const value of [text, [text], { a: { b: [text] } }, [['op', { payload: text }]]]) {
    expect(weigh(value)).toBeGreaterThanOrEqual(10_000)
    expect(weigh(value)).toBeLessThan(10_200)
  }
})

test('every value counts for something', () => {
  expect(weigh(Array.from({ length: 1_000 }, () => 0))).toBeGreaterThanOrEqual(8_000)
  for (const value of [undefined, null, 0, true, 1n]) expect(weigh(value)).toBe(8)
})

test('what refers to itself ends', () => {
  const loop: Record<string, unknown> = {}
  loop['loop'] = loop
  expect(weigh(loop)).toBeGreaterThan(0)
})
