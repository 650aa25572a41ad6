/** One publisher, many subscribers: a publish is in flight until it is acknowledged and every subscriber has it. */

import { LoadSession, request } from './client.ts'
import { attributeOf } from './frames.ts'
import { checkItem, itemXml } from './items.ts'
import type { Assignment, Task } from './task.ts'
import { now, type Window } from './window.ts'
import type { Work } from './works.ts'

const NS_PUBSUB = 'http://jabber.org/protocol/pubsub'
type OpenShare = (assignment: Assignment, count: number, available: boolean) => Promise<LoadSession[]>

export class FanOut implements Work {
  readonly #assignment: Assignment
  readonly #task: Extract<Task, { kind: 'fan-out' }>
  readonly #subscribers: readonly LoadSession[]
  /** In the first process only. */
  readonly #publisher: LoadSession | undefined
  readonly #tell: (number: number) => void
  /** Subscribers of all processes, and the acknowledgement, that a publish still waits for. */
  readonly #missing = new Map<number, number>()
  #sent = 0
  #publishNext: () => void = () => {}
  #finished: () => void = () => {}

  private constructor(
    assignment: Assignment,
    task: Extract<Task, { kind: 'fan-out' }>,
    subscribers: readonly LoadSession[],
    publisher: LoadSession | undefined,
    tell: (number: number) => void,
  ) {
    this.#assignment = assignment
    this.#task = task
    this.#subscribers = subscribers
    this.#publisher = publisher
    this.#tell = tell
  }

  static async prepare(
    assignment: Assignment,
    task: Extract<Task, { kind: 'fan-out' }>,
    tell: (number: number) => void,
    openShare: OpenShare,
  ): Promise<FanOut> {
    const { target, password, index, pubsub } = assignment
    const subscribers = await openShare(assignment, task.subscribers, true)
    const publisher = index === 0 ? await LoadSession.open(target, `u${task.subscribers}`, password, false) : undefined
    for (const session of subscribers) {
      const subscribe = `<pubsub xmlns='${NS_PUBSUB}'><subscribe node='${task.node}' jid='${session.bareJid}'/></pubsub>`
      await request(session, 'sub', 'set', pubsub, subscribe)
    }
    return new FanOut(assignment, task, subscribers, publisher, tell)
  }

  /** A process's subscribers all have this publish. */
  arrived(number: number): void {
    this.#settle(number)
  }

  run(window: Window): Promise<undefined> {
    const { promise, resolve, reject } = Promise.withResolvers<undefined>()
    const timer = setTimeout(
      () => fail(new Error(`${this.#missing.size} publishes did not reach all`)),
      window.deadlineMs(),
    )
    const fail = (error: Error): void => {
      clearTimeout(timer)
      reject(error)
    }
    this.#finished = () => {
      clearTimeout(timer)
      resolve(undefined)
    }
    this.#receive(window, fail)
    if (this.#publisher) this.#publish(this.#publisher, window, fail)
    return promise
  }

  /** The first process says when it is over; see `works.ts`. */
  finish(): void {
    if (!this.#publisher) this.#finished()
  }

  async close(): Promise<void> {
    await Promise.all([...this.#subscribers, ...(this.#publisher ? [this.#publisher] : [])].map((each) => each.close()))
  }

  #idOf(number: number): string {
    return `${this.#assignment.run}-f${number}`
  }

  #receive(window: Window, fail: (error: Error) => void): void {
    /** How many of this process's subscribers have each publish. */
    const counts = new Map<number, number>()
    for (const session of this.#subscribers) {
      let last = 0
      session.onFrame = (frame) => {
        if (!frame.startsWith('<message')) return
        const number = last + 1
        try {
          // In the order of publishing, each once, with the payload.
          checkItem(frame, this.#idOf(number))
        } catch (error) {
          fail(error instanceof Error ? error : new Error(String(error)))
          return
        }
        last = number
        const at = now()
        window.record(at, at)
        const count = (counts.get(number) ?? 0) + 1
        if (count < this.#subscribers.length) {
          counts.set(number, count)
          return
        }
        counts.delete(number)
        if (this.#publisher) this.#settle(number)
        else this.#tell(number)
      }
    }
  }

  #publish(publisher: LoadSession, window: Window, fail: (error: Error) => void): void {
    const { node, inFlight } = this.#task
    const { pubsub, of } = this.#assignment
    const stop = () => now() >= window.to
    this.#publishNext = () => {
      if (stop()) {
        if (this.#missing.size === 0) this.#finished()
        return
      }
      const number = ++this.#sent
      // Each process with subscribers, and the acknowledgement.
      this.#missing.set(number, Math.min(of, this.#task.subscribers) + 1)
      publisher.send(
        `<iq type='set' id='f${number}' to='${pubsub}'><pubsub xmlns='${NS_PUBSUB}'><publish node='${node}'>${itemXml(this.#idOf(number))}</publish></pubsub></iq>`,
      )
    }
    publisher.onFrame = (frame) => {
      if (!frame.startsWith('<iq')) return
      if (attributeOf(frame, 'type') !== 'result') fail(new Error(`refused: ${frame.slice(-700)}`))
      else this.#settle(Number(attributeOf(frame, 'id')?.slice(1)))
    }
    for (let n = 0; n < inFlight; n++) this.#publishNext()
  }

  #settle(number: number): void {
    const missing = (this.#missing.get(number) ?? 0) - 1
    if (missing > 0) {
      this.#missing.set(number, missing)
      return
    }
    this.#missing.delete(number)
    this.#publishNext()
  }
}
