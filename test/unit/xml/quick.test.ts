/**
 * The quick way through a stanza against the tokenizer's: a stanza in one chunk may go the quick way, the same stanza
 * cut in two cannot. Trees, faults and what is written out again must be the same.
 */

import { expect, test } from 'vitest'
import { StreamError } from '../../../server/stanza/errors.ts'
import type { Element } from '../../../server/xml/element.ts'
import { DEFAULT_LIMITS, type ParserLimits, StreamParser } from '../../../server/xml/parser.ts'
import { serialize } from '../../../server/xml/serialize.ts'
import { mayHold, UnreadElement } from '../../../server/xml/unread.ts'
import { type Random, random, rounds } from '../../support/random.ts'
import { read, show } from './reading.ts'

const HEADER =
  "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' xmlns:out='urn:out'>"

/** The stanzas of these chunks, or the fault. */
function stanzasOf(chunks: readonly string[], limits: ParserLimits = DEFAULT_LIMITS): Element[] | string {
  const stanzas: Element[] = []
  const parser = new StreamParser(DEFAULT_LIMITS, {
    onOpen() {},
    onElement: (stanza) => stanzas.push(stanza),
    onClose() {},
  })
  try {
    parser.write(Buffer.from(HEADER))
    parser.setLimits(limits)
    for (const chunk of chunks) parser.write(Buffer.from(chunk))
  } catch (error) {
    if (!(error instanceof StreamError)) throw error
    return error.condition
  }
  return stanzas
}

const whole = (xml: string, limits?: ParserLimits) => stanzasOf([xml], limits)
/** Behind the first `<` the tokenizer has begun, and goes on. */
const cut = (xml: string, limits?: ParserLimits) => stanzasOf([xml.slice(0, 1), xml.slice(1)], limits)

function only(stanzas: Element[] | string): Element {
  const stanza = stanzas[0]
  if (typeof stanzas === 'string' || stanzas.length !== 1 || !stanza || typeof stanza === 'string')
    throw new Error(`not one stanza: ${String(stanzas)}`)
  return stanza
}

/** Says of both ways that they give the same: the tree, and the tree of what is written out. */
function expectSame(xml: string, limits?: ParserLimits): void {
  const [quick, slow] = [whole(xml, limits), cut(xml, limits)]
  if (typeof quick === 'string' || typeof slow === 'string') {
    expect(quick, xml).toEqual(slow)
    return
  }
  const written = quick.map((stanza) => serialize(stanza))
  const again = written.map((each) => show(only(cut(each))))
  expect(again, xml).toEqual(slow.map((stanza) => show(only(cut(serialize(stanza))))))
  expect(quick.map(show), xml).toEqual(slow.map(show))
  // Once it has been read, it is written from its tree.
  expect(
    quick.map((stanza) => serialize(stanza)),
    xml,
  ).toEqual(slow.map((stanza) => serialize(stanza)))
}

const NAMES = ['a', 'body', 'x', 'item', '_n', 'a-b.c', 'é', 'p:a', 'out:b', 'stream:c', 'xml:d']
const TEXTS = [
  '',
  'text',
  ' ',
  '\n\t',
  'a\r\nb',
  '&amp;',
  '&lt;b&gt; &quot;&apos;',
  '&#65;',
  '€',
  '😀',
  ']]',
  '>',
  '\u007f',
]
const ODD_TEXTS = ['<![CDATA[<&]]>', '<![CDATA[]]>', ']]>', '&nbsp;', '&', '\u0001', '\ufffe', '<!-- -->', '<?a?>', '<']
const VALUES = [
  '',
  'v',
  'urn:a',
  'é😀',
  "'",
  '"',
  '>',
  'a&amp;b',
  'a\tb',
  'a\nb',
  '<',
  '\u0002',
  'http://www.w3.org/2000/xmlns/',
]
const ATTRIBUTES = [
  'a',
  'to',
  'type',
  'xmlns',
  'xmlns:p',
  'xml:lang',
  'p:a',
  'out:a',
  'xml:space',
  'b',
  'from',
  'constructor',
]

function attribute(chance: Random): string {
  const value = chance.pick(VALUES)
  const quote = value.includes('"') ? "'" : '"'
  const space = chance.pick([' ', ' ', ' ', '  ', '\n', '\t', ''])
  const equals = chance.pick(['=', '=', '=', '=', '=', ' = '])
  return `${space}${chance.pick(ATTRIBUTES)}${equals}${quote}${value}${quote}`
}

