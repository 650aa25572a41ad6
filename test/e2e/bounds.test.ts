/** Bounds on connections and rates, and the switches of labs. RFC 6120 §13.12. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { Connection } from '../support/scenario/connection.ts'
import { runSacm, startServer, type TestServer } from '../support/server.ts'
import { connectTcp, header, ScramClient } from '../unit/stream/harness.ts'

const PASSWORD = 'correct horse'

async function withServer(set: Readonly<Record<string, string>>, run: (server: TestServer) => Promise<void>) {
  const server = await startServer({ domain: 'test', set })
  try {
    await server.addUser('alice@test', PASSWORD)
    await run(server)
  } finally {
    expect(await server.stop()).toBe(0)
  }
}

const isError = (condition: string) => ({ tree: { local: 'error', children: [{ local: condition }, {}] } })

describe('connections of one address', () => {
  test('one more is told so, over TCP and WebSocket; when one goes there is room again', async () => {
    await withServer({ 'limits.connectionsPerAddress': '2' }, async (server) => {
      const first = await Connection.open(server, 'tcp')
      await first.login('alice', PASSWORD, 'one')
      const second = await Connection.open(server, 'websocket')
      await second.login('alice', PASSWORD, 'two')
      for (const kind of ['tcp', 'websocket'] as const) {
        const third = await Connection.open(server, kind)
        expect(await third.next()).toMatchObject({ kind: 'header' })
        expect(await third.next()).toMatchObject(isError('resource-constraint'))
        third.closes()
        await third.closed()
      }
      first.closes()
      await first.closed()
      // The server may see the end of the other one a moment later than its client.
      const comesIn = async (): Promise<boolean> => {
        const again = await Connection.open(server, 'tcp')
        const mayStay = await again.login('alice', PASSWORD, 'again').then(
          () => true,
          () => false,
        )
        again.destroy()
        return mayStay
      }
      await expect.poll(comesIn, { interval: 20, timeout: 10_000 }).toBe(true)
      second.destroy()
    })
  })
})

describe('stanzas and bytes per second', () => {
  test('faster, a session is read more slowly: all is answered, in order, and it takes its time', async () => {
    await withServer({ 'limits.stanzasPerSecond': '40' }, async (server) => {
      const connection = await Connection.open(server, 'tcp')
      await connection.login('alice', PASSWORD, 'desk')
      const start = performance.now()
      const ids = Array.from({ length: 140 }, (_, n) => `p${n}`)
      connection.send(
        ids.map((id) => `<iq type='get' id='${id}' to='test'><ping xmlns='urn:xmpp:ping'/></iq>`).join(''),
      )
      for (const id of ids) {
        const what = await connection.next()
        expect(what.kind === 'element' && what.tree.attributes.get('id')).toBe(id)
      }
      // 80 at once, 60 more at 40 a second.
      expect(performance.now() - start).toBeGreaterThan(1_300)
      connection.destroy()
    })
  })

  test('and closed when it presses on, over TCP and WebSocket', async () => {
    await withServer({ 'limits.stanzasPerSecond': '20', 'timeouts.overRateSeconds': '1' }, async (server) => {
      for (const kind of ['tcp', 'websocket'] as const) {
        const connection = await Connection.open(server, kind)
        await connection.login('alice', PASSWORD, kind)
        const xmlns = kind === 'tcp' ? '' : " xmlns='jabber:client'"
        for (let n = 0; n < 100; n++)
          connection.send(`<message${xmlns} to='alice@test/x'><body>${'x'.repeat(10)}</body></message>`)
        let last = await connection.next()
        while (last.kind === 'element' && last.tree.local === 'message') last = await connection.next()
        expect(last).toMatchObject(isError('policy-violation'))
        connection.closes()
        await connection.closed()
      }
    })
  })
})

describe('what one element may hold', () => {
  test('is what the configuration says, over TCP and WebSocket', async () => {
    await withServer({ 'limits.depth': '8', 'limits.attributes': '8', 'limits.nameBytes': '32' }, async (server) => {
      const kinds = ['tcp', 'websocket'] as const
      for (const content of [
        `${'<x>'.repeat(8)}${'</x>'.repeat(8)}`,
        `<x ${Array.from('abcdefghi', (name) => `${name}=''`).join(' ')}/>`,
        `<${'x'.repeat(33)}/>`,
      ]) {
        for (const kind of kinds) {
          const connection = await Connection.open(server, kind)
          await connection.login('alice', PASSWORD, kind)
          connection.send(`<message xmlns='jabber:client' to='test'>${content}</message>`)
          expect(await connection.next()).toMatchObject(isError('policy-violation'))
          connection.destroy()
        }
      }
    })
  })
})

describe('switches of labs', () => {
  test('limits.off lifts the bounds, on loopback only', async () => {
    await withServer({ 'limits.off': 'true', 'limits.connectionsPerAddress': '1' }, async (server) => {
      const both = [await Connection.open(server, 'tcp'), await Connection.open(server, 'tcp')]
      for (const [at, connection] of both.entries()) await connection.login('alice', PASSWORD, `r${at}`)
      for (const connection of both) connection.destroy()
    })
    const folder = mkdtempSync(join(tmpdir(), 'sacm-bounds-'))
    try {
      const args = ['serve', '--data-dir', folder, '--host', '0.0.0.0', '--set', 'limits.off=true']
      await expect(runSacm(args)).rejects.toThrow(/limits\.off.*loopback/)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  test('plaintext.port takes SCRAM without TLS, and never PLAIN; the log is loud', async () => {
    await withServer({ 'plaintext.port': '0' }, async (server) => {
      const client = await connectTcp(server.ports.plaintext)
      client.send(header())
      const [offered] = await client.expect(/<stream:features>.*<\/stream:features>/)
      expect(offered).toContain('<mechanism>SCRAM-SHA-1</mechanism>')
      expect(offered).not.toContain('PLAIN')
      expect(offered).not.toContain('starttls')
      const scram = new ScramClient('SCRAM-SHA-1', 'alice')
      client.send(`<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-1'>${scram.first()}</auth>`)
      const [, challenge] = await client.expect(/<challenge [^>]*>([^<]+)</)
      client.send(
        `<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>${scram.final(challenge ?? '', PASSWORD)}</response>`,
      )
      await client.expect('<success')
      client.destroy()
      expect(server.log()).toContain('PLAINTEXT_PORT_OPEN')
    })
  })
})
