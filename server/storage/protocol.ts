/** What crosses between the main thread and the threads of storage: plain data only. */

import type { StorageUnavailable } from './storage.ts'

/** Given to a thread when it starts. */
export interface WorkerStart {
  readonly file: string
  readonly nativeBinding: string | undefined
  readonly work: Work
}

/** What a thread is for. */
export type Work =
  /** The one that writes; it lives as long as storage. */
  | { readonly kind: 'write' }
  /** Reads that may look at many rows, one at a time, each within these limits. */
  | { readonly kind: 'scan'; readonly maxRows: number; readonly maxMs: number }
  /** Looks for damage in the whole file, and ends. */
  | { readonly kind: 'check' }
  /** Writes a backup, and ends. */
  | { readonly kind: 'backup'; readonly to: string; readonly about: BackupAbout }

/** Kept in the backup, for who finds it. */
export interface BackupAbout {
  readonly domain: string
  /** Of the program. */
  readonly version: string
}

/** In bytes, roughly. */
export interface BackupProgress {
  readonly step: 'copying the database' | 'adding files' | 'checking the copy'
  readonly done: number
  readonly total: number
}

export interface BackupSummary {
  readonly file: string
  readonly bytes: number
  /** Beside the database. */
  readonly files: number
  /** UTC milliseconds: what was acknowledged before is in it. */
  readonly madeAt: number
}

/** An operation with its arguments, or with their parts when it has a wire. */
export type OneCall = readonly [operation: string, ...args: readonly unknown[]]

/** What runs in one savepoint: one call, or several operations each with its arguments as they are. */
export type Group = OneCall | readonly (readonly [operation: string, args: unknown])[]

export function isOneCall(group: Group): group is OneCall {
  return typeof group[0] === 'string'
}

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

/** It could not start, or not do its job. `isTold`: `text` says why and what to do; else it is a defect, see `stack`. */
export interface Failed {
  readonly kind: 'failed'
  readonly text: string
  readonly isTold: boolean
  readonly stack: string
}

export type ToWriter =
  /** The groups submitted in one loop turn of the main thread, in order. */
  { readonly kind: 'groups'; readonly groups: readonly Group[] } | { readonly kind: 'close' }

export type FromWriter =
  | Failed
  /** Outcomes of the oldest groups not answered yet, in order of submission, after COMMIT. */
  | { readonly kind: 'outcomes'; readonly outcomes: readonly Outcome[] }

/** The next scan comes when the last one was answered. */
export type ToScanner =
  | { readonly kind: 'scan'; readonly operation: string; readonly args: unknown }
  | { readonly kind: 'close' }

export type FromScanner = Failed | { readonly kind: 'outcome'; readonly outcome: Outcome }

/** Stop what you are doing; the answer is `failed`. */
export type ToJob = { readonly kind: 'cancel' }

export type FromJob =
  | { readonly kind: 'progress'; readonly progress: BackupProgress }
  | { readonly kind: 'done'; readonly result: unknown }
  | Failed
