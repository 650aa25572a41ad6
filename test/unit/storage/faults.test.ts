/** What a person reads of storage that cannot serve, and how often. */

import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { FaultLog, REMEDIES } from '../../../server/storage/faults.ts'
import { recordingLog } from '../../contract/storage/log.ts'

beforeEach(() => void vi.useFakeTimers({ toFake: ['Date'] }))
afterEach(() => void vi.useRealTimers())

function faultLog() {
  const { log, lines } = recordingLog()
  return { faults: new FaultLog(log, 'writing'), lines, told: () => lines.map((line) => line['what']) }
}

test('a fault is told when it begins, every ten seconds while it lasts, and when it is over', () => {
  const { faults, lines, told } = faultLog()
  for (let second = 0; second < 25; second++) {
    faults.refused('disk-full', 'database or disk is full', 2)
    vi.advanceTimersByTime(1_000)
  }
  faults.served()
  faults.served()
  expect(told()).toEqual([...Array(3).fill('storage_unavailable'), 'storage_available'])
  expect(lines[2]).toMatchObject({ reason: 'disk-full', refused: 42, remedy: REMEDIES['disk-full'], while: 'writing' })
  expect(lines[3]).toMatchObject({ reason: 'disk-full', refused: 50, afterMs: 25_000 })
})

test('one that comes and goes is told no more often', () => {
  const { faults, told } = faultLog()
  for (let times = 0; times < 100; times++) {
    faults.refused('disk-full', 'full')
    faults.refused('failed', 'disk I/O error')
    faults.served()
  }
  // Both reasons, once, and the end of the one that was under way.
  expect(told()).toEqual(['storage_unavailable', 'storage_unavailable', 'storage_available'])
})

test('damage is not over because another page could be read', () => {
  const { faults, told } = faultLog()
  faults.refused('damaged', 'database disk image is malformed')
  faults.served()
  faults.refused('damaged', 'database disk image is malformed')
  expect(told()).toEqual(['storage_unavailable'])
})
