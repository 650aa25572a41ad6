/** The Integration Service's storage operations: components bound to accounts, and jobs by their key. */

import { and, eq, lt, sql } from 'drizzle-orm'
import { type AccountName, type Db, type Operation, Refusal, type Tx } from '../../server/module/api.ts'
import type { Capability, JobState } from './model.ts'
import { components, jobs } from './schema.sqlite.ts'
import type { Component, JobKey, RegisterComponent, SetCapabilities, SetState, UpdateJob } from './store.ts'

/** For so long a repeated request is answered with the state of the first. SACM-XMPP §2, Jobs. */
const JOB_MEMORY_MS = 24 * 3_600_000

const { placeholder } = sql

const queries = (db: Db) => ({
  all: db.select().from(components).orderBy(components.id).prepare(),
  byId: db
    .select()
    .from(components)
    .where(eq(components.id, placeholder('id')))
    .prepare(),
  byAccount: db
    .select({ id: components.id })
    .from(components)
    .where(eq(components.bareJid, placeholder('bareJid')))
    .prepare(),
  insert: db
    .insert(components)
    .values({
      id: placeholder('id'),
      bareJid: placeholder('bareJid'),
      type: placeholder('type'),
      name: placeholder('name'),
      description: placeholder('description'),
      state: 'registered',
      since: placeholder('since'),
      capabilities: '[]',
    })
    .prepare(),
  describe: db
    .update(components)
    .set({
      type: sql`${placeholder('type')}`,
      name: sql`${placeholder('name')}`,
      description: sql`${placeholder('description')}`,
    })
    .where(eq(components.id, placeholder('id')))
    .prepare(),
  setState: db
    .update(components)
    .set({ state: sql`${placeholder('state')}`, since: sql`${placeholder('since')}` })
    .where(eq(components.id, placeholder('id')))
    .prepare(),
  setCapabilities: db
    .update(components)
    .set({ capabilities: sql`${placeholder('capabilities')}` })
    .where(eq(components.id, placeholder('id')))
    .prepare(),
  remove: db
    .delete(components)
    .where(eq(components.bareJid, placeholder('bareJid')))
    .prepare(),

  job: db
    .select({ state: jobs.state, createdAt: jobs.createdAt })
    .from(jobs)
    .where(
      and(
        eq(jobs.requester, placeholder('requester')),
        eq(jobs.id, placeholder('id')),
        eq(jobs.component, placeholder('component')),
      ),
    )
    .prepare(),
  saveJob: db
    .insert(jobs)
    .values({
      requester: placeholder('requester'),
      id: placeholder('id'),
      component: placeholder('component'),
      state: placeholder('state'),
      createdAt: placeholder('now'),
      updatedAt: placeholder('now'),
    })
    .onConflictDoUpdate({
      target: [jobs.requester, jobs.id, jobs.component],
      set: { state: sql`excluded.state`, createdAt: sql`excluded.created_at`, updatedAt: sql`excluded.updated_at` },
    })
    .prepare(),
  setJob: db
    .update(jobs)
    .set({ state: sql`${placeholder('state')}`, updatedAt: sql`${placeholder('now')}` })
    .where(
      and(
        eq(jobs.requester, placeholder('requester')),
        eq(jobs.id, placeholder('id')),
        eq(jobs.component, placeholder('component')),
      ),
    )
    .prepare(),
  forgetJob: db
    .delete(jobs)
    .where(
      and(
        eq(jobs.requester, placeholder('requester')),
        eq(jobs.id, placeholder('id')),
        eq(jobs.component, placeholder('component')),
      ),
    )
    .prepare(),
  dropJobsOf: db
    .delete(jobs)
    .where(eq(jobs.requester, placeholder('requester')))
    .prepare(),
  oldJob: db
    .select({ createdAt: jobs.createdAt })
    .from(jobs)
    .where(lt(jobs.createdAt, placeholder('before')))
    .limit(1)
    .prepare(),
  dropJobs: db
    .delete(jobs)
    .where(lt(jobs.createdAt, placeholder('before')))
    .prepare(),
})

type Row = typeof components.$inferSelect

function componentOf({ id, description, capabilities, ...row }: Row): Component {
  return {
    ...row,
    component: id,
    ...(description === null ? {} : { description }),
    // Written below with JSON.stringify.
    capabilities: JSON.parse(capabilities) as Capability[],
  }
}

function read(tx: Tx, id: string): Component {
  const row = tx.use(queries).byId.get({ id })
  if (!row) throw new Refusal('componentUnknown')
  return componentOf(row)
}

