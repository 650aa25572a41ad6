/** What a stream may hold, the same tree however it is cut; and the ways to stop, restart and bound the reading. */

import { describe, expect, it } from 'vitest'
import { attr, type Element, textOf } from '../../../server/xml/element.ts'
import { DEFAULT_LIMITS, type ParserEvents, parseFragment, StreamParser } from '../../../server/xml/parser.ts'
import { serialize } from '../../../server/xml/serialize.ts'
import { read, show, splits } from './reading.ts'

const HEADER = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"

/** A stanza, and its canonical form. */
const ACCEPTED: readonly (readonly [what: string, input: string, canonical: string])[] = [
  ['an empty element', '<iq/>', '<iq/>'],
  ['an empty element with spaces', '<iq  id = \'a\'\n\ttype\r\n="get" />', '<iq id="a" type="get"/>'],
  ["a space after an end tag's name", '<iq></iq >', '<iq/>'],
  ['text and elements', '<a>b<c>d</c>e</a>', '<a>b<c>d</c>e</a>'],
  [
    'the five entities',
    '<a b="&lt;&gt;&amp;&quot;&apos;">&lt;&gt;&amp;&quot;&apos;</a>',
    '<a b="&lt;&gt;&amp;&quot;\'">&lt;&gt;&amp;"\'</a>',
  ],
  ['character references', '<a>&#65;&#x42;&#x1F600;&#0000067;</a>', '<a>AB😀C</a>'],
  ['references to white space', "<a b='&#9;&#10;&#13;'>&#13;&#10;</a>", '<a b="&#x9;&#xA;&#xD;">&#xD;\n</a>'],
  ['line ends', '<a>1\r\n2\r3\n4\r\r\n</a>', '<a>1\n2\n3\n4\n\n</a>'],
  ['a reference after a return', '<a>1\r&#10;2</a>', '<a>1\n\n2</a>'],
  ['white space in an attribute', "<a b='1\r\n2\t3\n4\r'/>", '<a b="1 2 3 4 "/>'],
  ['> in text and attributes', "<a b='>'>></a>", '<a b="&gt;">&gt;</a>'],
  [']] and ]> in text', '<a>]] ]> ]]&gt; ]&#93;></a>', '<a>]] ]&gt; ]]&gt; ]]&gt;</a>'],
  ['quotes in quotes', `<a b='"' c="'">'"</a>`, `<a b="&quot;" c="'">'"</a>`],
  ['CDATA', '<a>1<![CDATA[<b>&amp;]] ]>]]]]>2</a>', '<a>1&lt;b&gt;&amp;amp;]] ]&gt;]]2</a>'],
  ['empty CDATA', '<a><![CDATA[]]></a>', '<a/>'],
  ['CDATA and > after it', '<a><![CDATA[]]]]>></a>', '<a>]]&gt;</a>'],
  ['two CDATA sections', '<a><![CDATA[x]]]]><![CDATA[>y]]></a>', '<a>x]]&gt;y</a>'],
  ['a line end in CDATA', '<a><![CDATA[1\r\n2\r3]]></a>', '<a>1\n2\n3</a>'],
  [
    'characters of two, three and four bytes',
    "<a é='ü'>€ 😀 \u0301 \ud7ff \ue000 \ufffd</a>",
    '<a é="ü">€ 😀 \u0301 \ud7ff \ue000 \ufffd</a>',
  ],
  ['U+FEFF inside text', '<a>\ufeff</a>', '<a>\ufeff</a>'],
  ['DEL and C1 characters', '<a>\u007f\u0085\u2028</a>', '<a>\u007f\u0085\u2028</a>'],
  ['names of other scripts', '<имя тип="1"><\u{10000}名/></имя>', '<имя тип="1"><\u{10000}名/></имя>'],
  ['names with digits, dots, hyphens', '<a1.b-c_d _e="1"/>', '<a1.b-c_d _e="1"/>'],
  [
    'names that Object has',
    '<constructor __proto__="1" toString="2" hasOwnProperty="3"/>',
    '<constructor __proto__="1" toString="2" hasOwnProperty="3"/>',
  ],
  [
    'another default namespace',
    "<iq><query xmlns='u'><item/></query></iq>",
    '<iq><query xmlns="u"><item/></query></iq>',
  ],
  [
    'no default namespace',
    "<iq><query xmlns=''><item xmlns='u'/></query></iq>",
    '<iq><query xmlns=""><item xmlns="u"/></query></iq>',
  ],
  [
    'a default namespace that is in force anyhow',
    "<iq xmlns='jabber:client'><query xmlns='u'><a xmlns='u'/></query></iq>",
    '<iq><query xmlns="u"><a/></query></iq>',
  ],
  ['a prefix', "<iq><p:a xmlns:p='u' p:b='1' b='2'/></iq>", '<iq><p:a xmlns:p="u" p:b="1" b="2"/></iq>'],
  ['a prefix declared after its use in the tag', "<p:a p:b='1' xmlns:p='u'/>", '<p:a p:b="1" xmlns:p="u"/>'],
  [
    'a prefix declared anew inside',
    "<p:a xmlns:p='u'><p:a xmlns:p='v'/><p:b/></p:a>",
    '<p:a xmlns:p="u"><p:a xmlns:p="v"/><p:b/></p:a>',
  ],
  [
    'a prefix of the stream',
    '<stream:error><stream:a/></stream:error>',
    '<stream:error xmlns:stream="http://etherx.jabber.org/streams"><stream:a/></stream:error>',
  ],
  ['xml:lang', "<iq xml:lang='de'/>", '<iq xml:lang="de"/>'],
  [
    'xml declared as it is',
    "<iq xmlns:xml='http://www.w3.org/XML/1998/namespace'/>",
    '<iq xmlns:xml="http://www.w3.org/XML/1998/namespace"/>',
  ],
  [
    'equal local names in two namespaces',
    "<a xmlns:p='u' xmlns:q='v' p:x='1' q:x='2' x='3'/>",
    '<a xmlns:p="u" xmlns:q="v" p:x="1" q:x="2" x="3"/>',
  ],
  ['sixty-four levels', '<a>'.repeat(64) + '</a>'.repeat(64), `${'<a>'.repeat(63)}<a/>${'</a>'.repeat(63)}`],
]

