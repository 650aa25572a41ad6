/** `sacm backup` and `sacm restore`: a data folder as one file, also of a server that goes on publishing. */

import { existsSync, mkdirSync } from 'node:fs'
import { resolve } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import type { Command } from 'commander'
import type { BackupStatus } from '../../server/backups.ts'
import type { Config } from '../../server/config.ts'
import { AdministrationError, callControl } from '../../server/control.ts'
import { databaseFile } from '../../server/server.ts'
import type { BackupProgress, BackupSummary } from '../../server/storage/protocol.ts'
import { restoreBackup } from '../../server/storage/restore.ts'
import { type FolderLock, FolderLocked, lockFolder } from '../../server/storage/sqlite.ts'
import { StorageRefused } from '../../server/storage/storage.ts'
import { backUp } from '../../server/storage/threads.ts'
import { VERSION } from '../../server/version.ts'
import { programAssets } from './assets.ts'
import { CliError, EXIT } from './exit.ts'
import { Progress, print, printJson } from './output.ts'
import { readConfig, type SharedFlags, withSharedFlags } from './settings.ts'

interface JsonFlag {
  readonly json?: true
}

const ASK_AGAIN_MS = 200
const MEGABYTE = 1_048_576

export function backupCommand(command: Command): void {
  withSharedFlags(command.argument('<file>', 'a new file, outside of the data folder'))
    .option('--json', 'print one JSON object')
    .addHelpText(
      'after',
      `
What was acknowledged before the command began is in the file. It holds the keys of the server and of its authority: it is
made with mode 0600, and is to be kept like them. sacm.toml is not in it. Ctrl-C stops the backup and removes the file.`,
    )
    .action(async (file: string, flags: SharedFlags & JsonFlag) => {
      const progress = new Progress(flags.json === true)
      try {
        const summary = await told(() => backup(readConfig(flags), resolve(file), progress))
        progress.done()
        if (flags.json) printJson(summary)
        else print(`wrote ${summary.file}: ${megabytes(summary.bytes)}, the database and ${summary.files} other files`)
      } finally {
        progress.done()
      }
    })
}

export function restoreCommand(command: Command): void {
  withSharedFlags(command.argument('<file>', 'what sacm backup wrote'))
    .option('--force', 'the folder need not be empty: what is there is moved aside, into a folder replaced-… in it')
    .option('--json', 'print one JSON object')
    .action(async (file: string, flags: SharedFlags & JsonFlag & { force?: true }) => {
      const progress = new Progress(flags.json === true)
      try {
        const summary = await told(() => restore(readConfig(flags), resolve(file), flags.force === true, progress))
        progress.done()
        if (flags.json) printJson(summary)
        else {
          print(`restored ${summary.domain} as it was at ${summary.madeAt} into ${summary.folder}`)
          if (summary.replaced) print(`what was there is in ${summary.replaced}; remove it when all is well`)
        }
      } finally {
        progress.done()
      }
    })
}

async function backup(config: Config, file: string, progress: Progress): Promise<BackupSummary> {
  const dataDir = config['data.dir']
  const stop = new AbortController()
  const onInterrupt = () => stop.abort()
  process.once('SIGINT', onInterrupt)
  try {
    const started = await callControl(dataDir, 'backup.start', { file })
    return started
      ? await followed(dataDir, progress, stop.signal)
      : await ofFolder(config, file, progress, stop.signal)
  } finally {
    process.off('SIGINT', onInterrupt)
  }
}

/** The server makes it; we ask how far it is. */
async function followed(dataDir: string, progress: Progress, signal: AbortSignal): Promise<BackupSummary> {
  const stop = () => void callControl(dataDir, 'backup.stop', {}).catch(() => undefined)
  signal.addEventListener('abort', stop)
  // Ends when the server says so, or has gone.
  for (;;) {
    const reply = await callControl(dataDir, 'backup.status', {})
    if (!reply) throw new CliError(EXIT.unreachable, 'the server has ended, and the backup with it')
    // The verb's own result, see backups.ts.
    const status = reply.result as BackupStatus
    if (status.state === 'done') return status.summary
    if (status.state === 'failed') throw new CliError(EXIT.bad, status.error)
    if (status.progress) show(progress, status.progress)
    await wait(ASK_AGAIN_MS)
  }
}

/** No server runs there: we make it ourselves. */
async function ofFolder(config: Config, file: string, progress: Progress, signal: AbortSignal): Promise<BackupSummary> {
  const place = { file: databaseFile(config['data.dir']), assets: programAssets() }
  if (!existsSync(place.file))
    throw new CliError(EXIT.bad, `there is no database in ${config['data.dir']}`, 'Name the folder with --data-dir.')
  const lock = lockFolder(config['data.dir'], place.assets.nativeBinding())
  try {
    const about = { domain: config.domain, version: VERSION }
    return await backUp(place, file, about, (next) => show(progress, next), signal)
  } finally {
    lock.release()
  }
}

async function restore(
  config: Config,
  file: string,
  force: boolean,
  progress: Progress,
): ReturnType<typeof restoreBackup> {
  const folder = resolve(config['data.dir'])
  const assets = programAssets()
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const lock: FolderLock = lockFolder(folder, assets.nativeBinding())
  try {
    return await restoreBackup(file, {
      folder,
      force,
      migrations: assets.migrations(),
      nativeBinding: assets.nativeBinding(),
      onProgress: (next) => show(progress, next),
    })
  } finally {
    lock.release()
  }
}

function show(
  progress: Progress,
  { step, done, total }: Omit<BackupProgress, 'step'> & { readonly step: string },
): void {
  const share = total > 0 ? Math.floor((100 * done) / total) : 0
  progress.update(done > 0 ? `${step}: ${share} %` : step)
}

function megabytes(bytes: number): string {
  return `${(bytes / MEGABYTE).toFixed(1)} MB`
}

/** Faults in words, with their exit codes. */
async function told<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    if (error instanceof StorageRefused || error instanceof AdministrationError)
      throw new CliError(EXIT.bad, error.message, undefined, { cause: error })
    if (error instanceof FolderLocked) throw new CliError(EXIT.unreachable, error.message, undefined, { cause: error })
    if (error instanceof Error && 'syscall' in error)
      throw new CliError(EXIT.unreachable, error.message, undefined, { cause: error })
    throw error
  }
}
