/** Several certificates, chosen by the name that the client asks for, and reloaded while running. RFC 6066 §3. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, type TLSSocket } from 'node:tls'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ensureCa } from '../../../certs/ca.ts'
import { issueClientCertificate } from '../../../certs/client.ts'
import { importHostCertificate, readHostCertificates, removeHostCertificate } from '../../../certs/hosts.ts'
import { issueServerCertificate } from '../../../certs/issue.ts'
import { ClientCertificates } from '../../../server/auth/certificates.ts'
import { createHttps, type HttpsServer } from '../../../server/http/https.ts'
import type { TlsMaterial } from '../../../server/net/tls.ts'
import {
  auth,
  clientBinding,
  header,
  response,
  ScramClient,
  silent,
  startC2s,
  TcpClient,
  type TestC2s,
} from '../stream/harness.ts'

let dir = ''
let material: TlsMaterial
let c2s: TestC2s
let https: HttpsServer
let httpsPort = 0

const pairFor = (...domains: readonly string[]) => issueServerCertificate(ensureCa(dir), { domains })

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'sacm-sni-'))
  material = {
    ...pairFor('test'),
    clientCa: ensureCa(dir).certPem,
    others: [pairFor('one.example', 'also.example'), pairFor('*.two.example')],
  }
  const certificates = new ClientCertificates({ dir, domain: 'test', mappings: ['xmppAddr'] })
  c2s = await startC2s({ tls: material, certificates })
  https = createHttps({ tls: material, domain: 'test', publicUrl: '', log: silent })
  httpsPort = await https.listen('127.0.0.1', 0)
})
afterAll(async () => {
  await c2s.stop()
  await https.close()
  rmSync(dir, { recursive: true })
})

/** @returns the verified connection */
async function dial(port: number | undefined, servername: string, pair: { cert?: string; key?: string } = {}) {
  const socket: TLSSocket = connect({
    host: '127.0.0.1',
    port: port ?? 0,
    servername,
    ca: ensureCa(dir).certPem,
    ...pair,
  })
  await new Promise<void>((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject))
  return socket
}

describe.each([
  ['the XMPP port', () => c2s.ports.tls],
  ['the HTTPS port', () => httpsPort],
] as const)('on %s', (_name, port) => {
  test.each(['test', 'one.example', 'also.example', 'sub.two.example'])(
    '%s gets a certificate that names it',
    async (name) => {
      const socket = await dial(port(), name)
      expect(socket.authorized).toBe(true)
      socket.destroy()
    },
  )

  test('a name that nobody knows gets the server’s own', async () => {
    await expect(dial(port(), 'three.example')).rejects.toThrow(/altnames.*DNS:test/)
  })

  test('a reload takes certificates in and out, without a restart', async () => {
    const next = { ...material, others: [pairFor('three.example')] }
    const reload = (to: TlsMaterial) => {
      c2s.c2s.reload(to)
      https.reload(to)
    }
    reload(next)
    const socket = await dial(port(), 'three.example')
    socket.destroy()
    await expect(dial(port(), 'one.example')).rejects.toThrow(/altnames/)
    reload(material)
  })
})

test('client certificates are verified, and logins bound, under every name', async () => {
  const { cert, key } = issueClientCertificate(dir, 'alice@test')
  const socket = await dial(c2s.ports.tls, 'one.example', { cert, key })
  const client = new TcpClient(socket)
  client.send(header())
  // It is offered to nobody whose certificate has not been verified.
  await client.expect('<mechanism>EXTERNAL</mechanism>')
  await client.expect('</stream:features>')
  const scram = new ScramClient('SCRAM-SHA-256-PLUS', 'alice', '', clientBinding(socket, 'tls-server-end-point'))
  client.send(auth('SCRAM-SHA-256-PLUS', scram.first()))
  const [, challenge = ''] = await client.expect(/<challenge [^>]*>([^<]+)<\/challenge>/)
  client.send(response(scram.final(challenge)))
  await client.expect('<success')
  client.destroy()
})

describe('the folder of hosts', () => {
  test('takes what names its host, gives it back, and leaves out what was spoilt', () => {
    const { cert, key } = pairFor('four.example')
    importHostCertificate(dir, 'Four.Example', cert, key)
    const told: string[] = []
    expect(readHostCertificates(dir, (why) => told.push(why)).map(({ name }) => name)).toEqual(['four.example'])
    expect(told).toEqual([])
    expect(() => importHostCertificate(dir, 'five.example', cert, key)).toThrow(/does not name five.example/)
    expect(() => importHostCertificate(dir, '../up', cert, key)).toThrow(/no DNS name/)
    const other = pairFor('six.example')
    expect(() => importHostCertificate(dir, 'six.example', other.cert, key)).toThrow(/does not belong/)
    expect(removeHostCertificate(dir, 'four.example')).toBe(true)
    expect(removeHostCertificate(dir, 'four.example')).toBe(false)
    expect(readHostCertificates(dir, (why) => told.push(why))).toEqual([])
  })
})
