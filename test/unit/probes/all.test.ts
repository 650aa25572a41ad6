import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { allProbes } from '../../../clients/collector/probes/all.ts'
import { coveredPrefixes } from '../../../clients/collector/probes/covered.ts'
import { exists, failed } from '../../../clients/collector/probes/host/attributes.ts'
import { collect, hostTree } from './host-tree.ts'

const LIMIT_MS = 5000

test('names of probes are unique and in order, and the registry has a part for each', () => {
  const names = allProbes.map(({ name }) => name)
  expect(names).toEqual([...new Set(names)].sort())
  const registry = readFileSync(join(import.meta.dirname, '../../../clients/collector/probes/NAMES.md'), 'utf8')
  const parts = [...registry.matchAll(/^\| \*\*([a-z-]+)\*\*/gm)].map((match) => match[1] ?? '')
  expect(parts.sort()).toEqual(names)
})

test('no two probes cover the same prefix', () => {
  const prefixes = allProbes.flatMap(({ covers }) => covers)
  for (const one of prefixes) {
    expect(prefixes.filter((other) => other.startsWith(one) || one.startsWith(other))).toEqual([one])
  }
})

describe.each(allProbes.map((probe) => [probe.name, probe] as const))('%s', (_, probe) => {
  test.each([
    ['this host', () => '/'],
    ['an empty root', () => hostTree({})],
  ])('%s: whole, covered, reasoned, in order, quick', async (_, rootOf) => {
    const root = rootOf()
    const started = performance.now()
    const attributes = await collect(probe, root)
    expect(performance.now() - started).toBeLessThan(LIMIT_MS)
    expect(attributes.length + Number(root !== '/')).toBeGreaterThan(0)
    const names = attributes.map(({ name }) => name)
    expect(new Set(names).size).toBe(names.length)
    expect(names).toEqual([...names].sort((a, b) => (a < b ? -1 : 1)))
    for (const { name, value, status, reason, type } of attributes) {
      expect(probe.covers.some((prefix) => name.startsWith(prefix) || `${name}.` === prefix)).toBe(true)
      if (status === 'exists') expect(typeof value).toBe('string')
      else expect(value).toBeUndefined()
      if (status === 'error' || status === 'not-collected') expect(reason).toMatch(/\S/)
      else expect(reason).toBeUndefined()
      if (status === 'exists' && type === 'integer') expect(value).toMatch(/^-?\d+$/)
      if (status === 'exists' && type === 'boolean') expect(value).toMatch(/^(?:true|false)$/)
      if (status === 'exists' && type === 'datetime') expect(value).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
    }
  })

  test('an aborted collection stops', async () => {
    const reason = new Error('enough')
    await expect(probe.collect({ now: 0, signal: AbortSignal.abort(reason), root: '/' })).rejects.toBe(reason)
  })
})

test('an area that could not be read is not covered', () => {
  const probe = { name: 'x', covers: ['a.', 'b.'], collect: () => Promise.resolve([]) }
  expect(coveredPrefixes(probe, [exists('a', '1'), failed('b.c', 'why')])).toEqual(['a.', 'b.'])
  expect(coveredPrefixes(probe, [failed('b', 'why')])).toEqual(['a.'])
})
