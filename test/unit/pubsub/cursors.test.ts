/** The ids by which items are paged. */

import { expect, test } from 'vitest'
import { Cursors, newCursorKey } from '../../../modules/pubsub/cursors.ts'

const cursors = new Cursors('0123456789abcdef'.repeat(2), 0)

test('a cursor is its position, for whoever has the key', () => {
  for (const position of [
    { seq: 1, creation: 1 },
    { seq: 1_000_000, creation: 7 },
    { seq: 2 ** 47, creation: 2 ** 46 + 1 },
  ]) {
    const text = cursors.encode(position)
    expect(text).toMatch(/^[A-Za-z0-9_-]{22}$/)
    expect(cursors.decode(text)).toEqual(position)
    expect(new Cursors('0123456789abcdef'.repeat(2), 0).encode(position)).toBe(text)
    expect(new Cursors(newCursorKey(), 0).decode(text)).toBeUndefined()
    // After a restore of the backup it was in.
    expect(new Cursors('0123456789abcdef'.repeat(2), 7).decode(text)).toBeUndefined()
  }
})

test.each([
  '',
  '1',
  'A'.repeat(22),
  '+'.repeat(22),
  'é'.repeat(22),
  'x'.repeat(21),
  'x'.repeat(23),
  crypto.randomUUID(),
])('%j is no cursor', (text) => {
  expect(cursors.decode(text)).toBeUndefined()
})
