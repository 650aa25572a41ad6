/** Which probes an order concerns, what is picked out of what they find, and what a failing one leaves. */

import { describe, expect, it } from 'vitest'
import { collectOnce } from '../../../clients/collector/collect.ts'
import { matcher, pick, selectProbes, uncovered } from '../../../clients/collector/coverage.ts'
import type { PostureAttribute, Probe } from '../../../clients/collector/probe.ts'

const attribute = (name: string, value = 'x'): PostureAttribute => ({ name, value, type: 'string', status: 'exists' })
const probeOf = (name: string, covers: string[], collect: Probe['collect'] = async () => []): Probe => ({
  name,
  covers,
  collect,
})
const packages = probeOf('packages', ['package.'], async () => [attribute('package.bash'), attribute('package.zsh')])
const users = probeOf('users', ['user.', 'shadow.'], async () => [attribute('user.root.uid', '0')])
const signal = new AbortController().signal

describe('selection', () => {
  const select = (...patterns: string[]) =>
    selectProbes([packages, users], patterns).map(({ probe, isWhole }) => `${probe.name}${isWhole ? ' whole' : ''}`)

  it.each([
    [[], ['packages whole', 'users whole']],
    [['*'], ['packages whole', 'users whole']],
    [['package.*'], ['packages whole']],
    [['pack*'], ['packages whole']],
    [['package.bash'], ['packages']],
    [['package.*.version'], ['packages']],
    [['*.version'], ['packages', 'users']],
    [['user.*'], ['users']],
    [['user.*', 'shadow.*'], ['users whole']],
    [['package'], []],
    [['kernel.release'], []],
  ])('%j selects %j', (patterns, selected) => {
    expect(select(...patterns)).toEqual(selected)
  })

  it('tells which patterns nobody can answer', () => {
    expect(uncovered([packages, users], ['package.*', 'kernel.*', 'userland'])).toEqual(['kernel.*', 'userland'])
  })

  it('matches * anywhere, in linear time', () => {
    const matches = (pattern: string, name: string) => matcher(pattern)(name)
    expect(matches('a*c', 'abc')).toBe(true)
    expect(matches('a*c*', 'abcd')).toBe(true)
    expect(matches('a*a', 'a')).toBe(false)
    expect(matches('*.b', 'a.b.b')).toBe(true)
    expect(matches('a.b', 'axb')).toBe(false)
    expect(matches(`${'*a'.repeat(200)}b`, 'a'.repeat(50_000))).toBe(false)
  })

  it('says of a name asked for and not found that it does not exist', () => {
    const picked = pick(packages, ['package.bash', 'package.fish', 'user.x'], [attribute('package.bash')])
    expect(picked.map(({ name, status }) => [name, status])).toEqual([
      ['package.bash', 'exists'],
      ['package.fish', 'does-not-exist'],
    ])
  })
})

describe('collection', () => {
  it('goes on when a probe fails, and reports what could not be read', async () => {
    const broken = probeOf('broken', ['mount.'], () => Promise.reject(new Error('no /proc')))
    const reports = await collectOnce({ probes: [broken, packages], signal, known: () => ['mount./.options'] })
    expect(reports.map(({ probe, scope, error }) => [probe, scope, error])).toEqual([
      ['broken', 'partial', 'no /proc'],
      ['packages', 'full', undefined],
    ])
    expect(reports[0]?.covers).toEqual([])
    expect(reports[0]?.attributes.map(({ name, status, reason }) => [name, status, reason])).toEqual([
      ['mount', 'error', 'no /proc'],
      ['mount./.options', 'error', 'no /proc'],
    ])
  })

  it('does not wait for a probe that hangs, whether it heeds its signal or not', async () => {
    const deaf = probeOf('deaf', ['deaf.'], () => new Promise(() => undefined))
    const [report] = await collectOnce({ probes: [deaf], signal, probeTimeoutMs: 20 })
    expect(report?.error).toMatch(/longer than 0.02 s/)
    expect(report?.attributes).toMatchObject([{ name: 'deaf', status: 'error' }])
  })

  it('does not claim an area that the probe says it could not read', async () => {
    const half = probeOf('half', ['user.', 'shadow.'], async () => [
      attribute('user.root'),
      { name: 'shadow', value: undefined, type: 'string', status: 'error', reason: 'denied' },
    ])
    const [report] = await collectOnce({ probes: [half], signal })
    expect(report).toMatchObject({ scope: 'full', covers: ['user.'] })
  })

  it('ends with its signal', async () => {
    const controller = new AbortController()
    controller.abort(new Error('enough'))
    await expect(collectOnce({ probes: [packages], signal: controller.signal })).rejects.toThrow('enough')
  })
})