describe('stanzas', () => {
  it.each(ACCEPTED)('%s', (_what, input, canonical) => {
    const whole = Buffer.from(`<?xml version='1.0'?>${HEADER}\n${input} <iq/></stream:stream>\r\n`)
    const expected = read([whole])
    expect(expected.fault).toBeUndefined()
    expect(expected.events).toHaveLength(5)
    for (const chunks of splits(whole, whole.length)) expect(read(chunks)).toEqual(expected)
    const [stanza] = stanzasOf(whole)
    expect(stanza && serialize(stanza)).toBe(canonical)
  })
})

describe('XML declarations', () => {
  it.each([
    "<?xml version='1.0'?>",
    '<?xml version="1.0" encoding="UTF-8"?>',
    "<?xml version='1.0' encoding='utf-8' standalone='yes' ?>",
    "<?xml\n\tversion = '1.0'\r\nstandalone='no'?>",
    "<?xml version='1.0'?> \n",
  ])('%j', (declaration) => {
    const whole = Buffer.from(`${declaration}${HEADER}<iq/>`)
    for (const chunks of splits(whole, 7)) {
      expect(read(chunks)).toMatchObject({ fault: undefined, events: [expect.any(String), expect.any(String)] })
    }
    expect(parseFragment(`${declaration}<a/>`).name).toBe('a')
  })
})

it('a stanza finds what the root declares, which does not hold it', () => {
  const [stanza] = stanzasOf(Buffer.from(`${HEADER}<iq><stream:a/><b xmlns=''/></iq>`))
  expect(stanza?.getNS()).toBe('jabber:client')
  const [prefixed, none] = stanza?.getChildElements() ?? []
  expect(prefixed?.getNS()).toBe('http://etherx.jabber.org/streams')
  expect(none?.getNS()).toBeUndefined()
  expect(stanza?.parent?.children).toEqual([])
  expect(prefixed?.getXmlns()).toEqual({ 'jabber:client': '', 'http://etherx.jabber.org/streams': 'stream' })
})

it('attributes inherit nothing', () => {
  const element = parseFragment('<a/>')
  for (const name of ['constructor', 'toString', '__proto__', 'hasOwnProperty']) {
    expect(element.attrs[name]).toBeUndefined()
    expect(attr(element, name)).toBeUndefined()
  }
})

it('an empty root opens and closes', () => {
  const whole = Buffer.from("<a xmlns='u'/> ")
  for (const chunks of splits(whole, 1)) {
    expect(read(chunks)).toEqual({ events: [expect.stringMatching(/^open/), 'close'], fault: undefined })
  }
})

