/** Where registration may be open, and how often one address may try. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { Connection, show } from '../support/scenario/connection.ts'
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

test('XEP-0077 §5  who registers elsewhere is told where, before login and by instructions alone', async () => {
  const page = 'https://accounts.example/new'
  const server = await startServer({ domain: 'test', set: { 'registration.redirectUrl': page } })
  try {
    for (const kind of ['tcp', 'websocket'] as const) {
      const connection = await Connection.open(server, kind)
      await connection.secures()
      expect(show(await connection.next())).toContain('<register xmlns="http://jabber.org/features/iq-register"/>')
      const xmlns = kind === 'tcp' ? '' : " xmlns='jabber:client'"
      connection.send(`<iq${xmlns} type='get' id='1'><query xmlns='jabber:iq:register'/></iq>`)
      const told = show(await connection.next())
      expect(told).toContain(`>Accounts are made at ${page}</instructions>`)
      expect(told).toContain(`<x xmlns="jabber:x:oob"><url xmlns="jabber:x:oob">${page}</url></x>`)
      expect(told).not.toContain('username')
      connection.send(
        `<iq${xmlns} type='set' id='2'><query xmlns='jabber:iq:register'><username>a</username><password>b</password></query></iq>`,
      )
      expect(show(await connection.next())).toContain('<service-unavailable ')
      connection.destroy()
    }
  } finally {
    expect(await server.stop()).toBe(0)
  }
})
