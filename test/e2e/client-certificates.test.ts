/** A client certificate from `sacm cert issue` to `sacm cert revoke`, on a running server. XEP-0178. */

import { execFile } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, type TLSSocket } from 'node:tls'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { callControl } from '../../server/control.ts'
import { Authority, type IssuedFiles } from '../support/authority.ts'
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

async function dial(
  to = server,
  pair = { cert: join(folder, 'carol.crt'), key: join(folder, 'carol.key') },
): Promise<Peer> {
  let heard = ''
  let wake: () => void = () => {}
  const socket: TLSSocket = connect({
    host: to.host,
    port: to.ports.tls,
    servername: to.domain,
    ca: readFileSync(to.caFile),
    cert: readFileSync(pair.cert),
    key: readFileSync(pair.key),
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

async function slixmpp(to: TestServer, jid: string, cert: string, key: string): Promise<string> {
  const script = join(import.meta.dirname, '../conformance/clients/slixmpp_external.py')
  const args = [script, to.host, String(to.ports.c2s), jid, cert, key, to.caFile]
  const { stdout } = await promisify(execFile)('/usr/bin/python3', args)
  return stdout
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
  const pair = [join(folder, 'carol.crt'), join(folder, 'carol.key')] as const
  expect(await slixmpp(server, 'carol@localhost/python', ...pair)).toContain('bound carol@localhost/python')
  expect(server.log()).toMatch(/"sasl_succeeded".*"EXTERNAL","account":"carol@localhost"/)
})

describe('an authority of others', () => {
  let root: Authority
  let other: TestServer
  let mapFile = ''
  beforeAll(async () => {
    root = new Authority('Lab Root')
    mapFile = join(folder, 'map')
    writeFileSync(mapFile, '# nobody yet\n')
    other = await startServer({
      set: {
        'tls.clientCas': root.cert,
        'tls.clientCrls': root.list(),
        'external.mappings': 'file,xmppAddr,srvName,email',
        'external.mapFile': mapFile,
      },
    })
    for (const name of ['carol', 'web1', 'dave'])
      await other.addUser(`${name}@localhost`, 'a password that stays at home')
  })
  afterAll(async () => {
    expect(await other.stop()).toBe(0)
    root.remove()
  })

  async function opens(pair: IssuedFiles): Promise<Peer> {
    const peer = await dial(other, pair)
    peer.say(OPEN)
    return peer
  }

  async function logsInAs(pair: IssuedFiles, account: string): Promise<Peer> {
    const peer = await opens(pair)
    await peer.hears(/<mechanism>EXTERNAL<\/mechanism>.*<\/stream:features>/)
    peer.say(LOGIN)
    await peer.hears(/<success /)
    peer.say(OPEN)
    await peer.hears(/<\/stream:features>/)
    peer.say(BIND)
    await peer.hears(new RegExp(`<jid>${account}@localhost/c</jid>`))
    return peer
  }

  async function isNotOffered(pair: IssuedFiles): Promise<void> {
    const peer = await opens(pair)
    peer.say(LOGIN)
    await peer.hears(/<mechanism>SCRAM-SHA-256<\/mechanism>.*<invalid-mechanism\/>/)
    peer.close()
  }

  const reread = (): Promise<unknown> => callControl(other.dataDir, 'server.reload', {})

  test('names accounts as the mappings say: address, service, e-mail, the operator’s list', async () => {
    const byHand = root.issue('Dave Miller', undefined)
    await isNotOffered(byHand)
    writeFileSync(mapFile, `dave  sha256:${new X509Certificate(readFileSync(byHand.cert)).fingerprint256}\n`)
    await reread()
    for (const [pair, account] of [
      [root.issue('1', 'otherName:1.3.6.1.5.5.7.8.5;UTF8:carol@localhost'), 'carol'],
      [root.issue('2', 'otherName:1.3.6.1.5.5.7.8.7;IA5:_xmpp-client.web1.localhost'), 'web1'],
      [root.issue('3', 'email:carol@localhost'), 'carol'],
      [byHand, 'dave'],
    ] as const) {
      const peer = await logsInAs(pair, account)
      peer.close()
    }
    await isNotOffered(root.issue('4', 'otherName:1.3.6.1.5.5.7.8.7;IA5:_xmpp-server.web1.localhost'))
    writeFileSync(mapFile, 'no such line\n')
    await expect(reread()).rejects.toThrow(/map:1: no account/)
  })

  test('that revokes a certificate ends its session and no other; what is listed opens nothing', async () => {
    writeFileSync(mapFile, '')
    const [lost, kept] = [root.issue('l', 'email:carol@localhost'), root.issue('k', 'email:dave@localhost')]
    const [loser, keeper] = [await logsInAs(lost, 'carol'), await logsInAs(kept, 'dave')]
    root.revoke(lost)
    root.list()
    await reread()
    await loser.hears(/<stream:error><reset .*<\/stream:stream>/)
    await isNotOffered(lost)
    keeper.say("<iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>")
    await keeper.hears(/<iq type="result" id="p"/)
    // A list that is past its time: who is in stays, nobody else comes.
    root.list({ isExpired: true })
    await reread()
    await isNotOffered(kept)
    keeper.say("<iq type='get' id='q'><ping xmlns='urn:xmpp:ping'/></iq>")
    await keeper.hears(/<iq type="result" id="q"/)
    expect(other.log()).toContain('the list ended on 2020-02-01')
    keeper.close()
    loser.close()
    root.list()
    await reread()
  })

  test('lets slixmpp in', async (context) => {
    needTool(context, ['/usr/bin/python3', '-c', 'import slixmpp'], 'apt-get install python3-slixmpp')
    const { cert, key } = root.issue('s', 'otherName:1.3.6.1.5.5.7.8.5;UTF8:carol@localhost')
    expect(await slixmpp(other, 'carol@localhost/python', cert, key)).toContain('bound carol@localhost/python')
  })

  test('is named when its file cannot be used', async () => {
    const args = ['serve', '--data-dir', join(folder, 'none'), '--set', `tls.clientCas=${join(folder, 'absent.pem')}`]
    await expect(runSacm(args)).rejects.toThrow(/absent\.pem: ENOENT/)
  })
})