describe('bounds', () => {
  const limits = { ...DEFAULT_LIMITS, maxStanzaBytes: 200 }

  it('takes a stanza of exactly the limit, one after the other, and no byte more', () => {
    const fits = `<a>${'€'.repeat(64)}b</a>`
    expect(Buffer.byteLength(fits)).toBe(200)
    const whole = Buffer.from(`${HEADER}${fits.repeat(5)} \n ${fits}`)
    for (const chunks of splits(whole, 3)) expect(read(chunks, limits).events).toHaveLength(8)
    const more = Buffer.from(`${HEADER}${fits}<a>${'€'.repeat(64)}bc</a>`)
    for (const chunks of splits(more, 4)) {
      expect(read(chunks, limits)).toMatchObject({ fault: 'policy-violation', events: { length: 2 } })
    }
  })

  it('names the limit', () => {
    expect(() => parseFragment(`<a>${'b'.repeat(300)}</a>`, limits)).toThrow(/maxStanzaBytes of 200/)
    expect(() => parseFragment(`<a>${'€'.repeat(100)}</a>`, limits)).toThrow(/maxStanzaBytes of 200/)
  })

  it('counts the elements of each stanza anew', () => {
    const few = { ...DEFAULT_LIMITS, maxElements: 3 }
    const whole = Buffer.from(`${HEADER}${'<a><b/><b/></a>'.repeat(3)}<a><b><c/></b><d/></a>`)
    for (const chunks of splits(whole, 6)) {
      expect(read(chunks, few)).toMatchObject({ fault: 'policy-violation', events: { length: 4 } })
    }
    expect(() => parseFragment('<a><b/><b/><b/></a>', few)).toThrow(/maxElements of 3/)
    expect(parseFragment('<a><b/><b/></a>', few).children).toHaveLength(2)
  })

  it('does not count white space between stanzas', () => {
    expect(read([Buffer.from(`${HEADER}${' '.repeat(5000)}<iq/>`)], limits).fault).toBeUndefined()
  })

  it('tells how much of a stanza has come, and takes new limits', () => {
    const seen: string[] = []
    const parser = new StreamParser(limits, events({ onElement: (stanza) => seen.push(stanza.name) }))
    parser.write(Buffer.from(HEADER))
    expect(parser.bytesOfCurrent).toBe(0)
    parser.write(Buffer.from('<a>é'))
    expect(parser.bytesOfCurrent).toBe(5)
    parser.setLimits(DEFAULT_LIMITS)
    parser.write(Buffer.from(`${'b'.repeat(500)}</a>`))
    expect(parser.bytesOfCurrent).toBe(0)
    expect(seen).toEqual(['a'])
  })
})

