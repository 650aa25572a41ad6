/** A server that is drained sends new clients elsewhere. RFC 6120 §4.9.3.19; RFC 7395 §3.6.1. */

import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { Connection } from '../support/scenario/connection.ts'
import { startServer } from '../support/server.ts'

test('RFC 7395 §3.6.1  see-other-uri', async () => {
  const server = await startServer({ set: { 'https.seeOtherUri': 'wss://other.example/xmpp?a=1&b=2' } })
  try {
    const url = `wss://localhost:${server.ports.https}/xmpp-websocket`
    const websocket = new WebSocket(url, ['xmpp'], { ca: readFileSync(server.caFile) })
    const said: string[] = []
    websocket.on('open', () => {
      websocket.send("<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='localhost' version='1.0'/>")
    })
    websocket.on('message', (data: Buffer) => {
      said.push(data.toString())
      if (said.length === 2) websocket.send("<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>")
    })
    const code = await new Promise<number>((resolve, reject) => websocket.on('close', resolve).on('error', reject))
    expect(said).toEqual([
      expect.stringMatching(/^<open /),
      '<close xmlns="urn:ietf:params:xml:ns:xmpp-framing" see-other-uri="wss://other.example/xmpp?a=1&amp;b=2"/>',
    ])
    expect(code).toBe(1000)
  } finally {
    expect(await server.stop()).toBe(0)
  }
})

test('RFC 6120 §4.9.3.19  see-other-host, once the stream is protected', async () => {
  const server = await startServer({ set: { 'c2s.seeOtherHost': '[2001:41d0:1:a49b::1]:9222' } })
  try {
    const connection = await Connection.open(server, 'tcp')
    await connection.opens()
    expect(await connection.next()).toMatchObject({ tree: { children: [{ local: 'starttls' }, {}] } })
    await connection.starttls()
    await connection.opens()
    const children = [{ local: 'see-other-host', children: ['[2001:41d0:1:a49b::1]:9222'] }]
    expect(await connection.next()).toMatchObject({ tree: { local: 'error', children } })
    await connection.closed()
  } finally {
    expect(await server.stop()).toBe(0)
  }
})
