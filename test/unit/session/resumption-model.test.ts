/** Random conversations with random cuts: what is sent arrives once and in order, both ways. XEP-0198 §4, §5. */

import { describe, expect, test } from 'vitest'
import { Session } from '../../../server/session/session.ts'
import { StreamError } from '../../../server/stanza/errors.ts'
import { parseJid } from '../../../server/stanza/jid.ts'
import type { StreamHandle } from '../../../server/stream/context.ts'
import { attr, el } from '../../../server/xml/element.ts'
import { parseFragment } from '../../../server/xml/parser.ts'
import { type Random, random, rounds } from '../../support/random.ts'
import { silent } from '../stream/harness.ts'

const WRAP = 2 ** 32

/** A connection that holds what it was given until the test lets some of it through. */
class Wire implements StreamHandle {
  readonly kind = 'tcp'
  readonly remoteAddress = 'memory'
  readonly outputBytes = 0
  readonly lang = undefined
  readonly quietMs = 0
  toClient: string[] = []
  isOpen = true
  superseded: string | undefined

  send(xml: string): void {
    if (this.isOpen) this.toClient.push(xml)
  }
  sendNonza(xml: string): void {
    this.send(xml)
  }
  hold(): void {}
  release(): void {}
  fail(error: StreamError): void {
    throw error
  }
  supersede(error: StreamError): void {
    this.superseded = error.condition
    this.isOpen = false
  }
  destroy(): void {
    this.isOpen = false
  }
}

/** The client's side, as XEP-0198 tells it: numbers, a queue, and nothing else. */
class Model {
  handled: number
  acked: number
  queue: string[] = []
  got: string[] = []
  /** Sent, and not yet at the server: lost with the connection. */
  inFlight: (() => void)[] = []

  constructor(first: number) {
    this.handled = first
    this.acked = first
  }

  acknowledged(h: number): void {
    const count = (h - this.acked + WRAP) % WRAP
    expect(count).toBeLessThanOrEqual(this.queue.length)
    this.queue.splice(0, count)
    this.acked = h
  }
}

class Conversation {
  readonly random: Random
  readonly model: Model
  readonly session: Session
  readonly served: string[] = []
  readonly pending: (() => void)[] = []
  wire = new Wire()
  sentToClient = 0
  sentToServer = 0
  cuts = 0

  constructor(seed: number) {
    this.random = random(seed)
    const first = this.random.pick([0, WRAP - 1, WRAP - 2, WRAP - 7, WRAP - 40, 2 ** 31 - 3])
    this.model = new Model(first)
    this.session = new Session({
      id: 'c2s-1',
      domain: 'test',
      fullJid: parseJid('alice@test/desk'),
      stream: this.wire,
      events: {
        onBound: () => {},
        onStanza: (_session, stanza) => {
          this.served.push(attr(stanza, 'id') ?? '')
          if (this.random.int(4) > 0) return undefined
          return new Promise<void>((resolve) => this.pending.push(resolve))
        },
        onClosed: () => {},
      },
      limits: {
        queuedStanzas: 1000,
        maxOutputBytes: 1e9,
        slowReaderMs: 1e9,
        unackedStanzas: 1e6,
        unackedBytes: 1e9,
        deferredStanzas: 10,
        idleMs: 0,
      },
      remove: () => {},
      log: silent,
    })
    this.session.start()
    this.session.manage({ id: 'x', maxMs: 1e9 }, first)
  }

