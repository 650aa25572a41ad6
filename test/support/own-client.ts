/** The project's own client on a test's server. */

import { readFileSync } from 'node:fs'
import { Client } from '../../clients/core/client.ts'
import type { TestServer } from './server.ts'

/** Not started yet; it does not come back by itself when its server is gone. */
export function ownClient(server: TestServer, local: string, resource: string, password: string): Client {
  const { host, ports, domain } = server
  const limits = { reconnectAttempts: 1 }
  const ca = readFileSync(server.caFile, 'utf8')
  return new Client(
    { jid: `${local}@${domain}/${resource}`, password, host, port: ports.c2s, ca, limits },
    { identities: [{ category: 'client', type: 'bot' }] },
  )
}
