/** The backup that a running server makes for `sacm backup`: started, asked after, and stopped by verbs of administration. */

import { isAbsolute } from 'node:path'
import { AdministrationError } from './control.ts'
import type { Logger } from './log.ts'
import type { OpenStorage } from './storage/client.ts'
import type { BackupAbout, BackupProgress, BackupSummary } from './storage/protocol.ts'
import { StorageRefused } from './storage/storage.ts'

export type BackupStatus =
  | { readonly state: 'running'; readonly file: string; readonly progress: BackupProgress | undefined }
  | { readonly state: 'done'; readonly summary: BackupSummary }
  | { readonly state: 'failed'; readonly error: string }

export class Backups {
  readonly #storage: OpenStorage
  readonly #about: BackupAbout
  readonly #log: Logger
  #status: BackupStatus | undefined
  #stop = new AbortController()

  constructor(storage: OpenStorage, about: BackupAbout, log: Logger) {
    this.#storage = storage
    this.#about = about
    this.#log = log
  }

  /** @throws AdministrationError while another one runs */
  start(file: string): void {
    if (!isAbsolute(file)) throw new AdministrationError(`${file} is not the whole path of a file`)
    if (this.#status?.state === 'running')
      throw new AdministrationError(`a backup is being written already, to ${this.#status.file}`)
    this.#status = { state: 'running', file, progress: undefined }
    this.#stop = new AbortController()
    this.#log.info({ what: 'backup_started', file })
    const onProgress = (progress: BackupProgress) => {
      this.#status = { state: 'running', file, progress }
    }
    this.#storage.backUp(file, this.#about, onProgress, this.#stop.signal).then(
      (summary) => {
        this.#status = { state: 'done', summary }
        this.#log.info({ what: 'backup_written', ...summary })
      },
      (error: unknown) => {
        const text = error instanceof Error ? error.message : String(error)
        this.#log.error({ what: 'backup_failed', file, error: text })
        this.#status = {
          state: 'failed',
          error: error instanceof StorageRefused ? text : "the backup failed; the server's log says why",
        }
      },
    )
  }

  /** @throws AdministrationError when none was made since the server was started */
  get status(): BackupStatus {
    if (!this.#status) throw new AdministrationError('this server has made no backup since it was started')
    return this.#status
  }

  stop(): void {
    this.#stop.abort()
  }
}
