/** The repository's codecs: what is written is read back, and every fault is told with its place. SACM-XMPP §3, §4. */

import { describe, expect, test } from 'vitest'
import {
  type EvaluationResult,
  NS_POSTURE,
  NS_REPOSITORY,
  NS_RESULT,
  type PostureReport,
  parseAnswer,
  parseQuery,
  parseReport,
  parseResult,
  type RepositoryAnswer,
  type RepositoryQuery,
  renderAnswer,
  renderQuery,
  renderReport,
  renderResult,
} from '../../../modules/repository/xml.ts'
import type { Element } from '../../../server/xml/element.ts'
import { parseFragment } from '../../../server/xml/parser.ts'
import { serialize } from '../../../server/xml/serialize.ts'
import { expectFault } from './faults.ts'

/** Over the wire and back. */
const sent = (element: Element) => parseFragment(serialize(element, ''))
const T = '2026-01-02T03:04:05Z'
const t = Date.UTC(2026, 0, 2, 3, 4, 5)

describe('reports', () => {
  const report: PostureReport = {
    collected: t,
    method: 'self',
    scope: 'full',
    job: 'j1',
    identifiers: [
      { type: 'machine-id', value: 'abc' },
      { type: 'mac', value: '02:00:00:00:00:01' },
    ],
    covers: ['package.', 'file.'],
    attributes: [
      { name: 'package.bash.version', value: '5.2', type: 'version', status: 'exists' },
      { name: 'motd', value: ' two\nlines <&> \t', type: 'string', status: 'exists', collected: t - 1 },
      { name: 'empty', value: '', type: 'string', status: 'exists' },
      { name: 'gone', value: undefined, type: 'string', status: 'does-not-exist' },
      { name: 'shadow', value: undefined, type: 'integer', status: 'error', reason: 'permission denied' },
    ],
    part: { set: 's', number: 2, of: 5 },
  }

  test('come back as they were', () => {
    expect(parseReport(sent(renderReport(report)))).toEqual(report)
    const { job: _job, part: _part, ...plain } = report
    expect(parseReport(sent(renderReport(plain)))).toEqual(plain)
  })

  test('a value that XML cannot carry becomes an error that says so', () => {
    const attributes = ['a\0b', 'lone \ud800', '\uffff', 'fine \u{1f600}\x85'].map((value, i) => ({
      name: `n${i}`,
      value,
      type: 'string' as const,
      status: 'exists' as const,
    }))
    const back = parseReport(sent(renderReport({ ...report, attributes })))
    expect(back.attributes.map(({ status }) => status)).toEqual(['error', 'error', 'error', 'exists'])
    expect(back.attributes[0]?.reason).toMatch(/XML cannot carry/)
  })

  const body = (inner: string, attributes = `collected='${T}' method='self' scope='full'`) =>
    `<report xmlns='${NS_POSTURE}' ${attributes}>${inner}</report>`
  const endpoint = "<endpoint><identifier type='machine-id' value='m'/></endpoint>"

  test.each<[string, string, string]>([
    ['another namespace', "<report xmlns='urn:x'/>", '/report'],
    ['no time', body(endpoint, "method='self' scope='full'"), '/report/@collected'],
    ['no DateTime', body(endpoint, "collected='yesterday' method='self' scope='full'"), '/report/@collected'],
    ['unknown scope', body(endpoint, `collected='${T}' method='self' scope='most'`), '/report/@scope'],
    ['unknown method', body(endpoint, `collected='${T}' method='guess' scope='full'`), '/report/@method'],
    ['unknown attribute', body(endpoint, `collected='${T}' method='self' scope='full' run='x'`), '/report/@run'],
    ['no endpoint', body(''), '/report'],
    ['two endpoints', body(endpoint + endpoint), '/report/endpoint[2]'],
    ['no identifier', body('<endpoint/>'), '/report/endpoint'],
    [
      'identifier without value',
      body("<endpoint><identifier type='mac'/></endpoint>"),
      '/report/endpoint/identifier/@value',
    ],
    [
      'identifier twice',
      body("<endpoint><identifier type='a' value='b'/><identifier type='a' value='b'/></endpoint>"),
      '/report/endpoint/identifier',
    ],
    ['unknown element', body(`${endpoint}<script/>`), '/report/script'],
    ['foreign element', body(`${endpoint}<attribute xmlns='urn:x' name='a'/>`), '/report/attribute'],
    ['text between', body(`${endpoint}hello`), '/report/text()'],
    [
      'covers outside full',
      body(`${endpoint}<covers prefix='a'/>`, `collected='${T}' method='self' scope='delta'`),
      '/report/covers',
    ],
    ['no name', body(`${endpoint}<attribute/>`), '/report/attribute/@name'],
    ['long name', body(`${endpoint}<attribute name='${'n'.repeat(513)}'/>`), '/report/attribute/@name'],
    [
      'third of three',
      body(`${endpoint}<attribute name='a'/><attribute name='b'/><attribute name='c' type='blob'/>`),
      '/report/attribute[3]/@type',
    ],
    ['a name twice', body(`${endpoint}<attribute name='a'/><attribute name='a'/>`), '/report/attribute[2]/@name'],
    ['no integer', body(`${endpoint}<attribute name='a' type='integer'>ten</attribute>`), '/report/attribute/text()'],
    ['no boolean', body(`${endpoint}<attribute name='a' type='boolean'>yes</attribute>`), '/report/attribute/text()'],
    ['no float', body(`${endpoint}<attribute name='a' type='float'>1,5</attribute>`), '/report/attribute/text()'],
    ['no datetime', body(`${endpoint}<attribute name='a' type='datetime'>now</attribute>`), '/report/attribute/text()'],
    ['no version', body(`${endpoint}<attribute name='a' type='version'/>`), '/report/attribute/text()'],
    [
      'value of nothing',
      body(`${endpoint}<attribute name='a' status='error'>x</attribute>`),
      '/report/attribute/text()',
    ],
    ['reason of a value', body(`${endpoint}<attribute name='a' reason='x'>x</attribute>`), '/report/attribute/@reason'],
    ['element in a value', body(`${endpoint}<attribute name='a'><b/></attribute>`), '/report/attribute/b'],
    ['part without set', body(endpoint, `collected='${T}' method='self' scope='full' part='1' of='2'`), '/report'],
    [
      'part beyond',
      body(endpoint, `collected='${T}' method='self' scope='full' set='s' part='3' of='2'`),
      '/report/@part',
    ],
    [
      'part zero',
      body(endpoint, `collected='${T}' method='self' scope='full' set='s' part='0' of='2'`),
      '/report/@part',
    ],
  ])('refused: %s', (_, xml, path) => {
    expectFault(parseReport, xml, path)
  })
})

