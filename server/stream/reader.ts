/** Input of one connection cut into headers, elements and closing tags: by the parser on TCP, by messages on WebSocket. */

import { isAscii } from 'node:buffer'
import { StreamError } from '../stanza/errors.ts'
import { type Element, isElement } from '../xml/element.ts'
import { NS_FRAMING } from '../xml/namespaces.ts'
import { type ParserLimits, parseFragment, StreamParser } from '../xml/parser.ts'

/** What a reader found, in the order it lay on the wire. The callbacks do not throw. */
export interface ReaderEvents {
  /** A stream header, its names not checked yet. */
  onOpen(root: Element): void
  onElement(element: Element): void
  onClose(): void
}

export interface Reader {
  /** @throws StreamError on input that is not XMPP's XML; nothing is read after it */
  write(chunk: Buffer): void
  /** Stops before the next element, keeping what was written. */
  pause(): void
  /** Goes on with what was kept. @throws StreamError as `write` does */
  resume(): void
  /** Expects a new header next. RFC 6120 §4.3.3. */
  reset(): void
  setLimits(limits: ParserLimits): void
  /** True while input other than white space waits behind the element being handled. */
  hasRest(): boolean
}

export function createReader(kind: 'tcp' | 'websocket', events: ReaderEvents, limits: ParserLimits): Reader {
  // On TCP a stream is one endless document. RFC 6120 §4.2
  return kind === 'tcp' ? new StreamParser(limits, events) : new MessageReader(events, limits)
}

/** A document per message. RFC 7395 §3.3.3. */
class MessageReader implements Reader {
  readonly #events: ReaderEvents
  #limits: ParserLimits
  /** What came while paused: at most what one read of the socket held. */
  readonly #waiting: Buffer[] = []
  #isPaused = false
  #isReading = false
  #isOpen = false
  #isDead = false

  constructor(events: ReaderEvents, limits: ParserLimits) {
    this.#events = events
    this.#limits = limits
  }

  write(message: Buffer): void {
    this.#waiting.push(message)
    this.#read()
  }

  pause(): void {
    this.#isPaused = true
  }

  resume(): void {
    this.#isPaused = false
    this.#read()
  }

  reset(): void {
    this.#isOpen = false
  }

  setLimits(limits: ParserLimits): void {
    this.#limits = limits
  }

  hasRest(): boolean {
    return this.#waiting.length > 0
  }

  #read(): void {
    if (this.#isReading) return
    this.#isReading = true
    try {
      while (!this.#isPaused && !this.#isDead) {
        const message = this.#waiting.shift()
        if (!message) return
        this.#tell(this.#parse(message))
      }
    } finally {
      this.#isReading = false
    }
  }

  #parse(message: Buffer): Element {
    try {
      // RFC 7395 §3.3.3, §3.8: no white space before, so no white-space keepalive either.
      if (message[0] !== LESS_THAN) throw new StreamError('bad-format', 'a message begins with <')
      if (message.length > this.#limits.maxStanzaBytes) {
        throw new StreamError('policy-violation', `over the limit maxStanzaBytes of ${this.#limits.maxStanzaBytes}`)
      }
      return isAscii(message)
        ? parseFragment(message.toString('latin1'), this.#limits, message)
        : parseFragment(message.toString('utf8'), this.#limits)
    } catch (error) {
      this.#isDead = true
      throw error
    }
  }

  #tell(element: Element): void {
    if (isElement(element, 'close', NS_FRAMING)) {
      this.#events.onClose()
    } else if (this.#isOpen) {
      this.#events.onElement(element)
    } else {
      this.#isOpen = true
      this.#events.onOpen(element)
    }
  }
}

const LESS_THAN = 0x3c
