/** SASL2 and Bind 2 over the wire, TCP and WebSocket. XEP-0388, XEP-0386, XEP-0198 §7. */

import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { el } from '../../../server/xml/element.ts'
import {
  base64,
  bind,
  bindTls,
  type Client,
  clientBinding,
  connectTcp,
  connectTls,
  connectWebSocket,
  header,
  OPEN,
  ScramClient,
  startC2s,
  type TestC2s,
} from './harness.ts'

let server: TestC2s
beforeAll(async () => {
  server = await startC2s({ limits: { resourcesPerAccount: 3, loginAttempts: 50 } })
})
afterAll(() => server.stop())

const NS = "xmlns='urn:xmpp:sasl:2'"
const plainData = (user: string, password = 'pencil', authzid = '') => base64(`${authzid}\0${user}\0${password}`)

function authenticate(mechanism: string, initial: string | undefined, children = ''): string {
  const first = initial === undefined ? '' : `<initial-response>${initial}</initial-response>`
  return `<authenticate ${NS} mechanism='${mechanism}'>${first}${children}</authenticate>`
}
const plain = (user: string, children = '') => authenticate('PLAIN', plainData(user), children)
const agent = (id: string) => `<user-agent id='${id}'><software>Test</software></user-agent>`
const bind2 = (children = '') => `<bind xmlns='urn:xmpp:bind:0'>${children}</bind>`

const kinds = ['tcp', 'websocket'] as const
type Kind = (typeof kinds)[number]

async function opened(kind: Kind = 'tcp', from?: string): Promise<Client> {
  const client =
    kind === 'tcp'
      ? await connectTls(server.ports.tls)
      : await connectWebSocket(`wss://127.0.0.1:${server.https}/xmpp-websocket`)
  const sender = from === undefined ? '' : ` from='${from}'`
  client.send(kind === 'tcp' ? header(`to='test' version='1.0'${sender}`) : OPEN.replace('/>', `${sender}/>`))
  await client.expect('</stream:features>')
  return client
}

const SUCCESS = /<success xmlns="urn:xmpp:sasl:2">(.*?)<\/success>/
const FEATURES = /<stream:features.*?(?:<\/stream:features>|\/>)/

async function success(client: Client): Promise<{ readonly inner: string; readonly identity: string }> {
  const [, inner = ''] = await client.expect(SUCCESS)
  return { inner, identity: /<authorization-identifier>([^<]+)</.exec(inner)?.[1] ?? '' }
}

async function failure(client: Client): Promise<string> {
  const [, condition = ''] = await client.expect(
    /<failure xmlns="urn:xmpp:sasl:2"><([\w-]+) xmlns="urn:ietf:params:xml:ns:xmpp-sasl"\/>.*?<\/failure>/,
  )
  return condition
}

describe('XEP-0388 §2.1, §4  the feature', () => {
  const feature = async (client: Client, open: string) => {
    client.send(open)
    const [all] = await client.expect(/<stream:features.*<\/stream:features>/)
    client.destroy()
    return /<authentication .*<\/authentication>/.exec(all)?.[0]
  }

  test('stands beside SASL under TLS, with what can be negotiated inline', async () => {
    const tcp = await feature(await connectTls(server.ports.tls), header())
    const webSocket = await feature(await connectWebSocket(`wss://127.0.0.1:${server.https}/xmpp-websocket`), OPEN)
    for (const text of [tcp, webSocket]) {
      expect(text).toContain('<mechanism>SCRAM-SHA-256-PLUS</mechanism>')
      expect(text).toContain(
        '<bind xmlns="urn:xmpp:bind:0"><inline><feature var="urn:xmpp:sm:3"/><feature var="urn:xmpp:csi:0"/></inline></bind>',
      )
      expect(text).toContain('<sm xmlns="urn:xmpp:sm:3"/>')
    }
  })

  test('is not offered without TLS, and not taken', async () => {
    expect(await feature(await connectTcp(server.ports.plaintext), header())).toBeUndefined()
    expect(await feature(await connectTcp(server.ports.c2s), header())).toBeUndefined()
    const client = await connectTcp(server.ports.plaintext)
    client.send(header() + plain('alice'))
    expect(await client.ended()).toContain('<unsupported-stanza-type ')
  })
})

