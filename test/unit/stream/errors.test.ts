import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  auth,
  base64,
  bind,
  bindTls,
  bindWebSocket,
  type Client,
  connectTcp,
  connectTls,
  connectWebSocket,
  header,
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
  server = await startC2s({ limits: { resourcesPerAccount: 5 } })
})
afterAll(() => server.stop())

const XMLNS = "xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'"

/** What a stream that failed says last, after its header and features. */
async function failure(client: Client, condition: string): Promise<void> {
  const said = await client.ended()
  expect(said.match(/<stream:error[ >]/g)).toHaveLength(1)
  expect(said).toMatch(
    new RegExp(
      `<stream:error><${condition} xmlns="urn:ietf:params:xml:ns:xmpp-streams"/>.*</stream:error></stream:stream>$`,
    ),
  )
}

async function atLogin(): Promise<Client> {
  const client = await connectTls(server.ports.tls)
  client.send(header())
  await client.expect('</stream:features>')
  return client
}

describe('RFC 6120 §4.9.1.2  a header that cannot be served is answered with a header, the error and the closing tag', () => {
  test.each([
    ['§4.9.3.6  another domain', `<stream:stream ${XMLNS} to='elsewhere' version='1.0'>`, 'host-unknown'],
    ['§4.7.2  an account as to', `<stream:stream ${XMLNS} to='alice@test' version='1.0'>`, 'improper-addressing'],
    ['§4.7.2  an empty to', `<stream:stream ${XMLNS} to='' version='1.0'>`, 'improper-addressing'],
    [
      '§4.7.1  a from that is no address',
      `<stream:stream ${XMLNS} to='test' from='@@' version='1.0'>`,
      'improper-addressing',
    ],
    ['§4.9.3.25  version 2', `<stream:stream ${XMLNS} to='test' version='2.0'>`, 'unsupported-version'],
    ['§4.7.5  no version', `<stream:stream ${XMLNS} to='test'>`, 'unsupported-version'],
    [
      '§4.8.1  another stream namespace',
      "<stream:stream xmlns='jabber:client' xmlns:stream='urn:other' to='test' version='1.0'>",
      'invalid-namespace',
    ],
    [
      '§4.8.3  another content namespace',
      "<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' to='test' version='1.0'>",
      'invalid-namespace',
    ],
    [
      '§4.8.5  an extension declared for the stream',
      `<stream:stream ${XMLNS} xmlns:x='urn:example' to='test' version='1.0'>`,
      'invalid-namespace',
    ],
    [
      '§4.9.3.2  another prefix',
      "<s:stream xmlns='jabber:client' xmlns:s='http://etherx.jabber.org/streams' to='test' version='1.0'>",
      'bad-namespace-prefix',
    ],
    ['§4.2  another element', `<stream:flow ${XMLNS} to='test' version='1.0'>`, 'bad-format'],
    ['§4.9.3.13  no XML', 'GET / HTTP/1.1\r\n\r\n', 'not-well-formed'],
    [
      '§4.9.3.22  no UTF-8',
      `<?xml version='1.0' encoding='UTF-16'?><stream:stream ${XMLNS} to='test'>`,
      'unsupported-encoding',
    ],
    [
      '§11.1  a DTD',
      `<!DOCTYPE x [<!ENTITY a "b">]><stream:stream ${XMLNS} to='test' version='1.0'>`,
      'restricted-xml',
    ],
  ])('%s', async (_name, text, condition) => {
    const client = await connectTcp(server.ports.c2s)
    client.send(text)
    const said = await client.ended()
    expect(said).toMatch(/^<\?xml version='1.0'\?><stream:stream [^>]*from="test" id="[^"]+"/)
    client.seen = said
    await failure(client, condition)
    // RFC 6120 §4.7.5, rule 4.
    expect(said.includes(' version="1.0"')).toBe(!text.includes(`to='test'>`) || condition === 'unsupported-encoding')
  })

  test('§4.7  a header as old clients write it, and as prefix-free ones do', async () => {
    for (const [opening, closing] of [
      [`<stream:stream ${XMLNS} version='1.0'>`, '</stream:stream>'],
      ["<stream xmlns='http://etherx.jabber.org/streams' to='test' version='1.7'>", '</stream>'],
    ] as const) {
      const client = await connectTcp(server.ports.c2s)
      client.send(opening)
      await client.expect('<required/></starttls></stream:features>')
      client.send(closing)
      expect(await client.ended()).toBe('</stream:stream>')
    }
  })

  test('RFC 7395 §3.3.2, §3.5  the same over WebSocket, each part a message', async () => {
    const cases = [
      ["<open xmlns='urn:other' to='test' version='1.0'/>", 'invalid-namespace'],
      ["<close_ xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>", 'bad-format'],
      ["<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='elsewhere' version='1.0'/>", 'host-unknown'],
      ["<stream:stream xmlns:stream='http://etherx.jabber.org/streams' to='test' version='1.0'/>", 'invalid-namespace'],
      [` ${OPEN}`, 'bad-format'],
      ['<open', 'not-well-formed'],
    ] as const
    for (const [text, condition] of cases) {
      const client = await connectWebSocket(`wss://127.0.0.1:${server.https}/xmpp-websocket`)
      client.send(text)
      await client.expect('<close xmlns="urn:ietf:params:xml:ns:xmpp-framing"/>')
      expect(client.frames).toHaveLength(3)
      expect(client.frames[0]).toMatch(/^<open /)
      expect(client.frames[1]).toContain(`<${condition} xmlns="urn:ietf:params:xml:ns:xmpp-streams"/>`)
      client.send("<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>")
      await client.ended()
    }
  })
})

