/** File upload by a client that others wrote: slixmpp's XEP-0363, with Python's HTTP for the file. */

import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
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
  const { stdout } = await promisify(execFile)(
    '/usr/bin/python3',
    [script, server.host, String(server.ports.c2s), 'alice@localhost', server.caFile, file],
    {
      env: { ...process.env, TEST_PASSWORD: PASSWORD, PYTHONWARNINGS: 'ignore' },
      timeout: 50_000,
    },
  )
  expect(JSON.parse(stdout.split('\n').find((line) => line.startsWith('{')) ?? '')).toEqual({
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
