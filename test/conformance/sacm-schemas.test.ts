/** The schemas beside PROTOCOL.md hold for what the codecs write, as libxml2 reads them; and they do refuse. */

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  NS_SACM_ERRORS,
  payloadInvalid,
  renderAnswer,
  renderQuery,
  renderReport,
  renderResult,
} from '../../modules/repository/xml.ts'
import {
  renderAdvertise,
  renderAlive,
  renderCapabilities,
  renderCollect,
  renderEvaluate,
  renderHandle,
  renderHeartbeat,
  renderInventoryItem,
  renderJobState,
  renderRegister,
  renderRegistered,
  renderTopicRequest,
  renderTopicResponse,
  renderUnhandle,
} from '../../modules/sacm/xml.ts'
import { type Element, el } from '../../server/xml/element.ts'
import { serialize } from '../../server/xml/serialize.ts'
import { needTool } from '../support/tools.ts'

const XSD = join(import.meta.dirname, '../../modules/sacm/xsd')
const SCHEMAS = readdirSync(XSD).filter((name) => name.endsWith('.xsd'))
const t = Date.UTC(2026, 0, 2, 3, 4, 5, 678)

const capability = { urn: 'urn:example:thing', kind: 'collection' as const, endpoints: ['ep-1'] }
const job = { job: 'j', component: 'c1' }
const order = { id: 'j', expires: t, responseTopic: '/o1/response', maxAgeSeconds: 60 }
const page = { count: 3, first: '1', last: '2' }
const rule = {
  id: 'r',
  title: 'T',
  severity: 'high',
  verdict: 'error' as const,
  message: 'why',
  evidence: [
    { name: 'a', status: 'exists' as const, value: '1', collected: t },
    { name: 'b', status: 'error' as const },
  ],
}
const row = {
  endpoint: 'ep-1',
  name: 'a',
  collected: t,
  received: t,
  lastSeen: t,
  collector: 'c@test',
  method: 'self' as const,
  format: 'posture',
}

