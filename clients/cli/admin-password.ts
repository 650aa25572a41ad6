/** Tells where the first administrator's password is; the password itself on a terminal only, and never in a log. */

import { resolve } from 'node:path'
import { adminPasswordFile } from '../../server/administration.ts'

export function tellAdminPassword(domain: string, dataDir: string, password: string): void {
  const file = resolve(adminPasswordFile(dataDir))
  process.stderr.write(
    process.stderr.isTTY
      ? `The password of admin@${domain} is ${password}\n(kept in ${file})\n`
      : `The password of admin@${domain} is in ${file}\n`,
  )
}
