/** Clients that others wrote, each as a process of its own, trusting our CA and nothing else. */

import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { runForeign } from '../support/foreign-client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { needTool } from '../support/tools.ts'

const CLIENTS = join(import.meta.dirname, 'clients')
const PASSWORD = 'correct horse battery staple'
let server: TestServer

beforeAll(async () => {
  server = await startServer()
})
afterAll(async () => {
  await server.stop()
})

interface Outcome {
  readonly jid: string
  readonly services: readonly string[]
  readonly event: string
  readonly retrieved: string
  readonly errors: readonly string[]
  /** Name, groups and subscription of who was put into the roster. */
  readonly contact?: readonly unknown[]
  /** A chat message to itself, from those that have it in their trade. */
  readonly heard?: string
  /** Its session can be resumed (XEP-0198). */
  readonly resumable?: boolean
  /** The server has acknowledged the message. */
  readonly acknowledged?: boolean
}

async function run(command: string, args: readonly string[]): Promise<Outcome> {
  // Its shape is our own scripts'.
  return (await runForeign(server, command, args)) as Outcome
}

function expectTrade(outcome: Outcome, user: string): void {
  expect(outcome.jid).toContain(`${user}@${server.domain}/`)
  expect(outcome.services).toEqual(
    expect.arrayContaining(['pubsub', 'sacm', 'repository'].map((name) => `${name}.${server.domain}`)),
  )
  expect(outcome.event).toBe('PUBSUB one grüße & <more>')
  expect(outcome.retrieved).toBe('grüße & <more>')
  expect(outcome.errors).toEqual([])
}

describe('@xmpp/client', () => {
  test.each([
    ['STARTTLS', () => `xmpp://localhost:${server.ports.c2s}`],
    ['direct TLS', () => `xmpps://localhost:${server.ports.tls}`],
    ['WebSocket', () => `wss://localhost:${server.ports.https}/xmpp-websocket`],
  ] as const)('connects, discovers, publishes, subscribes and is notified over %s', async (name, service) => {
    const user = `xmppjs-${name.toLowerCase().replaceAll(/[^a-z]/g, '')}`
    await server.addUser(`${user}@${server.domain}`, PASSWORD, ['publisher'])
    expectTrade(
      await run(process.execPath, [join(CLIENTS, 'xmpp-js.ts'), service(), server.domain, user, PASSWORD]),
      user,
    )
  })
})

describe('strophe.js', () => {
  test('connects, discovers, publishes, subscribes and is notified over WebSocket', async () => {
    await server.addUser(`strophe@${server.domain}`, PASSWORD, ['publisher'])
    const service = `wss://localhost:${server.ports.https}/xmpp-websocket`
    expectTrade(
      await run(process.execPath, [join(CLIENTS, 'strophe.ts'), service, server.domain, 'strophe', PASSWORD]),
      'strophe',
    )
  })
})

describe('slixmpp', () => {
  test('connects, discovers, publishes, subscribes and is notified over STARTTLS', async (context) => {
    needTool(context, ['/usr/bin/python3', '-c', 'import slixmpp'], 'apt-get install python3-slixmpp')
    const jid = `slixmpp@${server.domain}`
    await server.addUser(jid, PASSWORD, ['publisher'])
    const script = join(CLIENTS, 'slixmpp_client.py')
    const place = [server.host, String(server.ports.c2s)]
    const outcome = await run('/usr/bin/python3', [script, ...place, jid, PASSWORD, server.caFile])
    expectTrade(outcome, 'slixmpp')
    expect(outcome.contact).toEqual(['Freundin', ['work'], 'none'])
    // It binds to the connection where it is offered a -PLUS mechanism.
    expect(server.log()).toMatch(/"sasl_succeeded".*"SCRAM-SHA-512-PLUS","account":"slixmpp@/)
  })
})

describe('aioxmpp', () => {
  test('connects over STARTTLS, publishes and is notified, chats over a stream that acknowledges', async (context) => {
    needTool(context, ['/usr/bin/python3', '-c', 'import aioxmpp'], 'apt-get install python3-aioxmpp')
    const jid = `aioxmpp@${server.domain}`
    await server.addUser(jid, PASSWORD, ['publisher'])
    const script = join(CLIENTS, 'aioxmpp_client.py')
    const outcome = await run('/usr/bin/python3', [script, server.host, String(server.ports.c2s), jid, PASSWORD])
    expectTrade(outcome, 'aioxmpp')
    expect(outcome).toMatchObject({ heard: 'to myself', resumable: true, acknowledged: true })
  })
})

describe('stanza', () => {
  test('connects over WebSocket, publishes and is notified, chats over a stream it can resume', async () => {
    await server.addUser(`stanza@${server.domain}`, PASSWORD, ['publisher'])
    const service = `wss://localhost:${server.ports.https}/xmpp-websocket`
    const outcome = await run(process.execPath, [
      join(CLIENTS, 'stanza.ts'),
      service,
      server.domain,
      'stanza',
      PASSWORD,
    ])
    expectTrade(outcome, 'stanza')
    expect(outcome).toMatchObject({ heard: 'to myself', resumable: true, contact: ['Freundin', ['work'], 'none'] })
  })
})
