import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  auth,
  base64,
  bind,
  bindTls,
  bindWebSocket,
  connectTcp,
  connectTls,
  connectWebSocket,
  header,
  login,
  OPEN,
  plain,
  response,
  ScramClient,
  STARTTLS,
  startC2s,
  type TestC2s,
} from './harness.ts'

let server: TestC2s
beforeAll(async () => {
  server = await startC2s()
})
afterAll(() => server.stop())

describe('RFC 6120 §9.1  a client from connection to bound resource', () => {
  test('STARTTLS, SCRAM-SHA-256, bind', async () => {
    const client = await connectTcp(server.ports.c2s)
    client.send(header("to='test' version='1.0' xml:lang='de' from='alice@test'"))
    const [opening] = await client.expect(/<stream:stream [^>]*>/)
    expect(opening).toContain('from="test"')
    expect(opening).toContain('to="alice@test"')
    expect(opening).toContain('version="1.0"')
    expect(opening).toContain('xml:lang="en"')
    const [, firstId] = /id="([^"]+)"/.exec(opening) ?? []
    // RFC 6120 §5.3.1: nothing but STARTTLS before TLS.
    const [features] = await client.expect(/<stream:features>.*<\/stream:features>/)
    expect(features).toBe(
      '<stream:features><starttls xmlns="urn:ietf:params:xml:ns:xmpp-tls"><required/></starttls></stream:features>',
    )
    client.send(`${STARTTLS}\n`) // as go-xmpp sends it
    await client.expect('<proceed xmlns="urn:ietf:params:xml:ns:xmpp-tls"/>')
    await client.startTls()
    client.send(header())
    const [secured] = await client.expect(/<stream:stream [^>]*>/)
    expect(secured).not.toContain('to=') // RFC 6120 §4.7.2: without from, no to
    expect(/id="([^"]+)"/.exec(secured)?.[1]).not.toBe(firstId)
    const [mechanisms] = await client.expect(/<stream:features>.*<\/stream:features>/)
    expect(mechanisms).not.toContain('starttls')
    const [offered = ''] = /<mechanisms .*<\/mechanisms>/.exec(mechanisms) ?? []
    expect([...offered.matchAll(/<mechanism>([^<]+)</g)].map(([, name]) => name)).toEqual([
      'SCRAM-SHA-512-PLUS',
      'SCRAM-SHA-256-PLUS',
      'SCRAM-SHA-1-PLUS',
      'SCRAM-SHA-512',
      'SCRAM-SHA-256',
      'SCRAM-SHA-1',
      'PLAIN',
    ])
    const scram = new ScramClient('SCRAM-SHA-256', 'alice')
    client.send(auth('SCRAM-SHA-256', scram.first()))
    const [, challenge = ''] = await client.expect(/<challenge [^>]*>([^<]+)<\/challenge>/)
    client.send(response(scram.final(challenge)))
    const [, success = ''] = await client.expect(/<success [^>]*>([^<]+)<\/success>/)
    expect(scram.isServer(success)).toBe(true)
    client.send(header())
    const [last] = await client.expect(/<stream:features>.*<\/stream:features>/)
    expect(last).toContain('<bind xmlns="urn:ietf:params:xml:ns:xmpp-bind"/>')
    expect(last).toContain('<session xmlns="urn:ietf:params:xml:ns:xmpp-session"><optional/></session>')
    expect(last).not.toContain('mechanism')
    client.send(bind('desk'))
    const [, jid] = await client.expect(/<iq type="result" id="bind1"><bind [^>]*><jid>([^<]+)<\/jid><\/bind><\/iq>/)
    expect(jid).toBe('alice@test/desk')
    client.send('</stream:stream>')
    expect(await client.ended()).toBe('</stream:stream>')
  })

  test('direct TLS with ALPN, every SCRAM, and PLAIN without initial response', async () => {
    for (const mechanism of ['SCRAM-SHA-512', 'SCRAM-SHA-256', 'SCRAM-SHA-1']) {
      const client = await connectTls(server.ports.tls)
      client.send(header())
      await client.expect('</stream:features>')
      const scram = new ScramClient(mechanism, 'bob', 'bob@test')
      client.send(auth(mechanism, ''))
      await client.expect('<challenge xmlns="urn:ietf:params:xml:ns:xmpp-sasl"/>')
      client.send(response(scram.first()))
      const [, challenge = ''] = await client.expect(/<challenge [^>]*>([^<]+)<\/challenge>/)
      client.send(response(scram.final(challenge)))
      const [, success = ''] = await client.expect(/<success [^>]*>([^<]+)<\/success>/)
      expect(scram.isServer(success)).toBe(true)
      client.destroy()
    }
    const client = await connectTls(server.ports.tls)
    client.send(header())
    await client.expect('</stream:features>')
    client.send(auth('PLAIN', ''))
    await client.expect('<challenge xmlns="urn:ietf:params:xml:ns:xmpp-sasl"/>')
    client.send(response(base64('\0bob\0pencil')))
    await client.expect('<success xmlns="urn:ietf:params:xml:ns:xmpp-sasl"/>')
    client.destroy()
  })

  test('a stream without TLS where the listener allows it, without PLAIN', async () => {
    const client = await connectTcp(server.ports.plaintext)
    client.send(header())
    const [features] = await client.expect(/<stream:features>.*<\/stream:features>/)
    expect(features).toContain('SCRAM-SHA-1')
    expect(features).not.toContain('PLAIN')
    expect(features).not.toContain('starttls')
    client.send(plain('alice'))
    await client.expect('<encryption-required/>')
    client.destroy()
  })

  test('a header sent with the last response is answered after <success/>', async () => {
    const client = await connectTls(server.ports.tls)
    client.send(header() + plain('alice') + header() + bind('quick'))
    await client.expect('<success')
    const [, jid] = await client.expect(/<jid>([^<]+)</)
    expect(jid).toBe('alice@test/quick')
    client.destroy()
  })

  test('byte by byte', async () => {
    const client = await connectTls(server.ports.tls)
    for (const char of header() + plain('alice') + header() + bind('drip')) client.send(char)
    const [, jid] = await client.expect(/<jid>([^<]+)</)
    expect(jid).toBe('alice@test/drip')
    client.destroy()
  })
})

