/** Calls over the control socket. */

import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { callControl, controlPath } from '../../server/control.ts'

test('each call has a connection of its own: the server may close one that is idle', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'sacm-control-'))
  const sockets = new Set<Socket>()
  const server = createServer((request, response) => {
    sockets.add(request.socket)
    response.end('{"result":1}')
  })
  await new Promise<void>((resolve) => server.listen(controlPath(dataDir), resolve))
  try {
    for (const _ of [1, 2]) expect(await callControl(dataDir, 'verb', {})).toEqual({ result: 1 })
    expect(sockets.size).toBe(2)
  } finally {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
    rmSync(dataDir, { recursive: true })
  }
})
