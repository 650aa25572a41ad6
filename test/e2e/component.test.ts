/**
 * External components on their own port, where a scenario cannot say it: half-made streams, secrets, limits. What passes
 * between clients and components is in test/scenarios/component/. XEP-0114 §3.
 */

import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { callControl } from '../../server/control.ts'
import { Connection, show } from '../support/scenario/connection.ts'
import { runSacm, startServer, type TestServer } from '../support/server.ts'
import { connectTcp, type TcpClient } from '../unit/stream/harness.ts'

const PASSWORD = 'correct horse'
const NAME = 'weather.example'
const SECRET = 'a secret of the weather'
let server: TestServer
const open: { destroy(): void }[] = []

beforeAll(async () => {
  server = await startServer({ domain: 'test', set: { 'component.port': '0', 'limits.stanzaBytes': '20000' } })
  for (const user of ['alice', 'bob']) await server.addUser(`${user}@test`, PASSWORD)
  await callControl(server.dataDir, 'component.add', { domain: NAME, secret: SECRET })
  await callControl(server.dataDir, 'component.add', { domain: 'second.example', secret: SECRET })
})
afterAll(async () => {
  expect(await server.stop()).toBe(0)
})
afterEach(async () => {
  for (const each of open.splice(0)) each.destroy()
  await expect.poll(connected, { interval: 5 }).toEqual([])
})

async function connected(): Promise<string[]> {
  const listed = (await callControl(server.dataDir, 'component.list', {}))?.result as {
    domain: string
    isConnected: boolean
  }[]
  return listed.filter(({ isConnected }) => isConnected).map(({ domain }) => domain)
}

function header(to: string | undefined, content = 'jabber:component:accept'): string {
  const toText = to === undefined ? '' : ` to='${to}'`
  return `<stream:stream xmlns='${content}' xmlns:stream='http://etherx.jabber.org/streams'${toText}>`
}

async function raw(): Promise<TcpClient> {
  const client = await connectTcp(server.ports.component)
  open.push(client)
  return client
}

async function streamId(component: TcpClient, name = NAME): Promise<string> {
  component.send(header(name))
  const answer = await component.expect(
    /^<\?xml version='1.0'\?><stream:stream xmlns="jabber:component:accept" xmlns:stream="[^"]+" from="([^"]+)" id="([^"]+)">/,
  )
  expect(answer[1]).toBe(name)
  return answer[2] ?? ''
}

function handshake(id: string, secret = SECRET): string {
  return `<handshake>${createHash('sha1').update(`${id}${secret}`).digest('hex')}</handshake>`
}

async function component(name = NAME): Promise<TcpClient> {
  const client = await raw()
  client.send(handshake(await streamId(client, name)))
  await client.expect(/^<handshake\/>/)
  return client
}

async function login(user: string, resource = 'desk'): Promise<Connection> {
  const connection = await Connection.open(server, 'tcp')
  open.push(connection)
  await connection.login(user, PASSWORD, resource)
  return connection
}

async function got(connection: Connection): Promise<string> {
  return show(await connection.next())
}

/** The stream error, the closing tag, and the end of the connection. */
async function ends(client: TcpClient, condition: string): Promise<void> {
  const rest = await client.ended()
  expect(rest).toContain(`<stream:error><${condition} xmlns="urn:ietf:params:xml:ns:xmpp-streams"/>`)
  expect(rest).toMatch(/<\/stream:stream>$/)
}

describe('XEP-0114 §3  the header', () => {
  test('host-unknown for a name without a secret, after a header of our own', async () => {
    const client = (await raw()).send(header('unknown.example'))
    const rest = await client.ended()
    expect(rest).toMatch(
      /^<\?xml version='1.0'\?><stream:stream [^>]*from="unknown.example" id="[^"]+"><stream:error><host-unknown /,
    )
    expect(rest).toMatch(/<\/stream:stream>$/)
  })

  test('improper-addressing without a domain, or with more than one', async () => {
    await ends((await raw()).send(header(undefined)), 'improper-addressing')
    await ends((await raw()).send(header(`user@${NAME}`)), 'improper-addressing')
  })

  test('invalid-namespace for another content namespace', async () => {
    await ends((await raw()).send(header(NAME, 'jabber:client')), 'invalid-namespace')
    await ends((await raw()).send(header(NAME, 'jabber:component:connect')), 'invalid-namespace')
  })

  test('conflict while the component is connected, also between header and handshake', async () => {
    const late = await raw()
    const lateId = await streamId(late)
    const first = await component()
    await ends((await raw()).send(header(NAME)), 'conflict')
    await ends(late.send(handshake(lateId)), 'conflict')
    first.send(`<iq type='get' id='1' from='${NAME}' to='test'><ping xmlns='urn:xmpp:ping'/></iq>`)
    await first.expect(/<iq type="result" id="1"/)
  })
})

