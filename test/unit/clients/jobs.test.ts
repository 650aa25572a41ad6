/** A component's jobs: once each, in order, repeats answered, states told. SACM-XMPP §2, Jobs. */

import { describe, expect, it } from 'vitest'
import { Jobs, type JobsOptions } from '../../../clients/core/jobs.ts'
import type { JobState } from '../../../modules/sacm/xml.ts'

function jobsWith(options: Partial<JobsOptions> = {}) {
  const states: string[] = []
  const ended = new Map<string, () => void>()
  const jobs = new Jobs({
    component: () => 'collector-1',
    onState: (requester, state) => {
      states.push(`${requester} ${state.job} ${describeState(state)}`)
      if (state.state === 'completed') ended.get(state.job)?.()
    },
    ...options,
  })
  const end = (job: string) => new Promise<void>((resolve) => ended.set(job, resolve))
  return { jobs, states, end }
}

function describeState(state: JobState): string {
  if (state.state === 'progress') return `${state.done}/${state.total}`
  return state.state === 'completed' ? state.outcome : state.state
}

const order = (id: string, expires?: number) => ({ requester: 'orch-1', id, expires })
const success = async () => ({ outcome: 'success', errors: [] }) as const

describe('a job', () => {
  it('is accepted, tells its progress and its end', async () => {
    const { jobs, states, end } = jobsWith()
    const ended = end('a')
    const state = jobs.start(order('a'), async (control) => {
      control.progress(1, 2)
      return { outcome: 'partial', errors: ['x'] }
    })
    expect(state).toEqual({ job: 'a', component: 'collector-1', state: 'accepted' })
    await ended
    expect(states).toEqual(['orch-1 a 1/2', 'orch-1 a partial'])
  })

  it('runs once however often it is ordered, and once per requester', async () => {
    const { jobs, states, end } = jobsWith()
    const ended = end('a')
    let runs = 0
    const work = () => {
      runs++
      return success()
    }
    jobs.start(order('a'), work)
    jobs.start(order('a'), work)
    await ended
    expect(jobs.start(order('a'), work)).toMatchObject({ state: 'completed', outcome: 'success' })
    const again = end('a')
    expect(jobs.start({ ...order('a'), requester: 'orch-2' }, work)).toMatchObject({ state: 'accepted' })
    await again
    expect(runs).toBe(2)
    expect(states).toEqual(['orch-1 a success', 'orch-2 a success'])
  })

  it('waits for its turn, and there are not too many that wait', async () => {
    const { jobs, end } = jobsWith({ maxWaiting: 2 })
    const ended = end('c')
    const running: string[] = []
    const gate = Promise.withResolvers<void>()
    const work = (id: string) => async () => {
      running.push(id)
      await gate.promise
      return { outcome: 'success', errors: [] } as const
    }
    const began = Promise.withResolvers<void>()
    jobs.start(order('a'), async () => {
      running.push('a')
      began.resolve()
      await gate.promise
      return { outcome: 'success', errors: [] }
    })
    await began.promise
    jobs.start(order('b'), work('b'))
    jobs.start(order('c'), work('c'))
    expect(() => jobs.start(order('d'), work('d'))).toThrow(
      expect.objectContaining({ condition: 'resource-constraint' }),
    )
    expect(running).toEqual(['a'])
    gate.resolve()
    await ended
    expect(running).toEqual(['a', 'b', 'c'])
  })

  it('is not run after its time', async () => {
    let now = 1_000
    const { jobs, states, end } = jobsWith({ now: () => now })
    const ended = end('a')
    jobs.start(order('a', 2_000), () => {
      throw new Error('must not run')
    })
    now = 3_000
    await ended
    expect(states).toEqual(['orch-1 a expired'])
  })

  it('that throws has failed', async () => {
    const { jobs, end } = jobsWith()
    const ended = end('a')
    jobs.start(order('a'), () => Promise.reject(new Error('disk on fire')))
    await ended
    expect(jobs.start(order('a'), success)).toMatchObject({ outcome: 'failed', errors: ['disk on fire'] })
  })

  it('is remembered over a restart, and one under way then is not run again', async () => {
    const first = jobsWith()
    const done = first.end('done')
    first.jobs.start(order('done'), success)
    await done
    const never = Promise.withResolvers<never>()
    first.jobs.start(order('cut'), () => never.promise)
    const remembered = structuredClone(first.jobs.remembered())

    const second = jobsWith({ remembered })
    const fail = () => Promise.reject(new Error('must not run'))
    expect(second.jobs.start(order('done'), fail)).toMatchObject({ outcome: 'success' })
    expect(second.jobs.start(order('cut'), fail)).toMatchObject({
      outcome: 'failed',
      errors: ['the component stopped'],
    })
  })

  it('is forgotten after a day', async () => {
    let now = 0
    const { jobs, end } = jobsWith({ now: () => now })
    const ended = end('a')
    jobs.start(order('a'), success)
    await ended
    now = 86_400_001
    expect(jobs.start(order('a'), success)).toMatchObject({ state: 'accepted' })
    await jobs.close()
  })
})
