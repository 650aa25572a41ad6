import { afterEach, describe, expect, test } from 'vitest'
import type { SessionView } from '../../../server/module/api.ts'
import { createC2s } from '../../../server/session/c2s.ts'
import { StreamError } from '../../../server/stanza/errors.ts'
import { el } from '../../../server/xml/element.ts'
import { serialize } from '../../../server/xml/serialize.ts'
import {
  authenticator,
  bindTls,
  bindWebSocket,
  connectTcp,
  connectTls,
  header,
  login,
  silent,
  startC2s,
  type TestC2s,
  tlsMaterial,
} from '../stream/harness.ts'

let server: TestC2s
afterEach(() => server.stop())

function sessionOf(jid: string) {
  const session = server.c2s.registry.get(jid)
  if (!session) throw new Error(`no session ${jid}`)
  return session
}

/** Waits until the floor above has got this many stanzas; a ping behind them brings the client’s side along. */
async function receivedXml(count: number): Promise<string[]> {
  await expect.poll(() => server.received.length, { interval: 5 }).toBe(count)
  return server.received.map(({ stanza }) => serialize(stanza))
}

describe('RFC 6120 §8.1.2.1  the sender is stamped', () => {
  test.each(['tcp', 'websocket'] as const)('over %s', async (kind) => {
    server = await startC2s()
    const client =
      kind === 'tcp' ? await bindTls(server, 'alice', 'desk') : await bindWebSocket(server, 'alice', 'desk')
    const stanzas = [
      '<message id="1"/>',
      '<message from="alice@test" id="2"/>',
      '<message from="alice@test/desk" id="3"/>',
      '<message from="ALICE@Test/desk" id="4"/>',
      '<presence/>',
      '<presence type="subscribe" to="bob@test"/>',
      '<presence from="alice@test/desk" type="unsubscribed" to="bob@test"/>',
      '<iq type="get" id="5"><query xmlns="urn:x"/></iq>',
    ]
    for (const stanza of stanzas) {
      client.send(kind === 'tcp' ? stanza : stanza.replace(/^<(\w+)/, '<$1 xmlns="jabber:client"'))
    }
    expect(await receivedXml(stanzas.length)).toEqual([
      '<message id="1" from="alice@test/desk"/>',
      '<message from="alice@test/desk" id="2"/>',
      '<message from="alice@test/desk" id="3"/>',
      '<message from="alice@test/desk" id="4"/>',
      '<presence from="alice@test/desk"/>',
      '<presence type="subscribe" to="bob@test" from="alice@test"/>',
      '<presence from="alice@test" type="unsubscribed" to="bob@test"/>',
      '<iq type="get" id="5" from="alice@test/desk"><query xmlns="urn:x"/></iq>',
    ])
    client.destroy()
  })

  test('§4.7.4  the stream’s language where the stanza has none', async () => {
    server = await startC2s()
    const client = await connectTls(server.ports.tls)
    client.send(header())
    await client.expect('</stream:features>')
    await login(client, 'alice', 'desk', header("to='test' version='1.0' xml:lang='de-CH'"))
    client.send('<message/><message xml:lang="fr"/>')
    expect(await receivedXml(2)).toEqual([
      '<message from="alice@test/desk" xml:lang="de-CH"/>',
      '<message xml:lang="fr" from="alice@test/desk"/>',
    ])
    client.destroy()
  })
})

