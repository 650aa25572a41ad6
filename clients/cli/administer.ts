/** Runs a verb of administration: in the server that runs on the data folder, or on the folder itself when none does. */

import { mkdirSync } from 'node:fs'
import { modules } from '../../modules/index.ts'
import { administration, ensureAdmin } from '../../server/administration.ts'
import { openAccounts } from '../../server/auth/accounts.ts'
import { openComponents } from '../../server/auth/components.ts'
import { certificateDir } from '../../server/certificates.ts'
import type { Config } from '../../server/config.ts'
import { AdministrationError, callControl } from '../../server/control.ts'
import { createLogger } from '../../server/log.ts'
import { databaseFile } from '../../server/server.ts'
import { openStorage } from '../../server/storage/client.ts'
import { FolderLocked } from '../../server/storage/sqlite.ts'
import { StorageRefused } from '../../server/storage/storage.ts'
import { tellAdminPassword } from './admin-password.ts'
import { programAssets } from './assets.ts'
import { CliError, EXIT } from './exit.ts'

/**
 * @returns the verb's result, as JSON carries it
 * @throws CliError with the reason, and exit code 1 for a refusal or 3 when neither server nor folder can be reached
 */
export async function administer(config: Config, verb: string, args: unknown): Promise<unknown> {
  try {
    const reply = await callControl(config['data.dir'], verb, args)
    return reply ? reply.result : await administerFolder(config, verb, args)
  } catch (error) {
    if (error instanceof AdministrationError) throw new CliError(EXIT.bad, error.message, undefined, { cause: error })
    if (error instanceof FolderLocked) {
      throw new CliError(
        EXIT.unreachable,
        error.message,
        'A server is starting or stopping there; try again in a moment.',
        { cause: error },
      )
    }
    if (error instanceof StorageRefused)
      throw new CliError(EXIT.unreachable, error.message, undefined, { cause: error })
    if (error instanceof Error && 'code' in error && (error.code === 'EACCES' || error.code === 'EPERM')) {
      throw new CliError(
        EXIT.unreachable,
        `no permission for ${config['data.dir']}`,
        'Run the command as the user that the server runs as.',
        { cause: error },
      )
    }
    throw error
  }
}

async function administerFolder(config: Config, verb: string, args: unknown): Promise<unknown> {
  const dataDir = config['data.dir']
  mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  const storage = await openStorage({ file: databaseFile(dataDir), assets: programAssets(), log: createLogger('warn') })
  try {
    const accounts = await openAccounts(storage, {
      domain: config.domain,
      scramIterations: config['scram.iterations'],
      data: modules.flatMap(({ accountData }) => accountData ?? []),
    })
    const adminPassword = await ensureAdmin(accounts, dataDir)
    if (adminPassword !== undefined) tellAdminPassword(config.domain, dataDir, adminPassword)
    const components = await openComponents(storage, (domain) => domain === config.domain)
    return await administration({
      domain: config.domain,
      accounts,
      components,
      sessionsOf: () => 0,
      endSessions: () => {},
      certificateDir: certificateDir(dataDir),
    })(verb, args)
  } finally {
    await storage.close()
  }
}
