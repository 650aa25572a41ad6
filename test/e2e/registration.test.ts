/** Where registration may be open, and how often one address may try. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { Connection } from '../support/scenario/connection.ts'
import { runSacm, startServer } from '../support/server.ts'

test('is refused where others than this machine reach the server, unless that is meant', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sacm-registration-'))
  try {
    const serve = ['serve', '--data-dir', folder, '--host', '0.0.0.0', '--set', 'registration.open=true']
    await expect(runSacm(serve)).rejects.toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/registration\.open .*not loopback\s.*registration\.openToAll=true/s),
    })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  const meant = await startServer({
    set: { host: '0.0.0.0', 'registration.open': 'true', 'registration.openToAll': 'true' },
  })
  expect(await meant.stop()).toBe(0)
})

test('XEP-0077 §3.1.1  too many attempts from one address wait', async () => {
  const server = await startServer({ set: { 'registration.open': 'true', 'registration.perHourMax': '2' } })
  const connections: Connection[] = []
  const attempt = async (name: string, expected: string): Promise<void> => {
    // A new connection is the same address.
    const connection = await Connection.open(server, 'tcp')
    connections.push(connection)
    await connection.secures()
    connection.send(
      `<iq type='set' id='${name}'><query xmlns='jabber:iq:register'><username>${name}</username><password>x</password></query></iq>`,
    )
    await connection.find(
      (tree) =>
        tree.attributes.get('id') === name &&
        (tree.attributes.get('type') === expected || JSON.stringify(tree).includes(expected)),
    )
  }
  try {
    await attempt('one', 'result')
    await attempt('two', 'result')
    await attempt('three', 'not-acceptable')
  } finally {
    for (const connection of connections) connection.destroy()
    expect(await server.stop()).toBe(0)
  }
})
