/** From bytes to elements, strictly, in bounds: streams over TCP, and whole elements. RFC 6120 §11, RFC 7395 §3.3. */

import { StreamError } from '../stanza/errors.ts'
import type { Element } from './element.ts'
import { NS_CLIENT } from './namespaces.ts'
import { quickReader, readable } from './quick.ts'
import { type Event, NEED_INPUT, ROOT_CLOSED, ROOT_OPENED, STANZA, Tokenizer } from './tokenizer.ts'
import { beyond, DEFAULT_LIMITS, type ParserLimits } from './tree.ts'
import { Utf8Decoder } from './utf8.ts'

export { DEFAULT_LIMITS, type ParserLimits } from './tree.ts'

/** What a stream's reader is told, in the order of the input. */
export interface ParserEvents {
  /** The stream's opening tag, without children. */
  onOpen(root: Element): void
  /** One complete child of the root; its `parent` is the root, which does not hold it. */
  onElement(stanza: Element): void
  /** The stream's closing tag. */
  onClose(): void
  /** White space between stanzas: a keepalive. RFC 6120 §4.6.1. */
  onWhitespace?(): void
}

/**
 * Reads a stream: an XML declaration or none, the root's opening tag, stanzas, the closing tag. Faults are thrown by
 * `write` and `resume` as StreamError; what stood before the fault has been handed on, the rest is dropped.
 *
 * What the callbacks throw passes through, and reading can go on. They may pause, reset and set limits; each takes
 * effect before the next character.
 */
export class StreamParser {
  readonly #events: ParserEvents
  readonly #tokenizer: Tokenizer
  #decoder = new Utf8Decoder()
  #isPaused = false
  #isReading = false
  #isDead = false

  constructor(limits: ParserLimits, events: ParserEvents) {
    this.#events = events
    this.#tokenizer = new Tokenizer(limits, true)
  }

  /** Bytes so far of the stanza (or opening tag) that is not complete. */
  get bytesOfCurrent(): number {
    return this.#tokenizer.stanzaBytes
  }

  /** Reads a chunk, or keeps it while paused. @throws StreamError */
  write(chunk: Buffer): void {
    if (this.#isDead) return
    const text = this.#decoder.decode(chunk)
    const { isAscii } = this.#decoder
    if (text !== '') this.#tokenizer.feed(text, isAscii, isAscii ? chunk : undefined)
    this.#read()
  }

  /** Stops before the next element, also from inside a callback. */
  pause(): void {
    this.#isPaused = true
  }

  /** Goes on with what is kept. Inside a callback it only undoes `pause`. @throws StreamError */
  resume(): void {
    this.#isPaused = false
    this.#read()
  }

  /** The stream starts anew: a root follows, with an XML declaration or none. RFC 6120 §4.3.3. */
  reset(): void {
    this.#tokenizer.reset()
  }

  setLimits(limits: ParserLimits): void {
    this.#tokenizer.tree.limits = limits
  }

  /**
   * True when input other than white space is left that has not been read: after STARTTLS, an injection. RFC 6120 §5.4.3.3.
   * White space says nothing, before a header least of all. No client may send it there (§5.3.3), those made with go-xmpp do.
   */
  hasRest(): boolean {
    return this.#tokenizer.hasMoreThanSpace || this.#decoder.isInside || this.#decoder.broken
  }

  /** Takes the input that has not been read; nothing of it will be. */
  takeRest(): string {
    this.#decoder = new Utf8Decoder()
    return this.#tokenizer.takeRest()
  }

  /** The input has ended. @throws StreamError not-well-formed when that is inside an element */
  end(): void {
    if (this.#isDead) return
    this.#isDead = true
    if (!this.#tokenizer.isOutside || this.#decoder.isInside) {
      throw new StreamError('not-well-formed', 'the input ends inside an element')
    }
  }

  #read(): void {
    if (this.#isReading) return
    this.#isReading = true
    try {
      while (!this.#isPaused && !this.#isDead) {
        const event = this.#next()
        if (event === NEED_INPUT) return
        this.#tell(event)
      }
    } finally {
      this.#isReading = false
    }
  }

  #next(): Event {
    try {
      const event = this.#tokenizer.next()
      // RFC 6120 §4.9.3.22: improperly encoded input, once all before it has been read.
      if (event === NEED_INPUT && this.#decoder.broken) {
        throw new StreamError('unsupported-encoding', 'the input is not UTF-8')
      }
      return event
    } catch (error) {
      this.#isDead = true
      throw error
    }
  }

  #tell(event: Event): void {
    const { tree } = this.#tokenizer
    if (event === STANZA && tree.closed) this.#events.onElement(tree.closed)
    else if (event === ROOT_OPENED && tree.root) this.#events.onOpen(tree.root)
    else if (event === ROOT_CLOSED) this.#events.onClose()
    else this.#events.onWhitespace?.()
  }
}

/**
 * Reads a text that is one complete element: a WebSocket frame, a stored payload. An XML declaration before it and
 * white space around it are allowed (RFC 7395 §3.3.3).
 * @param bytes  the text's, when it is ASCII and they are at hand
 * @throws StreamError as a stream would
 */
export function parseFragment(text: string, limits: ParserLimits = DEFAULT_LIMITS, bytes?: Uint8Array): Element {
  // Characters are never more than bytes; the exact count is taken while reading.
  if (text.length > limits.maxStanzaBytes) throw beyond('maxStanzaBytes', limits.maxStanzaBytes)
  const element = text.isWellFormed() ? quickReader.read(readable(text, bytes), 0, null, limits) : undefined
  if (element && quickReader.end === text.length) return element
  const tokenizer = new Tokenizer(limits, false)
  tokenizer.feed(text, false)
  if (!text.isWellFormed()) throw new StreamError('not-well-formed', 'half of a character')
  while (tokenizer.next() !== NEED_INPUT);
  const { root, depth } = tokenizer.tree
  if (!root || depth > 0 || !tokenizer.isOutside) throw new StreamError('not-well-formed', 'an incomplete element')
  return root
}

/** What was within the limits when it came. */
const UNBOUNDED: ParserLimits = {
  maxStanzaBytes: Number.POSITIVE_INFINITY,
  maxDepth: Number.POSITIVE_INFINITY,
  maxAttributes: Number.POSITIVE_INFINITY,
  maxNameLength: Number.POSITIVE_INFINITY,
}

/** Reads a payload that was kept: every namespace it uses is declared in it. */
export function parseStored(xml: string): Element {
  return parseFragment(xml, UNBOUNDED)
}

/** Reads a stanza that `serialize` wrote: without xmlns for jabber:client. */
export function parseWritten(xml: string): Element {
  const name = /^<[a-z]+/.exec(xml)?.[0] ?? ''
  return parseStored(`${name} xmlns="${NS_CLIENT}"${xml.slice(name.length)}`)
}
