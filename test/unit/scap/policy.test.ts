/** The policy form: what parses, and what is refused and where. */

import fc from 'fast-check'
import { parse } from 'ltx'
import { describe, expect, it } from 'vitest'
import { NS_POLICY, PolicyError, parsePolicy, parsePolicyText, renderPolicy } from '../../../modules/scap/policy.ts'
import { checked, full, policy, refusal, rule, test1 } from './policy-texts.ts'

describe('parsePolicyText', () => {
  it('reads every feature, however it is written', () => {
    expect(parsePolicyText(renderPolicy(full).toString())).toEqual(full)
    const prefixed = `<?xml version="1.0"?>\r\n<!-- c --><q:policy xmlns:q="${NS_POLICY}" id="p" version="1"><q:title> a
      b </q:title><q:description><![CDATA[<d>]]></q:description><q:rule id="r" severity="info"><q:title>t</q:title><q:rationale>r</q:rationale>
      <q:remediation>m</q:remediation><q:reference>f</q:reference><q:check><q:attribute name="a.*" operation="pattern" match="any"><q:value>^&lt;a&#x62;$</q:value></q:attribute></q:check></q:rule></q:policy>`
    const read = parsePolicyText(`\uFEFF${prefixed}`)
    expect(read.title).toBe('a b')
    expect(read.description).toBe('<d>')
    expect(read.rules[0]?.check).toEqual({
      kind: 'attribute',
      name: 'a.*',
      operation: 'pattern',
      datatype: 'string',
      values: ['^<ab$'],
      match: 'any',
    })
  })

  it.each<[what: string, xml: string, message: string, path: string, line: number, column: number]>([
    ['nothing', '', 'the document has no element', '/', 1, 1],
    ['text alone', 'policy', 'Non-whitespace before first tag', '/', 1, 1],
    [
      'a document type',
      `<!DOCTYPE policy [<!ENTITY a "b">]>\n${policy()}`,
      'a document type is not allowed',
      '/',
      1,
      35,
    ],
    [
      'an unknown entity',
      policy().replace('<title>P', '<title>&lol;'),
      'Invalid character entity',
      '/policy/title',
      2,
      12,
    ],
    [
      'a processing instruction',
      policy().replace('<title>P', '<?php?><title>P'),
      'a processing instruction is not allowed',
      '/policy',
      2,
      7,
    ],
    [
      'a control character',
      policy().replace('<title>P', '<title>\u0007'),
      'a character that XML does not allow',
      '/',
      2,
      8,
    ],
    [
      'half a surrogate pair',
      policy().replace('<title>P', '<title>\uD800'),
      'a character that XML does not allow',
      '/',
      2,
      8,
    ],
    [
      'a declaration in the middle',
      policy().replace('<title>P', '<title><?xml version="1.0"?>P'),
      'a processing instruction is not allowed',
      '/policy/title',
      2,
      28,
    ],
    ['a malformed declaration', `<?xml version='2'?>${policy()}`, 'the XML declaration is malformed', '/', 1, 19],
    [
      'white space before a name',
      policy().replace('<title>', '< title>'),
      "white space before an element's name",
      '/policy',
      2,
      1,
    ],
    ['a stray end of CDATA', policy().replace('<title>P', '<title>]]>'), "']]>' in text", '/policy', 2, 8],
    ['tags that cross', policy().replace('</title>', '</titel>'), 'Unexpected close tag', '/policy/title', 2, 16],
    ['an end too early', policy().slice(0, -9), 'Unclosed root tag', '/policy', 5, 8],
    ['a second root', `${policy()}<policy/>`, 'a document has one root element', '/', 6, 18],
    [
      'an attribute twice',
      policy(rule().replace("id='r1'", "id='r1' id='r2'")),
      "attribute 'id' is given twice",
      '/policy/rule[1]/@id',
      3,
      15,
    ],
    [
      '< in an attribute',
      policy(rule().replace("id='r1'", "id='<'")),
      "a '<' in an attribute's value",
      '/policy/rule[1]/@id',
      3,
      7,
    ],
    [
      'an unbound prefix',
      policy().replace('<title>P', '<x:title>P'),
      'Unbound namespace prefix: "x:title"',
      '/policy',
      2,
      9,
    ],
    ['another root', '<oval/>', `the root is 'oval' in ''; expected 'policy' in '${NS_POLICY}'`, '/oval', 1, 1],
    ['no rule', policy(''), 'a policy has at least one rule', '/policy', 1, 1],
    ['no title', policy(rule(), '<description>D</description>'), "element 'title' is missing", '/policy', 1, 1],
    [
      'an empty title',
      policy(rule(), '<title> </title><description>D</description>'),
      "'title' is empty",
      '/policy/title',
      2,
      1,
    ],
    [
      'a long title',
      policy(rule(), `<title>${'x'.repeat(4097)}</title><description>D</description>`),
      "'title' has at most 4096 characters",
      '/policy/title',
      2,
      1,
    ],
    [
      'a title twice',
      policy(rule(), '<title>P</title><title>P</title><description>D</description>'),
      "element 'title' is given twice",
      '/policy/title',
      2,
      17,
    ],
    [
      'elements in prose',
      policy(rule(), '<title>P<title/></title><description>D</description>'),
      "'title' holds text only, no elements",
      '/policy/title/title',
      2,
      9,
    ],
    [
      'a wrong order',
      policy(`${rule()}<title>P</title>`, '<description>D</description>'),
      "element 'title' is out of order; the order is: title, description, rule",
      '/policy/title',
      5,
      8,
    ],
    ['text between elements', policy(`hello ${rule()}`), "'policy' holds elements only, no text", '/policy', 1, 1],
    [
      'an unknown element',
      policy('<group/>'),
      "element 'group' is not allowed here; allowed: title, description, rule",
      '/policy/group',
      3,
      1,
    ],
    [
      'a foreign element',
      policy(rule().replace('<title>', "<title xmlns='urn:x'>")),
      "element 'title' of namespace 'urn:x' is not allowed here; allowed: title, rationale, remediation, reference, applies, check",
      '/policy/rule[1]/title',
      3,
      30,
    ],
    [
      'an unknown attribute',
      policy().replace("id='p'", "id='p' lang='en'"),
      "attribute 'lang' is not allowed on 'policy'; allowed: id, version",
      '/policy/@lang',
      1,
      47,
    ],
    [
      'a bad id',
      policy(rule(undefined, '-x')),
      "id is 1 to 128 letters, digits, '.', '_', ':' and '-', the first a letter or digit",
      '/policy/rule[1]/@id',
      3,
      7,
    ],
    ['no id', policy(rule().replace("id='r1'", '')), "attribute 'id' is missing on 'rule'", '/policy/rule[1]', 3, 1],
    [
      'an id twice',
      policy(`${rule()}\n${rule()}`),
      "rule id 'r1' is already used at /policy/rule[1]",
      '/policy/rule[2]/@id',
      6,
      7,
    ],
    [
      'a bad severity',
      policy(rule().replace('low', 'worst')),
      "severity 'worst' is not one of: info, low, medium, high, critical",
      '/policy/rule[1]/@severity',
      3,
      15,
    ],
    [
      'no reference',
      policy(rule().replace('<reference>Us</reference>', '')),
      'a rule names at least one public reference',
      '/policy/rule[1]',
      3,
      1,
    ],
    [
      'a javascript reference',
      policy(rule().replace('<reference>', "<reference href='javascript:alert(1)'>")),
      'href is an http or https URL',
      '/policy/rule[1]/reference[1]/@href',
      3,
      112,
    ],
    ['no check', policy(rule('')), "element 'check' is missing", '/policy/rule[1]', 3, 1],
    ['an empty check', checked(''), "'check' holds one of: attribute, and, or, not", '/policy/rule[1]/check', 4, 1],
    [
      'two checks',
      checked(`${test1}<not>${test1}</not>`),
      "'check' holds one check; combine several with 'and' or 'or'",
      '/policy/rule[1]/check/not[1]',
      4,
      102,
    ],
    [
      'an empty and',
      checked('<and/>'),
      "'and' holds at least one of: attribute, and, or, not",
      '/policy/rule[1]/check/and[1]',
      4,
      8,
    ],
    [
      'an unknown check',
      checked('<xor/>'),
      "element 'xor' is not allowed here; allowed: attribute, and, or, not",
      '/policy/rule[1]/check/xor',
      4,
      8,
    ],
    [
      'an unknown operation',
      checked("<and><attribute name='a.b' operation='exists'/>\n<attribute name='a.b'   operation='is'/></and>"),
      "operation 'is' is not one of: equals, not-equal, pattern, not-pattern, greater, greater-or-equal, less, less-or-equal, in, not-in, exists, none-exist",
      '/policy/rule[1]/check/and[1]/attribute[2]/@operation',
      5,
      25,
    ],
    [
      'a star up front',
      checked("<attribute name='*.uid' operation='exists'/>"),
      "name is a dotted name of at most 512 characters, '*' only after its first segment",
      '/policy/rule[1]/check/attribute[1]/@name',
      4,
      19,
    ],
    [
      'except without a star',
      checked("<attribute name='a.b' except='a.c' operation='exists'/>"),
      "except needs a name with '*'",
      '/policy/rule[1]/check/attribute[1]/@except',
      4,
      30,
    ],
    [
      'a bad except',
      checked("<attribute name='a.*' except='a.c *' operation='exists'/>"),
      "except is a dotted name of at most 512 characters, '*' only after its first segment",
      '/policy/rule[1]/check/attribute[1]/@except',
      4,
      30,
    ],
    [
      'a bad datatype',
      checked("<attribute name='a.b' operation='equals' datatype='float'><value>1</value></attribute>"),
      "datatype 'float' is not one of: string, integer, version",
      '/policy/rule[1]/check/attribute[1]/@datatype',
      4,
      49,
    ],
    [
      'exists with match',
      checked("<attribute name='a.b' operation='exists' match='any'/>"),
      "match has no meaning with 'exists'",
      '/policy/rule[1]/check/attribute[1]/@match',
      4,
      49,
    ],
    [
      'exists with a value',
      checked("<attribute name='a.b' operation='exists'><value/></attribute>"),
      "'exists' takes no value",
      '/policy/rule[1]/check/attribute[1]/value[1]',
      4,
      49,
    ],
    [
      'no value',
      checked("<attribute name='a.b' operation='in'/>"),
      "'in' needs a value",
      '/policy/rule[1]/check/attribute[1]',
      4,
      8,
    ],
    [
      'two values',
      checked("<attribute name='a.b' operation='equals'><value/><value/></attribute>"),
      "'equals' takes one value; for several use 'in' or 'not-in'",
      '/policy/rule[1]/check/attribute[1]/value[2]',
      4,
      57,
    ],
    [
      'order of strings',
      checked("<attribute name='a.b' operation='less'><value>1</value></attribute>"),
      "'less' needs datatype 'integer' or 'version'",
      '/policy/rule[1]/check/attribute[1]/@operation',
      4,
      30,
    ],
    [
      'a pattern of integers',
      checked("<attribute name='a.b' operation='pattern' datatype='integer'><value>1</value></attribute>"),
      "'pattern' compares strings only",
      '/policy/rule[1]/check/attribute[1]/@datatype',
      4,
      50,
    ],
    [
      'a word as integer',
      checked("<attribute name='a.b' operation='equals' datatype='integer'><value>one</value></attribute>"),
      "'one' is not an integer",
      '/policy/rule[1]/check/attribute[1]/value[1]',
      4,
      68,
    ],
    [
      'a blank as version',
      checked("<attribute name='a.b' operation='equals' datatype='version'><value>1 2</value></attribute>"),
      "'1 2' is not a version",
      '/policy/rule[1]/check/attribute[1]/value[1]',
      4,
      68,
    ],
    [
      'a bad pattern',
      checked("<attribute name='a.b' operation='pattern'><value>^(a$</value></attribute>"),
      'the pattern does not compile: missing closing ): `^(a$`',
      '/policy/rule[1]/check/attribute[1]/value[1]',
      4,
      50,
    ],
    [
      'a look-ahead',
      checked("<attribute name='a.b' operation='not-pattern'><value>(?=a)</value></attribute>"),
      'the pattern does not compile: invalid or unsupported Perl syntax: `(?=`',
      '/policy/rule[1]/check/attribute[1]/value[1]',
      4,
      54,
    ],
  ])('refuses %s', (_, xml, message, path, line, column) => {
    const { message: text, ...place } = refusal(xml)
    expect({ text, ...place }).toMatchObject({ text: message, path, line, column })
  })

  it('refuses what is too deep, too long or too much', () => {
    expect(refusal(checked(`${'<not>'.repeat(60)}${test1}${'</not>'.repeat(60)}`)).message).toBe(
      'elements nest deeper than 40',
    )
    expect(refusal(policy(' '.repeat(4_194_304))).message).toBe('the document is longer than 4194304 characters')
    const many = Array.from({ length: 5001 }, (_, n) => rule(undefined, `r${n}`)).join('')
    expect(refusal(policy(many))).toMatchObject({
      message: 'a policy has at most 5000 rules',
      path: '/policy/rule[5001]',
    })
    expect(refusal(checked(`<and>${'<not/>'.repeat(100_000)}</and>`)).message).toBe('more than 100000 elements')
  })

  it('answers whatever is done to a text with a policy or a place', () => {
    const text = renderPolicy(full).toString()
    const cut = fc.record({
      at: fc.nat(text.length),
      remove: fc.nat(12),
      insert: fc.constantFrom(
        '',
        '<',
        '>',
        '"',
        "'",
        '&',
        '&lt;',
        ']]>',
        '<!--',
        '<a/>',
        '</rule>',
        ' x=""',
        '*',
        '\0',
      ),
    })
    fc.assert(
      fc.property(fc.array(cut, { minLength: 1, maxLength: 3 }), (cuts) => {
        const mutated = cuts.reduce(
          (each, { at, remove, insert }) => each.slice(0, at) + insert + each.slice(at + remove),
          text,
        )
        try {
          const read = parsePolicyText(mutated)
          expect(parsePolicyText(renderPolicy(read).toString())).toEqual(read)
        } catch (error) {
          if (!(error instanceof PolicyError)) throw error
          const lines = mutated.split('\n')
          expect(error.path).toMatch(/^\//)
          expect(error.line).toBeGreaterThan(0)
          expect(error.line).toBeLessThanOrEqual(lines.length)
          expect(error.column).toBeGreaterThan(0)
          expect(error.column).toBeLessThanOrEqual((lines[(error.line ?? 1) - 1]?.length ?? 0) + 1)
        }
      }),
      { numRuns: 1000, seed: 20261122 },
    )
  })

  it('counts lines by any line end', () => {
    for (const end of ['\n', '\r\n', '\r']) {
      expect(refusal(policy('<a/>').replaceAll('\n', end))).toMatchObject({ line: 3, column: 1 })
    }
  })
})

describe('parsePolicy', () => {
  it('gives the path, and no line, of a fault in an Element', () => {
    const bad = parse(policy(`${rule()}${rule(undefined, 'r2').replace("operation='equals'", "operation='equal'")}`))
    let error: unknown
    try {
      parsePolicy(bad)
    } catch (thrown) {
      error = thrown
    }
    expect(error).toBeInstanceOf(PolicyError)
    expect(error).toMatchObject({
      path: '/policy/rule[2]/check/attribute[1]/@operation',
      line: undefined,
      column: undefined,
    })
  })

  it('refuses an Element that is too deep', () => {
    const deep = parse(checked(`${'<not>'.repeat(60)}${test1}${'</not>'.repeat(60)}`))
    expect(() => parsePolicy(deep)).toThrow('elements nest deeper than 40')
  })

  it('knows its namespace when that is declared outside', () => {
    const item = parse(`<item xmlns='${NS_POLICY}'>${policy().replace(` xmlns='${NS_POLICY}'`, '')}</item>`)
    const inner = item.getChild('policy')
    expect(inner && parsePolicy(inner).id).toBe('p')
  })
})
