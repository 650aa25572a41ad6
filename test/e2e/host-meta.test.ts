/** XEP-0156 and XEP-0487 as a browser or client asks: HTTPS that trusts our CA alone, against a real server. */

import { readFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { get, type RequestOptions } from 'node:https'
import { text } from 'node:stream/consumers'
import { parse } from 'ltx'
import { afterEach, describe, expect, test } from 'vitest'
import { runSacm, startServer, type TestServer } from '../support/server.ts'

let server: TestServer | undefined
afterEach(async () => {
  await server?.stop()
})

async function ask(path: string, options: RequestOptions = {}) {
  if (!server) throw new Error('no server')
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
  const ca = readFileSync(server.caFile)
  get({ host: 'localhost', port: server.ports.https, path, ca, agent: false, ...options }, resolve).on('error', reject)
  const response = await promise
  return { status: response.statusCode, headers: response.headers, body: await text(response) }
}

describe('host-meta', () => {
  test('XEP-0156 §3  names the WebSocket in XRD and JRD, for any origin', async () => {
    server = await startServer()
    const href = `wss://localhost:${server.ports.https}/xmpp-websocket`
    const xml = await ask('/.well-known/host-meta')
    expect(xml.status).toBe(200)
    expect(xml.headers['content-type']).toBe('application/xrd+xml; charset=utf-8')
    expect(xml.headers['access-control-allow-origin']).toBe('*')
    const root = parse(xml.body.replace(/^<\?xml.*\?>\n/, ''))
    expect(root.getNS()).toBe('http://docs.oasis-open.org/ns/xri/xrd-1.0')
    expect(root.getChildren('Link').map((link) => link.attrs)).toEqual([
      { rel: 'urn:xmpp:alt-connections:websocket', href },
    ])
    const json = await ask('/.well-known/host-meta.json')
    expect(json.headers['content-type']).toBe('application/json; charset=utf-8')
    expect(json.headers['access-control-allow-origin']).toBe('*')
    expect(JSON.parse(json.body)).toEqual({ links: [{ rel: 'urn:xmpp:alt-connections:websocket', href }] })
    const { headers } = await ask('/')
    expect(headers['access-control-allow-origin']).toBeUndefined()
    expect(headers['strict-transport-security']).toBeUndefined()
  })

  test('XEP-0487 §3  names addresses and direct TLS where the operator gave them', async () => {
    server = await startServer({
      set: {
        'https.publicUrl': 'https://web.example',
        'hostmeta.ips': '192.0.2.7, 2001:db8::7',
        'hostmeta.tlsPort': '443',
      },
    })
    const target = { ips: ['192.0.2.7', '2001:db8::7'], priority: 10, weight: 50 }
    expect(JSON.parse((await ask('/.well-known/host-meta.json')).body)).toEqual({
      xmpp: { ttl: 3600 },
      links: [
        {
          rel: 'urn:xmpp:alt-connections:websocket',
          href: 'wss://web.example/xmpp-websocket',
          sni: 'web.example',
          ...target,
        },
        { rel: 'urn:xmpp:alt-connections:tls', port: 443, sni: 'localhost', ...target },
      ],
    })
  })

  test('RFC 6797 §6.1  tells browsers to keep to HTTPS where the operator says so, on every answer', async () => {
    server = await startServer({ set: { 'https.hstsSeconds': '31536000' } })
    for (const path of ['/.well-known/host-meta.json', '/xmpp-websocket', '/nothing', '/%zz']) {
      expect((await ask(path)).headers['strict-transport-security']).toBe('max-age=31536000')
    }
  })

  test('options that are no addresses are refused', async () => {
    await expect(runSacm(['config', '--set', 'hostmeta.ips=example.org'])).rejects.toThrow(/an IPv4 or IPv6 address/)
    await expect(runSacm(['config', '--set', 'https.publicUrl=http://x'])).rejects.toThrow(/https\.publicUrl/)
  })
})
