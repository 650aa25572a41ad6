/** Grants as text. */

import { expect, test } from 'vitest'
import { formatGrant, type Grant, GrantError, parseGrant, ROLES } from '../../../server/auth/roles.ts'

const EXAMPLES: readonly (readonly [string, Grant])[] = [
  ['collector', { role: 'collector', scope: 'self', endpointId: undefined }],
  ['collector:self', { role: 'collector', scope: 'self', endpointId: undefined }],
  ['collector:self=e-1', { role: 'collector', scope: 'self', endpointId: 'e-1' }],
  ['collector:id=host:1=2', { role: 'collector', scope: 'id', endpointId: 'host:1=2' }],
  ['collector:any', { role: 'collector', scope: 'any' }],
  ['consumer:label=web', { role: 'consumer', scope: 'label', label: 'web' }],
  ...ROLES.filter((role) => role !== 'collector').map((role) => [role, { role, scope: 'any' }] as const),
]
test.each(EXAMPLES)('%s', (text, grant) => {
  expect(parseGrant(text)).toEqual(grant)
  expect(parseGrant(formatGrant(parseGrant(text)))).toEqual(grant)
})

test.each([
  '',
  'nobody',
  'Collector',
  'collector:',
  'collector:any=x',
  'collector:id',
  'collector:id=',
  'collector:self=',
  'consumer:label=',
  'consumer:labels=web',
  'consumer label=web',
])('%j is no grant', (text) => {
  expect(() => parseGrant(text)).toThrow(GrantError)
})
