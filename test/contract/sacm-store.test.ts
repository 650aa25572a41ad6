/** The Integration Service's operations on a real SQLite file: components and jobs. */

import { afterEach, beforeEach, expect, test } from 'vitest'
import {
  dropOldJobs,
  forgetJob,
  loadComponents,
  registerComponent,
  removeComponent,
  setCapabilities,
  setState,
  startBroadcast,
  startJob,
  updateJob,
} from '../../modules/sacm/store.sqlite.ts'
import { type OpenedStorage, openModules } from './open-modules.ts'

let opened: OpenedStorage
beforeEach(async () => {
  opened = await openModules('direct')
})
afterEach(() => opened.close())

const collector = { id: 'c1', bareJid: 'c@test', type: 'posture-collection-service', name: 'one' }

test('an id belongs to one account and an account has one id, also after a restart', async () => {
  await opened.storage.run(registerComponent, collector)
  await opened.reopen()
  const elsewhere = opened.storage.run(registerComponent, { ...collector, bareJid: 'd@test' })
  await expect(elsewhere).rejects.toMatchObject({ key: 'boundElsewhere' })
  const second = opened.storage.run(registerComponent, { ...collector, id: 'c2' })
  await expect(second).rejects.toMatchObject({ key: 'boundElsewhere' })
  const renamed = await opened.storage.run(registerComponent, { ...collector, name: 'two', description: 'here' })
  expect(renamed).toMatchObject({ component: 'c1', name: 'two', description: 'here', state: 'registered' })
  expect(await opened.storage.run(loadComponents, undefined)).toEqual([renamed])
})

test('state and capabilities are kept', async () => {
  await opened.storage.run(registerComponent, collector)
  const capabilities = [{ urn: 'urn:x:y', kind: 'collection' as const, endpoints: ['e'] }]
  await opened.storage.run(setCapabilities, { id: 'c1', capabilities })
  await opened.storage.run(setState, { id: 'c1', state: 'gone' })
  await opened.reopen()
  expect(await opened.storage.run(loadComponents, undefined)).toMatchObject([{ state: 'gone', capabilities }])
  const unknown = opened.storage.run(setState, { id: 'c9', state: 'gone' })
  await expect(unknown).rejects.toMatchObject({ key: 'componentUnknown' })
  expect(await opened.storage.run(removeComponent, { bareJid: 'c@test' })).toBe('c1')
  expect(await opened.storage.run(removeComponent, { bareJid: 'c@test' })).toBeUndefined()
})

test('a job asked for again answers its state; completed is final; refused is forgotten', async () => {
  const key = { requester: 'o@test', id: 'j', component: 'c1' }
  expect(await opened.storage.run(startJob, key)).toBeUndefined()
  const state = { job: 'j', component: 'c1' }
  expect(await opened.storage.run(startJob, key)).toEqual({ ...state, state: 'accepted' })
  const completed = { ...state, state: 'completed' as const, outcome: 'success' as const, errors: [] }
  await opened.storage.run(updateJob, { key, state: completed })
  await opened.storage.run(updateJob, { key, state: { ...state, state: 'progress', done: 1, total: 2 } })
  await opened.reopen()
  expect(await opened.storage.run(startJob, key)).toEqual(completed)
  expect(await opened.storage.run(startJob, { ...key, requester: 'e@test' })).toBeUndefined()
  await opened.storage.run(forgetJob, key)
  expect(await opened.storage.run(startJob, key)).toBeUndefined()
  expect(await opened.storage.run(dropOldJobs, undefined)).toBe(0)
})

test('a state of a job that nobody asked for makes none', async () => {
  const key = { requester: 'o@test', id: 'j', component: 'c1' }
  const state = { job: 'j', component: 'c1', state: 'progress' as const, done: 1, total: 2 }
  await opened.storage.run(updateJob, { key, state })
  expect(await opened.storage.run(startJob, key)).toBeUndefined()
})

test('a broadcast is published once', async () => {
  const key = { requester: 'o@test', id: 'j', component: '/collection/system' }
  await opened.storage.run(startBroadcast, key)
  await expect(opened.storage.run(startBroadcast, key)).rejects.toMatchObject({ key: 'jobRepeated' })
})
