/** Accounts whose keys are weaker than the configuration wants them get better ones as they log in. XEP-0480, XEP-0388 §2.6.3. */

import { pbkdf2Sync } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { Agent } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { callControl } from '../../server/control.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { base64, type Client, connectTls, connectWebSocket, header, OPEN, ScramClient } from '../unit/stream/harness.ts'

const PASSWORD = 'correct horse'
const NS = "xmlns='urn:xmpp:sasl:2'"
const SALT =
  /<task-data xmlns="urn:xmpp:sasl:2"><salt xmlns="urn:xmpp:scram-upgrade:0" iterations="(\d+)">([^<]+)<\/salt><\/task-data>/
const UPGRADES = /<upgrade xmlns="urn:xmpp:sasl:upgrade:0">([^<]+)<\/upgrade>/g
const USERS = ['alice', 'bob', 'carol', 'dave', 'erin'] as const

let folder = ''
let server: TestServer
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sacm-upgrade-'))
  const start = (iterations: string) =>
    startServer({
      domain: 'test',
      dataDir: folder,
      set: { 'scram.iterations': iterations, 'limits.saslAttempts': '20' },
    })
  const before = await start('4096')
  for (const user of USERS) await before.addUser(`${user}@test`, PASSWORD)
  expect(await before.stop()).toBe(0)
  server = await start('5000')
  // The first administrator's password is nobody's here.
  await callControl(folder, 'user.passwd', { jid: 'admin@test', password: PASSWORD })
})
afterAll(async () => {
  expect(await server.stop()).toBe(0)
  rmSync(folder, { recursive: true })
})

async function opened(kind: 'tcp' | 'websocket' = 'tcp'): Promise<{ client: Client; offered: string[] }> {
  const ca = readFileSync(server.caFile)
  const client =
    kind === 'tcp'
      ? await connectTls(server.ports.tls, ['xmpp-client'], { ca })
      : await connectWebSocket(`wss://127.0.0.1:${server.ports.https}/xmpp-websocket`, ['xmpp'], {
          agent: new Agent({ ca, servername: 'test' }),
        })
  client.send(kind === 'tcp' ? header("to='test' version='1.0'") : OPEN)
  const [features] = await client.expect(/<stream:features.*<\/stream:features>/)
  return { client, offered: [...features.matchAll(UPGRADES)].map(([, name]) => name ?? '') }
}

/** Logs in up to the last message but for what follows it. @returns the iterations that the server stated */
async function scram(client: Client, user: string, hash: string, asked: readonly string[] = []): Promise<number> {
  const login = new ScramClient(`SCRAM-SHA-${hash}`, user)
  const upgrades = asked.map((name) => `<upgrade xmlns='urn:xmpp:sasl:upgrade:0'>${name}</upgrade>`).join('')
  client.send(
    `<authenticate ${NS} mechanism='SCRAM-SHA-${hash}'>${upgrades}<initial-response>${login.first()}</initial-response></authenticate>`,
  )
  const [, challenge = ''] = await client.expect(/<challenge [^>]*>([^<]+)</)
  client.send(`<response ${NS}>${login.final(challenge, PASSWORD)}</response>`)
  return Number(/,i=(\d+)/.exec(login.serverFirst)?.[1])
}

async function task(client: Client, name: string): Promise<{ iterations: number; salt: Buffer }> {
  client.send(`<next ${NS} task='${name}'/>`)
  const [, iterations, salt = ''] = await client.expect(SALT)
  return { iterations: Number(iterations), salt: Buffer.from(salt, 'base64') }
}

const answer = (hash: string) => `<task-data ${NS}><hash xmlns='urn:xmpp:scram-upgrade:0'>${hash}</hash></task-data>`
const continued = (name: string, data = '') =>
  `<continue xmlns="urn:xmpp:sasl:2">${data}<tasks><task>${name}</task></tasks></continue>`

