/** Requests under way and their time-outs. RFC 6120 §8.2.3. */

import { randomBytes } from 'node:crypto'
import { StanzaError } from '../../server/stanza/errors.ts'
import { attr, childElements, childOf, type Element, el } from '../../server/xml/element.ts'
import { NS_CLIENT } from '../../server/xml/namespaces.ts'

/** No answer came in time. */
export class TimeoutError extends Error {
  override readonly name = 'TimeoutError'
}

/** The connection was lost, or is not there: the request may or may not have been carried out. */
export class OfflineError extends Error {
  override readonly name = 'OfflineError'
}

export interface IqOptions {
  /** Default 30,000. */
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
}

interface Pending {
  readonly to: string | undefined
  resolve(payload: Element | undefined): void
  reject(error: Error): void
}

/** Requests at most at one time; beyond it a caller is told at once. */
const MAX_PENDING = 1024
const DEFAULT_TIMEOUT_MS = 30_000

/** The requests of one connection. */
export class IqTable {
  readonly #pending = new Map<string, Pending>()
  readonly #prefix = randomBytes(6).toString('base64url')
  readonly #send: (stanza: Element) => void
  /** Our own addresses: an answer to a request without `to` comes from one of these or from nobody. */
  readonly #self: ReadonlySet<string>
  #count = 0

  constructor(send: (stanza: Element) => void, self: readonly string[]) {
    this.#send = send
    this.#self = new Set(self)
  }

  get size(): number {
    return this.#pending.size
  }

  /**
   * Sends a request and waits for its answer's payload, undefined when that is empty.
   * @throws StanzaError as the peer answered, TimeoutError, OfflineError, or the signal's reason
   */
  request(
    type: 'get' | 'set',
    to: string | undefined,
    payload: Element,
    options: IqOptions = {},
  ): Promise<Element | undefined> {
    const { timeoutMs = DEFAULT_TIMEOUT_MS, signal } = options
    if (signal?.aborted) return Promise.reject(asError(signal.reason))
    if (this.#pending.size >= MAX_PENDING) {
      return Promise.reject(new StanzaError('wait', 'resource-constraint', 'too many requests under way'))
    }
    const id = `${this.#prefix}-${++this.#count}`
    return new Promise((resolve, reject) => {
      const end = () => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', onAbort)
        this.#pending.delete(id)
      }
      const fail = (error: Error) => {
        end()
        reject(error)
      }
      const onAbort = () => fail(asError(signal?.reason))
      const timer = setTimeout(() => {
        fail(new TimeoutError(`no answer from ${to ?? 'the server'} to ${payload.name} within ${timeoutMs} ms`))
      }, timeoutMs)
      signal?.addEventListener('abort', onAbort, { once: true })
      this.#pending.set(id, {
        to,
        resolve: (answer) => {
          end()
          resolve(answer)
        },
        reject: fail,
      })
      try {
        this.#send(el('iq', { xmlns: NS_CLIENT, type, id, to }, payload))
      } catch (error) {
        fail(asError(error))
      }
    })
  }

  /** Takes an iq of type result or error; false when nobody here asked for it. */
  answer(iq: Element): boolean {
    const pending = this.#pending.get(attr(iq, 'id') ?? '')
    // RFC 6120 §8.1.2.1: an answer counts only from the address that was asked.
    if (!pending || !this.#isFrom(attr(iq, 'from'), pending.to)) return false
    if (attr(iq, 'type') === 'error') pending.reject(StanzaError.fromElement(childOf(iq, 'error', NS_CLIENT)))
    else pending.resolve(childElements(iq)[0])
    return true
  }

  /** Rejects all that is under way. */
  close(error: Error): void {
    for (const pending of [...this.#pending.values()]) pending.reject(error)
  }

  #isFrom(from: string | undefined, to: string | undefined): boolean {
    if (to !== undefined && from === to) return true
    // A request without `to`, or to our own bare address, is answered by the account: no from, or one of our own.
    return (to === undefined || this.#self.has(to)) && (from === undefined || this.#self.has(from))
  }
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error('aborted', { cause: reason })
}
