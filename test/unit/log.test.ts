/** The log's way out: one write per loop turn, and neither a stop nor an error when nothing is taken. */

import { setImmediate as turn } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { lineSink } from '../../server/log.ts'

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }))
afterEach(() => void vi.useRealTimers())

/** A descriptor that takes so many bytes, and then none. */
function descriptor() {
  const written: string[] = []
  const state = { room: Number.POSITIVE_INFINITY }
  const write = (_fd: number, data: Buffer): number => {
    const taken = data.subarray(0, Math.min(data.length, state.room))
    if (taken.length === 0) throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })
    state.room -= taken.length
    written.push(taken.toString())
    return taken.length
  }
  return { written, state, write }
}

test('the lines of one loop turn go with one write', async () => {
  const { written, write } = descriptor()
  const sink = lineSink(2, write)
  sink('a\n')
  sink('b\n')
  expect(written).toEqual([])
  await turn()
  expect(written).toEqual(['a\nb\n'])
})

test('what a full disk did not take is written when there is room, a part of a line too', async () => {
  const { written, state, write } = descriptor()
  const sink = lineSink(2, write)
  state.room = 3
  sink('öne\n')
  await turn()
  sink('two\n')
  await turn()
  state.room = Number.POSITIVE_INFINITY
  vi.advanceTimersByTime(1_000)
  expect(written.join('')).toBe('öne\ntwo\n')
})

test('what does not fit is lost, and the log says how much', async () => {
  const { written, state, write } = descriptor()
  const sink = lineSink(2, write)
  state.room = 0
  const line = `${'x'.repeat(999)}\n`
  for (let number = 0; number < 300; number++) sink(line)
  await turn()
  state.room = Number.POSITIVE_INFINITY
  vi.advanceTimersByTime(1_000)
  const lines = written.join('').trimEnd().split('\n')
  expect(lines).toHaveLength(263)
  expect(JSON.parse(lines.at(-1) ?? '')).toMatchObject({ what: 'log_lines_lost', lines: 38 })
})
