/** What a component remembers between its runs: its component id and the jobs it has done, in a file of mode 0600. */

import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import * as z from 'zod'

const jobKey = { job: z.string(), component: z.string() }
const jobState = z.discriminatedUnion('state', [
  z.object({ ...jobKey, state: z.literal('accepted') }),
  z.object({ ...jobKey, state: z.literal('progress'), done: z.number(), total: z.number() }),
  z.object({
    ...jobKey,
    state: z.literal('completed'),
    outcome: z.enum(['success', 'partial', 'failed', 'cancelled', 'expired']),
    errors: z.array(z.string()),
  }),
])
const componentState = z.object({
  /** The account it belongs to: another account's id would be refused. */
  bareJid: z.string(),
  component: z.string(),
  jobs: z.array(z.object({ requester: z.string(), at: z.number(), state: jobState })),
})

export type ComponentState = z.infer<typeof componentState>
export type StoredJob = ComponentState['jobs'][number]

export interface StateStore {
  load(): Promise<ComponentState | undefined>
  save(state: ComponentState): Promise<void>
}

/** Nothing is kept: the server gives the account its id again. */
export const noState: StateStore = { load: () => Promise.resolve(undefined), save: () => Promise.resolve() }

/** @returns a store whose `load` throws an Error naming the file when it holds anything else */
export function fileState(path: string): StateStore {
  return {
    async load() {
      let text: string
      try {
        text = await readFile(path, 'utf8')
      } catch (error) {
        if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
        throw error
      }
      try {
        return componentState.parse(JSON.parse(text))
      } catch (cause) {
        throw new Error(`${path} does not hold a component's state; remove it to begin anew`, { cause })
      }
    },
    async save(state) {
      await mkdir(dirname(path), { recursive: true })
      // Written beside and renamed, so that a crash leaves the old state or the new one.
      await writeFile(`${path}.new`, `${JSON.stringify(state)}\n`, { mode: 0o600 })
      await rename(`${path}.new`, path)
    },
  }
}

/**
 * Saves snapshots one after the other; while one is written, any number of calls lead to one more.
 * @param snapshot  undefined: nothing to save yet
 * @returns saves; resolves when what stood there at the call is in the file, or its failure was told
 */
export function stateSaver(
  store: StateStore,
  snapshot: () => ComponentState | undefined,
  onError: (error: Error) => void,
): () => Promise<void> {
  let running: Promise<void> | undefined
  let next: Promise<void> | undefined
  const write = async () => {
    const state = snapshot()
    if (!state) return
    try {
      await store.save(state)
    } catch (cause) {
      onError(new Error("the component's state could not be saved", { cause }))
    }
  }
  const begin = () => {
    const current = write().finally(() => {
      if (running === current) running = undefined
    })
    running = current
    return current
  }
  return () => {
    if (!running) return begin()
    next ??= running.then(() => {
      next = undefined
      return begin()
    })
    return next
  }
}