describe('RFC 6120 §5  STARTTLS', () => {
  test('§5.3.3  whatever follows <starttls/> in the clear ends the stream, and none of it is looked at', async () => {
    for (const injected of [plain('alice'), header() + plain('alice'), ' <', '\n\0']) {
      const client = await connectTcp(server.ports.c2s)
      client.send(header())
      await client.expect('</stream:features>')
      client.send(STARTTLS + injected)
      const said = await client.ended()
      expect(said).not.toContain('proceed')
      expect(said).not.toContain('success')
      client.seen = said
      await failure(client, 'policy-violation')
    }
  })

  test('plaintext after <proceed/> is no TLS: the connection ends without a word', async () => {
    const client = await connectTcp(server.ports.c2s)
    client.send(header())
    await client.expect('</stream:features>')
    client.send(STARTTLS)
    await client.expect('/>')
    client.send(header() + plain('alice'))
    expect(await client.ended()).not.toContain('<')
  })

  test('§5.4.2.2  asked for where it is not offered', async () => {
    for (const port of [server.ports.tls, server.ports.plaintext]) {
      const client = port === server.ports.tls ? await connectTls(port) : await connectTcp(port)
      client.send(header() + STARTTLS)
      expect(await client.ended()).toMatch(/<failure xmlns="urn:ietf:params:xml:ns:xmpp-tls"\/><\/stream:stream>$/)
    }
  })

  test('§6.5.4  a login before TLS is refused, and the password not looked at', async () => {
    const client = await connectTcp(server.ports.c2s)
    client.send(header() + plain('alice'))
    await client.expect('<failure xmlns="urn:ietf:params:xml:ns:xmpp-sasl"><encryption-required/></failure>')
    client.send("<message to='bob@test'><body>x</body></message>")
    await failure(client, 'not-authorized')
  })
})

