/**
 * Random and mutated streams before and after login, over TLS and WebSocket, against a real server process. Whatever
 * came, it still answers, has logged no defect, and holds no more memory after a second helping than after the first.
 */

import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { type Random, random, rounds } from '../support/random.ts'
import { Connection } from '../support/scenario/connection.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { CORPUS, element, HEADER, login, loginInline, mutated, noise, OPEN } from './fuzz-input.ts'

const PASSWORD = 'pencil'
/** In two helpings: about 30 s, and about an hour in the long run. */
const CONVERSATIONS = rounds(3_000, 150)
const AT_ONCE = 8
const LIMIT_MS = 60_000 + CONVERSATIONS * 200
/**
 * Growth that is no leak: caches that fill, nodes that were made, a heap that V8 lets grow to its size. Seen over 18,000
 * conversations: 244 MiB after the first 3,000, then 61, 11, 19, 12 and 1 MiB more, and none after that.
 */
const SLACK_KIB = 96 * 1024

let server: TestServer
let ca: Buffer
beforeAll(async () => {
  server = await startServer({
    set: {
      'limits.off': 'true',
      'timeouts.resumeSeconds': '1',
      'timeouts.closeSeconds': '1',
      'login.slowestSeconds': '1',
      'login.freeFailures': '1000',
      'login.freeFailuresPerAddress': '100000',
    },
  })
  await server.addUser(`alice@${server.domain}`, PASSWORD, ['collector', 'publisher'])
  ca = readFileSync(server.caFile)
})
afterAll(async () => {
  expect(await server.stop()).toBe(0)
})

/** A connection that says what it is told, takes whatever comes, and is over in the end. */
type Talk = (pieces: readonly (string | Buffer)[]) => Promise<string>

/** How long a server that owes nothing may keep a connection that has been ended. */
const LINGER_MS = 5_000

const overTcp: (kind: 'plain' | 'tls') => Talk = (kind) => (pieces) => {
  const { c2s, tls } = server.ports
  const socket =
    kind === 'plain'
      ? connect(c2s, '127.0.0.1')
      : connectTls({ port: tls, host: '127.0.0.1', servername: server.domain, ca })
  let said = ''
  socket.on('data', (chunk) => (said += chunk.toString('latin1')))
  const { promise, resolve } = Promise.withResolvers<string>()
  const timer = setTimeout(() => socket.destroy(), LINGER_MS)
  socket.on('error', () => {}) // a reset is an answer like another
  socket.on('close', () => {
    clearTimeout(timer)
    resolve(said)
  })
  socket.once(kind === 'plain' ? 'connect' : 'secureConnect', () => {
    for (const piece of pieces) socket.write(piece)
    socket.end()
  })
  return promise
}

const overWebSocket: Talk = (pieces) => {
  const websocket = new WebSocket(`wss://localhost:${server.ports.https}/xmpp-websocket`, ['xmpp'], { ca })
  let said = ''
  const { promise, resolve } = Promise.withResolvers<string>()
  const timer = setTimeout(() => websocket.terminate(), LINGER_MS)
  websocket.on('message', (data: Buffer) => (said += data.toString()))
  websocket.on('error', () => {})
  websocket.on('close', () => {
    clearTimeout(timer)
    resolve(said)
  })
  websocket.on('open', () => {
    for (const piece of pieces) websocket.send(piece)
    websocket.close()
  })
  return promise
}

/** One conversation: the good beginning as far as it goes, then what is not good. */
function conversation(choice: Random): { readonly talk: Talk; readonly pieces: (string | Buffer)[] } {
  const isWebSocket = choice.int(3) === 0
  const open = isWebSocket ? OPEN : HEADER
  const resource = `r${choice.int(4)}`
  const beginning =
    choice.int(3) === 0
      ? [open, loginInline('alice', PASSWORD)]
      : [open, login('alice', PASSWORD), open, CORPUS.bind(resource, isWebSocket)]
  const known = choice.int(beginning.length + 3)
  const pieces: (string | Buffer)[] = beginning.slice(0, Math.min(known, beginning.length))
  const rest = known >= beginning.length ? 1 + choice.int(12) : 1 + choice.int(4)
  for (let n = 0; n < rest; n++) {
    switch (choice.int(4)) {
      case 0:
        pieces.push(mutated(choice.pick([...CORPUS.stanzas(isWebSocket), ...beginning]), choice))
        break
      case 1:
        pieces.push(element(choice, isWebSocket))
        break
      case 2:
        pieces.push(choice.pick(CORPUS.stanzas(isWebSocket)))
        break
      default:
        pieces.push(choice.int(4) === 0 ? noise(choice) : element(choice, isWebSocket))
    }
  }
  if (isWebSocket) return { talk: overWebSocket, pieces }
  return {
    talk: overTcp(known === 0 && choice.int(2) === 0 ? 'plain' : 'tls'),
    pieces: choice.int(3) === 0 ? cut(pieces, choice) : pieces,
  }
}

/** The same bytes in other pieces. */
function cut(pieces: readonly (string | Buffer)[], choice: Random): Buffer[] {
  const all = Buffer.concat(pieces.map((piece) => Buffer.from(piece)))
  const parts: Buffer[] = []
  for (let at = 0; at < all.length; ) {
    const size = 1 + choice.int(200)
    parts.push(all.subarray(at, at + size))
    at += size
  }
  return parts
}

async function helping(firstSeed: number): Promise<number> {
  let answered = 0
  let next = firstSeed
  const worker = async (): Promise<void> => {
    while (next < firstSeed + CONVERSATIONS) {
      const { talk, pieces } = conversation(random(next++))
      const said = await talk(pieces)
      if (said.length > 0) answered++
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
  return answered
}

function residentKib(): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${server.pid}/status`, 'utf8'))?.[1])
}

async function stillAnswers(): Promise<void> {
  for (const kind of ['tcp', 'websocket'] as const) {
    const connection = await Connection.open(server, kind)
    await connection.login('alice', PASSWORD, `still-${kind}`)
    await connection.sync()
    connection.closes()
    await connection.closed()
  }
}

/** Lines of the log that a person would have to act on. */
function defects(): string[] {
  return server
    .log()
    .split('\n')
    .filter((line) => /"level":(?:50|60)|unhandled|uncaught|^\s+at /i.test(line))
}

test(`${2 * CONVERSATIONS} conversations`, { timeout: 3 * LIMIT_MS }, async () => {
  expect(await helping(1)).toBeGreaterThan(CONVERSATIONS / 2)
  await stillAnswers()
  expect(defects()).toEqual([])
  const before = residentKib()
  await helping(1 + CONVERSATIONS)
  await stillAnswers()
  expect(defects()).toEqual([])
  await expect.poll(residentKib, { interval: 250, timeout: 20_000 }).toBeLessThan(before + SLACK_KIB)
})
