/** Everything that a stream must not hold, refused with its condition however the input is cut. RFC 6120 §4.9.3, §11. */

import { describe, expect, it } from 'vitest'
import type { StreamCondition } from '../../../server/stanza/errors.ts'
import { DEFAULT_LIMITS, type ParserLimits, parseFragment } from '../../../server/xml/parser.ts'
import { read, splits } from './reading.ts'

const HEADER = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"
const limits: ParserLimits = { ...DEFAULT_LIMITS, maxStanzaBytes: 2000, maxElements: 200 }

type Case = readonly [what: string, condition: StreamCondition, input: string | Buffer]

const bytes = (...values: number[]) => Buffer.from(values)
const join = (...parts: (string | Buffer)[]) => Buffer.concat(parts.map((part) => Buffer.from(part)))
const nested = (depth: number) => '<a>'.repeat(depth) + '</a>'.repeat(depth)
const attributes = (count: number) => Array.from({ length: count }, (_, i) => ` a${i}=''`).join('')

/** Each stands where a stanza may; a sound stanza follows, which must not be told. */
const IN_STREAM: readonly Case[] = [
  // Restricted XML. RFC 6120 §11.1.
  ['a comment between stanzas', 'restricted-xml', '<!-- c -->'],
  ['a comment in a stanza', 'restricted-xml', '<message><!-- c --></message>'],
  ['an empty comment', 'restricted-xml', '<message><!----></message>'],
  ['a comment inside text', 'restricted-xml', '<message><body>a<!--b-->c</body></message>'],
  ['a processing instruction between stanzas', 'restricted-xml', '<?target data?>'],
  ['a processing instruction in a stanza', 'restricted-xml', '<message><?php 1?></message>'],
  ['an XML declaration between stanzas', 'restricted-xml', "<?xml version='1.0'?>"],
  ['a DOCTYPE between stanzas', 'restricted-xml', '<!DOCTYPE a>'],
  ['a DOCTYPE in a stanza', 'restricted-xml', '<message><!DOCTYPE a SYSTEM "file:///etc/passwd"></message>'],
  ['an entity declaration', 'restricted-xml', '<message><!ENTITY a "b"></message>'],
  ['an element declaration', 'restricted-xml', '<!ELEMENT a ANY>'],
  ['a reference to an entity', 'restricted-xml', '<message>&nbsp;</message>'],
  ['a reference to an entity in an attribute', 'restricted-xml', "<message a='&xxe;'/>"],
  ['a predefined entity in capitals', 'restricted-xml', '<message>&AMP;</message>'],
  ['an entity with a prefix of a predefined name', 'restricted-xml', '<message>&ampx;</message>'],
  // Well-formedness. XML 1.0.
  ['a bare &', 'not-well-formed', '<message>a & b</message>'],
  ['a bare & before a tag', 'not-well-formed', '<message>a &</message>'],
  ['a bare & in an attribute', 'not-well-formed', "<message a='b & c'/>"],
  ['a reference without its semicolon', 'not-well-formed', '<message>&amp </message>'],
  ['an empty reference', 'not-well-formed', '<message>&;</message>'],
  ['an entity whose name begins with a digit', 'not-well-formed', '<message>&1a;</message>'],
  ['a reference to NUL', 'not-well-formed', '<message>&#0;</message>'],
  ['a reference to a control character', 'not-well-formed', '<message>&#x1F;</message>'],
  ['a reference to a surrogate', 'not-well-formed', '<message>&#xD800;</message>'],
  ['a reference to U+FFFE', 'not-well-formed', '<message>&#xFFFE;</message>'],
  ['a reference beyond Unicode', 'not-well-formed', '<message>&#x110000;</message>'],
  ['a reference far beyond Unicode', 'not-well-formed', `<message>&#x${'F'.repeat(40)};</message>`],
  ['a character reference without digits', 'not-well-formed', '<message>&#;</message>'],
  ['a hexadecimal reference without digits', 'not-well-formed', '<message>&#x;</message>'],
  ['a hexadecimal reference with a capital X', 'not-well-formed', '<message>&#X41;</message>'],
  ['a decimal reference with a letter', 'not-well-formed', '<message>&#6a;</message>'],
  ['a reference with two #', 'not-well-formed', '<message>&##65;</message>'],
  ['mis-nested tags', 'not-well-formed', '<message><a><b></a></b></message>'],
  ['an end tag of another name', 'not-well-formed', '<message></iq>'],
  ['an end tag that differs by its prefix', 'not-well-formed', "<a:b xmlns:a='u' xmlns:c='u'></c:b>"],
  ['an end tag that differs by case', 'not-well-formed', '<message></Message>'],
  ['an end tag without a start', 'not-well-formed', '</message>'],
  ['an end tag with an attribute', 'not-well-formed', "<message></message a='b'>"],
  ['an end tag without a name', 'not-well-formed', '<message></>'],
  ['an end tag with a space before its name', 'not-well-formed', '<message></ message>'],
  ['a space after <', 'not-well-formed', '< message/>'],
  ['a space within />', 'not-well-formed', '<message/ >'],
  ['two slashes', 'not-well-formed', '<message//>'],
  ['< within a start tag', 'not-well-formed', '<message <a/>'],
  ['an empty tag', 'not-well-formed', '<>'],
  ['<! and a small letter', 'not-well-formed', '<!doctype a>'],
  ['<! and a single hyphen', 'not-well-formed', '<!-a->'],
  ['<! and another bracket', 'not-well-formed', '<message><![IGNORE[a]]></message>'],
  ['CDATA in small letters', 'not-well-formed', '<message><![cdata[a]]></message>'],
  ['CDATA without its second bracket', 'not-well-formed', '<message><![CDATA a]]></message>'],
  [']]> in text', 'not-well-formed', '<message>a]]>b</message>'],
  [']]]> in text', 'not-well-formed', '<message>]]]></message>'],
  ['an attribute without quotes', 'not-well-formed', '<message a=b/>'],
  ['an attribute without a value', 'not-well-formed', '<message a/>'],
  ['an attribute without =', 'not-well-formed', "<message a 'b'/>"],
  ['an attribute that stands twice', 'not-well-formed', "<message a='1' a='2'/>"],
  ['a namespace declaration that stands twice', 'not-well-formed', "<message xmlns:a='u' xmlns:a='u'/>"],
  ['attributes with no space between', 'not-well-formed', "<message a='1'b='2'/>"],
  ['an attribute after no space', 'not-well-formed', "<message'1'/>"],
  ['< in an attribute', 'not-well-formed', "<message a='<'/>"],
  ['quotes that do not match', 'not-well-formed', `<message a='b"/><a b='`],
  ['a name that begins with a digit', 'not-well-formed', '<1a/>'],
  ['a name that begins with a hyphen', 'not-well-formed', '<-a/>'],
  ['a name with a character no name may hold', 'not-well-formed', '<a×b/>'],
  ['a name that begins with a combining character', 'not-well-formed', '<\u0301a/>'],
  ['an attribute name that begins with a digit', 'not-well-formed', "<message 1='a'/>"],
  ['NUL in text', 'not-well-formed', '<message>\0</message>'],
  ['a control character in text', 'not-well-formed', '<message>\u0007</message>'],
  ['a control character in an attribute', 'not-well-formed', "<message a='\u001b'/>"],
  ['a control character in a tag', 'not-well-formed', '<message\u000ba=""/>'],
  ['a control character in CDATA', 'not-well-formed', '<message><![CDATA[\u0001]]></message>'],
  ['a control character between stanzas', 'not-well-formed', '\u0000'],
  ['U+FFFE in text', 'not-well-formed', '<message>\ufffe</message>'],
  ['U+FFFF in an attribute', 'not-well-formed', "<message a='\uffff'/>"],
  // Namespaces in XML 1.0; RFC 6120 §11.3.
  ['an element prefix that is not declared', 'not-well-formed', '<message><foo:body/></message>'],
  ['an attribute prefix that is not declared', 'not-well-formed', "<message foo:a='b'/>"],
  ['a prefix out of its scope', 'not-well-formed', "<message><a xmlns:p='u'/><p:b/></message>"],
  ['the prefix __proto__, not declared', 'not-well-formed', '<message><__proto__:a/></message>'],
  ['attributes equal by expanded name', 'not-well-formed', "<message xmlns:a='u' xmlns:b='u' a:x='1' b:x='2'/>"],
  ['two colons in a name', 'not-well-formed', "<a:b:c xmlns:a='u'/>"],
  ['a colon first', 'not-well-formed', '<:a/>'],
  ['a colon last', 'not-well-formed', "<a: xmlns:a='u'/>"],
  ['a local name that begins with a digit', 'not-well-formed', "<a:1 xmlns:a='u'/>"],
  ['a colon first in an attribute', 'not-well-formed', "<message :a='b'/>"],
  ['a prefix declared empty', 'not-well-formed', "<message xmlns:a=''/>"],
  ['a declaration without a prefix', 'not-well-formed', "<message xmlns:='u'/>"],
  ['the prefix xml declared wrongly', 'not-well-formed', "<message xmlns:xml='u'/>"],
  ['the xml namespace under another prefix', 'not-well-formed', "<a xmlns:a='http://www.w3.org/XML/1998/namespace'/>"],
  ['the xml namespace as default', 'not-well-formed', "<a xmlns='http://www.w3.org/XML/1998/namespace'/>"],
  ['the prefix xmlns declared', 'not-well-formed', "<message xmlns:xmlns='http://www.w3.org/2000/xmlns/'/>"],
  ['the xmlns namespace under a prefix', 'not-well-formed', "<message xmlns:a='http://www.w3.org/2000/xmlns/'/>"],
  ['the xmlns namespace as default', 'not-well-formed', "<message xmlns='http://www.w3.org/2000/xmlns/'/>"],
  ['an element with the prefix xmlns', 'not-well-formed', '<xmlns:a/>'],
  ['a prefix for jabber:client', 'bad-namespace-prefix', "<c:message xmlns:c='jabber:client'/>"],
  ['a prefix for jabber:client inside', 'bad-namespace-prefix', "<a xmlns:c='jabber:client'><c:b/></a>"],
  // Text at stream level. RFC 6120 §11.7 allows white space alone.
  ['text between stanzas', 'bad-format', 'hello'],
  ['a reference between stanzas', 'bad-format', '&#32;'],
  ['CDATA between stanzas', 'bad-format', '<![CDATA[ ]]>'],
  ['U+FEFF between stanzas', 'bad-format', '\ufeff'],
  // Not UTF-8. RFC 6120 §11.6, §4.9.3.22.
  ['a lone continuation byte', 'unsupported-encoding', join('<message>', bytes(0x80), '</message>')],
  ['an overlong form of two bytes', 'unsupported-encoding', join('<message>', bytes(0xc0, 0xbc), '</message>')],
  ['an overlong form of three bytes', 'unsupported-encoding', join('<message>', bytes(0xe0, 0x80, 0xbc), '</message>')],
  ['a surrogate in UTF-8', 'unsupported-encoding', join('<message>', bytes(0xed, 0xa0, 0x80), '</message>')],
  ['a code point beyond Unicode', 'unsupported-encoding', join('<message>', bytes(0xf4, 0x90, 0x80, 0x80), '</a>')],
  ['a character cut short', 'unsupported-encoding', join('<message>', bytes(0xe2, 0x82), '</message>')],
  ['the byte 0xff', 'unsupported-encoding', join("<message a='", bytes(0xff), "'/>")],
  ['Latin-1', 'unsupported-encoding', join('<message>caf', bytes(0xe9), '</message>')],
  ['bytes of UTF-16', 'unsupported-encoding', join(bytes(0xff, 0xfe), Buffer.from('<message/>', 'utf16le'))],
  // Bounds. RFC 6120 §4.9.3.14, §13.12.
  ['a stanza too big', 'policy-violation', `<message>${'a'.repeat(2000)}</message>`],
  ['a stanza too big by its attribute', 'policy-violation', `<message a='${'a'.repeat(2000)}'/>`],
  ['a stanza too big by its characters', 'policy-violation', `<message>${'€'.repeat(667)}</message>`],
  ['a stanza too big and malformed after that', 'policy-violation', `<message>${'a'.repeat(2000)}<</message>`],
  ['a stanza that never ends', 'policy-violation', `<message>${'<a/>'.repeat(600)}`],
  ['an element bomb', 'policy-violation', `<message>${'<a/>'.repeat(300)}`],
  ['a depth bomb', 'policy-violation', nested(65)],
  ['an attribute bomb', 'policy-violation', `<message${attributes(65)}/>`],
  ['a long name', 'policy-violation', `<${'a'.repeat(257)}/>`],
  ['a long attribute name', 'policy-violation', `<message ${'a'.repeat(257)}='b'/>`],
  ['a long entity name', 'policy-violation', `<message>&${'a'.repeat(257)};</message>`],
  [
    'many namespace declarations',
    'policy-violation',
    `<a xmlns:a='u'>${Array.from({ length: 64 }, (_, i) => `<b xmlns:p${i}='u'>`).join('')}`,
  ],
]

