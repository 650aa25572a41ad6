import { afterEach, expect, test } from 'vitest'
import { bindTls, bindWebSocket, startC2s, type TestC2s } from '../stream/harness.ts'

let server: TestC2s
afterEach(() => server.stop())

const PING = /<iq [^>]*id="ping-(\d+)"[^>]*><ping xmlns="urn:xmpp:ping"\/><\/iq>/
const IDLE_MS = 2_000

test('RFC 6120 §4.6.1  white space shows that a client is there; nothing at all, that it is not', async () => {
  server = await startC2s({ timeouts: { idleMs: IDLE_MS, closeMs: 100 } })
  const client = await bindTls(server, 'alice', 'desk')
  for (const n of ['1', '2', '3']) {
    expect((await client.expect(PING))[1]).toBe(n)
    if (n !== '3') client.send(' ')
  }
  expect(await client.ended()).toContain('<connection-timeout ')
})

test('RFC 7395 §3.8  so do a WebSocket’s ping frames', async () => {
  server = await startC2s({ timeouts: { idleMs: IDLE_MS, closeMs: 100 } })
  const client = await bindWebSocket(server, 'alice', 'desk')
  for (const n of ['1', '2', '3']) {
    expect((await client.expect(PING))[1]).toBe(n)
    if (n !== '3') client.websocket.ping()
  }
  expect(await client.ended()).toContain('<connection-timeout ')
})

test('0 leaves a silent client alone', async () => {
  server = await startC2s({ timeouts: { idleMs: 0, resumeMs: 1_000 } })
  const [silent, measure] = [await bindTls(server, 'alice', 'desk'), await bindTls(server, 'bob', 'desk')]
  // A session that is lost for a second measures the time.
  measure.send("<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
  await measure.expect('<enabled ')
  measure.destroy()
  await expect.poll(() => server.closed.length, { interval: 5, timeout: 5_000 }).toBe(1)
  expect([silent.seen, silent.isClosed]).toEqual(['', false])
  silent.destroy()
})