describe('XEP-0114 §3  the handshake', () => {
  test('not-authorized for another secret, another length, or a stanza instead', async () => {
    for (const wrong of ['another secret', SECRET.slice(1)]) {
      const client = await raw()
      await ends(client.send(handshake(await streamId(client), wrong)), 'not-authorized')
    }
    const short = await raw()
    await streamId(short)
    await ends(short.send('<handshake>00</handshake>'), 'not-authorized')
    const eager = await raw()
    await streamId(eager)
    await ends(eager.send(`<message from='${NAME}' to='alice@test'/>`), 'not-authorized')
    const upper = await raw()
    const text = handshake(await streamId(upper)).replace(/>([0-9a-f]+)</, (_, hex: string) => `>${hex.toUpperCase()}<`)
    await ends(upper.send(text), 'not-authorized')
  })

  test('connection-timeout when it does not come', async () => {
    const impatient = await startServer({
      domain: 'test',
      set: { 'component.port': '0', 'timeouts.authSeconds': '1' },
    })
    try {
      const client = await connectTcp(impatient.ports.component)
      await ends(client, 'connection-timeout')
    } finally {
      await impatient.stop()
    }
  })
})

describe('stanzas of a component', () => {
  test('improper-addressing without from or to', async () => {
    await ends((await component()).send("<message to='alice@test'/>"), 'improper-addressing')
    await expect.poll(connected, { interval: 5 }).toEqual([])
    await ends((await component()).send(`<message from='${NAME}'/>`), 'improper-addressing')
  })

  test.each(['alice@test', 'test', 'second.example', `sub.${NAME}`, '@'])('invalid-from as %s', async (from) => {
    await ends((await component()).send(`<message from='${from}' to='bob@test'/>`), 'invalid-from')
  })

  test.each([
    ["<message xmlns='jabber:server' from='weather.example' to='bob@test'/>", 'invalid-namespace'],
    ['<starttls xmlns="urn:ietf:params:xml:ns:xmpp-tls"/>', 'unsupported-stanza-type'],
    ['<message></iq>', 'not-well-formed'],
    [`<message from='${NAME}' to='bob@test'><body>${'x'.repeat(20_000)}</body></message>`, 'policy-violation'],
  ])('the stream ends after %#', async (text, condition) => {
    await ends((await component()).send(text), condition)
  })

  test('a read waits for the component’s own writes', async () => {
    await server.addUser('publisher@test', PASSWORD, ['publisher'])
    const weather = await component()
    weather.send(
      `<iq type='set' id='c' from='${NAME}' to='pubsub.test'><pubsub xmlns='http://jabber.org/protocol/pubsub'><create node='n'/></pubsub></iq>` +
        `<iq type='get' id='i' from='${NAME}' to='test'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>`,
    )
    // Whatever pubsub says of creating: its answer comes first.
    await weather.expect(/<iq type="(?:result|error)" id="c".*<iq type="result" id="i"/s)
  })
})

describe('the component’s domain', () => {
  test('RFC 6120 §8.3.3.17  is answered for while it is not connected, and RFC 6121 §4.6.3 hears of ends', async () => {
    const alice = await login('alice')
    alice.send(`<iq type='get' id='1' to='${NAME}'><query xmlns='urn:x'/></iq>`)
    expect(await got(alice)).toMatch(/type="error".*<error type="wait" by="test">.*<remote-server-timeout /)
    const weather = await component()
    alice.send(`<presence to='room@${NAME}/alice'/>`)
    await weather.expect(`<presence to="room@${NAME}/alice" from="alice@test/desk"/>`)
    alice.destroy()
    await weather.expect(/<presence [^>]*type="unavailable"[^>]*\/>/)
    weather.destroy()
    await expect.poll(connected, { interval: 5 }).toEqual([])
    const bob = await login('bob')
    bob.send(`<message to='${NAME}' id='2'/>`)
    expect(await got(bob)).toContain('<remote-server-timeout ')
  })

  test('RFC 6121 §3  who lives there subscribes and is subscribed to, and sees presence come and go', async () => {
    const BOT = `bot@${NAME}`
    const weather = await component()
    const alice = await login('alice')
    alice.send('<presence/>')
    expect(await got(alice)).toContain('from="alice@test/desk"')
    alice.send(`<presence type='subscribe' to='${BOT}/any' id='s'/>`)
    await weather.expect(`<presence type="subscribe" to="${BOT}" id="s" from="alice@test"/>`)
    weather.send(`<presence type='subscribed' from='${BOT}' to='alice@test'/>`)
    weather.send(`<presence type='subscribe' from='${BOT}' to='alice@test' id='b'/>`)
    expect(await got(alice)).toMatch(/type="subscribe".* id="b"/)
    alice.send(`<presence type='subscribed' to='${BOT}'/>`)
    await weather.expect(`<presence type="subscribed" to="${BOT}" from="alice@test"/>`)
    await weather.expect(`<presence from="alice@test/desk" to="${BOT}"/>`)
    alice.send("<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>")
    expect(await got(alice)).toContain(`jid="${BOT}" subscription="both"`)
    alice.send('<presence><show>away</show></presence>')
    await weather.expect(`<presence from="alice@test/desk" to="${BOT}"><show>away</show></presence>`)
    weather.send(`<presence type='probe' from='${BOT}' to='alice@test'/>`)
    await weather.expect(`<presence from="alice@test/desk" to="${BOT}"><show>away</show></presence>`)
    weather.send(`<presence type='probe' from='${NAME}' to='alice@test' id='p'/>`)
    await weather.expect(/<presence from="alice@test" to="weather.example" id="p" type="unsubscribed"\/>/)
    alice.destroy()
    await weather.expect(/<presence type="unavailable" from="alice@test\/desk" to="bot@weather.example"\/>/)
  })

  test('ends with its secret: reset for another, host-gone for none', async () => {
    const add = (secret?: string) => callControl(server.dataDir, 'component.add', { domain: 'third.example', secret })
    const made = (await add())?.result as { secret: string; isNew: boolean }
    expect(made).toMatchObject({ isNew: true, secret: expect.stringMatching(/^[\w-]{32}$/) })
    const first = await raw()
    first.send(handshake(await streamId(first, 'third.example'), made.secret))
    await first.expect('<handshake/>')
    await add(SECRET)
    await ends(first, 'reset')
    const next = await component('third.example')
    await callControl(server.dataDir, 'component.remove', { domain: 'third.example' })
    await ends(next, 'host-gone')
    await ends((await raw()).send(header('third.example')), 'host-unknown')
  })
})

