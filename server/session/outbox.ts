/**
 * What a session still owes its client, bounded: a client that does not read is first no longer read from, and dropped
 * when it has read nothing for a while or when the bound is reached (DESIGN decision 6).
 */

import { StreamError } from '../stanza/errors.ts'
import { HOLD_OUTPUT, type StreamHandle } from '../stream/context.ts'

export interface OutboxLimits {
  /** Output waiting for one client at which it is dropped, in UTF-16 units. */
  readonly maxOutputBytes: number
  /** Time that a client may leave output unread. */
  readonly slowReaderMs: number
}

/** Output waiting at which the client's own stanzas wait too; half of it lets them go on. */
const SLOW_AT = 262_144

/** What an outbox needs of a stream. */
type OutputStream = Pick<StreamHandle, 'outputBytes' | 'send' | 'fail' | 'hold' | 'release'>

export class Outbox {
  readonly #stream: OutputStream
  readonly #limits: OutboxLimits
  #timer: NodeJS.Timeout | undefined

  constructor(stream: OutputStream, limits: OutboxLimits) {
    this.#stream = stream
    this.#limits = limits
  }

  /** Queues a stanza written without xmlns. One more than the bound allows is taken, so that any single one passes. */
  push(xml: string): void {
    const waiting = this.#stream.outputBytes
    if (waiting > this.#limits.maxOutputBytes) {
      this.#stream.fail(new StreamError('policy-violation', 'too much output unread'))
      return
    }
    this.#stream.send(xml)
    if (waiting > SLOW_AT && this.#timer === undefined) {
      this.#stream.hold(HOLD_OUTPUT)
      this.#timer = setTimeout(() => this.#onSlow(), this.#limits.slowReaderMs)
    }
  }

  /** The socket took some. */
  onDrain(): void {
    if (this.#timer === undefined || this.#stream.outputBytes > SLOW_AT / 2) return
    this.close()
    this.#stream.release(HOLD_OUTPUT)
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  /** RFC 6120 §4.9.3.4: the peer has not responded to data sent over the stream. */
  #onSlow(): void {
    this.#stream.fail(new StreamError('connection-timeout', 'output unread'))
  }
}