describe('RFC 7395  the same over WebSocket', () => {
  test('§3.4, §3.6  open, login, bind, close', async () => {
    const client = await connectWebSocket(`wss://127.0.0.1:${server.https}/xmpp-websocket`)
    client.send(OPEN)
    await client.expect('</stream:features>')
    const [open, features] = client.frames
    expect(open).toMatch(
      /^<open xmlns="urn:ietf:params:xml:ns:xmpp-framing" from="test" id="[^"]+" version="1.0" xml:lang="en"\/>$/,
    )
    expect(features).toMatch(/^<stream:features xmlns:stream="http:\/\/etherx.jabber.org\/streams"><mechanisms /)
    expect(features).toContain('PLAIN')
    const jid = await login(client, 'alice', 'page', OPEN)
    expect(jid).toBe('alice@test/page')
    const [session] = server.bound.slice(-1)
    expect(session?.transport).toBe('websocket')
    session?.send({ xml: '<message from="test"><body>hi</body></message>' })
    await client.expect('</message>')
    expect(client.frames.at(-1)).toBe('<message xmlns="jabber:client" from="test"><body>hi</body></message>')
    client.send("<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>")
    await client.ended()
    expect(client.frames.at(-1)).toBe('<close xmlns="urn:ietf:params:xml:ns:xmpp-framing"/>')
    expect(client.closeCode).toBe(1000)
  })

  test('without TLS there is SCRAM and no PLAIN', async () => {
    const client = await connectWebSocket(`ws://127.0.0.1:${server.http}/xmpp-websocket`)
    client.send(OPEN)
    const [features] = await client.expect(/<stream:features.*<\/stream:features>/)
    expect(features).toContain('SCRAM-SHA-256')
    expect(features).not.toContain('PLAIN')
    client.destroy()
  })
})

describe('RFC 6120 §7  resource binding', () => {
  test('§7.6  the server makes a random resource when none is asked for', async () => {
    const first = await connectTls(server.ports.tls)
    first.send(header())
    await first.expect('</stream:features>')
    const second = await connectTls(server.ports.tls)
    second.send(header())
    await second.expect('</stream:features>')
    const jids = [await login(first, 'alice'), await login(second, 'alice', '')]
    for (const jid of jids) expect(jid).toMatch(/^alice@test\/[\w-]{16}$/)
    expect(jids[0]).not.toBe(jids[1])
    first.destroy()
    second.destroy()
  })

  test('§8.1.3  a request without id', async () => {
    const client = await connectTls(server.ports.tls)
    client.send(header() + plain('alice') + header())
    await client.expect('<bind ')
    client.send("<iq type='set'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>")
    await client.expect(/<iq type="error"><error type="modify"><bad-request /)
    client.destroy()
  })

  test('§7.1  a second resource on the same stream; RFC 3921 §3  the session of old clients', async () => {
    const client = await bindTls(server, 'alice', 'old')
    client.send("<iq type='set' id='s1'><session xmlns='urn:ietf:params:xml:ns:xmpp-session'/></iq>")
    await client.expect('<iq type="result" id="s1" to="alice@test/old"/>')
    client.send(bind('other'))
    await client.expect(/<iq type="error" id="bind1" to="alice@test\/old"><error type="cancel"><not-allowed /)
    client.destroy()
  })

  test('over WebSocket', async () => {
    const client = await bindWebSocket(server, 'bob', 'old')
    client.send(
      "<iq xmlns='jabber:client' type='set' id='s1'><session xmlns='urn:ietf:params:xml:ns:xmpp-session'/></iq>",
    )
    await client.expect('<iq xmlns="jabber:client" type="result" id="s1" to="bob@test/old"/>')
    client.destroy()
  })
})
