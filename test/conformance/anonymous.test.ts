/** @xmpp/client logging in as nobody, where a lab allows it; and where nobody does, it is not offered. */

import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runForeign } from '../support/foreign-client.ts'
import { runSacm, startServer, type TestServer } from '../support/server.ts'

const SCRIPT = join(import.meta.dirname, 'clients/xmpp-js-anonymous.ts')
const ATTEMPTS = 3
let server: TestServer
beforeAll(async () => {
  server = await startServer({ set: { 'c2s.mechanisms': 'SCRAM-SHA-256,ANONYMOUS' } })
})
afterAll(async () => {
  expect(await server.stop()).toBe(0)
})

async function run(service: string): Promise<Record<string, unknown>> {
  // The library may miss the server's header on a busy machine; see clients/xmpp-js-tokens.ts.
  for (let attempt = 1; ; attempt++) {
    try {
      const outcome = await runForeign(server, process.execPath, [SCRIPT, service, server.domain], {
        timeoutMs: 30_000,
      })
      return outcome as Record<string, unknown> // our own script's
    } catch (error) {
      if (attempt === ATTEMPTS || !String(error).includes('TimeoutError')) throw error
    }
  }
}

test('gets an account for the session, and the port that does not allow it offers none', async () => {
  const outcome = await run(`xmpp://localhost:${server.ports.c2s}`)
  expect(outcome).toMatchObject({ roster: 0, errors: [] })
  expect(outcome['jid']).toMatch(/^anonymous-[0-9a-f]{32}@localhost\//)
  expect(outcome['identities']).toBeGreaterThan(0)
  const list = ['user', 'list', '--data-dir', server.dataDir, '--domain', server.domain, '--json']
  await expect.poll(() => runSacm(list), { timeout: 20_000 }).not.toContain('anonymous-')
  await expect(run(`xmpps://localhost:${server.ports.tls}`)).rejects.toThrow()
})
