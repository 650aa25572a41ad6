/**
 * CPU per stanza with its tree: our parser against ltx's and saxes, on the same input. Run by hand:
 * `node test/bench/parser.bench.ts [stanzas]`. Prints the median of seven runs each; ratios travel, figures do not.
 */

import type { EventEmitter } from 'node:events'
import UntypedLtxTokenizer from 'ltx/src/parsers/ltx.js'
import { SaxesParser } from 'saxes'
import { Element } from '../../server/xml/element.ts'
import { DEFAULT_LIMITS, StreamParser } from '../../server/xml/parser.ts'

// The types say what `require` gives, which has another shape.
const LtxTokenizer = UntypedLtxTokenizer as unknown as new () => EventEmitter & { write(text: string): void }
const HEADER = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
const RUNS = 7

const attribute = '<attribute name="os.release.version" type="string" status="exists">12 (bookworm)</attribute>'
const STANZAS = {
  'chat, 190 bytes':
    `<message to='bob@example.org/desk' id='c1' type='chat'><body>${'word '.repeat(10)}</body>` +
    "<request xmlns='urn:xmpp:receipts'/><active xmlns='http://jabber.org/protocol/chatstates'/></message>",
  'atom entry, 1.2 KB':
    "<iq type='set' id='p1' to='pubsub.example.org'><pubsub xmlns='http://jabber.org/protocol/pubsub'>" +
    "<publish node='princely_musings'><item id='bnd81g37'><entry xmlns='http://www.w3.org/2005/Atom'>" +
    `<title>Soliloquy</title><summary>${'To be, or not to be: that is the question. '.repeat(18)}</summary>` +
    "<link rel='alternate' type='text/html' href='http://denmark.lit/atom03'/><id>tag:denmark.lit,2003:entry</id>" +
    '<updated>2003-12-13T18:30:02Z</updated></entry></item></publish></pubsub></iq>',
  'posture report, 1.2 KB':
    "<iq type='set' id='p1' to='pubsub.example.org'><pubsub xmlns='http://jabber.org/protocol/pubsub'>" +
    "<publish node='/repository/posture'><item id='r-1'><report xmlns='urn:sacm-xmpp:posture:0' method='self'>" +
    `${attribute.repeat(10)}</report></item></publish></pubsub></iq>`,
}

/** Feeds the stanza `count` times and returns how many came out. */
type Reader = (stanza: Buffer, count: number) => number

const own: Reader = (stanza, count) => {
  let seen = 0
  const parser = new StreamParser(DEFAULT_LIMITS, { onOpen() {}, onElement: () => seen++, onClose() {} })
  parser.write(Buffer.from(HEADER))
  for (let i = 0; i < count; i++) parser.write(stanza)
  return seen
}

/** Builds the same tree as ours from another tokenizer's events; the root keeps no stanzas. */
class Tree {
  seen = 0
  #current: Element | null = null

  open(name: string, attributes: Readonly<Record<string, string>>): void {
    const element = new Element(name, attributes)
    if (this.#current?.parent) this.#current.children.push(element)
    element.parent = this.#current
    this.#current = element
  }

  text(text: string): void {
    if (this.#current?.parent) this.#current.children.push(text)
  }

  close(): void {
    this.#current = this.#current?.parent ?? null
    if (this.#current && !this.#current.parent) this.seen++
  }
}

const ltx: Reader = (stanza, count) => {
  const tree = new Tree()
  const parser = new LtxTokenizer()
  parser.on('startElement', (name: string, attributes: Record<string, string>) => tree.open(name, attributes))
  parser.on('text', (text: string) => tree.text(text))
  parser.on('endElement', () => tree.close())
  parser.write(HEADER)
  for (let i = 0; i < count; i++) parser.write(stanza.toString())
  return tree.seen
}

const saxes: Reader = (stanza, count) => {
  const tree = new Tree()
  const parser = new SaxesParser({ xmlns: true })
  parser.on('opentag', (tag) => {
    const attributes: Record<string, string> = {}
    for (const key in tag.attributes) attributes[key] = tag.attributes[key]?.value ?? ''
    tree.open(tag.name, attributes)
  })
  parser.on('text', (text) => tree.text(text))
  parser.on('closetag', () => tree.close())
  parser.write(HEADER)
  for (let i = 0; i < count; i++) parser.write(stanza.toString())
  return tree.seen
}

function median(reader: Reader, stanza: Buffer, count: number): number {
  const times: number[] = []
  for (let run = 0; run < RUNS; run++) {
    const before = process.cpuUsage()
    const seen = reader(stanza, count)
    const { user, system } = process.cpuUsage(before)
    if (seen !== count) throw new Error(`${seen} of ${count} stanzas came out`)
    times.push((user + system) / count)
  }
  // Seven figures have a fourth.
  return times.sort((a, b) => a - b)[3] ?? Number.NaN
}

const count = Number(process.argv[2] ?? 20_000)
for (const [name, text] of Object.entries(STANZAS)) {
  const stanza = Buffer.from(text)
  const row = { own: median(own, stanza, count), ltx: median(ltx, stanza, count), saxes: median(saxes, stanza, count) }
  const cells = Object.entries(row).map(([reader, time]) => `${reader} ${time.toFixed(1)} µs`)
  console.log(`${name} (${stanza.length} bytes): ${cells.join(', ')}; ltx/own ${(row.ltx / row.own).toFixed(2)}`)
}