/** Each stands at the very beginning. */
const AT_START: readonly Case[] = [
  ['text', 'not-well-formed', 'hello'],
  ['an HTTP request', 'not-well-formed', 'GET / HTTP/1.1\r\n\r\n'],
  ['a byte order mark', 'not-well-formed', `\ufeff${HEADER}`],
  ['UTF-16 with a byte order mark', 'unsupported-encoding', join(bytes(0xfe, 0xff), bytes(0, 0x3c))],
  ['an end tag', 'not-well-formed', '</stream:stream>'],
  ['an XML declaration after white space', 'restricted-xml', ` <?xml version='1.0'?>${HEADER}`],
  ['two XML declarations', 'restricted-xml', `<?xml version='1.0'?><?xml version='1.0'?>${HEADER}`],
  ['another encoding', 'unsupported-encoding', `<?xml version='1.0' encoding='UTF-16'?>${HEADER}`],
  ['Latin-1 declared', 'unsupported-encoding', `<?xml version="1.0" encoding="iso-8859-1"?>${HEADER}`],
  ['XML 1.1', 'bad-format', `<?xml version='1.1'?>${HEADER}`],
  ['a declaration without a version', 'not-well-formed', `<?xml encoding='UTF-8'?>${HEADER}`],
  ['a declaration in the wrong order', 'not-well-formed', `<?xml encoding='UTF-8' version='1.0'?>${HEADER}`],
  ['a declaration without its ?', 'not-well-formed', `<?xml version='1.0'>${HEADER}`],
  ['a declaration without quotes', 'not-well-formed', `<?xml version=1.0?>${HEADER}`],
  ['an endless declaration', 'not-well-formed', `<?xml ${' '.repeat(200)}`],
  ['an instruction whose name begins with xml', 'restricted-xml', `<?xml-stylesheet href='a'?>${HEADER}`],
  ['an instruction', 'restricted-xml', `<?a?>${HEADER}`],
  ['a DOCTYPE', 'restricted-xml', `<!DOCTYPE stream [<!ENTITY a "b">]>${HEADER}`],
  ['a comment', 'restricted-xml', `<!-- -->${HEADER}`],
  ['CDATA before the root', 'not-well-formed', '<![CDATA[a]]>'],
  ['a root whose prefix is not declared', 'not-well-formed', "<stream:stream xmlns='jabber:client'>"],
  ['a root too big', 'policy-violation', `<stream:stream a='${'a'.repeat(2000)}'>`],
  ['TLS bytes', 'not-well-formed', bytes(0x16, 0x03, 0x01, 0x02, 0x00)],
]

