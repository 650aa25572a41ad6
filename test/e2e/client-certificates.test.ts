/** A client certificate from `sacm cert issue` to `sacm cert revoke`, on a running server. XEP-0178. */

import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, type TLSSocket } from 'node:tls'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runSacm, startServer, type TestServer } from '../support/server.ts'
import { needTool } from '../support/tools.ts'

const WAIT_MS = 15_000
let server: TestServer
let folder = ''
beforeAll(async () => {
  server = await startServer()
  folder = mkdtempSync(join(tmpdir(), 'sacm-client-'))
  await server.addUser('carol@localhost', 'a password that stays at home')
})
afterAll(async () => {
  expect(await server.stop()).toBe(0)
  rmSync(folder, { recursive: true })
})

const shared = () => ['--data-dir', server.dataDir, '--domain', server.domain]
const issue = async (): Promise<Record<string, string>> =>
  JSON.parse(await runSacm(['cert', 'issue', 'carol', ...shared(), '--out', folder, '--json'])) as Record<
    string,
    string
  >

interface Peer {
  say(text: string): void
  hears(pattern: RegExp): Promise<void>
  close(): void
}

async function dial(): Promise<Peer> {
  let heard = ''
  let wake: () => void = () => {}
  const socket: TLSSocket = connect({
    host: server.host,
    port: server.ports.tls,
    servername: server.domain,
    ca: readFileSync(server.caFile),
    cert: readFileSync(join(folder, 'carol.crt')),
    key: readFileSync(join(folder, 'carol.key')),
  })
  socket.setEncoding('utf8').on('data', (text: string) => {
    heard += text
    wake()
  })
  socket.on('error', () => wake())
  socket.on('close', () => wake())
  await new Promise<void>((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject))
  return {
    say: (text) => void socket.write(text),
    hears: async (pattern) => {
      const deadline = Date.now() + WAIT_MS
      for (let found = pattern.exec(heard); ; found = pattern.exec(heard)) {
        if (found) {
          heard = heard.slice(found.index + found[0].length)
          return
        }
        if (socket.destroyed || Date.now() > deadline) throw new Error(`no ${pattern} in ${heard}`)
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, deadline - Date.now())
          wake = () => {
            clearTimeout(timer)
            resolve()
          }
        })
      }
    },
    close: () => socket.destroy(),
  }
}

const OPEN = `<stream:stream to='localhost' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>`
const LOGIN = "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>"
const BIND = "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>c</resource></bind></iq>"

test('issued, used, listed, revoked: the session ends, and the certificate opens nothing any more', async () => {
  const issued = await issue()
  expect(issued['jid']).toBe('carol@localhost')
  expect(statSync(join(folder, 'carol.key')).mode & 0o777).toBe(0o600)
  const client = await dial()
  client.say(OPEN)
  await client.hears(/<mechanism>EXTERNAL<\/mechanism>.*<\/stream:features>/)
  client.say(LOGIN)
  await client.hears(/<success /)
  client.say(OPEN)
  await client.hears(/<\/stream:features>/)
  client.say(BIND)
  await client.hears(/<jid>carol@localhost\/c<\/jid>/)
  expect(await runSacm(['cert', 'list', ...shared()])).toMatch(
    new RegExp(`${issued['serial']} +carol@localhost .* good`),
  )

  const revoked = await runSacm(['cert', 'revoke', issued['serial'] ?? '', ...shared()])
  expect(revoked).toContain(`revoked ${issued['serial']} of carol@localhost`)
  await client.hears(/<stream:error><reset .*<\/stream:stream>/)
  client.close()
  expect(await runSacm(['cert', 'list', ...shared()])).toMatch(/ revoked \d{4}-/)
  const again = await dial()
  again.say(OPEN)
  await again.hears(/<mechanism>SCRAM-SHA-256<\/mechanism>/)
  again.say(LOGIN)
  await again.hears(/<invalid-mechanism\/>/)
  again.close()
  await expect(runSacm(['cert', 'revoke', 'carol', ...shared()])).rejects.toThrow(/no certificate that is good/)
})

test('by a client that others wrote: slixmpp', async (context) => {
  needTool(context, ['/usr/bin/python3', '-c', 'import slixmpp'], 'apt-get install python3-slixmpp')
  for (const name of ['carol.crt', 'carol.key']) rmSync(join(folder, name), { force: true })
  await issue()
  const script = join(import.meta.dirname, '../conformance/clients/slixmpp_external.py')
  const { stdout } = await promisify(execFile)('/usr/bin/python3', [
    script,
    server.host,
    String(server.ports.c2s),
    'carol@localhost/python',
    join(folder, 'carol.crt'),
    join(folder, 'carol.key'),
    server.caFile,
  ])
  expect(stdout).toContain('bound carol@localhost/python')
  expect(server.log()).toMatch(/"sasl_succeeded".*"EXTERNAL","account":"carol@localhost"/)
})