function element(chance: Random, name: string, depth: number): string {
  let tag = `<${name}`
  for (let count = chance.int(4); count > 0; count--) tag += attribute(chance)
  if (chance.int(4) === 0) return `${tag}${chance.pick(['', ' '])}/>`
  let content = ''
  for (let count = chance.int(4); count > 0; count--) {
    const isElement = depth < 4 && chance.int(2) === 0
    if (isElement) content += element(chance, chance.pick(NAMES), depth + 1)
    else content += chance.pick(chance.int(12) === 0 ? ODD_TEXTS : TEXTS)
  }
  const end = chance.int(40) === 0 ? 'other' : name
  return `${tag}${chance.pick(['', '', ' '])}>${content}</${end}${chance.pick(['', '', '', ' '])}>`
}

test('random stanzas, in order and out of it, are the same by either way', () => {
  let stanzas = 0
  let faults = 0
  for (let seed = 1; seed <= rounds(4000); seed++) {
    const chance = random(seed)
    const xml = element(chance, chance.pick(['message', 'message', 'iq', 'presence']), 1)
    expectSame(xml)
    if (typeof whole(xml) === 'string') faults++
    else stanzas++
  }
  // Neither is rare.
  expect(stanzas).toBeGreaterThan(rounds(4000) / 8)
  expect(faults).toBeGreaterThan(rounds(4000) / 8)
})

test('a long text is the same by either way, whatever stands in it and wherever', () => {
  const odd = [
    '&',
    '&amp;',
    '>',
    '\u0001',
    '\u001f',
    '\t',
    '\n',
    '\r',
    ' ',
    '!',
    '%',
    "'",
    '\u007f',
    '\u0080',
    '€',
    ']]>',
    '<b/>',
  ]
  for (const each of odd)
    for (let at = 0; at < 48; at++)
      for (const name of ['iq', 'message'])
        expectSame(`<${name}><a>${'x'.repeat(at)}${each}${'y'.repeat(47 - at)}</a></${name}>`)
})

test('a message is not read before somebody asks, and is written as it came', () => {
  const rest = `<body>3 &lt; 4 'é'</body><x xmlns='urn:x' a="b" /></message>`
  const message = only(whole(`<message to='b@test' id="1">${rest}`))
  expect(message).toBeInstanceOf(UnreadElement)
  expect(serialize(message)).toBe(`<message to="b@test" id="1">${rest}`)
  expect(message.getChild('x', 'urn:x')?.attrs['a']).toBe('b')
  expect(message.getChildText('body')).toBe("3 < 4 'é'")
  message.children = []
  expect(serialize(message)).toBe('<message to="b@test" id="1"/>')
})

test('what a message cannot hold is told without reading it', () => {
  const message = only(whole(`<message><body>hello</body><x xmlns='urn:x'/></message>`))
  expect([mayHold(message, 'urn:y'), mayHold(message, 'urn:x')]).toEqual([false, true])
  expect(serialize(message)).toContain(`<x xmlns='urn:x'/>`)
  expect(message.children).toHaveLength(2)
  // From now on everything is possible.
  expect(mayHold(message, 'urn:y')).toBe(true)
})

test.each([
  ['a prefix from outside', `<message><out:x/></message>`],
  ['an attribute with a prefix', `<message><x xmlns:p='urn:p' p:a='1'/></message>`],
  ['a reference in a value', `<message><x xmlns='urn:&#120;'/></message>`],
  ['CDATA', `<message><body><![CDATA[<b>]]></body></message>`],
])('%s is read at once', (_, xml) => {
  expect(only(whole(xml))).not.toBeInstanceOf(UnreadElement)
  expectSame(xml)
})

