import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { allProbes } from '../../../clients/collector/probes/all.ts'
import { coveredPrefixes } from '../../../clients/collector/probes/covered.ts'
import { exists, failed } from '../../../clients/collector/probes/host/attributes.ts'
import { type PostureReport, parseReport, renderReport } from '../../../modules/repository/xml.ts'
import { parseFragment } from '../../../server/xml/parser.ts'
import { serialize } from '../../../server/xml/serialize.ts'
import { DEFAULT_LIMITS } from '../../../server/xml/tree.ts'
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

test('all that this host reports, and the oddest that one could, survives the wire', async () => {
  const odd = [
    exists('odd.a\tb\n<&>"\'.x', ' \t leading\nlines\r\n]]> \x00\x1b \ud800 \ufffe 😀 &amp; <b/> \\x41 '),
    exists('odd.empty', ''),
    failed('odd.reason', '<why> & "how"\x07'),
  ]
  const attributes = [...odd, ...(await Promise.all(allProbes.map((probe) => collect(probe, '/')))).flat()]
  const limits = { ...DEFAULT_LIMITS, maxStanzaBytes: 64 << 20 }
  for (let at = 0; at < attributes.length; at += 100) {
    const part = attributes.slice(at, at + 100)
    const report: PostureReport = {
      collected: 0,
      method: 'self',
      scope: 'partial',
      identifiers: [{ type: 'machine-id', value: '0'.repeat(32) }],
      covers: [],
      attributes: part,
    }
    const back = parseReport(parseFragment(serialize(renderReport(report)), limits))
    expect(
      back.attributes.map(({ name, value, type, status, reason }) => ({ name, value, type, status, reason })),
    ).toEqual(part.map(({ name, value, type, status, reason }) => ({ name, value, type, status, reason })))
  }
})
