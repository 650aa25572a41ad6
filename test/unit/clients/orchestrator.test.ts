/** The orchestrator's own decisions: capabilities, inventory, following a job. */

import { describe, expect, it } from 'vitest'
import { sacmError } from '../../../clients/core/topics.ts'
import { answerCapabilities } from '../../../clients/orchestrator/capabilities.ts'
import { makeComponentId } from '../../../clients/orchestrator/component-id.ts'
import { Inventory, type InventoryChange } from '../../../clients/orchestrator/inventory.ts'
import { watchJob } from '../../../clients/orchestrator/job-watch.ts'
import { type Capability, type InventoryItem, isComponentId, type JobState } from '../../../modules/sacm/xml.ts'
import { StanzaError } from '../../../server/stanza/errors.ts'

describe('capabilities', () => {
  const answer = (type: string, ...capabilities: Pick<Capability, 'urn' | 'kind'>[]) =>
    answerCapabilities({ id: 'c', type, capabilities: capabilities.map((each) => ({ ...each, endpoints: [] })) })
  const urn = 'urn:sacm-xmpp:capability:collection:system'

  it('get the topic of their URN, anybody else’s too', () => {
    expect(
      answer('posture-collection-service', { urn, kind: 'collection' }, { urn: 'urn:example:a/b', kind: 'collection' }),
    ).toMatchObject([
      { status: 'success', topic: '/collection/system' },
      { status: 'success', topic: '/collection/urn%3Aexample%3Aa%2Fb' },
    ])
  })

  it('are refused with the reason when they do not fit', () => {
    expect(answer('posture-evaluation-service', { urn, kind: 'collection' })).toMatchObject([
      { status: 'failure', messages: [expect.stringMatching(/no capability of kind collection/)] },
    ])
    expect(answer('other', { urn, kind: 'evaluation' })).toMatchObject([{ status: 'failure' }])
    expect(answer('other', { urn: 'urn:sacm-xmpp:capability:collection:magic', kind: 'collection' })).toMatchObject([
      { status: 'failure' },
    ])
    const many = Array.from({ length: 33 }, (_, index) => ({
      urn: `urn:example:${index}`,
      kind: 'collection' as const,
    }))
    expect(answer('other', ...many).filter(({ status }) => status === 'failure')).toHaveLength(1)
  })
})

it('component ids are legal and do not repeat', () => {
  const types = ['posture-collection-service', 'repository', 'orchestrator', 'constructor', 'x']
  const ids = Array.from({ length: 500 }, (_, index) => makeComponentId(types[index % types.length] ?? 'x'))
  expect(new Set(ids).size).toBe(500)
  expect(ids.filter((id) => !isComponentId(id))).toEqual([])
})

describe('the inventory', () => {
  const item = (since: number, state: InventoryItem['state'] = 'registered'): InventoryItem => ({
    component: 'c-1',
    bareJid: 'c@test',
    type: 'posture-collection-service',
    name: 'c',
    state,
    since,
    capabilities: [],
  })

  it('takes the newest word, and tells changes only', () => {
    const changes: InventoryChange[] = []
    const inventory = new Inventory((change) => changes.push(change))
    inventory.take(item(1_000))
    inventory.take(item(2_000, 'gone'))
    inventory.take(item(1_000))
    expect(inventory.get('c-1')).toMatchObject({ state: 'gone', isOnline: false })
    inventory.take(item(2_000, 'gone'))
    expect(changes).toHaveLength(2)
    inventory.beat('c-1', 5_000)
    inventory.beat('c-1', 6_000)
    expect(changes).toHaveLength(3)
    expect(inventory.get('c-1')).toMatchObject({ isOnline: true, lastAlive: 6_000 })
    inventory.beat('c-1', undefined)
    expect(inventory.get('c-1')).toMatchObject({ isOnline: false, lastAlive: 6_000 })
  })

  it('finds a component by its account, and knows what its caps named after it has gone', () => {
    const inventory = new Inventory(() => undefined)
    inventory.take(item(1_000))
    expect(inventory.ofAccount('c@test/sacm')?.component).toBe('c-1')
    expect(inventory.ofAccount('d@test/sacm')).toBeUndefined()
    inventory.see('c-1', ['urn:x'])
    inventory.see('c-1', undefined)
    expect(inventory.get('c-1')).toMatchObject({ isOnline: false, advertised: ['urn:x'] })
    inventory.remove('c-1')
    expect(inventory.ofAccount('c@test')).toBeUndefined()
  })
})

describe('a job that is followed', () => {
  const state = (component: string, rest: { state: 'accepted' } | { state: 'progress'; done: number; total: number }) =>
    ({ job: 'j', component, ...rest }) as const
  const completed = (component: string): JobState => ({
    job: 'j',
    component,
    state: 'completed',
    outcome: 'success',
    errors: [],
  })
  const signal = new AbortController().signal
  const base = { job: 'j', timeoutMs: 5_000, signal }

  it('ends when all have ended, by what is told or by asking again', async () => {
    let tell: (each: JobState) => void = () => undefined
    let asked = 0
    const states: string[] = []
    const report = await watchJob({
      ...base,
      components: ['told', 'asked'],
      listen: (onState) => {
        tell = onState
        return () => undefined
      },
      onState: (each) => states.push(`${each.component} ${each.state}`),
      async ask(component) {
        if (component === 'told') {
          // Told before the answer to the order is here.
          tell(completed('told'))
          return state('told', { state: 'accepted' })
        }
        return ++asked < 3 ? state('asked', { state: 'progress', done: asked, total: 3 }) : completed('asked')
      },
    })
    expect(report.components).toMatchObject([
      { component: 'told', outcome: 'success' },
      { component: 'asked', outcome: 'success' },
    ])
    expect(states.filter((each) => each.startsWith('told'))).toEqual(['told accepted', 'told completed'])
    expect(states.filter((each) => each.startsWith('asked'))).toEqual([
      'asked accepted',
      'asked progress',
      'asked progress',
      'asked completed',
    ])
  })

  it('says who refused and why, and who never ended', async () => {
    const report = await watchJob({
      ...base,
      timeoutMs: 300,
      components: ['refuses', 'hangs', 'is-away'],
      listen: () => () => undefined,
      ask(component) {
        if (component === 'refuses') return Promise.reject(new StanzaError('auth', 'forbidden', 'not you'))
        if (component === 'hangs') return Promise.resolve(state('hangs', { state: 'accepted' }))
        return Promise.reject(sacmError('wait', 'recipient-unavailable', 'handler-offline', 'nobody there'))
      },
    })
    expect(report.components).toEqual([
      { component: 'refuses', outcome: 'refused', errors: ['not you (forbidden)'] },
      { component: 'hangs', outcome: 'unanswered', errors: [] },
      {
        component: 'is-away',
        outcome: 'unanswered',
        errors: ['nobody there (recipient-unavailable, handler-offline)'],
      },
    ])
  })

  it('ends with its signal', async () => {
    const controller = new AbortController()
    const watching = watchJob({
      ...base,
      signal: controller.signal,
      components: ['c'],
      listen: () => () => undefined,
      ask: async () => state('c', { state: 'accepted' }),
    })
    controller.abort(new Error('enough'))
    await expect(watching).rejects.toThrow('enough')
  })
})
