/** libstrophe, compiled against Debian's, logs in with a client certificate as `sacm cert issue` makes it. XEP-0178. */

import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runSacm, startServer, type TestServer } from '../support/server.ts'
import { needTool } from '../support/tools.ts'

const SOURCE = join(import.meta.dirname, 'clients', 'libstrophe.c')
const HEADER = '/usr/include/strophe.h'
const TIMEOUT_MS = 30_000
const run = promisify(execFile)
let server: TestServer
let folder: string

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sacm-libstrophe-'))
  server = await startServer()
})
afterAll(async () => {
  await server.stop()
  rmSync(folder, { recursive: true, force: true })
})

test('a client certificate and nothing else: connects over STARTTLS and hears itself; revoked, it is let in no more', async (context) => {
  needTool(context, ['gcc', '--version'], 'apt-get install gcc libc6-dev')
  needTool(context, ['test', '-e', HEADER], 'apt-get install libstrophe-dev')
  const client = join(folder, 'client')
  await run('gcc', ['-Wall', '-Wextra', '-Werror', '-o', client, SOURCE, '-lstrophe'], { timeout: TIMEOUT_MS })
  const jid = `strophe@${server.domain}`
  const shared = ['--data-dir', server.dataDir, '--domain', server.domain]
  await server.addUser(jid, 'a password that stays at home')
  await runSacm(['cert', 'issue', 'strophe', ...shared, '--out', folder])
  const login = [
    ...['localhost', String(server.ports.c2s), jid, server.caFile],
    ...[join(folder, 'strophe.crt'), join(folder, 'strophe.key')],
  ]
  const { stdout } = await run(client, login, { timeout: TIMEOUT_MS })
  expect(JSON.parse(stdout)).toEqual({
    jid: expect.stringContaining(`${jid}/`),
    secured: true,
    heard: 'by certificate',
  })
  expect(server.log()).toMatch(/"sasl_succeeded".*"EXTERNAL","account":"strophe@/)

  await runSacm(['cert', 'revoke', 'strophe', ...shared])
  await expect(run(client, login, { timeout: TIMEOUT_MS })).rejects.toMatchObject({ code: 1, killed: false })
})
