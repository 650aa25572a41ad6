/**
 * No server, but what one of this design cannot be faster than: Node's TLS, one write per connection and turn, SQLite in
 * a worker that commits what has come, and of XMPP only what the load sends. It checks next to nothing, so its figures
 * say how much of a cost is the platform's.
 */

import { pbkdf2Sync, randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type BareAccounts, hmacSha1, storedKeyOf } from './bare-scram.ts'
import { certificateIn, makeCertificate } from './certificate.ts'
import { freePort, launch, type ServerKind } from './server.ts'

const PROGRAM = fileURLToPath(new URL('bare-program.ts', import.meta.url))
const ITERATIONS = 10_000

export const bare: ServerKind = {
  name: 'bare',
  maxItems: 'max',
  acknowledges: 'after COMMIT with synchronous=FULL',
  missing: () => undefined,
  prepare: (folder, { password }) => {
    makeCertificate(folder)
    const salt = randomBytes(16)
    const salted = pbkdf2Sync(password, salt, ITERATIONS, 20, 'sha1')
    const accounts: BareAccounts = {
      salt: salt.toString('base64'),
      iterations: ITERATIONS,
      storedKey: storedKeyOf(salted).toString('base64'),
      serverKey: hmacSha1(salted, 'Server Key').toString('base64'),
    }
    writeFileSync(join(folder, 'accounts.json'), JSON.stringify(accounts), { mode: 0o600 })
    return Promise.resolve()
  },
  start: async (folder, cores) => {
    const port = await freePort()
    return await launch({
      command: process.execPath,
      // As our own first line has it.
      args: ['--max-semi-space-size=16', PROGRAM, folder, String(port)],
      log: join(folder, 'bench.log'),
      cores,
      port,
      ca: certificateIn(folder).ca,
    })
  },
}
