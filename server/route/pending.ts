/** IQs that the server itself sent and whose answers it awaits. RFC 6120 §8.2.3. */

import { StanzaError } from '../stanza/errors.ts'
import type { Jid } from '../stanza/jid.ts'
import { attr, childElements, type Element, el } from '../xml/element.ts'

interface Waiting {
  readonly resolve: (payload: Element | undefined) => void
  readonly reject: (error: StanzaError) => void
  readonly timer: NodeJS.Timeout
}

/** Bounded by the time-out that each request must have. */
export class PendingIqs {
  readonly #waiting = new Map<string, Waiting>()
  #next = 0

  /** @returns the IQ to send, and its answer: the result's payload, or a rejection with its StanzaError */
  make(
    from: string,
    to: Jid,
    type: 'get' | 'set',
    payload: Element,
    timeoutMs: number,
  ): { stanza: Element; answer: Promise<Element | undefined> } {
    this.#next += 1
    const id = `s${this.#next.toString(36)}`
    const key = keyOf(from, to.full, id)
    const answer = new Promise<Element | undefined>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(key)
        const text = `no answer from ${to.full} within ${timeoutMs} ms`
        reject(new StanzaError('wait', 'remote-server-timeout', text, { by: from }))
      }, timeoutMs)
      this.#waiting.set(key, { resolve, reject, timer })
    })
    return { stanza: el('iq', { type, id, from, to: to.full }, payload), answer }
  }

  /** Takes an answer; one that nobody waits for is dropped. RFC 6120 §8.2.3. */
  settle(from: Jid, to: Jid, stanza: Element): void {
    const waiting = this.#take(from, to, attr(stanza, 'id') ?? '')
    if (!waiting) return
    if (attr(stanza, 'type') === 'error') {
      waiting.reject(StanzaError.fromElement(childElements(stanza).find((child) => child.is('error'))))
    } else {
      waiting.resolve(childElements(stanza)[0])
    }
  }

  /** The same for a result that is no stanza yet, since this server has it itself. */
  answered(from: Jid, to: Jid, id: string, payload: Element | undefined): void {
    this.#take(from, to, id)?.resolve(payload)
  }

  #take(from: Jid, to: Jid, id: string): Waiting | undefined {
    const key = keyOf(to.full, from.full, id)
    const waiting = this.#waiting.get(key)
    this.#waiting.delete(key)
    if (waiting) clearTimeout(waiting.timer)
    return waiting
  }

  close(): void {
    for (const { timer, reject } of this.#waiting.values()) {
      clearTimeout(timer)
      reject(new StanzaError('wait', 'service-unavailable', 'the server is shutting down'))
    }
    this.#waiting.clear()
  }
}

function keyOf(local: string, remote: string, id: string): string {
  return `${local}\n${remote}\n${id}`
}
