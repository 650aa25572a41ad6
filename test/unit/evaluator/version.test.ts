/** The order of versions: dpkg's own examples, and dpkg itself where it is installed. */

import { spawnSync } from 'node:child_process'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compareVersions } from '../../../clients/evaluator/system/version.ts'

describe('compareVersions', () => {
  // Each is older than the next. Debian Policy §5.6.12, dpkg's t-version.c.
  it.each([
    [['1.0~beta1~svn1245', '1.0~beta1', '1.0', '1.0-1', '1.0-1+b1', '1.0.1', '1.1', '1.10', '1:0.9']],
    [['0~~', '0~~a', '0~', '0', '0a', '0+', '0.1']],
    [['2.7.4+reloaded2-13', '2.7.4+reloaded2-13+deb11u1', '2.7.4+reloaded3-1']],
    [['5.10.0-9', '5.10.0-30', '6.1.0-28-amd64', '6.18.44-fc-v595']],
    [['9.2p1-2+deb12u1', '9.2p1-2+deb12u3', '9.3p1-1']],
  ])('%j', (order) => {
    order.forEach((low, i) => {
      expect(compareVersions(low, low)).toBe(0)
      for (const high of order.slice(i + 1)) {
        expect([low, high, Math.sign(compareVersions(low, high))]).toEqual([low, high, -1])
        expect([high, low, Math.sign(compareVersions(high, low))]).toEqual([high, low, 1])
      }
    })
  })

  it.each([
    ['1.0', '01.00'],
    ['0:1', '1'],
    ['1', '1-0'],
    ['', '0'],
  ])('%s equals %s', (a, b) => {
    expect(compareVersions(a, b)).toBe(0)
  })

  const hasDpkg = spawnSync('dpkg', ['--version']).status === 0
  it.skipIf(!hasDpkg)('agrees with dpkg', () => {
    const version = fc.stringMatching(/^([0-2]:)?[0-9][0-9a-bZ.+~]{0,5}(-[0-9a.+~]{1,3})?$/)
    for (const [a, b] of fc.sample(fc.tuple(version, version), { numRuns: 200, seed: 20261122 })) {
      const word = compareVersions(a, b) < 0 ? 'lt' : compareVersions(a, b) > 0 ? 'gt' : 'eq'
      expect([a, word, b, spawnSync('dpkg', ['--compare-versions', a, word, b]).status]).toEqual([a, word, b, 0])
    }
  })
})