describe.each(kinds)('XEP-0388 §2.6.1  a login over %s', (kind) => {
  const iq = (text: string) => (kind === 'tcp' ? text : text.replace('<iq ', "<iq xmlns='jabber:client' "))

  test('is followed by features at once, without a restart; binding as ever', async () => {
    const client = await opened(kind)
    client.send(plain('alice'))
    const { inner, identity } = await success(client)
    expect(identity).toBe('alice@test')
    expect(inner).not.toContain('additional-data')
    const [features] = await client.expect(/<stream:features.*?<\/stream:features>/)
    expect(features).toContain('<bind xmlns="urn:ietf:params:xml:ns:xmpp-bind"/>')
    expect(features).not.toContain('authentication')
    client.send(iq(bind('desk')))
    await client.expect('<jid>alice@test/desk</jid>')
    client.destroy()
  })

  test('by SCRAM, with the server’s proof in the success', async () => {
    const client = await opened(kind)
    const scram = new ScramClient('SCRAM-SHA-256', 'bob')
    client.send(authenticate('SCRAM-SHA-256', scram.first()))
    const [, challenge = ''] = await client.expect(/<challenge xmlns="urn:xmpp:sasl:2">([^<]+)<\/challenge>/)
    client.send(`<response ${NS}>${scram.final(challenge)}</response>`)
    const { inner } = await success(client)
    expect(scram.isServer(/<additional-data>([^<]+)</.exec(inner)?.[1] ?? '')).toBe(true)
    client.destroy()
  })

  test('with Bind 2 is bound in the same round trip', async () => {
    const client = await opened(kind)
    client.send(plain('alice', bind2('<tag>Tester</tag>')))
    const { inner, identity } = await success(client)
    expect(identity).toMatch(/^alice@test\/Tester\/[\w-]{12}$/)
    expect(inner).toContain('<bound xmlns="urn:xmpp:bind:0"/>')
    const [features] = await client.expect(FEATURES)
    expect(features).not.toContain('xmpp-bind')
    const [session] = server.bound.slice(-1)
    expect(session?.fullJid.full).toBe(identity)
    client.send(iq(bind('second')))
    await client.expect('<not-allowed ')
    client.destroy()
  })
})

test('-PLUS is bound to the connection here too', async () => {
  const client = await connectTls(server.ports.tls)
  client.send(header())
  await client.expect('</stream:features>')
  const binding = clientBinding(client.socket, 'tls-exporter')
  const scram = new ScramClient('SCRAM-SHA-512-PLUS', 'alice', '', binding)
  client.send(authenticate('SCRAM-SHA-512-PLUS', scram.first()))
  const [, challenge = ''] = await client.expect(/<challenge [^>]*>([^<]+)<\/challenge>/)
  client.send(`<response ${NS}>${scram.final(challenge)}</response>`)
  await success(client)
  client.destroy()
})

describe('XEP-0388 §2.6.2  failures', () => {
  test.each([
    ['a wrong password', authenticate('PLAIN', plainData('alice', 'wrong')), 'not-authorized'],
    ['no such account', authenticate('PLAIN', plainData('mallory')), 'not-authorized'],
    ['an unknown mechanism', authenticate('X-NONE', ''), 'invalid-mechanism'],
    ['no mechanism', `<authenticate ${NS}/>`, 'malformed-request'],
    ['what is no base64', authenticate('PLAIN', '!'), 'incorrect-encoding'],
    ['an empty message', authenticate('PLAIN', ''), 'malformed-request'],
    ['another identity', authenticate('PLAIN', plainData('alice', 'pencil', 'bob@test')), 'invalid-authzid'],
    ['a response to nothing', `<response ${NS}>YQ==</response>`, 'malformed-request'],
    ['giving up', `<abort ${NS}/>`, 'aborted'],
  ])('%s', async (_name, request, condition) => {
    const client = await opened()
    client.send(request)
    expect(await failure(client)).toBe(condition)
    // §2.6: the stream is as it was.
    client.send(plain('alice'))
    expect((await success(client)).identity).toBe('alice@test')
    client.destroy()
  })

  test('§2.3  an identity that the header does not name', async () => {
    const client = await opened('tcp', 'bob@test')
    client.send(plain('alice', bind2()))
    expect(await failure(client)).toBe('invalid-authzid')
    client.send(plain('bob'))
    expect((await success(client)).identity).toBe('bob@test')
    client.destroy()
  })

  test('nothing inline is done', async () => {
    const before = server.bound.length
    const client = await opened()
    client.send(authenticate('PLAIN', plainData('alice', 'wrong'), bind2('<tag>x</tag>')))
    expect(await failure(client)).toBe('not-authorized')
    expect(server.bound.length).toBe(before)
    client.destroy()
  })

  test('too many of them end the stream', async () => {
    const strict = await startC2s({ limits: { loginAttempts: 2 } })
    const client = await connectTls(strict.ports.tls)
    client.send(
      header() + authenticate('PLAIN', plainData('alice', 'no')) + authenticate('PLAIN', plainData('alice', 'no')),
    )
    expect(await client.ended()).toContain('<policy-violation ')
    await strict.stop()
  })
})

describe('XEP-0388 §2.4, §6.9  elements out of place end the stream', () => {
  const pending = async () => {
    const client = await opened()
    client.send(authenticate('SCRAM-SHA-1', new ScramClient('SCRAM-SHA-1', 'alice').first()))
    await client.expect('</challenge>')
    return client
  }

  test.each([
    ['another login during a login', authenticate('PLAIN', ''), 'policy-violation'],
    ['a stanza', '<presence/>', 'policy-violation'],
    [
      'a login of the old kind',
      "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'/>",
      'policy-violation',
    ],
    ['what nobody knows', `<bogus ${NS}/>`, 'unsupported-stanza-type'],
  ])('%s', async (_name, element, condition) => {
    const client = await pending()
    client.send(element)
    expect(await client.ended()).toContain(`<${condition} `)
  })

  test('a login after the login', async () => {
    const client = await opened()
    client.send(plain('alice'))
    await success(client)
    client.send(plain('alice'))
    expect(await client.ended()).toContain('<stream:error>')
  })
})