describe('one client’s stanzas stay in order', () => {
  test('a promise holds the next ones back, no others, and reading stops when they are too many', async () => {
    const order: string[] = []
    const gates = new Map<string, () => void>()
    server = await startC2s({
      limits: { queuedStanzas: 4 },
      onStanza: (session, stanza) => {
        const id = `${session.fullJid.local}${stanza.attrs['id']}`
        order.push(`${id} begins`)
        if (stanza.attrs['type'] !== 'wait') return undefined
        return new Promise<void>((resolve) => gates.set(id, resolve)).then(() => void order.push(`${id} ends`))
      },
    })
    const [alice, bob] = [await bindTls(server, 'alice', 'a'), await bindTls(server, 'bob', 'b')]
    alice.send('<message id="1" type="wait"/><message id="2"/><message id="3" type="wait"/>')
    await expect.poll(() => order, { interval: 5 }).toEqual(['alice1 begins'])
    bob.send('<message id="1"/>')
    await expect.poll(() => order, { interval: 5 }).toEqual(['alice1 begins', 'bob1 begins'])
    // Far more than the queue and all socket buffers hold: the rest stays with the client.
    const filler = `<message id="x"><body>${'x'.repeat(100_000)}</body></message>`
    for (let n = 0; n < 200; n++) alice.send(filler)
    await expect.poll(() => alice.socket.writableLength, { interval: 5 }).toBeGreaterThan(0)
    gates.get('alice1')?.()
    await expect.poll(() => order.slice(2), { interval: 5 }).toEqual(['alice1 ends', 'alice2 begins', 'alice3 begins'])
    expect(alice.socket.writableLength).toBeGreaterThan(0)
    gates.get('alice3')?.()
    await expect.poll(() => order.length, { interval: 5, timeout: 20_000 }).toBe(5 + 1 + 200)
    expect(alice.socket.writableLength).toBe(0)
    alice.destroy()
    bob.destroy()
  })

  test('what was sent before </stream:stream> is done before the answer', async () => {
    let done = 0
    server = await startC2s({
      onStanza: async (session, stanza) => {
        await new Promise((resolve) => setImmediate(resolve))
        done++
        session.send(el('iq', { type: 'result', id: String(stanza.attrs['id']) }))
      },
    })
    const client = await bindTls(server, 'alice', 'desk')
    client.send('<iq type="get" id="1"/><iq type="get" id="2"/><iq type="get" id="3"/></stream:stream>')
    expect(await client.ended()).toBe(
      '<iq type="result" id="1"/><iq type="result" id="2"/><iq type="result" id="3"/></stream:stream>',
    )
    expect(done).toBe(3)
    expect(server.c2s.registry.size).toBe(0)
  })

  test('a defect above closes this stream with no detail, and no other', async () => {
    server = await startC2s({
      onStanza: (_session, stanza) => {
        if (stanza.attrs['type'] === 'sync') throw new Error('secret detail')
        return stanza.attrs['type'] === 'async' ? Promise.reject(new Error('secret detail')) : undefined
      },
    })
    const bystander = await bindTls(server, 'bob', 'desk')
    for (const type of ['sync', 'async']) {
      const client = await bindTls(server, 'alice', type)
      client.send(`<message type="${type}"/>`)
      const said = await client.ended()
      expect(said).toContain('<internal-server-error ')
      expect(said).not.toContain('secret')
    }
    expect(sessionOf('bob@test/desk').send({ xml: '<message/>' })).toBe(true)
    await bystander.expect('<message/>')
    bystander.destroy()
  })
})

