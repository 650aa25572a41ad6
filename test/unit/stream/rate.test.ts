import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { StreamError } from '../../../server/stanza/errors.ts'
import { Rate } from '../../../server/stream/rate.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

describe('RFC 6120 §13.12  stanzas and bytes per second', () => {
  test('a burst of two seconds, then the wait that brings it back to the rate', () => {
    const rate = new Rate({ stanzasPerSecond: 10, bytesPerSecond: 1000, overRateMs: 60_000 })
    for (let n = 0; n < 20; n++) expect(rate.spend(1, 0)).toBe(0)
    expect(rate.spend(1, 0)).toBe(100)
    vi.advanceTimersByTime(100)
    expect(rate.spend(1, 0)).toBe(100)
    expect(rate.spend(0, 2000)).toBe(100)
    expect(rate.spend(0, 500)).toBe(500)
    vi.advanceTimersByTime(10_000)
    expect(rate.spend(1, 2000)).toBe(0)
  })

  test('a client that presses on is refused; one that pauses may be fast again', () => {
    const limits = { stanzasPerSecond: 10, bytesPerSecond: 0, overRateMs: 5_000 }
    const rate = new Rate(limits)
    const press = (ms: number) => {
      for (let at = 0; at < ms; at += 100) {
        rate.spend(2, 1e9)
        vi.advanceTimersByTime(100)
      }
    }
    press(6_000)
    vi.advanceTimersByTime(20_000)
    press(6_000)
    expect(() => press(3_000)).toThrow(StreamError)
  })

  test('0 is no limit', () => {
    const rate = new Rate({ stanzasPerSecond: 0, bytesPerSecond: 0, overRateMs: 1 })
    for (let n = 0; n < 1000; n++) expect(rate.spend(1000, 1e9)).toBe(0)
  })
})
