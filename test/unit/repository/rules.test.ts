/** The repository's decisions: whose endpoint, who may, what is the same. SACM-XMPP §1, §3. */

import { describe, expect, test } from 'vitest'
import {
  decideReach,
  globOf,
  isSameValue,
  mintEndpointId,
  prefixEnd,
  type Reach,
  reachOf,
  strongIdentifiers,
} from '../../../modules/repository/rules.ts'

const machine = { type: 'machine-id', value: 'm' }
const serial = { type: 'serial', value: 's' }
const mac = { type: 'mac', value: '02' }

describe('endpoint ids', () => {
  test('depend on the strongest identifier alone, whatever its place', () => {
    const id = mintEndpointId([machine], 0)
    expect(id).toMatch(/^ep-[0-9a-f]{20}$/)
    expect(mintEndpointId([mac, serial, machine], 0)).toBe(id)
    expect(mintEndpointId([machine], 1)).not.toBe(id)
    expect(strongIdentifiers([mac, serial, machine])).toEqual([machine, serial])
  })

  test('without a strong one depend on all, in any order', () => {
    const fqdn = { type: 'fqdn', value: 'a' }
    expect(mintEndpointId([mac, fqdn], 0)).toBe(mintEndpointId([fqdn, mac], 0))
    expect(mintEndpointId([mac], 0)).not.toBe(mintEndpointId([mac, fqdn], 0))
  })

  test('do not tell the identifier, nor mix type and value', () => {
    expect(mintEndpointId([{ type: 'machine-id', value: 'secret' }], 0)).not.toContain('secret')
    const joined = { type: 'a', value: 'bc' }
    expect(mintEndpointId([joined], 0)).not.toBe(mintEndpointId([{ type: 'ab', value: 'c' }], 0))
  })
})

describe('grants', () => {
  const none: Reach = { any: false, endpoints: [], labels: [], mayBind: false }
  const endpoint = { id: 'e1', labels: ['lab'] }

  test.each<[string, Partial<Reach>, string | undefined, string]>([
    ['nothing', {}, undefined, 'refused'],
    ['any', { any: true }, 'e2', 'granted'],
    ['its id', { endpoints: ['e1'] }, undefined, 'granted'],
    ['another id', { endpoints: ['e2'] }, undefined, 'refused'],
    ['its label', { labels: ['lab'] }, undefined, 'granted'],
    ['another label', { labels: ['prod'] }, undefined, 'refused'],
    ['self, not bound', { mayBind: true }, undefined, 'bind'],
    ['self, bound to it', { mayBind: true }, 'e1', 'granted'],
    ['self, bound to another', { mayBind: true }, 'e2', 'refused'],
  ])('%s', (_, reach, bound, decision) => {
    expect(decideReach({ ...none, ...reach }, endpoint, bound)).toBe(decision)
  })

  test('only those of the roles asked about count', () => {
    const reach = reachOf(
      [
        { role: 'collector', scope: 'self', endpointId: undefined },
        { role: 'collector', scope: 'id', endpointId: 'e1' },
        { role: 'collector', scope: 'self', endpointId: 'e3' },
        { role: 'consumer', scope: 'any' },
        { role: 'evaluator', scope: 'label', label: 'lab' },
      ],
      ['collector', 'evaluator'],
    )
    expect(reach).toEqual({ any: false, endpoints: ['e1', 'e3'], labels: ['lab'], mayBind: true })
  })
})

test('values are the same when status, value, type and reason are', () => {
  const value = { value: '1', type: 'integer', status: 'exists' } as const
  expect(isSameValue(value, { ...value })).toBe(true)
  expect(isSameValue(value, { ...value, value: '2' })).toBe(false)
  expect(isSameValue(value, { ...value, type: 'string' })).toBe(false)
  const error = { value: undefined, type: 'string', status: 'error', reason: 'a' } as const
  expect(isSameValue(error, { ...error, reason: 'b' })).toBe(false)
  expect(isSameValue(error, { ...error, status: 'not-collected' })).toBe(false)
})

test('only * is special in a name pattern', () => {
  expect(globOf('a*b')).toBe('a*b')
  expect(globOf('a[0]?')).toBe('a[[]0[]][?]')
  expect(prefixEnd('package.') > 'package.\u{10fffe}').toBe(true)
})
