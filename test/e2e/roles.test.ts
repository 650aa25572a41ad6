/** Collector, evaluator and orchestrator against a real server process: SACM-XMPP §1 to §4 from end to end. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { type Collector, type CollectorOptions, startCollector } from '../../clients/collector/index.ts'
import type { PostureAttribute, Probe } from '../../clients/collector/probe.ts'
import { Client } from '../../clients/core/client.ts'
import { discover } from '../../clients/core/discover.ts'
import type { ClientOptions } from '../../clients/core/options.ts'
import { type PagedKind, type PagedQuery, queryRows, type Row } from '../../clients/core/repository.ts'
import { type Evaluator, startEvaluator } from '../../clients/evaluator/index.ts'
import {
  type Orchestrator,
  type OrchestratorEvent,
  openOrchestrator,
  startOrchestrator,
} from '../../clients/orchestrator/index.ts'
import { renderTopicRequest } from '../../modules/sacm/xml.ts'
import { el } from '../../server/xml/element.ts'
import { SACM, startServer, type TestServer } from '../support/server.ts'
import { startRelay, type TcpRelay } from './tcp-relay.ts'

const POLICY = `<policy xmlns='urn:sacm-xmpp:policy:0' id='test.policy' version='1'>
  <title>Test</title><description>Three rules that come out differently</description>
  ${rule('passes', `<attribute name='os.id' operation='equals'><value>testix</value></attribute>`)}
  ${rule('fails', `<attribute name='kernel.release' operation='equals' datatype='version'><value>99.0</value></attribute>`)}
  ${rule('unknown', `<attribute name='nobody.collects.this' operation='equals'><value>1</value></attribute>`)}
</policy>`

function rule(id: string, check: string): string {
  return `<rule id='${id}' severity='low'><title>${id}</title><rationale>r</rationale><remediation>m</remediation>
    <reference>test</reference><check>${check}</check></rule>`
}

const attribute = (name: string, value: string): PostureAttribute => ({ name, value, type: 'string', status: 'exists' })
/** What this "host" looks like; tests change it. */
const host = { osId: 'testix', packages: 4_000, isBroken: false, runs: 0 }
const PROBES: readonly Probe[] = [
  {
    name: 'os',
    covers: ['os.'],
    collect: async () => {
      host.runs++
      return [attribute('os.id', host.osId)]
    },
  },
  {
    name: 'kernel',
    covers: ['kernel.'],
    collect: async () => [{ ...attribute('kernel.release', '6.1.2'), type: 'version' }],
  },
  {
    name: 'packages',
    covers: ['package.'],
    // More than one stanza holds.
    collect: async () =>
      Array.from({ length: host.packages }, (_, index) => attribute(`package.p${index}.description`, 'x'.repeat(60))),
  },
  {
    name: 'users',
    covers: ['user.'],
    collect: async () => {
      if (host.isBroken) throw new Error('the user database is on fire')
      return [attribute('user.root.uid', '0')]
    },
  },
]
const ATTRIBUTES = 1 + 1 + 4_000 + 1
const IDENTIFIERS = [{ type: 'machine-id', value: '0123456789abcdef0123456789abcdef' }]
const WAIT_MS = 20_000

const dataDir = mkdtempSync(join(tmpdir(), 'sacm-roles-'))
let server: TestServer
let relay: TcpRelay
let orchestrator: Orchestrator
let collector: Collector
let evaluator: Evaluator
let reader: Client
const events: OrchestratorEvent[] = []

function as(name: string): ClientOptions {
  return {
    jid: `${name}@localhost`,
    password: `${name} password`,
    host: '127.0.0.1',
    port: relay.port,
    ca: readFileSync(server.caFile, 'utf8'),
    limits: { reconnectBaseMs: 50, reconnectMaxMs: 500, keepaliveMs: 500, keepaliveTimeoutMs: 500 },
  }
}

const collectorOptions = (): CollectorOptions => ({
  ...as('collector'),
  probes: PROBES,
  identifiers: IDENTIFIERS,
  stateFile: join(dataDir, 'collector.json'),
})

async function rows<K extends PagedKind>(query: { readonly kind: K } & Omit<PagedQuery<K>, 'kind' | 'page'>) {
  const all: Row<K>[] = []
  const { repository } = await discover(reader, 'localhost')
  for await (const row of queryRows(reader, repository, query)) all.push(row)
  return all.sort((a, b) => keyOf(a).localeCompare(keyOf(b)))
}

const keyOf = (row: Row<PagedKind>): string => ('name' in row ? row.name : row.id)