describe('RFC 6120 §6  SASL', () => {
  const sasl = (condition: string) =>
    new RegExp(`<failure xmlns="urn:ietf:params:xml:ns:xmpp-sasl"><${condition}/>.*</failure>`)

  test.each([
    ['§6.5.10  a wrong password', plain('alice', 'wrong'), 'not-authorized'],
    ['§6.5.10  no such account', plain('mallory'), 'not-authorized'],
    ['§6.5.10  a name that no account can have', plain('a@b'), 'not-authorized'],
    ['§6.5.6  another’s identity', plain('alice', 'pencil', 'bob@test'), 'invalid-authzid'],
    ['§6.3.8  a full JID as identity', plain('alice', 'pencil', 'alice@test/desk'), 'invalid-authzid'],
    ['§6.5.7  a mechanism that is not offered', auth('DIGEST-MD5', ''), 'invalid-mechanism'],
    ['§6.5.7  no mechanism', "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>", 'invalid-mechanism'],
    ['§6.5.5  not base64', auth('PLAIN', 'AGFsaWNl!'), 'incorrect-encoding'],
    ['§6.3.5  base64 with white space', auth('PLAIN', 'AGFs aWNlAHBlbmNpbA=='), 'incorrect-encoding'],
    ['§6.3.5  padding bits that are not zero', auth('PLAIN', 'AGFsaWNlAHBlbmNpbB=='), 'incorrect-encoding'],
    ['§6.5.8  an empty initial response', auth('PLAIN', '='), 'malformed-request'],
    ['§6.5.8  no UTF-8', auth('PLAIN', Buffer.from([0, 0xff, 0, 0x41]).toString('base64')), 'malformed-request'],
    ['RFC 4616 §2  too many parts', auth('PLAIN', base64('\0a\0b\0c')), 'malformed-request'],
    ['RFC 4616 §2  too few parts', auth('PLAIN', base64('alice')), 'malformed-request'],
    ['RFC 5802 §7  no SCRAM message', auth('SCRAM-SHA-1', base64('hello')), 'malformed-request'],
    ['§6.4.3  a response to no challenge', response(''), 'malformed-request'],
    ['§6.5.1  abort', "<abort xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>", 'aborted'],
  ])('%s', async (_name, text, condition) => {
    const client = await atLogin()
    client.send(text)
    await client.expect(sasl(condition))
    // The stream goes on: RFC 6120 §6.4.5.
    client.send(plain('alice'))
    await client.expect('<success')
    client.destroy()
  })

  test('§6.4.5  after too many attempts the stream ends', async () => {
    const client = await atLogin()
    for (let attempt = 1; attempt <= 4; attempt++) {
      client.send(plain('alice', `guess ${attempt}`))
      await client.expect(sasl('not-authorized'))
    }
    await failure(client, 'policy-violation')
  })

  test('§6.4.2  a second <auth/> discards the exchange under way', async () => {
    const client = await atLogin()
    const scram = new ScramClient('SCRAM-SHA-1', 'alice')
    client.send(auth('SCRAM-SHA-1', scram.first()))
    const [, challenge = ''] = await client.expect(/<challenge [^>]*>([^<]+)</)
    client.send(auth('SCRAM-SHA-256', new ScramClient('SCRAM-SHA-256', 'alice').first()))
    await client.expect('</challenge>')
    client.send(response(scram.final(challenge)))
    await client.expect('<failure')
    client.destroy()
  })

  test('§6.5.10  a SCRAM proof of a wrong password', async () => {
    const client = await atLogin()
    const scram = new ScramClient('SCRAM-SHA-256', 'alice')
    client.send(auth('SCRAM-SHA-256', scram.first()))
    const [, challenge = ''] = await client.expect(/<challenge [^>]*>([^<]+)</)
    client.send(response(scram.final(challenge, 'wrong')))
    await client.expect(sasl('not-authorized'))
    client.destroy()
  })

  test('§6.4.6  a header that names somebody else', async () => {
    const client = await connectTls(server.ports.tls)
    client.send(header("to='test' from='bob@test' version='1.0'") + plain('alice'))
    await client.expect('</stream:features>')
    await failure(client, 'invalid-from')
    const restarted = await atLogin()
    restarted.send(plain('alice') + header("to='test' from='bob@test' version='1.0'"))
    await restarted.expect('<success')
    await failure(restarted, 'invalid-from')
  })

  test('PLAIN is one switch', async () => {
    const strict = await startC2s({ mechanisms: ['SCRAM-SHA-1'] })
    const client = await connectTls(strict.ports.tls)
    client.send(header())
    const [features] = await client.expect(/<stream:features>.*<\/stream:features>/)
    expect(features).not.toContain('PLAIN')
    client.send(plain('alice'))
    await client.expect(sasl('invalid-mechanism'))
    client.destroy()
    await strict.stop()
  })

  test('§6.5.11  accounts that fail give a temporary failure, and no detail', async () => {
    const broken = await startC2s({
      accounts: {
        scram: () => {
          throw new Error('disk on fire')
        },
        verifyPassword: () => Promise.reject(new Error('disk on fire')),
        mayLogIn: () => true,
      },
    })
    const client = await connectTls(broken.ports.tls)
    client.send(header() + plain('alice'))
    await client.expect(sasl('temporary-auth-failure'))
    client.send(auth('SCRAM-SHA-1', base64('n,,n=alice,r=abc')))
    await client.expect(sasl('temporary-auth-failure'))
    expect(client.seen).not.toContain('fire')
    client.destroy()
    await broken.stop()
  })
})

