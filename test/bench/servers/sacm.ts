/** Our server: the bundle, run by this Node, with its defaults but for rates, and a database on disk. */

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { programAssets } from '../../../clients/cli/assets.ts'
import { deriveKeys, newSalt, SCRAM_HASHES } from '../../../server/auth/keys.ts'
import { putAccount } from '../../../server/auth/store.ts'
import { createLogger } from '../../../server/log.ts'
import { databaseFile } from '../../../server/server.ts'
import { openStorage } from '../../../server/storage/client.ts'
import { fillFolder } from './sacm-fill.ts'
import { type Accounts, DOMAIN, freePort, launch, type RunningServer, type ServerKind } from './server.ts'

/** PBKDF2 rounds, the server's default. */
const ITERATIONS = 10_000

export function sacm(bundle: string, nodeOptions: readonly string[]): ServerKind {
  const start = async (folder: string, cores: string): Promise<RunningServer> => {
    const port = await freePort()
    return await launch({
      command: process.execPath,
      args: [
        ...ownOptions(bundle),
        ...nodeOptions,
        bundle,
        'serve',
        ...['--data-dir', folder, '--domain', DOMAIN, '--host', '127.0.0.1'],
        ...['--c2s-port', '0', '--tls-port', String(port), '--https-port', '0'],
        // The load is what bounds are there to stop.
        ...['--set', 'limits.off=true'],
        // A node of a million items must not be full, nor a service of 100,000 nodes.
        ...['--set', 'pubsub.itemsMax=100000000', '--set', 'pubsub.nodesMax=1000000'],
      ],
      cwd: folder,
      log: join(folder, 'bench.log'),
      cores,
      port,
      ca: join(folder, 'certs', 'ca.crt'),
    })
  }
  return {
    name: 'sacm',
    maxItems: 'max',
    acknowledges: 'after COMMIT with synchronous=FULL',
    missing: () => (existsSync(bundle) ? undefined : `${bundle}: npm run build`),
    prepare: async (folder, accounts) => {
      // Makes database and certificates.
      const server = await start(folder, ALL_CORES)
      await server.stop()
      await makeAccounts(folder, accounts)
    },
    fill: fillFolder,
    start,
  }
}

/** What Node is given when the bundle is started by its first line. */
function ownOptions(bundle: string): readonly string[] {
  return /^#!.* node (.+)/.exec(readFileSync(bundle, 'utf8'))?.[1]?.split(' ') ?? []
}

/** More than there are is what there are, to taskset. */
const ALL_CORES = '0-1023'

/**
 * On the folder itself while no server runs there. All have the same keys, as the peers' have: those of each password
 * for itself would take minutes.
 */
async function makeAccounts(folder: string, { count, password }: Accounts): Promise<void> {
  const storage = await openStorage({
    file: databaseFile(folder),
    assets: programAssets(),
    log: createLogger('error'),
  })
  try {
    const keys = await Promise.all(SCRAM_HASHES.map((hash) => deriveKeys(hash, password, newSalt(), ITERATIONS)))
    const make = (at: number) => {
      const grants = at === 0 ? [{ role: 'admin', scope: 'any' } as const] : []
      return storage.run(putAccount, { local: `u${at}`, keys, grants, replace: true })
    }
    await Promise.all(Array.from({ length: count }, (_, at) => make(at)))
  } finally {
    await storage.close()
  }
}
