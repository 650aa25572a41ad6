/** Topic names, and who may send to and receive from them. SACM-XMPP §2, the table of topics. */

import { describe, expect, test } from 'vitest'
import {
  type Actor,
  authorizePublish,
  authorizeSubscribe,
  capabilityTopic,
  directedTopicName,
  handlerSide,
  parseBroadcastTopic,
  parseDirectedTopic,
  senderSide,
} from '../../../modules/sacm/rules.ts'
import { ROLES, type Role } from '../../../server/module/api.ts'
import { StanzaError } from '../../../server/stanza/errors.ts'

function actor(role: Role | undefined, component?: string): Actor {
  return { bareJid: 'a@test', roles: new Set(role ? [role] : []), component }
}

/** The result, or the name of the error. */
function attempt(decide: () => unknown): unknown {
  try {
    return decide() ?? 'allowed'
  } catch (error) {
    if (!(error instanceof StanzaError)) throw error
    return error.application[0]?.getName() ?? error.condition
  }
}

test('names are read and written back; others are none', () => {
  const names = ['/orchestrator/registration', '/orchestrator/c1', '/c1/collect', '/c.1_-x/evaluate', '/c1/response']
  for (const name of names) {
    const topic = parseDirectedTopic(name)
    expect(topic && directedTopicName(topic)).toBe(name)
  }
  const none = [
    '',
    '/',
    'orchestrator/registration',
    '/orchestrator/',
    '/orchestrator/inventory',
    '/collection/system',
    '/collection/collect',
    '/registration/collect',
    '/-c/collect',
    '/c1/collect/',
    '/c1/run',
    `/${'c'.repeat(65)}/collect`,
  ]
  expect(none.map(parseDirectedTopic)).toEqual(none.map(() => undefined))
  expect(parseBroadcastTopic('/inventory')).toEqual({ kind: 'inventory' })
  expect(parseBroadcastTopic('/collection/system')).toEqual({ kind: 'collection', type: 'system' })
  for (const name of ['/collection', '/collection/', '/collection/a/b', '/secret', 'collection/system', '/']) {
    expect(parseBroadcastTopic(name), name).toBeUndefined()
  }
})

describe('who sends and who handles, for every role', () => {
  /** Roles that get through, of all. */
  const allowed = (decide: (role: Role | undefined) => unknown) =>
    [undefined, ...ROLES].filter((role) => attempt(() => decide(role)) !== 'role-required')

  test('registration', () => {
    const topic = { kind: 'registration' } as const
    expect(allowed((role) => senderSide(topic, actor(role)))).toEqual([undefined, ...ROLES])
    expect(allowed((role) => handlerSide(topic, actor(role)))).toEqual(['orchestrator'])
  })

  test('administration: the component itself and orchestrators, on their own sides', () => {
    const topic = { kind: 'administration', component: 'c1' } as const
    expect(senderSide(topic, actor(undefined, 'c1'))).toBe('component')
    expect(handlerSide(topic, actor('orchestrator', 'c1'))).toBe('component')
    expect(allowed((role) => senderSide(topic, actor(role, 'c2')))).toEqual(['orchestrator'])
    expect(allowed((role) => handlerSide(topic, actor(role)))).toEqual(['orchestrator'])
    expect(senderSide(topic, actor('orchestrator', 'o1'))).toBe('orchestrator')
  })

  test('collect and evaluate', () => {
    const collect = { kind: 'collect', component: 'c1' } as const
    const evaluate = { kind: 'evaluate', component: 'c1' } as const
    expect(allowed((role) => senderSide(collect, actor(role)))).toEqual(['orchestrator', 'evaluator', 'repository'])
    expect(allowed((role) => senderSide(evaluate, actor(role)))).toEqual(['orchestrator'])
    expect(attempt(() => handlerSide(collect, actor('collector', 'c1')))).toBe('component')
    expect(attempt(() => handlerSide(collect, actor('evaluator', 'c1')))).toBe('role-required')
    expect(attempt(() => handlerSide(collect, actor('collector', 'c2')))).toBe('forbidden')
    expect(attempt(() => handlerSide(evaluate, actor('evaluator', 'c1')))).toBe('component')
    expect(attempt(() => handlerSide(evaluate, actor('collector', 'c1')))).toBe('role-required')
  })

  test('response', () => {
    const topic = { kind: 'response', component: 'o1' } as const
    expect(allowed((role) => senderSide(topic, actor(role, 'c1')))).toEqual(['collector', 'evaluator', 'repository'])
    expect(attempt(() => senderSide(topic, actor('collector')))).toBe('forbidden')
    expect(attempt(() => handlerSide(topic, actor(undefined, 'o1')))).toBe('component')
    expect(attempt(() => handlerSide(topic, actor('orchestrator', 'o2')))).toBe('forbidden')
  })
})

describe('broadcast topics', () => {
  const own = [{ urn: 'urn:sacm-xmpp:capability:collection:system', kind: 'collection' as const, endpoints: [] }]

  test('are received by the role with the capability', () => {
    const subscribe = (role: Role, nodeId: string) =>
      attempt(() => {
        const topic = parseBroadcastTopic(nodeId)
        if (!topic) throw new Error(nodeId)
        authorizeSubscribe(topic, nodeId, actor(role, 'c1'), own)
      })
    expect(subscribe('collector', '/collection/system')).toBe('allowed')
    expect(subscribe('collector', '/collection/oval')).toBe('forbidden')
    expect(subscribe('evaluator', '/collection/system')).toBe('role-required')
    expect(subscribe('evaluator', '/evaluation/system')).toBe('forbidden')
    expect(ROLES.filter((role) => subscribe(role, '/inventory') === 'allowed')).toEqual(['orchestrator', 'admin'])
  })

  test('are sent to by those of the table', () => {
    const publishers = (nodeId: string) =>
      ROLES.filter((role) => {
        const topic = parseBroadcastTopic(nodeId)
        return topic && attempt(() => authorizePublish(topic, actor(role))) === 'allowed'
      })
    expect(publishers('/collection/system')).toEqual(['orchestrator', 'evaluator'])
    expect(publishers('/evaluation/system')).toEqual(['orchestrator'])
    expect(publishers('/inventory')).toEqual([])
  })
})

test('a capability has the topic of its kind and type, a foreign one its URN percent-encoded', () => {
  const topicOf = (urn: string, kind: 'collection' | 'evaluation' = 'collection') =>
    capabilityTopic({ urn, kind, endpoints: [] })
  expect(topicOf('urn:sacm-xmpp:capability:collection:system')).toBe('/collection/system')
  expect(topicOf('urn:sacm-xmpp:capability:collection:system', 'evaluation')).toBeUndefined()
  expect(topicOf('urn:sacm-xmpp:capability:collection:magic')).toBeUndefined()
  expect(topicOf('urn:other/thing?x')).toBe('/collection/urn%3Aother%2Fthing%3Fx')
})
