/** Reports cut into parts: every attribute once, every part in bounds, ids that stay. */

import { describe, expect, it } from 'vitest'
import { deterministicId, splitReport } from '../../../clients/core/report.ts'
import { type PostureReport, parseReport, renderReport } from '../../../modules/repository/xml.ts'
import { serialize } from '../../../server/xml/serialize.ts'

function reportOf(values: readonly string[]): PostureReport {
  return {
    collected: Date.UTC(2026, 0, 1),
    method: 'self',
    scope: 'full',
    job: 'job-1',
    identifiers: [{ type: 'machine-id', value: 'f'.repeat(32) }],
    covers: ['package.'],
    attributes: values.map((value, index) => ({ name: `package.p${index}`, value, type: 'string', status: 'exists' })),
  }
}

describe('splitting', () => {
  it('leaves a report alone that fits', () => {
    const report = reportOf(['1', '2'])
    expect(splitReport(report, { maxStanzaBytes: 262_144, set: 's' })).toEqual([report])
  })

  it('keeps every part under the limit, and every attribute once and in order', () => {
    const report = reportOf(Array.from({ length: 2_000 }, (_, index) => `${index} ${'ä<&"'.repeat(index % 40)}`))
    const parts = splitReport(report, { maxStanzaBytes: 16_384, set: 'set-1' })
    expect(parts.length).toBeGreaterThan(5)
    for (const [index, part] of parts.entries()) {
      expect(Buffer.byteLength(serialize(renderReport(part)))).toBeLessThanOrEqual(16_384 - 2_048)
      expect(part.part).toEqual({ set: 'set-1', number: index + 1, of: parts.length })
      expect(parseReport(renderReport(part)).covers).toEqual(report.covers)
    }
    expect(parts.flatMap((part) => part.attributes)).toEqual(report.attributes)
  })

  it('says so of an attribute that fits nowhere', () => {
    const parts = splitReport(reportOf(['small', 'x'.repeat(20_000), 'small too']), {
      maxStanzaBytes: 16_384,
      set: 's',
    })
    const attributes = parts.flatMap((part) => part.attributes)
    expect(attributes.map(({ status }) => status)).toEqual(['exists', 'error', 'exists'])
    expect(attributes[1]?.value).toBeUndefined()
    expect(attributes[1]?.reason).toMatch(/20000 bytes/)
  })

  it('refuses a limit under which nothing fits, and more parts than are taken', () => {
    expect(() => splitReport(reportOf(['1']), { maxStanzaBytes: 2_100, set: 's' })).toThrow(RangeError)
    const large = reportOf(Array.from({ length: 1_200 }, () => 'x'.repeat(7_000)))
    expect(() => splitReport(large, { maxStanzaBytes: 10_000, set: 's' })).toThrow(/1200 parts/)
  })
})

describe('ids', () => {
  it('are the same for the same work and different for any other', () => {
    expect(deterministicId('a', 'b')).toBe(deterministicId('a', 'b'))
    const ids = [
      ['a', 'b'],
      ['ab', ''],
      ['', 'ab'],
      ['a', 'b', ''],
      ['b', 'a'],
      ['1:a', 'b'],
    ].map((p) => deterministicId(...p))
    expect(new Set(ids).size).toBe(ids.length)
    for (const id of ids) expect(id).toMatch(/^[\w-]{32}$/)
  })
})
