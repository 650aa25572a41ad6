/** Starts the threads of storage, and runs those that do one job to their end. */

import { Worker } from 'node:worker_threads'
import type { Assets } from './assets.ts'
import type {
  BackupAbout,
  BackupProgress,
  BackupSummary,
  Failed,
  FromJob,
  ToJob,
  Work,
  WorkerStart,
} from './protocol.ts'
import { StorageRefused } from './storage.ts'

/** What the threads work on. */
export interface Place {
  readonly file: string
  readonly assets: Assets
}

export function startThread({ file, assets }: Place, work: Work): Worker {
  const entry = assets.workerEntry()
  const start: WorkerStart = { file, nativeBinding: assets.nativeBinding(), work }
  const options = { name: `storage ${work.kind}`, workerData: start }
  return entry instanceof URL ? new Worker(entry, options) : new Worker(entry.code, { ...options, eval: true })
}

export function failedError({ text, isTold, stack }: Failed): Error {
  const error = isTold ? new StorageRefused(text) : new Error(text)
  error.stack = stack
  return error
}

/**
 * Looks for damage in the whole database, on a thread of its own.
 * @returns what is wrong; undefined when the file is sound
 */
export async function checkDatabase(place: Place): Promise<string | undefined> {
  // What the thread's own end of it returns, see jobs.ts.
  return (await runJob(place, { kind: 'check' })) as string | undefined
}

/**
 * Writes a backup of the data folder, on a thread of its own, while others write.
 * @throws StorageRefused with what is in the way; nothing of the file is left then
 */
export async function backUp(
  place: Place,
  to: string,
  about: BackupAbout,
  onProgress: (progress: BackupProgress) => void,
  signal?: AbortSignal,
): Promise<BackupSummary> {
  return (await runJob(place, { kind: 'backup', to, about }, onProgress, signal)) as BackupSummary
}

function runJob(
  place: Place,
  work: Work,
  onProgress: (progress: BackupProgress) => void = () => {},
  signal?: AbortSignal,
): Promise<unknown> {
  const worker = startThread(place, work)
  const cancel = () => worker.postMessage({ kind: 'cancel' } satisfies ToJob)
  signal?.addEventListener('abort', cancel)
  if (signal?.aborted) cancel()
  return new Promise((resolve, reject) => {
    let outcome: (() => void) | undefined
    worker.on('message', (message: FromJob) => {
      if (message.kind === 'progress') onProgress(message.progress)
      else outcome = message.kind === 'done' ? () => resolve(message.result) : () => reject(failedError(message))
    })
    worker.on('error', reject)
    worker.on('exit', (code) => {
      signal?.removeEventListener('abort', cancel)
      if (outcome) outcome()
      else reject(new Error(`the thread of a ${work.kind} ended with ${code}`))
    })
  })
}