describe('XEP-0480 §3', () => {
  test.each(['tcp', 'websocket'] as const)('two upgrades in one login over %s', async (kind) => {
    const user = kind === 'tcp' ? 'alice' : 'bob'
    const { client, offered } = await opened(kind)
    expect(offered).toEqual(['UPGR-SCRAM-SHA-512', 'UPGR-SCRAM-SHA-256', 'UPGR-SCRAM-SHA-1'])
    const asked = ['UPGR-SCRAM-SHA-256', 'UPGR-BLOOP', 'UPGR-SCRAM-SHA-512']
    expect(await scram(client, user, '1', asked)).toBe(4096)
    await client.expect(/<continue [^>]*><additional-data>[^<]+<\/additional-data><tasks><task>UPGR-SCRAM-SHA-512</)
    const first = await task(client, 'UPGR-SCRAM-SHA-512')
    expect(first.iterations).toBe(5000)
    client.send(answer(pbkdf2Sync(PASSWORD, first.salt, first.iterations, 64, 'sha512').toString('base64')))
    await client.expect(continued('UPGR-SCRAM-SHA-256'))
    const second = await task(client, 'UPGR-SCRAM-SHA-256')
    client.send(answer(pbkdf2Sync(PASSWORD, second.salt, second.iterations, 32, 'sha256').toString('base64')))
    const [success] = await client.expect(/<success xmlns="urn:xmpp:sasl:2">.*?<\/success>/)
    expect(success).toBe(
      `<success xmlns="urn:xmpp:sasl:2"><authorization-identifier>${user}@test</authorization-identifier></success>`,
    )
    client.destroy()
    for (const [hash, iterations] of [
      ['256', 5000],
      ['512', 5000],
      ['1', 4096],
    ] as const) {
      const { client: again } = await opened()
      // What it has it is not asked for.
      expect(await scram(again, user, hash, asked)).toBe(iterations)
      await again.expect('<success ')
      again.destroy()
    }
  })

  test('who shows its password gets all of them without being asked', async () => {
    const { client } = await opened()
    client.send(
      `<authenticate ${NS} mechanism='PLAIN'><initial-response>${base64(`\0carol\0${PASSWORD}`)}</initial-response></authenticate>`,
    )
    await client.expect('<success ')
    client.destroy()
    const { client: again } = await opened()
    expect(await scram(again, 'carol', '512')).toBe(5000)
    await again.expect('<success ')
    again.destroy()
  })

  test('what is out of place or wrong fails, changes nothing, and may be tried again', async () => {
    const { client } = await opened()
    const failed = async (condition: string) =>
      client.expect(`<failure xmlns="urn:xmpp:sasl:2"><${condition} xmlns="urn:ietf:params:xml:ns:xmpp-sasl"/>`)
    client.send(`<next ${NS} task='UPGR-SCRAM-SHA-1'/>`)
    await failed('malformed-request')
    for (const [step, condition] of [
      [`<next ${NS} task='UPGR-SCRAM-SHA-512'/>`, 'malformed-request'],
      [answer(base64('x'.repeat(20))), 'malformed-request'],
      [`<abort ${NS}/>`, 'aborted'],
    ] as const) {
      await scram(client, 'dave', '256', ['UPGR-SCRAM-SHA-1'])
      await client.expect('<task>UPGR-SCRAM-SHA-1</task></tasks></continue>')
      client.send(step)
      await failed(condition)
    }
    client.destroy()
    for (const [hash, condition] of [
      [base64('too short'), 'malformed-request'],
      ['?', 'incorrect-encoding'],
    ] as const) {
      const { client: other } = await opened()
      await scram(other, 'dave', '256', ['UPGR-SCRAM-SHA-1'])
      await other.expect('</continue>')
      await task(other, 'UPGR-SCRAM-SHA-1')
      other.send(answer(hash))
      await other.expect(`<failure xmlns="urn:xmpp:sasl:2"><${condition} `)
      other.destroy()
    }
    const { client: last } = await opened()
    await scram(last, 'dave', '256', ['UPGR-SCRAM-SHA-1'])
    await last.expect('</continue>')
    last.send("<message xmlns='jabber:client'/>")
    expect(await last.ended()).toContain('<policy-violation ')
  })

  test('an upgrade of a password that was changed meanwhile is not taken', async () => {
    const { client } = await opened()
    await scram(client, 'erin', '512', ['UPGR-SCRAM-SHA-256'])
    await client.expect('</continue>')
    const { salt, iterations } = await task(client, 'UPGR-SCRAM-SHA-256')
    await callControl(folder, 'user.passwd', { jid: 'erin@test', password: 'another' })
    client.send(answer(pbkdf2Sync(PASSWORD, salt, iterations, 32, 'sha256').toString('base64')))
    await client.expect('<failure xmlns="urn:xmpp:sasl:2"><malformed-request ')
    client.destroy()
  })

  test('once nobody needs it, it is not offered', async () => {
    for (const user of ['alice', 'bob', 'dave'])
      await callControl(folder, 'user.passwd', { jid: `${user}@test`, password: PASSWORD })
    const { client, offered } = await opened()
    expect(offered).toEqual([])
    client.destroy()
  })
})