describe('results', () => {
  const result: EvaluationResult = {
    endpoint: 'ep-1',
    policy: 'baseline',
    policyVersion: '1.2',
    profile: 'server',
    evaluated: t,
    job: 'j1',
    score: 66.7,
    rules: [
      { id: 'r1', verdict: 'pass', evidence: [] },
      {
        id: 'r2',
        title: 'Two',
        severity: 'high',
        verdict: 'error',
        message: 'could not be read',
        evidence: [
          { name: 'a', status: 'exists', value: 'x', collected: t },
          { name: 'b', status: 'not-collected' },
        ],
      },
    ],
  }

  test('come back as they were', () => {
    expect(parseResult(sent(renderResult(result)))).toEqual(result)
  })

  const body = (inner: string, attributes = `endpoint='e' policy='p' evaluated='${T}' score='50'`) =>
    `<result xmlns='${NS_RESULT}' ${attributes}>${inner}</result>`

  test.each<[string, string, string]>([
    ['no endpoint', body('', `policy='p' evaluated='${T}' score='1'`), '/result/@endpoint'],
    ['no score', body('', `endpoint='e' policy='p' evaluated='${T}'`), '/result/@score'],
    ['score above 100', body('', `endpoint='e' policy='p' evaluated='${T}' score='101'`), '/result/@score'],
    ['unknown verdict', body("<rule id='a' verdict='maybe'/>"), '/result/rule/@verdict'],
    ['rule twice', body("<rule id='a' verdict='pass'/><rule id='a' verdict='pass'/>"), '/result/rule[2]/@id'],
    ['two messages', body("<rule id='a' verdict='pass'><message/><message/></rule>"), '/result/rule/message[2]'],
    [
      'evidence with a wrong status',
      body("<rule id='a' verdict='pass'><evidence name='x' status='so'/></rule>"),
      '/result/rule/evidence/@status',
    ],
    [
      'value of nothing',
      body("<rule id='a' verdict='pass'><evidence name='x' status='error'>v</evidence></rule>"),
      '/result/rule/evidence/text()',
    ],
  ])('refused: %s', (_, xml, path) => {
    expectFault(parseResult, xml, path)
  })
})