describe('stopping and starting', () => {
  it('pauses inside a callback and keeps the rest', () => {
    const seen: string[] = []
    const parser = new StreamParser(
      DEFAULT_LIMITS,
      events({
        onElement: (stanza) => {
          seen.push(stanza.name)
          parser.pause()
        },
      }),
    )
    parser.write(Buffer.from(`${HEADER}<a/><b/>`))
    expect(seen).toEqual(['a'])
    parser.write(Buffer.from('<c>é</c'))
    expect(seen).toEqual(['a'])
    expect(parser.hasRest()).toBe(true)
    parser.resume()
    expect(seen).toEqual(['a', 'b'])
    parser.resume()
    expect(seen).toEqual(['a', 'b'])
    parser.write(Buffer.from('>'))
    expect(seen).toEqual(['a', 'b', 'c'])
    expect(parser.hasRest()).toBe(false)
  })

  it('reads on when resumed inside the same callback', () => {
    const seen: string[] = []
    const parser = new StreamParser(
      DEFAULT_LIMITS,
      events({
        onElement: (stanza) => {
          seen.push(stanza.name)
          parser.pause()
          parser.resume()
        },
      }),
    )
    parser.write(Buffer.from(`${HEADER}<a/><b/>`))
    expect(seen).toEqual(['a', 'b'])
  })

  it.each([
    ['<presence/>', true],
    [' <', true],
    ['\n', false],
    ['', false],
  ])('tells whether %j came behind starttls', (behind, rest) => {
    const parser = new StreamParser(DEFAULT_LIMITS, events({ onElement: () => parser.pause() }))
    parser.write(Buffer.from(`${HEADER}<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>${behind}`))
    expect(parser.hasRest()).toBe(rest)
    expect(parser.takeRest()).toBe(behind)
    expect(parser.hasRest()).toBe(false)
  })

  it('tells of half a character and of bytes that are no UTF-8 behind starttls', () => {
    for (const behind of [Buffer.from([0xe2, 0x82]), Buffer.from([0xff])]) {
      const parser = new StreamParser(DEFAULT_LIMITS, events({ onElement: () => parser.pause() }))
      parser.write(Buffer.concat([Buffer.from(`${HEADER}<starttls/>`), behind]))
      expect(parser.hasRest()).toBe(true)
    }
  })

  it('restarts after a reset inside a callback, with an XML declaration, after white space of the old stream', () => {
    const whole = Buffer.from(`<?xml version='1.0'?>${HEADER}<auth/>\r\n<?xml version='1.0'?>${HEADER}<iq/>`)
    for (const chunks of splits(whole, 5)) {
      const seen: string[] = []
      const parser = new StreamParser(
        DEFAULT_LIMITS,
        events({
          onOpen: (root) => seen.push(root.name),
          onElement: (stanza) => {
            seen.push(stanza.name)
            if (stanza.name === 'auth') parser.reset()
          },
        }),
      )
      for (const chunk of chunks) parser.write(chunk)
      expect(seen).toEqual(['stream:stream', 'auth', 'stream:stream', 'iq'])
    }
  })

  it('forgets the prefixes of the stream before', () => {
    const parser = new StreamParser(DEFAULT_LIMITS, events({ onElement: () => parser.reset() }))
    parser.write(Buffer.from(`${HEADER}<auth/>`))
    expect(() => parser.write(Buffer.from("<stream:stream xmlns='jabber:client'>"))).toThrow(/prefix/)
  })

  it('reads on after a callback threw', () => {
    const seen: string[] = []
    const parser = new StreamParser(
      DEFAULT_LIMITS,
      events({
        onElement: (stanza) => {
          if (stanza.name === 'a') throw new Error('no a')
          seen.push(stanza.name)
        },
      }),
    )
    expect(() => parser.write(Buffer.from(`${HEADER}<a/><b/>`))).toThrow('no a')
    parser.write(Buffer.from('<c/>'))
    expect(seen).toEqual(['b', 'c'])
  })

  it('says nothing more after a fault', () => {
    const seen: string[] = []
    const parser = new StreamParser(DEFAULT_LIMITS, events({ onElement: (stanza) => seen.push(stanza.name) }))
    expect(() => parser.write(Buffer.from(`${HEADER}<a/><!-- --><b/>`))).toThrow('a comment')
    parser.write(Buffer.from('<c/>'))
    parser.resume()
    parser.end()
    expect(seen).toEqual(['a'])
  })

  it.each(['<a>', '<a', '<', '<a b="', '<a>&am'])('throws when the input ends in %j', (begun) => {
    const parser = new StreamParser(DEFAULT_LIMITS, events({}))
    parser.write(Buffer.from(`${HEADER}<iq/>${begun}`))
    expect(() => parser.end()).toThrow(expect.objectContaining({ condition: 'not-well-formed' }))
  })

  it('ends in peace between stanzas', () => {
    const parser = new StreamParser(DEFAULT_LIMITS, events({}))
    parser.write(Buffer.from(`${HEADER}<iq/> `))
    parser.end()
  })
})

it('a stanza that drips in costs time in proportion to its length', () => {
  const drip = (length: number) => {
    const text = `<a b='${']'.repeat(length)}'>${']&lt;>'.repeat(length / 2)}<![CDATA[${'>]'.repeat(length)}]]></a>`
    const before = process.cpuUsage()
    const input = Buffer.from(`${HEADER}${text}`)
    const parser = new StreamParser({ ...DEFAULT_LIMITS, maxStanzaBytes: 1e9 }, events({}))
    for (let at = 0; at < input.length; at++) parser.write(input.subarray(at, at + 1))
    parser.end()
    return process.cpuUsage(before).user / input.length
  }
  drip(5_000)
  // Twenty times the length; were it read from its start each time, each byte would cost twenty times as much.
  expect(drip(100_000)).toBeLessThan(5 * Math.max(0.2, drip(5_000)))
})

it('shows text and references of an element as one', () => {
  const element = parseFragment('<a>x&amp;<![CDATA[y]]>z</a>')
  expect(element.children).toEqual(['x&yz'])
  expect(textOf(element)).toBe('x&yz')
  expect(show(element)).toBe('a{}()["x&yz"]')
})

function events(some: Partial<ParserEvents>): ParserEvents {
  return { onOpen() {}, onElement() {}, onClose() {}, ...some }
}

function stanzasOf(input: Buffer): Element[] {
  const stanzas: Element[] = []
  new StreamParser(DEFAULT_LIMITS, events({ onElement: (stanza) => stanzas.push(stanza) })).write(input)
  return stanzas
}
