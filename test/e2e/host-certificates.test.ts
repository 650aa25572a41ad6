/** `sacm cert host`: a running server takes a certificate for a further name, and gives it up, without a restart. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ensureCa } from '../../certs/ca.ts'
import { issueServerCertificate } from '../../certs/issue.ts'
import { runSacm, startServer, type TestServer } from '../support/server.ts'

let server: TestServer
let folder = ''
beforeAll(async () => {
  server = await startServer()
  folder = mkdtempSync(join(tmpdir(), 'sacm-hosts-'))
})
afterAll(async () => {
  expect(await server.stop()).toBe(0)
  rmSync(folder, { recursive: true })
})

/** Resolves when the certificate names the host, rejects otherwise. */
function dial(servername: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: server.host, port, servername, ca: readFileSync(server.caFile) }, () => {
      socket.destroy()
      resolve()
    })
    socket.once('error', reject)
  })
}

test('imported, served on every TLS port, removed', async () => {
  const { cert, key } = issueServerCertificate(ensureCa(join(server.dataDir, 'certs')), { domains: ['chat.example'] })
  const [chainFile, keyFile] = [join(folder, 'chain.pem'), join(folder, 'key.pem')]
  writeFileSync(chainFile, cert)
  writeFileSync(keyFile, key)
  const sacm = (...args: readonly string[]) =>
    runSacm(['cert', 'host', 'chat.example', ...args, '--data-dir', server.dataDir, '--domain', server.domain])
  const ports = [server.ports.tls, server.ports.https]
  for (const port of ports) await expect(dial('chat.example', port)).rejects.toThrow(/altnames/)
  expect(await sacm('--import', chainFile, keyFile)).toContain('the running server has taken it')
  for (const port of ports) await dial('chat.example', port)
  for (const port of ports) await dial('localhost', port)
  expect(await sacm('--remove')).toContain('the running server has taken it')
  for (const port of ports) await expect(dial('chat.example', port)).rejects.toThrow(/altnames/)
  await expect(sacm('--remove')).rejects.toThrow(/chat.example has none/)
  await expect(sacm('--import', chainFile)).rejects.toThrow(/two files/)
})
