/** The scenario runner must be able to fail: what its patterns accept and refuse, and how its text is read. */

import { describe, expect, it } from 'vitest'
import { type Captures, filled, mismatch, parsePattern } from '../../support/scenario/match.ts'
import { expandEscapes, parseScenario } from '../../support/scenario/parse.ts'
import { parseTree, StreamReader } from '../../support/scenario/tree.ts'

const received = (text: string) => parseTree(text, "xmlns='jabber:client'")
const why = (pattern: string, actual: string, captures: Captures = new Map()) =>
  mismatch(parsePattern(pattern), received(actual), captures)

describe('patterns match', () => {
  it.each([
    ['<iq type="result" id="1"/>', "<iq id='1' type='result' to='a'/>"],
    ['<iq/>', '<iq> \n </iq>'],
    ['<iq>{any}</iq>', "<iq><q xmlns='u'>text</q>more</iq>"],
    ['<iq>{any}</iq>', '<iq/>'],
    ['<iq><q xmlns="u"/></iq>', "<iq><q xmlns='u'/></iq>"],
    ['<iq><q/></iq>', "<iq><q xmlns='u'/></iq>"],
    ['<iq><p:q xmlns:p="u"/></iq>', "<iq><q xmlns='u'/></iq>"],
    ['<a><b/><c/></a>', '<a><b/> <c/></a>'],
    ['<a> text </a>', '<a>text</a>'],
    ['<a>...<c/></a>', '<a><b/><c/><d/></a>'],
    ['<a>... <c x="2"/></a>', '<a><b><c x="1"/></b><b><c x="2"/></b></a>'],
    ['<m><event/></m>', "<m><event xmlns='e'/><stanza-id xmlns='urn:xmpp:sid:0'/></m>"],
    ['<m>... <item id="1"/> ...</m>', "<m><event xmlns='e'><items node='n'><item id='1'/></items></event></m>"],
    ['<a x="{none}"/>', '<a/>'],
    ['<a x="pre-{any}-post"/>', '<a x="pre-(1)-post"/>'],
    [
      "<error><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>",
      "<error><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/><text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>x</text></error>",
    ],
  ])('%s  %s', (pattern, actual) => {
    expect(why(pattern, actual)).toBeUndefined()
  })
})

describe('patterns refuse', () => {
  it.each([
    ['<iq/>', '<message/>', 'where <iq>'],
    ['<iq type="result"/>', '<iq type="error"/>', 'type="error" where "result"'],
    ['<iq type="result"/>', '<iq/>', 'has no type'],
    ['<iq x="{none}"/>', '<iq x=""/>', 'has x'],
    ['<iq xmlns="u"/>', '<iq/>', 'in the namespace jabber:client where u'],
    ['<iq><q xmlns="u"><r/></q></iq>', "<iq><q xmlns='u'><r xmlns='v'/></q></iq>", 'in the namespace v'],
    ['<iq/>', '<iq><q/></iq>', 'holds <q> too'],
    ['<iq/>', '<iq>text</iq>', 'holds the text "text"'],
    ['<iq><q/></iq>', '<iq/>', 'lacks <q>'],
    ['<a><b/><c/></a>', '<a><c/><b/></a>', '<c> where <b>'],
    ['<a>x</a>', '<a>y</a>', 'holds the text "y" where "x"'],
    ['<a>...<c/></a>', '<a><b/></a>', 'lacks <c>'],
    ['<a>...<c/><b/></a>', '<a><b/><c/></a>', 'lacks <b>'],
    ['<a>...<c x="2"/></a>', '<a><c x="1"/></a>', 'x="1" where "2"'],
    ['<a x="a.c"/>', '<a x="abc"/>', 'x="abc"'],
    ['<error><gone/></error>', '<error><gone/><other/></error>', 'holds <other> too'],
  ])('%s  %s', (pattern, actual, reason) => {
    expect(why(pattern, actual)).toContain(reason)
  })
})

it('names take what stands there, once', () => {
  const captures: Captures = new Map()
  expect(why('<a id="{id}"><b>{text}</b></a>', '<a id="x1"><b>two words</b></a>', captures)).toBeUndefined()
  expect([...captures]).toEqual([
    ['id', 'x1'],
    ['text', 'two words'],
  ])
  expect(why('<c ref="{id}"/>', '<c ref="x1"/>', captures)).toBeUndefined()
  expect(why('<c ref="{id}"/>', '<c ref="x2"/>', captures)).toContain('where "x1"')
  expect(filled('<retract id="{id}"/>{new}', captures)).toBe('<retract id="x1"/>{new}')
})

it('takes nothing from what does not match', () => {
  const captures: Captures = new Map()
  expect(why('<a id="{id}"><b/></a>', '<a id="1"/>', captures)).toContain('lacks')
  expect(captures.size).toBe(0)
})

describe('a scenario', () => {
  it('is read line by line, indented lines continuing the one above', () => {
    const scenario = parseScenario(
      [
        '# XEP-0001 §1  a title',
        '# a comment',
        'only tcp',
        'account bob@test as collector,admin',
        'client alice alice@test/desk as publisher',
        'raw eve',
        "alice > <iq id='1'>",
        '  <a/></iq>',
        "alice < <iq id='1'/>",
        'alice <? <message/>',
        'alice < nothing',
        'eve >> \\xff',
        'eve closed',
      ].join('\n'),
    )
    expect(scenario).toMatchObject({ title: 'XEP-0001 §1  a title', only: 'tcp' })
    expect(scenario.steps.map(({ kind, line }) => `${line} ${kind}`)).toEqual([
      ...['4 account', '5 client', '6 raw', '7 send', '9 expect', '10 expect', '11 nothing', '12 send', '13 do'],
    ])
    expect(scenario.steps[3]).toMatchObject({ text: "<iq id='1'>\n  <a/></iq>", isEscaped: false })
    expect(scenario.steps[0]).toMatchObject({ account: { local: 'bob', roles: ['collector', 'admin'] } })
  })

  it.each([
    ['', 'begins with its title'],
    ['# t\nalice > <a/>', 'line 2: who is alice?'],
    ['# t\nraw a\na dances', 'line 3: not a step'],
    ['# t\nclient alice alice@elsewhere', 'line 2: not a step'],
    ['# t\nraw a\na <? nothing', 'line 3: not a step'],
    ['# t\nonly udp', 'line 2: not a step'],
  ])('refuses %j', (text, message) => {
    expect(() => parseScenario(text)).toThrow(message)
  })

  it('expands escapes', () => {
    expect(expandEscapes('a\\xff\\n\\\\{3*ab}{base64:\\0a}')).toEqual(
      Buffer.concat([Buffer.from('a'), Buffer.from([0xff]), Buffer.from('\n\\abababAGE=')]),
    )
  })
})

it('the reader refuses what no server may send', () => {
  for (const sent of ['<a><!-- c --></a>', '<a><?p i?></a>', '<a><b></a>', '<a><p:b/></a>', '<!DOCTYPE a><a/>']) {
    const reader = new StreamReader(() => {})
    expect(() => reader.write(sent)).toThrow(/the server sent/)
  }
})
