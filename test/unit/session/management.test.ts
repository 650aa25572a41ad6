import { afterEach, describe, expect, test } from 'vitest'
import type { KeptStanza } from '../../../server/session/unacked.ts'
import { StreamError } from '../../../server/stanza/errors.ts'
import { attr, el } from '../../../server/xml/element.ts'
import {
  bindTls,
  bindWebSocket,
  type Client,
  connectTls,
  connectWebSocket,
  header,
  OPEN,
  plain,
  startC2s,
  type TestC2s,
} from '../stream/harness.ts'

const NS = "xmlns='urn:xmpp:sm:3'"
let server: TestC2s
afterEach(() => server.stop())

type Kind = 'tcp' | 'websocket'
const KINDS = ['tcp', 'websocket'] as const

const bindAs = (kind: Kind, user: string, resource: string): Promise<Client> =>
  kind === 'tcp' ? bindTls(server, user, resource) : bindWebSocket(server, user, resource)

/** Logged in, and not bound. */
async function loggedIn(kind: Kind, user: string): Promise<Client> {
  const client =
    kind === 'tcp'
      ? await connectTls(server.ports.tls)
      : await connectWebSocket(`wss://127.0.0.1:${server.https}/xmpp-websocket`)
  const open = kind === 'tcp' ? header() : OPEN
  client.send(open)
  await client.expect('</stream:features>')
  client.send(plain(user))
  await client.expect('<success')
  client.send(open)
  await client.expect('<sm xmlns="urn:xmpp:sm:3"/>')
  await client.expect('</stream:features>')
  return client
}

/** @returns the id to resume with */
async function enable(client: Client, attributes = "resume='true'"): Promise<string> {
  client.send(`<enable ${NS} ${attributes}/>`)
  const [, id] = await client.expect(/<enabled xmlns="urn:xmpp:sm:3" id="([\w-]{32})" resume="true" max="\d+"\/>/)
  return id ?? ''
}

function message(kind: Kind, id: string): string {
  return kind === 'tcp' ? `<message id='${id}'/>` : `<message xmlns='jabber:client' id='${id}'/>`
}

function sessionOf(jid: string) {
  const session = server.c2s.registry.get(jid)
  if (!session) throw new Error(`no session ${jid}`)
  return session
}

const isLost = (jid: string) => expect.poll(() => server.c2s.registry.get(jid)?.isLost, { interval: 5 }).toBe(true)

