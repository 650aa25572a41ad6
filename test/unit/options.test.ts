import { describe, expect, test } from 'vitest'
import { modules } from '../../modules/index.ts'
import { loadConfig } from '../../server/config.ts'
import type { Options } from '../../server/option.ts'
import { OPTIONS } from '../../server/options.ts'

describe('options', () => {
  test('each says what it means, and its own check takes its default', () => {
    const tables: readonly Options[] = [OPTIONS, ...modules.map(({ config = {} }) => config)]
    const options = tables.flatMap((table) => Object.entries(table))
    expect(options.length).toBeGreaterThan(100)
    for (const [name, { description, fallback, schema }] of options) {
      expect(description, name).not.toBe('')
      expect(schema().parse(fallback), name).toEqual(fallback)
    }
  })

  test('one that nobody set has its default, others of the environment or not', () => {
    const set = loadConfig({ modules, environment: { SACM_LIMITS_DEPTH: '80', PATH: '/bin' }, flags: {} })
    const unset = loadConfig({ modules, environment: { PATH: '/bin' }, flags: {} })
    expect(set['limits.depth']).toBe(80)
    expect({ ...set, 'limits.depth': 64, settings: [] }).toEqual({ ...unset, settings: [] })
    expect(unset.modules['pubsub']).toMatchObject({ create: 'roles', nodesMax: 10_000 })
  })
})