test('limits hold by either way, at the same number', () => {
  const limits = { ...DEFAULT_LIMITS, maxDepth: 3, maxAttributes: 2, maxNameLength: 5, maxElements: 4 }
  for (const name of ['message', 'iq']) {
    const inside = (content: string) => `<${name} to='a'>${content}</${name}>`
    const long = { ...limits, maxNameLength: 8 }
    const cases: readonly [string, ParserLimits, boolean][] = [
      [inside('<a><b/></a>'), long, true],
      [inside('<a><b><c/></b></a>'), long, false],
      [inside(`<a x='' y=''/>`), long, true],
      [inside(`<a x='' y='' z=''/>`), long, false],
      [inside('<a/><a/><a/>'), long, true],
      [inside('<a/><a/><a/><a/>'), long, false],
      [inside('<abcdefgh/>'), long, true],
      [inside('<abcdefghi/>'), long, false],
      [inside(`<a abcdefghi=''/>`), long, false],
    ]
    for (const [xml, bounds, isWithin] of cases) {
      expectSame(xml, bounds)
      expect(typeof whole(xml, bounds) !== 'string', xml).toBe(isWithin)
    }
    // 'é' is one character and two bytes.
    for (const text of ['x'.repeat(40), 'é'.repeat(20), '€'.repeat(13)]) {
      const xml = inside(`<body>${text}</body>`)
      const bytes = Buffer.byteLength(xml)
      expect(typeof whole(xml, { ...DEFAULT_LIMITS, maxStanzaBytes: bytes })).not.toBe('string')
      expect(whole(xml, { ...DEFAULT_LIMITS, maxStanzaBytes: bytes - 1 })).toBe('policy-violation')
      expect(cut(xml, { ...DEFAULT_LIMITS, maxStanzaBytes: bytes - 1 })).toBe('policy-violation')
    }
  }
})

test('many stanzas in one chunk, with space between them and the next one cut', () => {
  const stanza = `<message to='a'><body>é&amp;</body></message> <iq type='get' id='1'><q xmlns='urn:q'/></iq>\n`
  const input = Buffer.from(`${HEADER}${stanza.repeat(3)}<message><body>x</body></message></stream:stream>`)
  const all = read([input])
  expect(all.fault).toBeUndefined()
  for (let at = 1; at < input.length; at++) expect(read([input.subarray(0, at), input.subarray(at)])).toEqual(all)
})

test('while the parser pauses, nothing is lost or told twice', () => {
  const seen: string[] = []
  const parser: StreamParser = new StreamParser(DEFAULT_LIMITS, {
    onOpen() {},
    onElement: (stanza) => {
      seen.push(show(stanza))
      parser.pause()
    },
    onClose() {},
  })
  parser.write(Buffer.from(`${HEADER}<message id='1'><a/></message><message id='2'><a/></message><mess`))
  parser.write(Buffer.from(`age id='3'>é</message><iq id='4'/>`))
  for (let n = 0; n < 4; n++) parser.resume()
  expect(seen.map((each) => /id="(\d)"/.exec(each)?.[1])).toEqual(['1', '2', '3', '4'])
})

test('what is published stays unread: written as it came, and read by whoever asks', () => {
  const content = `t &amp; <b at='"'><c xmlns='urn:c'/>é</b><d></d></p>`
  const around = (payload: string) =>
    `<iq type='set' id='1'><pubsub xmlns='urn:ps'><publish node='n'><item id='i'> ${payload} </item></publish></pubsub></iq>`
  const payloadOf = (stanza: Element): Element => {
    let [element] = [stanza]
    for (let depth = 0; depth < 4; depth++) element = element.getChildElements()[0] ?? element
    return element
  }
  const payload = payloadOf(only(whole(around(`<p xmlns='urn:p' b='1'>${content}`))))
  expect(payload instanceof UnreadElement && payload.rest).toBe(content)
  expect(serialize(payload, '')).toBe(`<p xmlns="urn:p" b="1">${content}`)
  expect([payload.getNS(), payload.getChild('b')?.getNS(), payload.getChild('b')?.getChild('c')?.getNS()]).toEqual([
    'urn:p',
    'urn:p',
    'urn:c',
  ])
  expect(payloadOf(only(whole(around('<p>of the namespace around</p>')))) instanceof UnreadElement).toBe(false)
  for (const each of [
    `<p xmlns='urn:p' b='1'>${content}<p xmlns='urn:p'>${content}`,
    `<p xmlns='urn:p'/>`,
    `<p xmlns='urn:p'><q></p></q>`,
    `<p xmlns='urn:p'><q xmlns='urn:q'><r xmlns='urn:r'><s/></r></q></p>`,
  ]) {
    expectSame(around(each))
    expectSame(around(each), { ...DEFAULT_LIMITS, maxDepth: 6 })
    expectSame(around(each), { ...DEFAULT_LIMITS, maxElements: 6 })
  }
})
