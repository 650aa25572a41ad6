/**
 * One session's acknowledgements, both ways. XEP-0198 §4.
 *
 * Asking: after every few stanzas, or a second after one that nobody asked about; never again while an answer is due,
 * so that a burst costs one request per round trip.
 */

import { StreamError } from '../stanza/errors.ts'
import { el } from '../xml/element.ts'
import { NS_SM } from '../xml/namespaces.ts'
import { serialize } from '../xml/serialize.ts'
import { increment, Unacked } from './unacked.ts'

const REQUEST = serialize(el('r', { xmlns: NS_SM }), '')
const ASK_AFTER_STANZAS = 5
const ASK_AFTER_MS = 1_000

/** What makes a session outlive its connection. XEP-0198 §5. */
export interface Resumption {
  /** Random; whoever logs in as the same account and knows it may go on with the session. */
  readonly id: string
  readonly maxMs: number
}

export class Acknowledgements {
  readonly resumption: Resumption | undefined
  readonly unacked: Unacked
  #received: number
  /** The last `h` told on the stream in use. */
  #told: number
  #unasked = 0
  #isAnswerDue = false
  #timer: NodeJS.Timeout | undefined
  #send: (xml: string) => void = () => {}

  /** @param first  where both counters begin */
  constructor(resumption: Resumption | undefined, first: number) {
    this.resumption = resumption
    this.unacked = new Unacked(first)
    this.#received = first
    this.#told = first
  }

  /** The number of the client's last stanza that this session has taken over. */
  get received(): number {
    return this.#received
  }

  onReceived(): void {
    this.#received = increment(this.#received)
  }

  /** The stream to ask on; each begins with nothing asked. */
  attach(send: (xml: string) => void): void {
    this.detach()
    this.#send = send
    this.#told = this.#received
  }

  detach(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#unasked = 0
    this.#isAnswerDue = false
    this.#send = () => {}
  }

  /** A stanza, kept in `unacked`, went out on the stream. */
  onSent(): void {
    this.#unasked++
    this.#maybeAsk()
  }

  /**
   * Takes the client's `h`.
   * @throws StreamError undefined-condition with handled-count-too-high. XEP-0198 §6
   */
  acknowledge(h: number): void {
    const { unacked } = this
    if (!unacked.acknowledge(h)) {
      throw new StreamError('undefined-condition', `${h} stanzas acknowledged, ${unacked.sent} sent`, {
        application: el('handled-count-too-high', { xmlns: NS_SM, h, 'send-count': unacked.sent }),
      })
    }
    this.#isAnswerDue = false
    this.#unasked = Math.min(this.#unasked, unacked.size)
    if (unacked.size > 0) this.#maybeAsk()
  }

  /** `<a/>` for all up to `h`. Answers may be ready in another order than asked for; none takes back what was told. */
  answer(h: number): string {
    if ((h - this.#told) >>> 0 < 0x8000_0000) this.#told = h
    return serialize(el('a', { xmlns: NS_SM, h: this.#told }), '')
  }

  #maybeAsk(): void {
    if (this.#isAnswerDue) return
    if (this.#unasked >= ASK_AFTER_STANZAS) this.#ask()
    else this.#timer ??= setTimeout(() => this.#ask(), ASK_AFTER_MS)
  }

  #ask(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.unacked.size === 0) return
    this.#unasked = 0
    this.#isAnswerDue = true
    this.#send(REQUEST)
  }
}
