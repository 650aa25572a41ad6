import { expect, test } from 'vitest'
import { RenewedMap } from '../../server/renewed-map.ts'

test('holds what a Map holds, however often it was renewed', () => {
  const renewed = new RenewedMap<number, string>()
  const plain = new Map<number, string>()
  // Grows to 100, then as many go as come, then all go.
  for (let at = 0; at < 1_000; at++) {
    renewed.set(at, `v${at}`)
    plain.set(at, `v${at}`)
    if (at % 7 === 0) {
      renewed.set(at - 3, 'changed')
      plain.set(at - 3, 'changed')
    }
    expect(renewed.delete(at - 100)).toBe(plain.delete(at - 100))
    expect(renewed.size).toBe(plain.size)
    expect(renewed.get(at - 50)).toBe(plain.get(at - 50))
  }
  expect([...renewed.values()]).toEqual([...plain.values()])
  for (const at of plain.keys()) expect(renewed.delete(at)).toBe(true)
  expect(renewed.size).toBe(0)
})

test('a walk ends, whatever comes and goes on its way', () => {
  const renewed = new RenewedMap<number, number>()
  for (let at = 0; at < 40; at++) renewed.set(at, at)
  const seen: number[] = []
  for (const at of renewed.values()) {
    seen.push(at)
    renewed.delete(at)
    if (at < 40) renewed.set(at + 1_000, at + 1_000)
    if (seen.length > 1_000) break
  }
  expect(seen.slice(0, 40)).toEqual(Array.from({ length: 40 }, (_, at) => at))
  expect(seen.length).toBeLessThan(1_000)
})