const WRITTEN: readonly Element[] = [
  renderTopicRequest({ topic: '/c1/collect', timeoutSeconds: 60, queue: true, payload: renderAlive() }),
  renderTopicRequest({ topic: '/c1/collect', sender: 'o@test', component: 'o1', payload: renderAlive() }),
  renderTopicResponse({ topic: '/c1/collect', payload: undefined }),
  renderTopicResponse({ topic: '/c1/collect', payload: renderAlive() }),
  renderHandle('/c1/collect'),
  renderUnhandle('/c1/collect'),
  renderRegister({ kind: 'new', type: 'repository', name: 'one', description: 'here' }),
  renderRegister({ kind: 'again', id: 'c1' }),
  renderRegistered('c1'),
  renderAdvertise({ id: 'c1', type: 'repository', capabilities: [capability] }),
  renderCapabilities([
    { urn: 'urn:a:b', status: 'success', topic: '/collection/system', messages: [] },
    { urn: 'urn:a:c', status: 'failure', messages: ['no', 'never'] },
  ]),
  renderHeartbeat({ action: 'ping-with-capabilities' }),
  renderAlive(),
  renderJobState({ ...job, state: 'accepted' }),
  renderJobState({ ...job, state: 'progress', done: 1, total: 2 }),
  renderJobState({ ...job, state: 'completed', outcome: 'partial', errors: ['one'] }),
  renderCollect({ ...order, attributes: ['package.*'] }),
  renderEvaluate({ ...order, policy: 'p', profile: 'x', endpoints: ['ep-1'] }),
  renderInventoryItem({
    component: 'c1',
    bareJid: 'c@test',
    type: 'x',
    name: 'one',
    description: 'here',
    state: 'back',
    since: t,
    capabilities: [capability],
  }),
  renderReport({
    collected: t,
    method: 'self',
    scope: 'full',
    job: 'j',
    identifiers: [{ type: 'machine-id', value: 'm' }],
    covers: ['package.'],
    attributes: [
      { name: 'a', value: '1', type: 'integer', status: 'exists', collected: t - 1 },
      { name: 'b', value: undefined, type: 'string', status: 'error', reason: 'why' },
    ],
    part: { set: 's', number: 1, of: 2 },
  }),
  renderResult({
    endpoint: 'ep-1',
    policy: 'p',
    policyVersion: '1',
    profile: 'x',
    evaluated: t,
    job: 'j',
    score: 66.7,
    rules: [rule],
  }),
  renderQuery({ kind: 'endpoints', id: 'ep-1', label: 'lab', seenBefore: t, page: { max: 10 } }),
  renderQuery({ kind: 'posture', endpoint: 'ep-1', name: '*', after: t, before: t, asOf: t, maxAgeSeconds: 1 }),
  renderQuery({ kind: 'policies', type: 'system', platform: 'p', name: 'n', version: '1' }),
  renderQuery({ kind: 'results', endpoint: 'ep-1', policy: 'p', rule: 'r', verdict: 'fail', asOf: t }),
  renderQuery({ kind: 'content', id: 'p' }),
  renderAnswer({
    kind: 'endpoints',
    withheld: 1,
    page: {
      ...page,
      items: [
        {
          id: 'ep-1',
          identifiers: [{ type: 'mac', value: '02' }],
          labels: ['lab'],
          conflicts: ['ep-2'],
          firstSeen: t,
          lastSeen: t,
        },
      ],
    },
  }),
  renderAnswer({
    kind: 'posture',
    withheld: 0,
    page: {
      ...page,
      items: [
        { ...row, value: '1', type: 'integer', status: 'exists', stale: true },
        { ...row, value: undefined, type: 'string', status: 'not-collected', reason: 'why' },
      ],
    },
  }),
  renderAnswer({
    kind: 'policies',
    withheld: 0,
    page: {
      ...page,
      items: [{ id: 'p', version: '1', title: 'T', type: 'system', rules: 3, published: t, publisher: 'o@test' }],
    },
  }),
  renderAnswer({
    kind: 'results',
    withheld: 0,
    page: { ...page, items: [{ id: 'x', endpoint: 'ep-1', policy: 'p', evaluated: t, evaluator: 'e@test', rule }] },
  }),
  renderAnswer({ kind: 'content', content: el('policy', { xmlns: 'urn:sacm-xmpp:policy:0' }) }),
  ...payloadInvalid({ path: '/report', section: '§3.5' }, '@scope', 'wrong').application,
  el('unknown-topic', { xmlns: NS_SACM_ERRORS }),
  el('too-large', { xmlns: NS_SACM_ERRORS, limit: 32 }),
  el('rate-limited', { xmlns: NS_SACM_ERRORS, 'retry-after': 3600 }),
]

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sacm-schemas-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** What libxml2 says of the payload; empty when it is valid. */
function complaints(xml: string): string {
  const ns = /xmlns=["']urn:sacm-xmpp:([a-z]+):(\d+)["']/.exec(xml)
  const file = join(folder, 'payload.xml')
  writeFileSync(file, xml)
  try {
    execFileSync('xmllint', ['--noout', '--nonet', '--schema', join(XSD, `${ns?.[1]}-${ns?.[2]}.xsd`), file], {
      stdio: 'pipe',
      timeout: 30_000,
    })
    return ''
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

describe('schemas', () => {
  test('every one is used here', () => {
    const used = new Set(WRITTEN.map((each) => each.getNS()?.replace('urn:sacm-xmpp:', '').replace(':', '-')))
    expect(SCHEMAS.filter((name) => !used.has(name.slice(0, -'.xsd'.length)))).toEqual([])
  })

  const written = WRITTEN.map((element) => serialize(element, ''))

  test('take what is written', (context) => {
    needTool(context, ['xmllint', '--version'], 'apt-get install libxml2-utils')
    for (const xml of written) expect(complaints(xml), xml).toBe('')
  })

  test('refuse an attribute that nobody knows', (context) => {
    needTool(context, ['xmllint', '--version'], 'apt-get install libxml2-utils')
    for (const xml of written) {
      expect(complaints(xml.replace(/^<([a-z-]+)/, "<$1 command='id'")), xml).toContain('command')
    }
  })

  test('refuse what the codecs refuse', (context) => {
    needTool(context, ['xmllint', '--version'], 'apt-get install libxml2-utils')
    const wrong = [
      "<request xmlns='urn:sacm-xmpp:topic:0' topic='/a' timeout='61'><x xmlns='urn:x'/></request>",
      "<register xmlns='urn:sacm-xmpp:registration:0' id='a/b'/>",
      "<collect xmlns='urn:sacm-xmpp:collection:0' id='j'><script>id</script></collect>",
      "<collect xmlns='urn:sacm-xmpp:collection:0'/>",
      "<heartbeat xmlns='urn:sacm-xmpp:heartbeat:0' action='reboot'/>",
      "<report xmlns='urn:sacm-xmpp:posture:0' collected='yesterday' method='self' scope='full'/>",
      "<result xmlns='urn:sacm-xmpp:result:0' endpoint='e' policy='p' evaluated='2026-01-01T00:00:00Z' score='101'/>",
      "<results xmlns='urn:sacm-xmpp:repository:0' verdict='good'/>",
    ]
    for (const xml of wrong) expect(complaints(xml), xml).toMatch(/Schemas validity error/)
  })
})