describe('XEP-0386 §4.2.1  resources', () => {
  async function bound(user: string, children: string, tag = ''): Promise<{ client: Client; identity: string }> {
    const client = await opened()
    client.send(plain(user, children + bind2(tag)))
    const { identity } = await success(client)
    await client.expect(FEATURES)
    return { client, identity }
  }

  test('an installation gets the same one, and takes the place of its earlier session', async () => {
    const id = randomUUID()
    const first = await bound('bob', agent(id), '<tag>Phone</tag>')
    const second = await bound('bob', agent(id), '<tag>Phone</tag>')
    expect(second.identity).toBe(first.identity)
    expect(second.identity).not.toContain(id)
    expect(await first.client.ended()).toContain('<conflict ')
    second.client.destroy()
    const other = await bound('bob', agent(randomUUID()), '<tag>Phone</tag>')
    expect(other.identity).not.toBe(first.identity)
    other.client.destroy()
  })

  test('without tag and id it is random; a tag that no resource can have is left out', async () => {
    const one = await bound('bob', '')
    const two = await bound('bob', '')
    expect(one.identity).toMatch(/^bob@test\/[\w-]{16}$/)
    expect(two.identity).not.toBe(one.identity)
    one.client.destroy()
    two.client.destroy()
    const odd = await bound('bob', agent('not-a-uuid'), '<tag>a&#9;b</tag>')
    expect(odd.identity).toMatch(/^bob@test\/[\w-]{16}$/)
    odd.client.destroy()
  })

  test('when no more may be bound the login stands, and the reason comes with the next request', async () => {
    const clients = [await bindTls(server, 'bob'), await bindTls(server, 'bob'), await bindTls(server, 'bob')]
    const client = await opened()
    client.send(plain('bob', bind2()))
    const { identity, inner } = await success(client)
    expect(identity).toBe('bob@test')
    expect(inner).not.toContain('bound')
    client.send(bind('fourth'))
    await client.expect(/<error type="wait"><resource-constraint /)
    for (const each of [...clients, client]) each.destroy()
  })
})

describe('XEP-0198 §7  stream management inline', () => {
  const enable = "<enable xmlns='urn:xmpp:sm:3' resume='true'/>"
  const resume = (id: string, h = 0) => `<resume xmlns='urn:xmpp:sm:3' previd='${id}' h='${h}'/>`
  const user = 'alice'

  async function managed(): Promise<{ client: Client; identity: string; id: string }> {
    const client = await opened()
    client.send(plain(user, bind2(`<tag>sm</tag>${enable}`)))
    const { inner, identity } = await success(client)
    const [features] = await client.expect(FEATURES)
    expect(features).not.toContain('urn:xmpp:sm:3')
    return { client, identity, id: /<bound [^>]*><enabled [^>]*id="([^"]+)"/.exec(inner)?.[1] ?? '' }
  }

  test.each(kinds)('a session that lost its connection goes on over %s, with what was sent meanwhile', async (kind) => {
    const { client, identity, id } = await managed()
    const session = server.bound.find(({ fullJid }) => fullJid.full === identity)
    client.destroy()
    await client.ended()
    session?.send({ xml: '<message id="kept"/>' })
    const next = await opened(kind)
    next.send(plain(user, resume(id) + bind2('<tag>ignored</tag>')))
    const resumed = await success(next)
    expect(resumed.identity).toBe(identity)
    expect(resumed.inner).toContain(`<resumed xmlns="urn:xmpp:sm:3" previd="${id}" h="0"/>`)
    expect(resumed.inner).not.toContain('<bound')
    await next.expect('id="kept"')
    next.destroy()
  })

  test('one that cannot be resumed is said so, and a new one is bound', async () => {
    const client = await opened()
    client.send(plain(user, resume('unknown') + bind2(enable)))
    const { inner } = await success(client)
    expect(inner).toMatch(/<failed xmlns="urn:xmpp:sm:3"><item-not-found .*<bound .*<enabled /)
    client.destroy()
  })

  test('XEP-0352 §3  a session may begin inactive', async () => {
    const client = await opened()
    client.send(plain('bob', bind2("<inactive xmlns='urn:xmpp:csi:0'/>")))
    const { identity } = await success(client)
    const session = server.bound.find(({ fullJid }) => fullJid.full === identity)
    for (const id of ['first', 'last']) session?.send(el('presence', { from: 'alice@test/x', id }))
    session?.send(el('message', { from: 'alice@test/x' }, el('body', {}, 'hi')))
    const [said] = await client.expect(/<presence .*<\/message>/)
    expect(said).toContain('id="last"')
    expect(said).not.toContain('id="first"')
    client.destroy()
  })

  test('an h that cannot be ends the stream', async () => {
    const { client, id } = await managed()
    client.destroy()
    await client.ended()
    const next = await opened()
    next.send(plain(user, resume(id, 77)))
    expect(await next.ended()).toContain('<undefined-condition ')
  })
})
