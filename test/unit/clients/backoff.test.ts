/** Waits between attempts: bounded, growing, with full jitter; retries that end. */

import { describe, expect, it } from 'vitest'
import { backoff, retry, wait } from '../../../clients/core/backoff.ts'

describe('backoff', () => {
  it('doubles its bound up to the longest, however often it is asked', () => {
    const waits = backoff({ baseMs: 100, maxMs: 1_000, random: () => 1 })
    expect([1, 2, 3, 4, 5, 6].map(() => waits.next())).toEqual([100, 200, 400, 800, 1_000, 1_000])
    for (let i = 0; i < 5_000; i++) expect(waits.next()).toBe(1_000)
    waits.reset()
    expect(waits.next()).toBe(100)
  })

  it('spreads evenly from nothing to the bound', () => {
    expect(backoff({ baseMs: 100, maxMs: 1_000, random: () => 0 }).next()).toBe(0)
    expect(backoff({ baseMs: 100, maxMs: 1_000, random: () => 0.5 }).next()).toBe(50)
  })
})

describe('retry', () => {
  const options = { baseMs: 0, maxMs: 0, attempts: 3, signal: new AbortController().signal, mayRetry: () => true }

  it('gives the first success', async () => {
    let calls = 0
    const task = () => (++calls < 3 ? Promise.reject(new Error('no')) : Promise.resolve('yes'))
    expect(await retry(task, options)).toBe('yes')
    expect(calls).toBe(3)
  })

  it('ends after so many attempts with the last error', async () => {
    let calls = 0
    await expect(retry(() => Promise.reject(new Error(`no ${++calls}`)), options)).rejects.toThrow('no 3')
    expect(calls).toBe(3)
  })

  it('throws at once what will not mend', async () => {
    let calls = 0
    const task = () => Promise.reject(new Error(`no ${++calls}`))
    await expect(retry(task, { ...options, mayRetry: () => false })).rejects.toThrow('no 1')
  })

  it('ends with the signal, also in the middle of a wait', async () => {
    const controller = new AbortController()
    const waiting = wait(60_000, controller.signal)
    controller.abort(new Error('enough'))
    await expect(waiting).rejects.toThrow('enough')
    await expect(retry(() => Promise.resolve(1), { ...options, signal: controller.signal })).rejects.toThrow('enough')
  })
})