describe('sacm component', () => {
  test('adds, lists and removes; refuses what cannot be a component', async () => {
    const shared = ['--data-dir', server.dataDir, '--domain', 'test']
    const made = JSON.parse(await runSacm(['component', 'add', 'gateway.test', '--json', ...shared])) as object
    expect(made).toMatchObject({ domain: 'gateway.test', isNew: true, secret: expect.any(String) })
    expect(JSON.parse(await runSacm(['component', 'list', '--json', ...shared]))).toContainEqual({
      domain: 'gateway.test',
      isConnected: false,
    })
    const folder = mkdtempSync(join(tmpdir(), 'sacm-secret-'))
    writeFileSync(join(folder, 'secret'), `${SECRET}\n`)
    const file = ['--password-file', join(folder, 'secret')]
    expect(await runSacm(['component', 'add', 'gateway.test', ...file, ...shared])).toBe(
      'gateway.test existed: its secret is set\n',
    )
    rmSync(folder, { recursive: true })
    await runSacm(['component', 'remove', 'gateway.test', ...shared])
    for (const [domain, why] of [
      ['test', 'the server answers for test itself'],
      ['pubsub.test', 'the server answers for pubsub.test itself'],
      ['a@b.example', 'a@b.example is not a domain'],
    ] as const) {
      await expect(runSacm(['component', 'add', domain, ...shared])).rejects.toThrow(why)
    }
    await expect(runSacm(['component', 'remove', 'gateway.test', ...shared])).rejects.toThrow('there is no component')
  })
})

test('secrets outlive the server; components are told of its end', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sacm-component-'))
  try {
    const options = { domain: 'test', dataDir: folder, set: { 'component.port': '0' } }
    for (let run = 0; run < 2; run++) {
      const one = await startServer(options)
      if (run === 0) await callControl(folder, 'component.add', { domain: NAME, secret: SECRET })
      const client = await connectTcp(one.ports.component)
      client.send(handshake(await streamId(client)))
      await client.expect('<handshake/>')
      const stopped = one.stop()
      await ends(client, 'system-shutdown')
      expect(await stopped).toBe(0)
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

test('limits on rate, depth, attributes and names are those of the configuration', async () => {
  const bounded = await startServer({
    domain: 'test',
    set: {
      'component.port': '0',
      'limits.depth': '8',
      'limits.attributes': '8',
      'limits.nameBytes': '32',
      'limits.componentStanzasPerSecond': '20',
      'timeouts.overRateSeconds': '1',
    },
  })
  const connect = async () => {
    const client = await connectTcp(bounded.ports.component)
    client.send(handshake(await streamId(client)))
    return await client.expect('<handshake/>').then(() => client)
  }
  const message = (content: string) => `<message from='${NAME}' to='test'>${content}</message>`
  try {
    await callControl(bounded.dataDir, 'component.add', { domain: NAME, secret: SECRET })
    for (const content of [
      `${'<x>'.repeat(8)}${'</x>'.repeat(8)}`,
      `<x ${Array.from('abcdefghi', (name) => `${name}=''`).join(' ')}/>`,
      `<${'x'.repeat(33)}/>`,
    ]) {
      const client = await connect()
      await ends(client.send(message(content)), 'policy-violation')
    }
    const client = await connect()
    await ends(client.send(message('').repeat(100)), 'policy-violation')
  } finally {
    await bounded.stop()
  }
})

test('XEP-0077 §3.2, RFC 6120 §8.3.3.15  who has no account here cannot remove it', async () => {
  const weather = await component()
  weather.send(
    `<iq type='set' id='gone' from='x@${NAME}' to='test'><query xmlns='jabber:iq:register'><remove/></query></iq>`,
  )
  await weather.expect(/<iq type="error" id="gone"[^>]*><error type="auth"><registration-required /)
})