describe('the registry', () => {
  test('is what modules see', async () => {
    server = await startC2s()
    const view: SessionView = server.c2s.registry
    const client = await bindTls(server, 'alice', 'one')
    const other = await bindTls(server, 'alice', 'two')
    expect(view.size).toBe(2)
    expect(view.of('alice@test').map(({ fullJid }) => fullJid.resource)).toEqual(['one', 'two'])
    expect([...view.all()]).toHaveLength(2)
    expect(view.of('bob@test')).toEqual([])
    const session = view.get('alice@test/one')
    if (!session) throw new Error('no session')
    expect(session.presence).toBeUndefined()
    server.c2s.registry.setPresence(session, el('presence'), 7)
    expect([session.presence?.name, session.priority]).toEqual(['presence', 7])
    expect(view.deliver(session, el('message', { xmlns: 'jabber:client', id: 'x' }, el('body', {}, '<&>')))).toBe(true)
    await client.expect('<message id="x"><body>&lt;&amp;&gt;</body></message>')
    const ended = new Promise((resolve) => session.closed.addEventListener('abort', resolve))
    view.close(session, new StreamError('policy-violation', 'enough'))
    await ended
    expect(view.deliver(session, el('message'))).toBe(false)
    expect(view.get('alice@test/one')).toBeUndefined()
    expect(session.closed.aborted).toBe(true)
    expect(await client.ended()).toContain('<policy-violation ')
    expect(server.closed.map(({ fullJid }) => fullJid.full)).toEqual(['alice@test/one'])
    other.destroy()
    await expect.poll(() => view.size, { interval: 5 }).toBe(0)
    expect(server.closed).toHaveLength(2)
  })

  test('SACM-XMPP §2  the newer connection takes the resource, the older one gets conflict', async () => {
    server = await startC2s()
    const older = await bindTls(server, 'alice', 'sacm')
    const first = sessionOf('alice@test/sacm')
    const newer = await bindWebSocket(server, 'alice', 'sacm')
    expect(await older.ended()).toMatch(/^<stream:error><conflict .*<\/stream:stream>$/)
    const second = sessionOf('alice@test/sacm')
    expect(second).not.toBe(first)
    expect(first.closed.aborted).toBe(true)
    expect(server.bound).toEqual([first, second])
    expect(server.closed).toEqual([first])
    second.send({ xml: '<message/>' })
    await newer.expect('<message xmlns="jabber:client"/>')
    newer.destroy()
  })

  test('a resource that is still working off its last stanzas makes room', async () => {
    const [begun, done] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    server = await startC2s({
      onStanza: () => {
        begun.resolve()
        return done.promise
      },
    })
    const leaving = await bindTls(server, 'alice', 'sacm')
    leaving.send('<message/></stream:stream>')
    leaving.socket.end()
    const first = sessionOf('alice@test/sacm')
    // Nothing orders what two connections bring.
    await begun.promise
    const newer = await bindTls(server, 'alice', 'sacm')
    expect(sessionOf('alice@test/sacm')).not.toBe(first)
    done.resolve()
    await expect.poll(() => server.closed, { interval: 5 }).toEqual([first])
    newer.destroy()
  })

  test('RFC 7622  the resource is prepared; one that is no resource is replaced', async () => {
    server = await startC2s()
    const client = await bindTls(server, 'alice', 'caf\u0065\u0301')
    expect(server.c2s.registry.get('alice@test/caf\u00e9')).toBeDefined()
    const other = await bindTls(server, 'alice', '&#x9;')
    expect(server.c2s.registry.of('alice@test')[1]?.fullJid.resource).toMatch(/^[\w-]{16}$/)
    client.destroy()
    other.destroy()
  })
})

