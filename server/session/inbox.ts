/**
 * A client's stanzas, one after the other: what is handled without a promise is done, and the next one follows in the
 * same turn. While a promise is pending, later ones wait in a bounded queue; when it is full, the socket is not read.
 */

import { HOLD_QUEUE, type StreamHandle } from '../stream/context.ts'
import type { Element } from '../xml/element.ts'

/** Whose stanzas they are. */
export interface InboxOwner {
  /** The one in use. */
  readonly stream: Pick<StreamHandle, 'hold' | 'release'>
  /** May throw or reject, which is a defect. */
  handle(stanza: Element): void | Promise<void>
  onDefect(error: unknown): void
}

export class Inbox {
  readonly #owner: InboxOwner
  /** Stanzas that may wait. */
  readonly #max: number
  /** Stanzas, and what must be done in their order. */
  #waiting: (Element | (() => void))[] = []
  #isBusy = false
  #isHeld = false
  #finished: (() => void) | undefined
  /** The client has said goodbye. */
  isFinishing = false

  constructor(owner: InboxOwner, max: number) {
    this.#owner = owner
    this.#max = max
  }

  get isFull(): boolean {
    return this.#waiting.length >= this.#max
  }

  /** Now, or after the stanzas that wait. */
  take(what: Element | (() => void)): void {
    if (!this.#mustWait) this.#run(what)
    else {
      this.#waiting.push(what)
      if (this.isFull) this.#owner.stream.hold(HOLD_QUEUE)
    }
  }

  /** Handles nothing until it is known whether the account is gone, and nothing at all if so. */
  hold(isGone: Promise<boolean>): void {
    this.#isHeld = true
    void isGone.then((isForGood) => {
      this.#isHeld = isForGood
      if (!this.#mustWait) this.#next()
    })
  }

  /** There will be no more; calls back when all are handled. */
  finish(done: () => void): void {
    this.isFinishing = true
    if (this.#isBusy) this.#finished = done
    else done()
  }

  /** Forgets what waits. */
  clear(): void {
    this.#waiting = []
  }

  get #mustWait(): boolean {
    return this.#isBusy || this.#isHeld
  }

  #run(what: Element | (() => void)): void {
    if (typeof what === 'function') {
      what()
      return
    }
    let pending: void | Promise<void>
    try {
      pending = this.#owner.handle(what)
    } catch (error) {
      this.#owner.onDefect(error)
      return
    }
    if (!pending) return
    this.#isBusy = true
    pending.then(
      () => this.#next(),
      (error: unknown) => {
        this.#owner.onDefect(error)
        this.#next()
      },
    )
  }

  #next(): void {
    this.#isBusy = false
    while (!this.#mustWait) {
      const next = this.#waiting.shift()
      if (!next) break
      this.#run(next)
    }
    if (this.#waiting.length * 2 <= this.#max) this.#owner.stream.release(HOLD_QUEUE)
    // Releasing may have brought new stanzas.
    if (!this.#isBusy && this.#finished) {
      const done = this.#finished
      this.#finished = undefined
      done()
    }
  }
}
