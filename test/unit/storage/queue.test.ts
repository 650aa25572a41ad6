/** The queue of writes under way. */

import { expect, test } from 'vitest'
import { Queue } from '../../../server/storage/queue.ts'

test('first in, first out, however full it is', () => {
  const queue = new Queue<{ readonly at: number }>()
  let [put, taken] = [0, 0]
  // More and more wait, then fewer and fewer, several thousand times over.
  for (let round = 0; round < 200; round++) {
    const wave = round % 100 < 50 ? 40 : -40
    for (let n = 0; n < 100 + wave; n++) queue.push({ at: put++ })
    for (let n = 0; n < 100; n++) {
      const item = queue.shift()
      if (item) expect(item.at).toBe(taken++)
    }
    expect(queue.size).toBe(put - taken)
  }
  while (queue.shift()) taken++
  expect([taken, queue.size, queue.shift()]).toEqual([put, 0, undefined])
})