describe('DESIGN decision 6  a client that does not read', () => {
  const chunk = { xml: `<message><body>${'x'.repeat(200_000)}</body></message>` }

  /** Sends until the session is gone; bounded. @returns how many were taken */
  function flood(jid: string): number {
    const session = sessionOf(jid)
    for (let n = 0; n < 1000; n++) if (!session.send(chunk)) return n
    return 1000
  }

  test.each(['tcp', 'websocket'] as const)(
    '%s: is dropped at the bound, with a reason, and nobody else',
    async (kind) => {
      server = await startC2s({ limits: { maxOutputBytes: 2_000_000 } })
      const bystander = await bindTls(server, 'bob', 'desk')
      const client =
        kind === 'tcp' ? await bindTls(server, 'alice', 'desk') : await bindWebSocket(server, 'alice', 'desk')
      if ('socket' in client) client.socket.pause()
      else client.websocket.pause()
      const taken = flood('alice@test/desk')
      expect(taken).toBeGreaterThan(5)
      expect(taken).toBeLessThan(1000)
      expect(server.closed).toHaveLength(1)
      // In time for the reason to be read:
      if ('socket' in client) client.socket.resume()
      else client.websocket.resume()
      await client.expect(/<policy-violation [^>]*\/><text [^>]*>too much output unread<\/text>/)
      client.destroy()
      sessionOf('bob@test/desk').send({ xml: '<message/>' })
      await bystander.expect('<message/>')
      bystander.destroy()
    },
  )

  test('that never reads again is cut off', async () => {
    server = await startC2s({ limits: { maxOutputBytes: 2_000_000 }, timeouts: { closeMs: 50 } })
    const client = await bindTls(server, 'alice', 'desk')
    client.socket.pause()
    flood('alice@test/desk')
    const closing = server.c2s.close()
    await closing // waits for every connection to go
    client.destroy()
  })

  test('is not read from while its output waits, and dropped after a time', async () => {
    server = await startC2s({ timeouts: { slowReaderMs: 300 } })
    const client = await bindTls(server, 'alice', 'desk')
    client.socket.pause()
    const session = sessionOf('alice@test/desk')
    // Beyond what the kernel takes, below the bound.
    for (let n = 0; n < 35; n++) session.send(chunk)
    client.send('<message/>')
    await expect.poll(() => server.closed.length, { interval: 5 }).toBe(1)
    expect(server.received).toHaveLength(0)
    client.socket.resume()
    await client.expect(/<connection-timeout [^>]*\/><text [^>]*>output unread</)
    client.destroy()
  })

  test('and reads again in time goes on as if nothing had been', async () => {
    server = await startC2s()
    const client = await bindTls(server, 'alice', 'desk')
    client.socket.pause()
    const session = sessionOf('alice@test/desk')
    for (let n = 0; n < 35; n++) session.send(chunk)
    client.send('<message id="1"/>')
    client.socket.resume()
    expect(await receivedXml(1)).toEqual(['<message id="1" from="alice@test/desk"/>'])
    session.send({ xml: '<message id="last"/>' })
    await client.expect('<message id="last"/>')
    expect(server.closed).toHaveLength(0)
    client.destroy()
  })
})

describe('RFC 6120 §4.9.3.20  shutdown', () => {
  test('every client is told, the half-open ones too', async () => {
    server = await startC2s({ timeouts: { closeMs: 2_000 } })
    const [tls, websocket] = [await bindTls(server, 'alice', 'a'), await bindWebSocket(server, 'bob', 'b')]
    const half = await connectTls(server.ports.tls)
    half.send(header())
    await half.expect('</stream:features>')
    const done = server.c2s.close()
    expect(await tls.ended()).toMatch(/<system-shutdown [^>]*\/><\/stream:error><\/stream:stream>$/)
    expect(await half.ended()).toContain('<system-shutdown ')
    await websocket.expect('<system-shutdown ')
    await websocket.expect('<close ')
    websocket.send("<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>")
    await websocket.ended()
    await done
    expect(server.c2s.registry.size).toBe(0)
    expect(server.closed).toHaveLength(2)
    await expect(connectTls(server.ports.tls)).rejects.toThrow()
  })
})

describe('createC2s', () => {
  test('a port in use is an error, and nothing stays open', async () => {
    server = await startC2s()
    const options = {
      domain: 'test',
      isLocalDomain: () => true,
      accounts: authenticator,
      tls: tlsMaterial(),
      onBound: () => {},
      onStanza: () => {},
      onClosed: () => {},
      log: silent,
    }
    const { c2s, tls } = server.ports
    await server.c2s.close()
    const holder = createC2s({ ...options, listeners: { tls: { host: '127.0.0.1', port: tls ?? 0 } } })
    await holder.listen()
    const second = createC2s({
      ...options,
      listeners: { c2s: { host: '127.0.0.1', port: c2s ?? 0 }, tls: { host: '127.0.0.1', port: tls ?? 0 } },
    })
    await expect(second.listen()).rejects.toThrow('EADDRINUSE')
    await expect(connectTcp(c2s)).rejects.toThrow('ECONNREFUSED')
    await holder.close()
  })
})