describe.each(KINDS)('XEP-0198 over %s', (kind) => {
  test('§3, §4  enabled without resumption: both sides count and acknowledge; a lost connection is the end', async () => {
    server = await startC2s()
    const client = await bindAs(kind, 'alice', 'desk')
    client.send(`<r ${NS}/>`)
    await client.expect('<failed xmlns="urn:xmpp:sm:3"><unexpected-request ')
    client.send(`<a ${NS} h='0'/>`)
    await client.expect('<failed xmlns="urn:xmpp:sm:3"><unexpected-request ')
    client.send(`${message(kind, 'uncounted')}`)
    client.send(`<enable ${NS}/>`)
    await client.expect('<enabled xmlns="urn:xmpp:sm:3"/>')
    client.send(message(kind, '1')).send(message(kind, '2')).send(`<r ${NS}/>`)
    await client.expect('<a xmlns="urn:xmpp:sm:3" h="2"/>')
    const session = sessionOf('alice@test/desk')
    for (let n = 1; n <= 5; n++) session.send(el('message', { id: n }))
    await client.expect(/id="5"\/><r xmlns="urn:xmpp:sm:3"\/>$/)
    client.send(`<a ${NS} h='5'/>`)
    session.send(el('message', { id: 'asked after a second' }))
    await client.expect('<r xmlns="urn:xmpp:sm:3"/>')
    client.destroy()
    await expect.poll(() => server.closed, { interval: 5 }).toEqual([session])
  })

  test('§3  out of order, and twice', async () => {
    server = await startC2s({ timeouts: { closeMs: 100 } })
    const early =
      kind === 'tcp'
        ? await connectTls(server.ports.tls)
        : await connectWebSocket(`wss://127.0.0.1:${server.https}/xmpp-websocket`)
    early.send(kind === 'tcp' ? header() : OPEN)
    await early.expect('</stream:features>')
    early.send(`<enable ${NS} resume='true'/>`)
    await early.expect(
      '<failed xmlns="urn:xmpp:sm:3"><unexpected-request xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></failed>',
    )
    early.send(`<resume ${NS} previd='x' h='0'/>`)
    await early.expect('<failed xmlns="urn:xmpp:sm:3"><unexpected-request ')
    early.destroy()
    const unbound = await loggedIn(kind, 'alice')
    unbound.send(`<enable ${NS}/>`)
    await unbound.expect('<failed xmlns="urn:xmpp:sm:3"><unexpected-request ')
    unbound.destroy()
    const client = await bindAs(kind, 'alice', 'desk')
    client.send(`<resume ${NS} previd='x' h='0'/>`)
    await client.expect('<failed xmlns="urn:xmpp:sm:3"><unexpected-request ')
    await enable(client)
    client.send(`<enable ${NS}/>`)
    expect(await client.ended()).toContain('<policy-violation ')
  })

  test('§5  resumed after a cut: place and presence kept, nothing lost, nothing twice', async () => {
    server = await startC2s()
    const client = await bindAs(kind, 'alice', 'desk')
    const session = sessionOf('alice@test/desk')
    server.c2s.registry.setPresence(session, el('presence'), 3)
    const id = await enable(client)
    client.send(message(kind, 'c1'))
    session.send(el('message', { id: 's1' }))
    session.send(el('message', { id: 's2' }))
    await client.expect('id="s2"/>')
    client.destroy()
    await isLost('alice@test/desk')
    expect(session.send(el('message', { id: 's3' }))).toBe(true)
    expect([session.presence?.name, session.priority, server.closed]).toEqual(['presence', 3, []])
    const other = await loggedIn(kind === 'tcp' ? 'websocket' : 'tcp', 'alice')
    other.send(`<resume ${NS} previd='${id}' h='1'/>`)
    await other.expect(`<resumed xmlns="urn:xmpp:sm:3" previd="${id}" h="1"/>`)
    expect((await other.expect('id="s3"/>')).input).toMatch(/^<message [^>]*id="s2"\/><message [^>]*id="s3"\/>/)
    expect(sessionOf('alice@test/desk')).toBe(session)
    expect(session.transport).toBe(kind === 'tcp' ? 'websocket' : 'tcp')
    other.send(message(kind === 'tcp' ? 'websocket' : 'tcp', 'c2')).send(`<r ${NS}/>`)
    await other.expect('<a xmlns="urn:xmpp:sm:3" h="2"/>')
    expect(server.received.map(({ stanza }) => attr(stanza, 'id'))).toEqual(['c1', 'c2'])
    expect(server.bound).toHaveLength(1)
    other.destroy()
  })

  test('§5  resumed while the old connection stands: that one ends with a conflict, and nobody hears of it', async () => {
    server = await startC2s({ timeouts: { closeMs: 100 } })
    const client = await bindAs(kind, 'alice', 'desk')
    const id = await enable(client)
    const next = await loggedIn(kind, 'alice')
    next.send(`<resume ${NS} previd='${id}' h='0'/>`)
    await next.expect('<resumed ')
    expect(await client.ended()).toMatch(/<stream:error[^>]*><conflict /)
    sessionOf('alice@test/desk').send(el('message', { id: 'here' }))
    await next.expect('id="here"')
    expect(server.closed).toEqual([])
    next.destroy()
  })

  test('§5  refused: unknown, another’s, malformed, after goodbye; and then a resource may be bound', async () => {
    server = await startC2s()
    const client = await bindAs(kind, 'alice', 'desk')
    const id = await enable(client)
    client.send(message(kind, '1')).send(message(kind, '2'))
    const thief = await loggedIn(kind, 'bob')
    for (const previd of [id, 'unknown']) {
      thief.send(`<resume ${NS} previd='${previd}' h='0'/>`)
      await thief.expect(
        '<failed xmlns="urn:xmpp:sm:3"><item-not-found xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></failed>',
      )
    }
    for (const attributes of [`previd='${id}'`, "h='0'", `previd='${id}' h='-1'`, `previd='${id}' h='4294967296'`]) {
      thief.send(`<resume ${NS} ${attributes}/>`)
      await thief.expect('<failed xmlns="urn:xmpp:sm:3"><bad-request ')
    }
    thief.destroy()
    client.send(kind === 'tcp' ? '</stream:stream>' : "<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>")
    await client.ended()
    const late = await loggedIn(kind, 'alice')
    late.send(`<resume ${NS} previd='${id}' h='0'/>`)
    await late.expect('<failed xmlns="urn:xmpp:sm:3" h="2"><item-not-found ')
    const iq = `<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>`
    late.send(kind === 'tcp' ? iq : iq.replace('<iq', "<iq xmlns='jabber:client'"))
    await late.expect('<jid>alice@test/')
    late.destroy()
  })

  test('§6  more acknowledged than sent, on <a/> and on <resume/>; an h that is no number', async () => {
    server = await startC2s({ timeouts: { closeMs: 100 } })
    const client = await bindAs(kind, 'alice', 'desk')
    await enable(client)
    sessionOf('alice@test/desk').send(el('message', { id: 'one' }))
    client.send(`<a ${NS} h='2'/>`)
    expect(await client.ended()).toMatch(
      /<stream:error[^>]*><undefined-condition .*<handled-count-too-high xmlns="urn:xmpp:sm:3" h="2" send-count="1"\/><\/stream:error>/,
    )
    const second = await bindAs(kind, 'alice', 'two')
    const id = await enable(second)
    second.destroy()
    await isLost('alice@test/two')
    const wrong = await loggedIn(kind, 'alice')
    wrong.send(`<resume ${NS} previd='${id}' h='7'/>`)
    expect(await wrong.ended()).toContain('<handled-count-too-high xmlns="urn:xmpp:sm:3" h="7" send-count="0"/>')
    const right = await loggedIn(kind, 'alice')
    right.send(`<resume ${NS} previd='${id}' h='0'/>`)
    await right.expect('<resumed ')
    right.send(`<a ${NS} h='many'/>`)
    expect(await right.ended()).toContain('<bad-format ')
  })
})