  async step(): Promise<void> {
    switch (this.random.int(8)) {
      case 0:
      case 1:
        this.session.send({ xml: `<message id="s${this.sentToClient++}"/>` })
        break
      case 2:
      case 3: {
        const id = `c${this.sentToServer++}`
        this.model.queue.push(id)
        this.#clientSends(id)
        break
      }
      case 4: // some of what is under way arrives
        this.arriveAtClient(this.random.int(this.wire.toClient.length + 1))
        this.arriveAtServer(this.random.int(this.model.inFlight.length + 1))
        break
      case 5: {
        const { handled } = this.model
        const wire = this.wire
        this.model.inFlight.push(() => wire === this.wire && this.session.acknowledge(handled))
        this.model.inFlight.push(() => this.session.tellReceived())
        break
      }
      case 6:
        for (const resolve of this.pending.splice(0, this.random.int(3))) resolve()
        await Promise.resolve()
        break
      default:
        if (this.random.int(3) === 0) this.cut()
    }
  }

  #clientSends(id: string): void {
    this.model.inFlight.push(() => this.session.receive(el('message', { xmlns: 'jabber:client', id })))
  }

  arriveAtServer(count: number): void {
    for (const arrive of this.model.inFlight.splice(0, count)) arrive()
  }

  arriveAtClient(count: number): void {
    for (const xml of this.wire.toClient.splice(0, count)) {
      const element = parseFragment(xml)
      if (element.name === 'a') this.model.acknowledged(Number(attr(element, 'h')))
      else if (element.name === 'r') {
        const { handled } = this.model
        this.model.inFlight.push(() => this.session.acknowledge(handled))
      } else {
        this.model.got.push(attr(element, 'id') ?? '')
        this.model.handled = (this.model.handled + 1) % WRAP
      }
    }
  }

  /** What is under way is lost; the server may have noticed, or not. */
  cut(): void {
    this.cuts++
    const old = this.wire
    this.model.inFlight = []
    const isNoticed = this.random.int(2) === 0
    if (isNoticed) {
      old.isOpen = false
      this.session.onEnded('lost')
      for (let n = this.random.int(4); n > 0; n--) this.session.send({ xml: `<message id="s${this.sentToClient++}"/>` })
    }
    expect(this.session.isLost).toBe(isNoticed)
    this.wire = new Wire()
    this.session.resume(this.wire, this.model.handled)
    expect(old.superseded).toBe('conflict')
    this.model.acknowledged(this.session.received)
    this.session.start()
    for (const id of this.model.queue) this.#clientSends(id)
  }

  async end(): Promise<void> {
    // Arrivals make more to arrive: answers to requests. Bounded, since those come once per round trip.
    for (let n = 0; n < 100 && (this.wire.toClient.length > 0 || this.model.inFlight.length > 0); n++) {
      this.arriveAtClient(this.wire.toClient.length)
      this.arriveAtServer(this.model.inFlight.length)
    }
    for (let n = 0; n < 10_000 && this.pending.length > 0; n++) {
      this.pending.shift()?.()
      await Promise.resolve()
      await Promise.resolve()
    }
  }
}

function upTo(count: number, prefix: string): string[] {
  return Array.from({ length: count }, (_, at) => `${prefix}${at}`)
}

describe('XEP-0198  exactly once, in order, over any number of connections', () => {
  test('random conversations, across 2^32', async () => {
    let cuts = 0
    for (let seed = 1; seed <= rounds(300); seed++) {
      const conversation = new Conversation(seed)
      for (let n = 0; n < 200; n++) await conversation.step()
      conversation.cut()
      await conversation.end()
      expect(conversation.served, `seed ${seed}`).toEqual(upTo(conversation.sentToServer, 'c'))
      expect(conversation.model.got, `seed ${seed}`).toEqual(upTo(conversation.sentToClient, 's'))
      cuts += conversation.cuts
      conversation.session.end()
    }
    expect(cuts).toBeGreaterThan(1_000)
  })

  test('an acknowledgement of more than was sent, or of less than before, is refused', () => {
    const conversation = new Conversation(1)
    const { session, model } = conversation
    session.send({ xml: '<message/>' })
    session.acknowledge((model.handled + 1) % WRAP)
    for (const h of [(model.handled + 2) % WRAP, model.handled]) {
      expect(() => session.acknowledge(h)).toThrow(StreamError)
    }
    session.end()
  })
})
