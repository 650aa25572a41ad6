/** File upload by a client that others wrote: slixmpp's XEP-0363, with Python's HTTP for the file. */

import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runForeign } from '../support/foreign-client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { needTool } from '../support/tools.ts'

const PASSWORD = 'correct horse battery staple'
let server: TestServer
let folder: string

beforeAll(async () => {
  server = await startServer()
  await server.addUser('alice@localhost', PASSWORD)
  folder = mkdtempSync(join(tmpdir(), 'sacm-file-'))
})
afterAll(async () => {
  await server.stop()
  rmSync(folder, { recursive: true })
})

test('slixmpp: finds the service, uploads, downloads, is told of the limit', async (context) => {
  needTool(context, ['/usr/bin/python3', '-c', 'import slixmpp'], 'apt-get install python3-slixmpp')
  const file = join(folder, 'grüße & more.png')
  writeFileSync(file, randomBytes(3_000_000))
  const script = join(import.meta.dirname, 'clients', 'slixmpp_upload.py')
  const args = [script, server.host, String(server.ports.c2s), 'alice@localhost', server.caFile, file]
  expect(await runForeign(server, '/usr/bin/python3', args, { env: { TEST_PASSWORD: PASSWORD } })).toEqual({
    service: 'upload.localhost',
    put: 201,
    again: 409,
    same: true,
    name: 'gr%C3%BC%C3%9Fe%20%26%20more.png',
    type: 'image/png',
    disposition: 'attachment',
    tooLarge: 'not-acceptable',
  })
})
