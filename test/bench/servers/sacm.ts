/** Our server: the bundle, run by this Node, with its defaults but for rates, and a database on disk. */

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { callControl } from '../../../server/control.ts'
import { fillFolder } from './sacm-fill.ts'
import { type Accounts, DOMAIN, freePort, launch, type RunningServer, type ServerKind } from './server.ts'

/** Accounts made at once: the passwords' keys are derived in parallel. */
const MAKING = 8

export function sacm(bundle: string, nodeOptions: readonly string[]): ServerKind {
  const start = async (folder: string, cores: string): Promise<RunningServer> => {
    const port = await freePort()
    return await launch({
      command: process.execPath,
      args: [
        ...nodeOptions,
        bundle,
        'serve',
        ...['--data-dir', folder, '--domain', DOMAIN, '--host', '127.0.0.1'],
        ...['--c2s-port', '0', '--tls-port', String(port), '--https-port', '0'],
        // The load is what bounds are there to stop.
        ...['--set', 'limits.off=true'],
        // A node of a million items must not be full: pruning is a work of its own.
        ...['--set', 'pubsub.itemsMax=100000000'],
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
      const server = await start(folder, ALL_CORES)
      try {
        await makeAccounts(folder, accounts)
      } finally {
        await server.stop()
      }
    },
    fill: fillFolder,
    start,
  }
}

/** More than there are is what there are, to taskset. */
const ALL_CORES = '0-1023'

async function makeAccounts(folder: string, { count, password }: Accounts): Promise<void> {
  const numbers = Array.from({ length: count }, (_, at) => at).values()
  const make = async (): Promise<void> => {
    for (const at of numbers) {
      const roles = at === 0 ? ['admin'] : []
      const made = await callControl(folder, 'user.add', { jid: `u${at}@${DOMAIN}`, password, roles })
      if (!made) throw new Error('the server does not answer on its control socket')
    }
  }
  await Promise.all(Array.from({ length: MAKING }, make))
}
