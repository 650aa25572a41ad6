/** A connection's input: cut up by its reader, and held back while there is a reason to; the socket is not read then. */

import type { Transport } from '../net/transport.ts'
import type { ParserLimits } from '../xml/parser.ts'
import { createReader, type Reader, type ReaderEvents } from './reader.ts'

/** Never released. */
const HOLD_CLOSED = 1 << 30

export class Input {
  readonly #transport: Transport
  readonly #reader: Reader
  readonly #onError: (error: unknown) => void
  #held = 0

  /** @param onError  told of input that is not XMPP; nothing is read after it */
  constructor(transport: Transport, events: ReaderEvents, limits: ParserLimits, onError: (error: unknown) => void) {
    this.#transport = transport
    this.#reader = createReader(transport.kind, events, limits)
    this.#onError = onError
  }

  /** For any reason. */
  get isHeld(): boolean {
    return this.#held !== 0
  }

  isHeldFor(reason: number): boolean {
    return (this.#held & reason) !== 0
  }

  write(chunk: Buffer): void {
    try {
      this.#reader.write(chunk)
    } catch (error) {
      this.#onError(error)
    }
  }

  /** Stops before the next element, keeping what has been read. */
  hold(reason: number): void {
    if (this.#held === 0) {
      this.#reader.pause()
      this.#transport.pause()
    }
    this.#held |= reason
  }

  /** Goes on with what was kept, once no other reason is left. */
  release(reason: number): void {
    if (!this.isHeldFor(reason)) return
    this.#held &= ~reason
    if (this.#held !== 0) return
    try {
      this.#reader.resume()
    } catch (error) {
      this.#onError(error)
    }
    // What the reader had kept may have brought a new reason.
    if (this.#held === 0) this.#transport.resume()
  }

  /** The connection is gone: what was kept is not read any more. */
  close(): void {
    this.#held |= HOLD_CLOSED
  }

  /** Expects a new header next. RFC 6120 §4.3.3. */
  restart(): void {
    this.#reader.reset()
  }

  setLimits(limits: ParserLimits): void {
    this.#reader.setLimits(limits)
  }

  /** True while input other than white space waits behind the element being handled. */
  hasRest(): boolean {
    return this.#reader.hasRest()
  }
}
