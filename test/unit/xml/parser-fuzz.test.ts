/**
 * Our parser against saxes on mutated streams: what saxes rejects we reject, what we accept saxes accepts with the same
 * tree, and what we call not well-formed saxes rejects too. Seeded, bounded by count; SACM_LONG=1 for more.
 */

import { isUtf8 } from 'node:buffer'
import { SaxesParser } from 'saxes'
import { expect, it } from 'vitest'
import { type Random, random, rounds } from '../../support/random.ts'
import { read, splits } from './reading.ts'
import { STREAMS } from './streams.ts'

/** What a mutation puts in: everything with a meaning in XML, or nearly so. */
const TOKENS = [
  ...['<', '>', '/', '&', ';', '=', "'", '"', ':', ' ', '\t', '\r', '\n', '\r\n', '!', '?', '-', '#', ']', '[', '%'],
  ...['</', '/>', '<!', '<!--', '-->', '--', '<?', '?>', '<![CDATA[', ']]>', ']]', ']>', '<a>', '</a>', '<a/>'],
  ...['<!DOCTYPE a>', '<!ENTITY', '<?xml version="1.0"?>', '<?a b?>', '&amp;', '&lt;', '&#65;', '&#x41;', '&#0;'],
  ...['&#xD;', '&#10;', '&#xFFFE;', '&#xD800;', '&nbsp;', '&', 'xmlns', "xmlns=''", " xmlns:a='b'", " xmlns:a=''"],
  ...[" a='1'", " a='1' a='2'", ' xml:lang="x"', " p:a='1'", 'xml', 'xmlns:', 'p:', '<p:a/>', '<stream:a/>', 'é'],
  ...['€', '😀', '\u0301', '\u00d7', '\ufeff', '\ufffd', '\ufffe', '\uffff', '\u0000', '\u0007', '\u007f', '\u0085'],
  ...['\u2028', '\u{10000}', '1', 'a', '_', '.', '·', '</stream:stream>', " version='1.0'", " encoding='UTF-8'"],
  ...[" encoding='latin1'", " standalone='yes'", " xmlns:xml='u'", " xmlns:q='jabber:client'", '<q:a/>', 'version'],
]

/** Faults that saxes does not know: rules of XMPP, and our bounds. */
const OURS_ALONE = new Set([
  'restricted-xml',
  'bad-format',
  'bad-namespace-prefix',
  'unsupported-encoding',
  'policy-violation',
])

/**
 * saxes takes away a byte order mark, which RFC 6120 §11.6 makes a character like any other; and it lets a local name
 * begin with what may only follow, against Namespaces in XML 1.0 §4.
 */
const SAXES_IS_LENIENT = /^\ufeff|:[-.0-9·\p{M}]/u

function mutate(text: string, chance: Random): Buffer {
  const int = (below: number) => chance.int(below)
  let mutated = text
  for (let count = 1 + int(3); count > 0; count--) {
    const at = int(mutated.length + 1)
    const to = Math.min(mutated.length, at + 1 + int(int(4) === 0 ? 60 : 4))
    const other = int(mutated.length + 1)
    switch (int(6)) {
      case 0:
        mutated = mutated.slice(0, at) + mutated.slice(to)
        break
      case 1:
        mutated = mutated.slice(0, at) + mutated.slice(at, to) + mutated.slice(at)
        break
      case 2:
        mutated = mutated.slice(0, other) + mutated.slice(at, to) + mutated.slice(other)
        break
      case 3:
        mutated = mutated.slice(0, at) + chance.pick(TOKENS) + mutated.slice(to)
        break
      default:
        mutated = mutated.slice(0, at) + chance.pick(TOKENS) + mutated.slice(at)
    }
  }
  const bytes = Buffer.from(mutated)
  if (int(20) === 0 && bytes.length > 0) bytes[int(bytes.length)] = int(256)
  return bytes
}

interface Node {
  readonly head: string
  readonly children: string[]
}

/** As `read` does, by saxes: the same events in the same words. */
function readBySaxes(input: Buffer): { readonly events: readonly string[]; readonly fault: string | undefined } {
  const parser = new SaxesParser({ xmlns: true })
  const events: string[] = []
  const open: Node[] = []
  let text = ''
  const flush = () => {
    if (text !== '' && open.length > 1) open.at(-1)?.children.push(JSON.stringify(text))
    text = ''
  }
  let fault: string | undefined
  parser.on('error', (error) => {
    fault ??= error.message
  })
  parser.on('text', (part) => {
    text += part
  })
  parser.on('cdata', (part) => {
    text += part
  })
  parser.on('opentag', (tag) => {
    flush()
    const attributes = Object.values(tag.attributes)
      .sort((a, b) => (a.name < b.name ? -1 : 1))
      .map((attribute) => `${attribute.name}=${JSON.stringify(attribute.value)}`)
    open.push({ head: `${tag.name}{${tag.uri}}(${attributes.join(' ')})`, children: [] })
    if (open.length === 1) events.push(`open ${open[0]?.head}[]`)
  })
  parser.on('closetag', () => {
    flush()
    const node = open.pop()
    const shown = `${node?.head}[${node?.children.join(' ')}]`
    if (open.length === 0) events.push('close')
    else if (open.length === 1) events.push(`stanza ${shown}`)
    else open.at(-1)?.children.push(shown)
  })
  parser.write(input.toString()).close()
  return { events, fault }
}

/** saxes takes white space away from the ends of a namespace name, which Namespaces in XML does not. */
const trimmed = (events: readonly string[]) => events.map((event) => event.replaceAll(/\{\s*([^{}]*?)\s*\}/g, '{$1}'))

const isStanza = (event: string) => event !== 'white space'

it('agrees with saxes on the streams as they are', () => {
  for (const stream of STREAMS) {
    const own = read([Buffer.from(stream)])
    expect(own.fault).toBeUndefined()
    expect(own.events.filter(isStanza)).toEqual(readBySaxes(Buffer.from(stream)).events)
  }
})

it('agrees with saxes on mutated streams', { timeout: 900_000 }, () => {
  let accepted = 0
  let rejected = 0
  for (let seed = 1; seed <= rounds(6000); seed++) {
    const chance = random(seed)
    const input = mutate(chance.pick(STREAMS), chance)
    const own = read([input])
    const isComplete = own.fault === undefined && own.events.includes('close')
    const context = `seed ${seed}: ${JSON.stringify(input.toString())}`
    if (!isUtf8(input)) {
      expect(own.fault, context).toBeDefined()
      continue
    }
    const theirs = readBySaxes(input)
    if (isComplete) {
      accepted++
      expect(theirs.fault, context).toBeUndefined()
      expect(trimmed(own.events.filter(isStanza)), context).toEqual(trimmed(theirs.events))
    } else {
      rejected++
      // Not complete without a fault: the stream is open still, which saxes reports at its end.
      const isOursAlone = own.fault !== undefined && OURS_ALONE.has(own.fault)
      if (!isOursAlone && !SAXES_IS_LENIENT.test(input.toString())) expect(theirs.fault, context).toBeDefined()
    }
    // However it is cut, the same comes out.
    if (seed % 10 === 0) for (const chunks of splits(input, seed, 2)) expect(read(chunks), context).toEqual(own)
  }
  // The mutations are neither all harmless nor all deadly.
  expect(accepted).toBeGreaterThan(rounds(6000) / 20)
  expect(rejected).toBeGreaterThan(rounds(6000) / 20)
})
