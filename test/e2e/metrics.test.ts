/** What a scraper gets on the HTTPS port of a real server, and what those get who have no token. */

import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { get } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterEach, expect, onTestFinished, test } from 'vitest'
import { Connection } from '../support/scenario/connection.ts'
import { startServer, type TestServer } from '../support/server.ts'

let server: TestServer
afterEach(() => server.stop())

const tokenFile = (): string => join(server.dataDir, 'metrics-token')

async function scrape(authorization?: string) {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
  const headers = authorization === undefined ? {} : { authorization }
  const ca = readFileSync(server.caFile)
  get({ host: 'localhost', port: server.ports.https, path: '/metrics', ca, agent: false, headers }, resolve).on(
    'error',
    reject,
  )
  const response = await promise
  return { status: response.statusCode, headers: response.headers, body: await text(response) }
}

/** The value of a metric without labels. */
async function value(name: string): Promise<number> {
  const { body } = await scrape(`Bearer ${readFileSync(tokenFile(), 'utf8').trim()}`)
  return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(body)?.[1])
}

test('counts what happens, pruned items too, for who holds the token', async () => {
  server = await startServer({ set: { 'pubsub.create': 'anyone', 'pubsub.archiveMaxItems': '2' } })
  expect(statSync(tokenFile()).mode & 0o777).toBe(0o600)
  const scraped = await scrape(`Bearer ${readFileSync(tokenFile(), 'utf8').trim()}`)
  expect(scraped.status).toBe(200)
  expect(scraped.headers['content-type']).toContain('text/plain; version=0.0.4')
  expect(scraped.body).toContain('# TYPE sacm_pubsub_items_pruned_total counter')
  expect(scraped.body).toContain('process_resident_memory_bytes')
  const [nodes, stanzas] = [await value('sacm_pubsub_nodes'), await value('sacm_stanzas_received_total')]
  expect(await value('sacm_sessions')).toBe(0)

  await server.addUser(`alice@${server.domain}`, 'pencil')
  const alice = await Connection.open(server, 'tcp')
  await alice.login('alice', 'pencil', 'desk')
  const toPubsub = (id: string, content: string) =>
    `<iq xmlns='jabber:client' type='set' id='${id}' to='pubsub.${server.domain}'><pubsub xmlns='http://jabber.org/protocol/pubsub'>${content}</pubsub></iq>`
  const form =
    "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>http://jabber.org/protocol/pubsub#node_config</value></field><field var='pubsub#max_items'><value>2</value></field></x>"
  alice.send(toPubsub('c', `<create node='n'/><configure>${form}</configure>`))
  for (const id of [1, 2, 3, 4, 5]) {
    alice.send(toPubsub(`p${id}`, `<publish node='n'><item id='${id}'><e xmlns='urn:e'/></item></publish>`))
  }
  await alice.sync()
  expect(await value('sacm_sessions')).toBe(1)
  expect(await value('sacm_pubsub_nodes')).toBe(nodes + 1)
  expect(await value('sacm_pubsub_items_published_total')).toBe(5)
  expect(await value('sacm_pubsub_items_pruned_total')).toBe(3)
  expect(await value('sacm_pubsub_items_unarchived_total')).toBe(1)
  expect(await value('sacm_stanzas_received_total')).toBeGreaterThan(stanzas + 5)
  alice.destroy()
})

test('a start on a folder that has all it needs writes nothing', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'sacm-test-'))
  onTestFinished(() => rmSync(dataDir, { recursive: true, force: true }))
  server = await startServer({ dataDir })
  expect(await value('sacm_storage_writes_total')).toBeGreaterThan(10)
  await server.stop()
  server = await startServer({ dataDir })
  expect(await value('sacm_storage_writes_total')).toBe(0)
})

test('tells nobody else anything; another token holds at once', async () => {
  server = await startServer()
  const token = readFileSync(tokenFile(), 'utf8').trim()
  for (const authorization of [undefined, 'Bearer', 'Bearer x', `Basic ${token}`, `Bearer ${token}x`]) {
    const { status, headers, body } = await scrape(authorization)
    expect([status, headers['www-authenticate']]).toEqual([401, 'Bearer realm="metrics"'])
    expect(body).not.toContain('sacm_')
  }
  writeFileSync(tokenFile(), 'another\n')
  expect((await scrape(`Bearer ${token}`)).status).toBe(401)
  expect((await scrape('Bearer another')).status).toBe(200)
  writeFileSync(tokenFile(), '')
  expect((await scrape('Bearer')).status).toBe(401)
  rmSync(tokenFile())
  expect((await scrape(`Bearer ${token}`)).status).toBe(401)
})

test('is not there when it is switched off', async () => {
  server = await startServer({ set: { 'metrics.enabled': 'false' } })
  expect((await scrape('Bearer x')).status).toBe(404)
})
