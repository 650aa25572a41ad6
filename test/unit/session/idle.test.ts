import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { IdleWatch } from '../../../server/session/idle.ts'
import type { StreamHandle } from '../../../server/stream/context.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

function setup() {
  const asked: number[] = []
  const failed: string[] = []
  const start = performance.now()
  const state = { heardAt: start, isHeld: false }
  const at = () => Math.round(performance.now() - start)
  const stream = {
    get quietMs() {
      return state.isHeld ? 0 : performance.now() - state.heardAt
    },
    fail: (error: Error & { condition: string }) => failed.push(`${error.condition} ${at()}`),
  } as unknown as StreamHandle // the watch uses these two
  const watch = new IdleWatch(stream, 1000, () => asked.push(at()))
  return { watch, asked, failed, heard: () => (state.heardAt = performance.now()), state }
}

describe('RFC 6120 §4.6.3  a client that says nothing', () => {
  test('is asked after half of the time, once, and given up after all of it', () => {
    const { asked, failed } = setup()
    vi.advanceTimersByTime(999)
    expect([asked, failed]).toEqual([[500], []])
    vi.advanceTimersByTime(1)
    expect(failed).toEqual(['connection-timeout 1000'])
    vi.advanceTimersByTime(10_000)
    expect([asked.length, failed.length]).toEqual([1, 1])
  })

  test('is left alone when it answers, and asked again after the next silence', () => {
    const { asked, failed, heard, watch } = setup()
    vi.advanceTimersByTime(510)
    heard()
    vi.advanceTimersByTime(600)
    expect([asked, failed]).toEqual([[500, 1010], []])
    heard()
    vi.advanceTimersByTime(499)
    expect(asked).toHaveLength(2)
    vi.advanceTimersByTime(10)
    expect(asked).toHaveLength(3)
    heard()
    watch.close()
    vi.advanceTimersByTime(10_000)
    expect([asked.length, failed.length]).toEqual([3, 0])
  })

  test('is not taken for silent while the server itself does not read', () => {
    const { asked, failed, state } = setup()
    state.isHeld = true
    vi.advanceTimersByTime(10_000)
    expect([asked, failed]).toEqual([[], []])
  })
})
