/** Clients that others wrote lose their connection again and again, and lose nothing else. XEP-0198 §5. */

import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type CutRelay, startCutRelay } from '../support/cut-relay.ts'
import { random, rounds } from '../support/random.ts'
import { Connection } from '../support/scenario/connection.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { needTool } from '../support/tools.ts'

const CLIENTS = join(import.meta.dirname, 'clients')
const PASSWORD = 'correct horse battery staple'
const CUTS = rounds(6)
const MESSAGES_PER_CUT = 12
const LIMIT_MS = 50_000 + CUTS * 2_000

let server: TestServer
beforeAll(async () => {
  server = await startServer()
})
afterAll(async () => {
  expect(await server.stop()).toBe(0)
})

interface Ready {
  readonly ready: string
}
interface Outcome {
  readonly received: readonly string[]
  readonly online: number
}

/** The lines of JSON that a client prints, one after the other. */
async function* linesOf(child: ChildProcess): AsyncGenerator<unknown> {
  if (!child.stdout) throw new Error('no output')
  for await (const line of createInterface(child.stdout)) if (line.startsWith('{')) yield JSON.parse(line)
}

interface Script {
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  /** It answers each message with one of the same id. */
  readonly isEcho: boolean
}

async function converse(relay: CutRelay, { name, command, args, isEcho }: Script): Promise<void> {
  const child = spawn(command, args, {
    env: { ...process.env, NODE_EXTRA_CA_CERTS: server.caFile, PYTHONWARNINGS: 'ignore' },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: LIMIT_MS,
  })
  let complaints = ''
  child.stderr.on('data', (text: Buffer) => {
    complaints += text.toString()
  })
  const sender = `sender-${name}`
  await server.addUser(`${sender}@${server.domain}`, PASSWORD)
  const connection = await Connection.open(server, 'tcp')
  try {
    await connection.login(sender, PASSWORD, 'desk')
    const lines = linesOf(child)
    const ready = (await lines.next()).value as Ready | undefined // the scripts' own promise
    if (!ready) throw new Error(`the client ended: ${complaints.slice(-2000)}`)
    const choice = random(4711)
    let sent = 0
    for (let cut = 0; cut < CUTS; cut++) {
      // Some arrive before the cut, some are under way, some come while nobody is there.
      const before = choice.int(MESSAGES_PER_CUT)
      const { bytes } = relay
      for (let n = 0; n < MESSAGES_PER_CUT; n++) {
        if (n === before) {
          if (n > 0 && choice.int(2) === 0) await expect.poll(() => relay.bytes, { interval: 1 }).toBeGreaterThan(bytes)
          relay.cut(cut % 2 === 1)
        }
        connection.send(`<message to='${ready.ready}' id='m${sent}' type='chat'><body>m${sent}</body></message>`)
        sent++
      }
      // Only then the next one: what a library does when its login is cut off is its own affair.
      const line = (await lines.next()).value
      expect(line, complaints.slice(-2000)).toEqual({ resumed: cut + 1 })
    }
    const expected = Array.from({ length: sent }, (_, n) => `m${n}`)
    const echoed: string[] = []
    while (isEcho && echoed.length < sent) {
      const what = await connection.next()
      if (what.kind === 'element' && what.tree.local === 'message') echoed.push(what.tree.attributes.get('id') ?? '')
    }
    connection.send(`<message to='${ready.ready}' id='last' type='chat'><body>last</body></message>`)
    const outcome = (await lines.next()).value as Outcome | undefined
    expect(outcome, complaints.slice(-2000)).toBeDefined()
    expect(outcome?.received).toEqual(expected)
    // Once each. Their order is the client's own: what it could not write at a cut it sends behind what it had written.
    const byNumber = (a: string, b: string) => Number(a.slice(1)) - Number(b.slice(1))
    expect(echoed.toSorted(byNumber)).toEqual(isEcho ? expected : [])
    expect(outcome?.online).toBe(1)
    expect(relay.connections).toBe(CUTS + 1)
    await connection.sync()
    expect(connection.waiting).toEqual([])
  } finally {
    connection.destroy()
    child.kill('SIGKILL')
  }
}

describe('messages arrive once and in order while connections are cut', () => {
  test.each(['starttls', 'websocket'] as const)(
    '@xmpp/client over %s',
    { timeout: LIMIT_MS + 10_000 },
    async (kind) => {
      const relay = await startCutRelay(kind === 'starttls' ? server.ports.c2s : server.ports.https)
      try {
        const user = `xmppjs-${kind}`
        await server.addUser(`${user}@${server.domain}`, PASSWORD)
        const service =
          kind === 'starttls' ? `xmpp://localhost:${relay.port}` : `wss://localhost:${relay.port}/xmpp-websocket`
        const script = join(CLIENTS, 'xmpp-js-resume.ts')
        const args = [script, service, server.domain, user, PASSWORD]
        await converse(relay, { name: user, command: process.execPath, args, isEcho: true })
      } finally {
        await relay.close()
      }
    },
  )

  test('slixmpp over STARTTLS', { timeout: LIMIT_MS + 10_000 }, async (context) => {
    needTool(context, ['/usr/bin/python3', '-c', 'import slixmpp'], 'apt-get install python3-slixmpp')
    const relay = await startCutRelay(server.ports.c2s)
    try {
      await server.addUser(`slixmpp@${server.domain}`, PASSWORD)
      const script = join(CLIENTS, 'slixmpp_resume.py')
      const jid = `slixmpp@${server.domain}`
      const args = [script, '127.0.0.1', String(relay.port), jid, PASSWORD, server.caFile]
      await converse(relay, { name: 'slixmpp', command: '/usr/bin/python3', args, isEcho: false })
    } finally {
      await relay.close()
    }
  })
})
