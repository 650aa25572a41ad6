/** The thread's side of the jobs that read the whole database: the check after an unclean end, and the backup. */

import type { MessagePort } from 'node:worker_threads'
import { writeBackup } from './backup.ts'
import type { BackupProgress, FromJob, ToJob, Work, WorkerStart } from './protocol.ts'
import { findDamage, openDatabase } from './sqlite.ts'

/** Does the job and closes the port. @throws what is to be told as `failed` */
export async function runJob(
  { file, nativeBinding }: WorkerStart,
  work: Extract<Work, { kind: 'check' | 'backup' }>,
  port: MessagePort,
): Promise<void> {
  const post = (message: FromJob) => port.postMessage(message)
  const cancelled = new AbortController()
  // Only threads.ts posts here.
  port.on('message', ({ kind }: ToJob) => {
    if (kind === 'cancel') cancelled.abort()
  })
  const sqlite = openDatabase(file, nativeBinding)
  try {
    if (work.kind === 'check') post({ kind: 'done', result: findDamage(sqlite) })
    else {
      const onProgress = (progress: BackupProgress) => post({ kind: 'progress', progress })
      const result = await writeBackup(sqlite, work.to, work.about, {
        nativeBinding,
        onProgress,
        signal: cancelled.signal,
      })
      post({ kind: 'done', result })
    }
  } finally {
    sqlite.close()
  }
  port.close()
}
