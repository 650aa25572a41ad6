/** What crosses between the main thread and the storage worker: plain data only. */

import type { Migration } from './assets.ts'
import type { StorageUnavailable } from './storage.ts'

/** Given to the worker when it starts. */
export interface WorkerStart {
  readonly file: string
  readonly nativeBinding: string | undefined
  readonly migrations: readonly Migration[]
}

/** An operation with its arguments, or with their parts when it has a wire. */
export type OneCall = readonly [operation: string, ...args: readonly unknown[]]

/** What runs in one savepoint: one call, or several operations each with its arguments as they are. */
export type Group = OneCall | readonly (readonly [operation: string, args: unknown])[]

export function isOneCall(group: Group): group is OneCall {
  return typeof group[0] === 'string'
}

export type ToWorker =
  /** The groups submitted in one loop turn of the main thread, in order. */
  { readonly kind: 'groups'; readonly groups: readonly Group[] } | { readonly kind: 'close' }

export type UnavailableReason = StorageUnavailable['reason']

/** What became of one group: the result of one call (or its parts, by its wire), the results of several, or a fault. */
export type Outcome = readonly unknown[] | Fault

export type Fault =
  | {
      readonly kind: 'refused'
      readonly key: string
      readonly text: string
      readonly detail: Readonly<Record<string, string>>
    }
  | { readonly kind: 'unavailable'; readonly reason: UnavailableReason; readonly text: string }
  | { readonly kind: 'defect'; readonly operation: string; readonly text: string; readonly stack: string }

export function isFault(outcome: Outcome): outcome is Fault {
  return 'kind' in outcome
}

export type FromWorker =
  /** It reads the whole file before it is ready: the last process did not close it. */
  | { readonly kind: 'checking'; readonly bytes: number }
  | { readonly kind: 'ready'; readonly migrated: readonly string[]; readonly checked: boolean }
  /** It could not start. `isTold`: `text` says why and what to do; else it is a defect, and `stack` says where. */
  | { readonly kind: 'failed'; readonly text: string; readonly isTold: boolean; readonly stack: string }
  /** Outcomes of the oldest groups not answered yet, in order of submission, after COMMIT. */
  | { readonly kind: 'outcomes'; readonly outcomes: readonly Outcome[] }