/** Waits until it holds; a test that waits in vain says for what. */
async function until(what: string, holds: () => boolean): Promise<void> {
  const end = Date.now() + WAIT_MS
  while (!holds()) {
    if (Date.now() > end) throw new Error(`in vain: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

beforeAll(async () => {
  server = await startServer({ dataDir })
  await server.addUser('orchestrator@localhost', 'orchestrator password', ['orchestrator'])
  await server.addUser('collector@localhost', 'collector password', ['collector'])
  await server.addUser('evaluator@localhost', 'evaluator password', ['evaluator'])
  await server.addUser('reader@localhost', 'reader password', ['consumer'])
  relay = await startRelay(server.ports.c2s)
  // The collector is first: it waits for an orchestrator.
  collector = await startCollector(collectorOptions())
  orchestrator = await startOrchestrator({
    ...as('orchestrator'),
    heartbeatMs: 500,
    onEvent: (event) => events.push(event),
  })
  evaluator = await startEvaluator(as('evaluator'))
  reader = new Client(as('reader'), { identities: [] })
  await Promise.all([orchestrator.ready, collector.ready, evaluator.ready, reader.start()])
})

afterAll(async () => {
  await Promise.allSettled([collector?.close(), evaluator?.close(), orchestrator?.close(), reader?.close()])
  await relay?.close()
  await server?.stop()
  rmSync(dataDir, { recursive: true, force: true })
})

describe('the road', () => {
  it('onboards: ids, capabilities, presence with verified caps', async () => {
    const entry = () => orchestrator.inventory().find(({ component }) => component === collector.component.id)
    await until('caps of the collector', () => entry()?.advertised !== undefined && entry()?.capabilities.length === 1)
    expect(entry()).toMatchObject({
      type: 'posture-collection-service',
      bareJid: 'collector@localhost',
      isOnline: true,
      advertised: ['urn:sacm-xmpp:capability:collection:system'],
      capabilities: [{ urn: 'urn:sacm-xmpp:capability:collection:system', kind: 'collection' }],
    })
    expect(collector.component.id).toMatch(/^collector-[a-z2-7]{10}$/)
    expect(new Set([collector.component.id, evaluator.component.id, orchestrator.component]).size).toBe(3)
  })

  it('collects, stores whole what is larger than a stanza, and answers it back', async () => {
    const states: string[] = []
    const report = await orchestrator.work.collect({
      components: 'all',
      timeoutMs: WAIT_MS,
      onState: ({ state }) => states.push(state),
    })
    expect(report.components).toEqual([{ component: collector.component.id, outcome: 'success', errors: [] }])
    expect(states[0]).toBe('accepted')
    expect(states.at(-1)).toBe('completed')
    const posture = await rows({ kind: 'posture' })
    expect(posture).toHaveLength(ATTRIBUTES)
    expect(new Set(posture.map(({ name }) => name)).size).toBe(ATTRIBUTES)
    expect(posture.find(({ name }) => name === 'os.id')).toMatchObject({
      value: 'testix',
      collector: 'collector@localhost',
    })
    const [endpoint, ...others] = await rows({ kind: 'endpoints' })
    expect(others).toEqual([])
    expect(endpoint?.identifiers).toEqual(IDENTIFIERS)
  })

  it('a job ordered again starts nothing and answers its state', async () => {
    const runs = host.runs
    const order = { components: [collector.component.id], attributes: ['os.id'], job: 'once', timeoutMs: WAIT_MS }
    const first = await orchestrator.work.collect(order)
    const again = await orchestrator.work.collect(order)
    expect(again).toEqual(first)
    expect(host.runs).toBe(runs + 1)
  })

  it('takes a policy, evaluates it, and answers results with evidence', async () => {
    const policy = await orchestrator.work.publishPolicy(POLICY)
    const report = await orchestrator.work.evaluate({ policy: policy.id, timeoutMs: WAIT_MS })
    expect(report.components).toEqual([{ component: evaluator.component.id, outcome: 'success', errors: [] }])
    const results = await rows({ kind: 'results', policy: policy.id })
    expect(Object.fromEntries(results.map(({ rule }) => [rule.id, rule.verdict]))).toEqual({
      passes: 'pass',
      fails: 'fail',
      unknown: 'unknown',
    })
    const failed = results.find(({ rule }) => rule.id === 'fails')
    expect(failed?.rule.evidence).toMatchObject([{ name: 'kernel.release', value: '6.1.2' }])
    expect(failed?.evaluator).toBe('evaluator@localhost')
  })

  it('says what went wrong: an unknown policy, a policy that does not parse, nobody to ask', async () => {
    const { work } = orchestrator
    const report = await work.evaluate({ policy: 'no.such.policy', timeoutMs: WAIT_MS })
    expect(report.components[0]).toMatchObject({
      outcome: 'failed',
      errors: ['there is no content no.such.policy (item-not-found)'],
    })
    await expect(work.publishPolicy(POLICY.replace('</policy>', ''))).rejects.toMatchObject({ name: 'PolicyError' })
    const nobody = await work.collect({ components: ['collector-nobody'], timeoutMs: WAIT_MS })
    expect(nobody.components).toMatchObject([
      { outcome: 'refused', errors: [expect.stringContaining('unknown-topic')] },
    ])
  })

  it('a probe that fails is reported, and the others go on', async () => {
    host.isBroken = true
    const report = await orchestrator.work.collect({ components: 'all', timeoutMs: WAIT_MS })
    host.isBroken = false
    expect(report.components).toMatchObject([{ outcome: 'partial', errors: ['users: the user database is on fire'] }])
    const users = await rows({ kind: 'posture', name: 'user*' })
    expect(users.map(({ name, status, reason }) => [name, status, reason])).toEqual([
      ['user', 'error', 'the user database is on fire'],
      ['user.root.uid', 'error', 'the user database is on fire'],
    ])
    await orchestrator.work.collect({ components: 'all', attributes: ['user.*'], timeoutMs: WAIT_MS })
    const mended = await rows({ kind: 'posture', name: 'user*' })
    expect(mended.map(({ name, status }) => [name, status])).toEqual([
      ['user', 'does-not-exist'],
      ['user.root.uid', 'exists'],
    ])
  })

  it('a command works beside the service, directed and by broadcast', async () => {
    const command = await openOrchestrator(as('orchestrator'))
    try {
      expect(command.component).toBe(orchestrator.component)
      for (const broadcast of [false, true]) {
        const runs = host.runs
        const order = { components: 'all', attributes: ['os.id'], broadcast, timeoutMs: WAIT_MS } as const
        const report = await command.work.collect(order)
        expect(report.components).toEqual([{ component: collector.component.id, outcome: 'success', errors: [] }])
        expect(host.runs).toBe(runs + 1)
      }
    } finally {
      await command.close()
    }
    expect(await orchestrator.work.components()).toHaveLength(3)
  })
})

describe('what must not be', () => {
  it('nobody but the integration service directs a collector', async () => {
    const collect = el('collect', { xmlns: 'urn:sacm-xmpp:collection:0', id: 'x' })
    const request = renderTopicRequest({ topic: `/${collector.component.id}/collect`, payload: collect })
    const runs = host.runs
    await expect(reader.request('set', 'collector@localhost/sacm', request)).rejects.toMatchObject({
      condition: 'forbidden',
    })
    expect(host.runs).toBe(runs)
  })

  it('an account without the role starts nothing', async () => {
    const { sacm } = await discover(reader, 'localhost')
    const collect = el('collect', { xmlns: 'urn:sacm-xmpp:collection:0', id: 'x' })
    const request = renderTopicRequest({ topic: `/${collector.component.id}/collect`, payload: collect })
    await expect(reader.request('set', sacm, request)).rejects.toMatchObject({ condition: 'forbidden' })
  })

  it('a wrong password, an unknown CA and another name end the client at once', async () => {
    const start = (options: ClientOptions) => new Client(options, { identities: [] }).start()
    await expect(start({ ...as('reader'), password: 'wrong' })).rejects.toMatchObject({ condition: 'not-authorized' })
    await expect(start({ ...as('reader'), ca: undefined })).rejects.toMatchObject({
      code: expect.stringMatching(/CERT|SIGNATURE/),
    })
    await expect(
      start({ ...as('reader'), jid: 'reader@example.org', security: 'tls', port: server.ports.tls }),
    ).rejects.toMatchObject({
      code: 'ERR_TLS_CERT_ALTNAME_INVALID',
    })
  })
})

describe('what happens to connections', () => {
  it('a connection that has gone silent is noticed and replaced', async () => {
    const before = { connections: relay.connections, id: collector.component.id }
    relay.freeze()
    await until('all four to reconnect', () => relay.connections >= before.connections + 4)
    await collector.component.client.online(AbortSignal.timeout(WAIT_MS))
    host.osId = 'testix after the silence'
    const report = await orchestrator.work.collect({
      components: [before.id],
      attributes: ['os.id'],
      timeoutMs: WAIT_MS,
    })
    expect(report.components).toMatchObject([{ outcome: 'success' }])
    const [row] = await rows({ kind: 'posture', name: 'os.id' })
    expect(row?.value).toBe('testix after the silence')
  })

  it('a server killed and started again has everything, and everyone returns', async () => {
    const posture = await rows({ kind: 'posture' })
    const results = await rows({ kind: 'results' })
    await server.kill()
    server = await startServer({ dataDir })
    relay.target = server.ports.c2s
    await reader.online(AbortSignal.timeout(WAIT_MS))
    expect(await rows({ kind: 'posture' })).toEqual(posture)
    expect(await rows({ kind: 'results' })).toEqual(results)

    host.osId = 'testix after the restart'
    await orchestrator.ready
    await collector.component.client.online(AbortSignal.timeout(WAIT_MS))
    await until('the collector to be back', () =>
      orchestrator.inventory().some(({ component, isOnline }) => component === collector.component.id && isOnline),
    )
    const report = await orchestrator.work.collect({ components: 'all', timeoutMs: WAIT_MS })
    expect(report.components).toEqual([{ component: collector.component.id, outcome: 'success', errors: [] }])
    const [row] = await rows({ kind: 'posture', name: 'os.id' })
    expect(row?.value).toBe('testix after the restart')
    const evaluated = await orchestrator.work.evaluate({ policy: 'test.policy', timeoutMs: WAIT_MS })
    expect(evaluated.components).toMatchObject([{ outcome: 'success' }])
  })

  it('a collector started again is the same component, with its state file and without', async () => {
    const { id } = collector.component
    await collector.close()
    await until('the collector to be gone', () =>
      orchestrator.inventory().some(({ component, isOnline }) => component === id && !isOnline),
    )
    collector = await startCollector(collectorOptions())
    await collector.ready
    expect(collector.component.id).toBe(id)
    await collector.close()
    collector = await startCollector({ ...collectorOptions(), stateFile: undefined })
    await collector.ready
    expect(collector.component.id).toBe(id)
    const [, ...others] = await rows({ kind: 'endpoints' })
    expect(others).toEqual([])
  })

  it('a job that its collector was closed on has failed, and says so', async () => {
    const gate = Promise.withResolvers<never>()
    await collector.close()
    collector = await startCollector({
      ...collectorOptions(),
      probes: [{ name: 'slow', covers: ['slow.'], collect: () => gate.promise }],
    })
    await collector.ready
    const begun = Promise.withResolvers<void>()
    const order = { components: [collector.component.id], timeoutMs: WAIT_MS }
    const report = orchestrator.work.collect({
      ...order,
      onState: ({ state }) => state === 'progress' && begun.resolve(),
    })
    await begun.promise
    await collector.close()
    expect((await report).components).toMatchObject([{ outcome: 'failed', errors: ['the component stops'] }])
    collector = await startCollector(collectorOptions())
    await collector.ready
  })

  it('a job that its collector was killed on has failed, as the collector says when it is back', async () => {
    await server.addUser('other@localhost', 'other password', ['collector'])
    const passwordFile = join(dataDir, 'other-password')
    writeFileSync(passwordFile, 'other password', { mode: 0o600 })
    const place = ['--host', '127.0.0.1', '--port', String(relay.port), '--ca', server.caFile]
    const account = [
      '--jid',
      'other@localhost',
      '--password-file',
      passwordFile,
      '--state',
      join(dataDir, 'other.json'),
    ]
    const start = async () => {
      const child = spawn(process.execPath, [SACM, 'collector', ...account, ...place], {
        stdio: ['ignore', 'pipe', 'ignore'],
      })
      const [line] = await once(child.stdout.setEncoding('utf8'), 'data', { signal: AbortSignal.timeout(WAIT_MS) })
      const { component } = z.object({ ready: z.literal(true), component: z.string() }).parse(JSON.parse(String(line)))
      const kill = async (signal: NodeJS.Signals) => {
        const ended = once(child, 'exit')
        child.kill(signal)
        await ended
      }
      return { component, kill }
    }
    const first = await start()
    const begun = Promise.withResolvers<void>()
    const order = { components: [first.component], timeoutMs: WAIT_MS }
    const report = orchestrator.work.collect({
      ...order,
      onState: ({ state }) => state === 'progress' && begun.resolve(),
    })
    await begun.promise
    await first.kill('SIGKILL')
    const second = await start()
    try {
      expect(second.component).toBe(first.component)
      expect((await report).components).toMatchObject([{ outcome: 'failed', errors: ['the component stopped'] }])
    } finally {
      await second.kill('SIGTERM')
    }
  })

  it('a session taken over by another does not fight for it', async () => {
    const first = new Client(as('reader'), { identities: [] })
    await first.start()
    const ended = expect(first.closed).rejects.toMatchObject({ name: 'StreamError', condition: 'conflict' })
    const second = new Client(as('reader'), { identities: [] })
    await second.start()
    await ended
    await second.close()
  })
})