/** Each stands after the stream's end. */
const AFTER_END: readonly Case[] = [
  ['text', 'not-well-formed', 'a'],
  ['another root', 'not-well-formed', HEADER],
  ['another end tag', 'not-well-formed', '</stream:stream>'],
  ['a comment', 'restricted-xml', '<!-- -->'],
]

function refuses(before: string, cases: readonly Case[], after: string, told: number): void {
  it.each(cases)('%s: %s', (_what, condition, input) => {
    const whole = join(before, input, after)
    for (const chunks of splits(whole, whole.length)) {
      const { events, fault } = read(chunks, limits)
      expect(fault).toBe(condition)
      expect(events).toHaveLength(told)
    }
  })
}

describe('between the tags of a stream', () => {
  // The root and one sound stanza have been told when the fault comes, never the one after it.
  refuses(`${HEADER}<iq id='1'/>`, IN_STREAM, "<iq id='2'/>", 2)
})
describe('at the beginning', () => refuses('', AT_START, '', 0))
describe('after the end', () => refuses(`${HEADER}<iq/></stream:stream>`, AFTER_END, '', 3))

describe('in a whole element', () => {
  const whole = IN_STREAM.filter(([what, , input]) => typeof input === 'string' && !what.includes('between stanzas'))
  it.each(whole)('%s: %s', (_what, condition, input) => {
    expect(() => parseFragment(`<r>${input.toString()}</r>`, { ...limits, maxDepth: 65 })).toThrow(
      expect.objectContaining({ condition }),
    )
  })

  it.each([
    '',
    ' ',
    'a',
    '<a>',
    '<a></a',
    '<a/><b/>',
    '<a/>b',
    'b<a/>',
    "<?xml version='1.0'?>",
    '\ud800',
    '<a>\udc00</a>',
  ])('no element, or more than one: %j', (text) => {
    expect(() => parseFragment(text)).toThrow(expect.objectContaining({ condition: 'not-well-formed' }))
  })
})

it('refuses at least sixty inputs', () => {
  expect(IN_STREAM.length + AT_START.length + AFTER_END.length).toBeGreaterThanOrEqual(60)
})