export const loadComponents: Operation<undefined, readonly Component[]> = {
  name: 'sacm.loadComponents',
  kind: 'read',
  run: (tx) => tx.use(queries).all.all().map(componentOf),
}

/**
 * Binds a component id to an account for good, or describes anew what is bound already.
 * @throws Refusal boundElsewhere when the id is another account's, or the account has another id
 */
export const registerComponent: Operation<RegisterComponent, Component> = {
  name: 'sacm.registerComponent',
  kind: 'write',
  run(tx, { id, bareJid, type, name, description }) {
    const q = tx.use(queries)
    const values = { id, bareJid, type, name, description: description ?? null }
    const own = q.byAccount.get({ bareJid })
    const holder = q.byId.get({ id })
    if ((own && own.id !== id) || (holder && holder.bareJid !== bareJid)) throw new Refusal('boundElsewhere')
    if (holder) q.describe.run(values)
    else q.insert.run({ ...values, since: tx.now })
    return read(tx, id)
  },
}

/** @throws Refusal componentUnknown */
export const setCapabilities: Operation<SetCapabilities, Component> = {
  name: 'sacm.setCapabilities',
  kind: 'write',
  run(tx, { id, capabilities }) {
    tx.use(queries).setCapabilities.run({ id, capabilities: JSON.stringify(capabilities) })
    return read(tx, id)
  },
}

/** @throws Refusal componentUnknown */
export const setState: Operation<SetState, Component> = {
  name: 'sacm.setState',
  kind: 'write',
  run(tx, { id, state }) {
    tx.use(queries).setState.run({ id, state, since: tx.now })
    return read(tx, id)
  },
}

/** An account is no more: its component, and what it asked of others. @returns the component's id */
export const removeComponent: Operation<AccountName, string | undefined> = {
  name: 'sacm.removeComponent',
  kind: 'write',
  run(tx, { bareJid }) {
    const q = tx.use(queries)
    const id = q.byAccount.get({ bareJid })?.id
    q.remove.run({ bareJid })
    q.dropJobsOf.run({ requester: bareJid })
    return id
  },
}

/** Notes that a job was asked for; the state of the first when this is a repeat within 24 hours. */
export const startJob: Operation<JobKey, JobState | undefined> = {
  name: 'sacm.startJob',
  kind: 'write',
  run: (tx, key) => begin(tx, key),
}

function begin(tx: Tx, key: JobKey): JobState | undefined {
  const q = tx.use(queries)
  const known = q.job.get({ ...key })
  // Written below with JSON.stringify.
  if (known && known.createdAt > tx.now - JOB_MEMORY_MS) return JSON.parse(known.state) as JobState
  const state: JobState = { job: key.id, component: key.component, state: 'accepted' }
  q.saveJob.run({ ...key, state: JSON.stringify(state), now: tx.now })
  return undefined
}

/**
 * The same for a broadcast, whose publication is given up when it is a repeat.
 * @throws Refusal jobRepeated
 */
export const startBroadcast: Operation<JobKey, undefined> = {
  name: 'sacm.startBroadcast',
  kind: 'write',
  run(tx, key) {
    if (begin(tx, key)) throw new Refusal('jobRepeated')
    return undefined
  },
}

/** Notes a job's state; a completed job stays as it is, and one never asked for is not made. */
export const updateJob: Operation<UpdateJob, undefined> = {
  name: 'sacm.updateJob',
  kind: 'write',
  run(tx, { key, state }) {
    const q = tx.use(queries)
    const known = q.job.get({ ...key })
    // Written above with JSON.stringify.
    if (!known || (JSON.parse(known.state) as JobState).state === 'completed') return undefined
    q.setJob.run({ ...key, state: JSON.stringify(state), now: tx.now })
    return undefined
  },
}

/** Forgets a job that was refused, so that it can be asked for again. */
export const forgetJob: Operation<JobKey, undefined> = {
  name: 'sacm.forgetJob',
  kind: 'write',
  run(tx, key) {
    tx.use(queries).forgetJob.run({ ...key })
    return undefined
  },
}

export const hasOldJobs: Operation<undefined, boolean> = {
  name: 'sacm.hasOldJobs',
  kind: 'read',
  run: (tx) => tx.use(queries).oldJob.get({ before: tx.now - JOB_MEMORY_MS }) !== undefined,
}

export const dropOldJobs: Operation<undefined, number> = {
  name: 'sacm.dropOldJobs',
  kind: 'write',
  run: (tx) => tx.use(queries).dropJobs.run({ before: tx.now - JOB_MEMORY_MS }).changes,
}

export const sacmOperations = [
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
] as const satisfies readonly Operation<never>[]