describe('RFC 6120 §4.9.3  elements out of place', () => {
  const iq = "<iq type='get' id='1' to='test'><ping xmlns='urn:xmpp:ping'/></iq>"

  test.each([
    ['§4.9.3.12  a stanza before login', iq, 'not-authorized'],
    ['§4.9.3.24  an unknown element', "<enable xmlns='urn:other'/>", 'unsupported-stanza-type'],
    ['§4.8.3  a stanza of another content namespace', "<message xmlns='jabber:server'/>", 'invalid-namespace'],
    ['§4.9.3.18  a comment', '<!-- x -->', 'restricted-xml'],
    ['§4.9.3.14  more than a stranger may send', `<x xmlns='urn:x'>${'x'.repeat(20_000)}</x>`, 'policy-violation'],
  ])('%s', async (_name, text, condition) => {
    const client = await atLogin()
    client.send(text)
    await failure(client, condition)
  })

  test('§7.1  a stanza before the resource is bound', async () => {
    const client = await atLogin()
    client.send(plain('alice') + header() + iq)
    await client.expect('<bind ')
    await failure(client, 'not-authorized')
  })

  test.each([
    ['§4.9.3.24  <pubsub/> as a stanza', "<pubsub xmlns='jabber:client'/>", 'unsupported-stanza-type'],
    ['§4.8.4  an unknown element', "<x:message xmlns:x='urn:other' to='bob@test'/>", 'unsupported-stanza-type'],
    ['§4.8.5  a prefixed stanza', "<c:message xmlns:c='jabber:client' to='bob@test'/>", 'bad-namespace-prefix'],
    ['§4.8.3  no namespace at all', "<message xmlns=''/>", 'invalid-namespace'],
    ['§4.9.3.12  a second login', plain('alice'), 'not-authorized'],
    ['§4.9.3.9  somebody else’s from', "<message from='bob@test' to='alice@test'/>", 'invalid-from'],
    ['§4.9.3.9  another resource’s from', "<message from='alice@test/other' to='alice@test'/>", 'invalid-from'],
    ['§4.9.3.9  a from that is no address', "<message from='@' to='alice@test'/>", 'invalid-from'],
    ['§4.9.3.13  mis-nested', '<message><body></message></body>', 'not-well-formed'],
    [
      '§4.9.3.14  a stanza over the limit',
      `<message><body>${'x'.repeat(300_000)}</body></message>`,
      'policy-violation',
    ],
  ])('once bound: %s', async (_name, text, condition) => {
    const client = await bindTls(server, 'alice')
    const before = server.received.length
    client.send(text)
    await failure(client, condition)
    expect(server.received).toHaveLength(before)
  })

  test('the same over WebSocket', async () => {
    const cases = [
      ["<message xmlns='jabber:client' from='bob@test'/>", 'invalid-from'],
      ['<message/>', 'invalid-namespace'],
      ["<message xmlns='jabber:client'><body></message>", 'not-well-formed'],
      [OPEN, 'unsupported-stanza-type'],
      [`<message xmlns='jabber:client'><body>${'x'.repeat(270_000)}</body></message>`, 'policy-violation'],
    ] as const
    for (const [text, condition] of cases) {
      const client = await bindWebSocket(server, 'alice')
      client.send(text)
      await client.expect(`<${condition} xmlns="urn:ietf:params:xml:ns:xmpp-streams"/>`)
      await client.expect('<close ')
      client.send("<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>")
      await client.ended()
    }
  })

  test('§4.9.1.1  the client’s own stream error closes the stream', async () => {
    const client = await bindTls(server, 'alice')
    client.send("<stream:error><undefined-condition xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>")
    expect(await client.ended()).toBe('</stream:stream>')
  })

  test('§7.6.2.1  too many resources', async () => {
    const clients = []
    for (let n = 0; n < 5; n++) clients.push(await bindTls(server, 'bob', `r${n}`))
    const client = await atLogin()
    client.send(plain('bob') + header() + bind('one-more'))
    await client.expect(/<iq type="error" id="bind1"><error type="wait"><resource-constraint /)
    // Taking the place of one that is there is no further resource.
    client.send(bind('r0'))
    await client.expect('<jid>bob@test/r0</jid>')
    for (const each of [client, ...clients]) each.destroy()
  })
})