describe('XEP-0198  the end of a session that was lost', () => {
  test('§4  when nobody comes back within max; what was not acknowledged is handed up', async () => {
    const undelivered: unknown[] = []
    const told = ({ xml, group, scope }: KeptStanza) => (group === undefined ? xml : { xml, group, scope })
    server = await startC2s({ onUndelivered: (_gone, stanzas) => undelivered.push(...stanzas.map(told)) })
    const client = await bindTls(server, 'alice', 'desk')
    await enable(client, "resume='1' max='1'")
    const session = sessionOf('alice@test/desk')
    session.send(el('message', { id: 'acked' }))
    session.send(el('message', { id: 'sent' }))
    client.send(`<a ${NS} h='1'/><r ${NS}/>`)
    await client.expect('<a ')
    client.destroy()
    await isLost('alice@test/desk')
    session.send(el('message', { id: 'kept' }))
    const written = { xml: '<message id="written"/>', group: 'node', scope: 'endpoint' }
    session.send(written)
    await expect.poll(() => server.closed, { interval: 5, timeout: 5_000 }).toEqual([session])
    expect(undelivered).toEqual(['<message id="sent"/>', '<message id="kept"/>', written])
    expect(session.send(el('message'))).toBe(false)
  })

  test('max is what the client asks for, at most what the server allows; none at all where it allows none', async () => {
    server = await startC2s({ timeouts: { resumeMs: 60_000 } })
    for (const [asked, given] of [
      ['5', '5'],
      ['600', '60'],
      ['never', '60'],
      ['0', '60'],
    ]) {
      const client = await bindTls(server, 'alice', 'desk')
      client.send(`<enable ${NS} resume='true' max='${asked}'/>`)
      await client.expect(`resume="true" max="${given}"/>`)
      client.destroy()
    }
    await server.stop()
    server = await startC2s({ timeouts: { resumeMs: 0 } })
    const client = await bindTls(server, 'alice', 'desk')
    client.send(`<enable ${NS} resume='true'/>`)
    await client.expect('<enabled xmlns="urn:xmpp:sm:3"/>')
    client.destroy()
    const next = await loggedIn('tcp', 'alice')
    next.send(`<resume ${NS} previd='x' h='0'/>`)
    await next.expect('<failed xmlns="urn:xmpp:sm:3"><feature-not-implemented ')
    next.destroy()
  })

  test('by the same resource bound again, by the bound on resources, by an administrator, by shutdown', async () => {
    server = await startC2s({ limits: { resourcesPerAccount: 2 } })
    const lose = async (resource: string) => {
      const client = await bindTls(server, 'alice', resource)
      await enable(client)
      client.destroy()
      await isLost(`alice@test/${resource}`)
      return sessionOf(`alice@test/${resource}`)
    }
    const first = await lose('one')
    const again = await bindTls(server, 'alice', 'one')
    expect(server.closed).toEqual([first])
    const second = await lose('two')
    const third = await bindTls(server, 'alice', 'three')
    expect(server.closed).toEqual([first, second])
    third.destroy()
    await expect.poll(() => server.closed.length, { interval: 5 }).toBe(3)
    const fourth = await lose('four')
    server.c2s.registry.close(fourth, new StreamError('reset'))
    expect(server.closed).toHaveLength(4)
    await lose('five')
    again.destroy()
    await server.c2s.close()
    expect(server.c2s.registry.size).toBe(0)
  })

  test('by too much that is not acknowledged, with a client that is there and with one that is lost', async () => {
    server = await startC2s({ limits: { unackedStanzas: 10 } })
    const client = await bindTls(server, 'alice', 'desk')
    await enable(client)
    const session = sessionOf('alice@test/desk')
    for (let n = 0; n <= 10; n++) expect(session.send(el('message', { id: n }))).toBe(true)
    expect(await client.ended()).toMatch(/id="10"\/>.*<policy-violation .*unacknowledged/)
    const other = await bindTls(server, 'alice', 'two')
    await enable(other)
    other.destroy()
    await isLost('alice@test/two')
    const lost = sessionOf('alice@test/two')
    for (let n = 0; n <= 10; n++) expect(lost.send(el('message', { id: n }))).toBe(true)
    expect(server.closed).toEqual([session, lost])
  })

  test('never by a client that is resumed: what its old connection left in the queue is done, and counted', async () => {
    const gates: (() => void)[] = []
    const order: string[] = []
    server = await startC2s({
      limits: { queuedStanzas: 3 },
      onStanza: (_session, stanza) => {
        order.push(attr(stanza, 'id') ?? '')
        return new Promise<void>((resolve) => gates.push(resolve))
      },
    })
    const client = await bindTls(server, 'alice', 'desk')
    const id = await enable(client)
    client.send(`${message('tcp', '1')}${message('tcp', '2')}${message('tcp', '3')}${message('tcp', '4')}`)
    await expect.poll(() => order, { interval: 5 }).toEqual(['1'])
    client.destroy()
    // The full queue holds the socket: its end is not seen, and the client comes back first.
    const next = await loggedIn('tcp', 'alice')
    next.send(`<resume ${NS} previd='${id}' h='0'/>`)
    await next.expect(`h="4"/>`)
    next.send(`${message('tcp', '5')}<r ${NS}/>`)
    for (let n = 0; n < 5; n++) {
      await expect.poll(() => gates.length, { interval: 5 }).toBe(n + 1)
      expect(next.seen).toBe('')
      gates[n]?.()
    }
    await next.expect('<a xmlns="urn:xmpp:sm:3" h="5"/>')
    expect(order).toEqual(['1', '2', '3', '4', '5'])
    next.destroy()
  })
})

test('XEP-0198 §4  an answer waits until what was written is on disk', async () => {
  const commits: (() => void)[] = []
  server = await startC2s({ settled: () => new Promise<void>((resolve) => commits.push(resolve)) })
  const client = await bindTls(server, 'alice', 'desk')
  await enable(client)
  client.send(`<message/><r ${NS}/><message/><r ${NS}/>`)
  await expect.poll(() => commits.length, { interval: 5 }).toBe(2)
  expect(client.seen).toBe('')
  // In the other order: what was told is not taken back.
  commits[1]?.()
  await client.expect('<a xmlns="urn:xmpp:sm:3" h="2"/>')
  commits[0]?.()
  await client.expect('<a xmlns="urn:xmpp:sm:3" h="2"/>')
  client.destroy()
})