describe('queries', () => {
  const queries: RepositoryQuery[] = [
    { kind: 'endpoints', id: 'e', label: 'lab', seenBefore: t, page: { max: 10 } },
    {
      kind: 'posture',
      endpoint: 'e',
      label: 'lab',
      name: 'package.*',
      after: t,
      before: t + 1,
      asOf: t + 2,
      maxAgeSeconds: 60,
      waitSeconds: 5,
      collector: 'c@test',
      method: 'self',
      format: 'posture',
      page: { max: 3, after: '17' },
    },
    {
      kind: 'policies',
      type: 'system',
      platform: 'cpe:/o',
      name: 'p',
      version: '1',
      page: { max: undefined, before: '' },
    },
    { kind: 'results', endpoint: 'e', policy: 'p', rule: 'r', verdict: 'fail', asOf: t },
    { kind: 'content', id: 'p' },
  ]
  test.each(queries.map((query) => [query.kind, query] as const))('%s comes back as it was', (_, query) => {
    expect(parseQuery(sent(renderQuery(query)))).toEqual(query)
  })

  test.each<[string, string, string]>([
    ['an unknown query', `<secrets xmlns='${NS_REPOSITORY}'/>`, '/secrets'],
    ['an unknown filter', `<posture xmlns='${NS_REPOSITORY}' host='x'/>`, '/posture/@host'],
    ['a child', `<posture xmlns='${NS_REPOSITORY}'><run/></posture>`, '/posture/run'],
    ['a wait beyond a minute', `<posture xmlns='${NS_REPOSITORY}' wait='61'/>`, '/posture/@wait'],
    ['an unknown verdict', `<results xmlns='${NS_REPOSITORY}' verdict='good'/>`, '/results/@verdict'],
    ['content of nothing', `<content xmlns='${NS_REPOSITORY}'/>`, '/content/@id'],
    [
      'content by page',
      `<content xmlns='${NS_REPOSITORY}' id='a'><set xmlns='http://jabber.org/protocol/rsm'/></content>`,
      '/content/set',
    ],
  ])('refused: %s', (_, xml, path) => {
    expectFault(parseQuery, xml, path)
  })
})

describe('answers', () => {
  const page = { count: 9, first: '1', last: '2' }
  const answers: RepositoryAnswer[] = [
    {
      kind: 'endpoints',
      withheld: 2,
      page: {
        ...page,
        index: 0,
        items: [
          {
            id: 'ep-1',
            identifiers: [{ type: 'fqdn', value: 'a.test' }],
            labels: ['lab'],
            conflicts: ['ep-2'],
            firstSeen: t,
            lastSeen: t + 1,
          },
        ],
      },
    },
    {
      kind: 'posture',
      withheld: 0,
      page: {
        ...page,
        items: [
          {
            endpoint: 'ep-1',
            name: 'a',
            value: '1',
            type: 'integer',
            status: 'exists',
            collected: t,
            received: t,
            lastSeen: t,
            collector: 'c@test',
            method: 'self',
            format: 'posture',
            stale: true,
          },
          {
            endpoint: 'ep-1',
            name: 'b',
            value: undefined,
            type: 'string',
            status: 'error',
            reason: 'no',
            collected: t,
            received: t,
            lastSeen: t,
            collector: 'c@test',
            method: 'self',
            format: 'posture',
          },
        ],
      },
    },
    {
      kind: 'policies',
      withheld: 0,
      page: {
        ...page,
        items: [{ id: 'p', version: '1', title: 'T', type: 'system', rules: 3, published: t, publisher: 'o@test' }],
      },
    },
    {
      kind: 'results',
      withheld: 1,
      page: {
        items: [
          {
            id: 'x',
            endpoint: 'e',
            policy: 'p',
            evaluated: t,
            evaluator: 'e@test',
            rule: { id: 'r', verdict: 'unknown', message: 'm', evidence: [{ name: 'a', status: 'error' }] },
          },
        ],
        count: undefined,
        first: undefined,
        last: undefined,
      },
    },
  ]
  test.each(answers.map((answer) => [answer.kind, answer] as const))('%s come back as they were', (_, answer) => {
    expect(parseAnswer(sent(renderAnswer(answer)))).toEqual(answer)
  })

  test('content comes back as the document it is', () => {
    const content = parseFragment("<policy xmlns='urn:x'><rule/></policy>")
    const back = parseAnswer(sent(renderAnswer({ kind: 'content', content })))
    expect(back.kind === 'content' && serialize(back.content, '')).toBe(serialize(content, ''))
  })

  test.each<[string, string, string]>([
    ['an unknown answer', `<secrets xmlns='${NS_REPOSITORY}'/>`, '/secrets'],
    ['no count of what is withheld', `<posture xmlns='${NS_REPOSITORY}'/>`, '/posture/@withheld'],
    [
      'a row of another kind',
      `<posture xmlns='${NS_REPOSITORY}' withheld='0'><endpoint/></posture>`,
      '/posture/endpoint',
    ],
    [
      'a result without a rule',
      `<results xmlns='${NS_REPOSITORY}' withheld='0'><result/></results>`,
      '/results/result',
    ],
    ['empty content', `<content xmlns='${NS_REPOSITORY}'/>`, '/content'],
  ])('refused: %s', (_, xml, path) => {
    expectFault(parseAnswer, xml, path)
  })
})
