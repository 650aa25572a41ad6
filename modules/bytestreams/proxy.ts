/**
 * The StreamHost: two connections that name the same destination wait for each other and for their activation, and are
 * then joined. XEP-0065 §6.
 *
 *   connected ──▶ greeted ──▶ waiting ──▶ relayed          until it is relayed, one deadline holds for all of it
 */

import { createServer, type Server, type Socket } from 'node:net'
import type { Logger } from '../../server/module/api.ts'
import { type RelayLimits, relay } from './relay.ts'
import { MAX_BYTES, readGreeting, readRequest, type SocksStep, TAKEN } from './socks.ts'

export interface ProxyLimits extends RelayLimits {
  /** Connections in all; more are dropped. */
  readonly maxConnections: number
  /** Streams of one requester at a time. */
  readonly streamsPerAccount: number
  /** From the connection to the activation. */
  readonly waitMs: number
}

export type Activation = 'activated' | 'unknown' | 'one-sided' | 'too-many'

/** What a connection that waits may send; more ends it. */
const MAX_IGNORED_BYTES = 65_536

/** A connection that has named its destination. */
interface Waiting {
  readonly socket: Socket
  /** Gives the socket over, paused. */
  readonly leave: () => void
}

export class StreamProxy {
  readonly #limits: ProxyLimits
  readonly #log: Logger
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  /** At most two connections for each destination. */
  readonly #waiting = new Map<string, readonly Waiting[]>()
  readonly #deadlines = new Map<Socket, NodeJS.Timeout>()
  /** What ends each stream, by the requester's bare JID. */
  readonly #streams = new Map<string, Set<() => void>>()

  constructor(limits: ProxyLimits, log: Logger) {
    this.#limits = limits
    this.#log = log
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.#accept(socket))
    this.#server.maxConnections = limits.maxConnections
    this.#server.on('drop', () => log.warn({ what: 'bytestream_dropped', max: limits.maxConnections }))
  }

  /** @returns the port it listens on */
  listen(host: string, port: number): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>()
    this.#server.once('error', reject)
    this.#server.listen(port, host, () => {
      this.#server.off('error', reject)
      this.#server.on('error', (error) => this.#log.error({ what: 'listener_failed', error: error.message }))
      const address = this.#server.address()
      resolve(typeof address === 'object' && address ? address.port : port)
    })
    return promise
  }

  /** Joins the two connections that wait for this destination. XEP-0065 §6.3.5. */
  activate(destination: string, requester: string): Activation {
    const waiting = this.#waiting.get(destination)
    if (!waiting) return 'unknown'
    const [first, second] = waiting
    if (!first || !second) return 'one-sided'
    const streams = this.#streams.get(requester) ?? new Set()
    if (streams.size >= this.#limits.streamsPerAccount) return 'too-many'
    this.#waiting.delete(destination)
    for (const { socket, leave } of waiting) {
      leave()
      clearTimeout(this.#deadlines.get(socket))
      this.#deadlines.delete(socket)
    }
    const end = relay(first.socket, second.socket, this.#limits, (why, bytes) => {
      streams.delete(end)
      if (streams.size === 0) this.#streams.delete(requester)
      this.#log.info({ what: 'bytestream_ended', requester, why, bytes })
    })
    streams.add(end)
    this.#streams.set(requester, streams)
    this.#log.info({ what: 'bytestream_activated', requester })
    return 'activated'
  }

  /** Ends the streams of an account that is gone. */
  endStreamsOf(requester: string): void {
    for (const end of [...(this.#streams.get(requester) ?? [])]) end()
  }

  close(): void {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket)
    this.#deadlines.set(
      socket,
      setTimeout(() => socket.destroy(), this.#limits.waitMs),
    )
    socket.on('error', () => socket.destroy())
    socket.once('close', () => {
      this.#sockets.delete(socket)
      clearTimeout(this.#deadlines.get(socket))
      this.#deadlines.delete(socket)
    })
    let input = Buffer.alloc(0)
    let read: (input: Buffer) => SocksStep = readGreeting
    const onData = (chunk: Buffer): void => {
      input = Buffer.concat([input, chunk])
      for (;;) {
        const step = read(input)
        if (step.kind === 'more') {
          if (input.length > MAX_BYTES) socket.destroy()
          return
        }
        if (step.kind === 'refused') {
          refuse(socket, step.answer)
          return
        }
        input = input.subarray(step.used)
        if (step.kind === 'greeted') {
          socket.write(step.answer)
          read = readRequest
          continue
        }
        socket.off('data', onData)
        this.#await(socket, step.destination, step.answer)
        return
      }
    }
    socket.on('data', onData)
  }

  /** §10.1: what comes before the activation is ignored; a side that ends before it has left. */
  #await(socket: Socket, destination: string, answer: Buffer): void {
    const waiting = this.#waiting.get(destination) ?? []
    if (waiting.length >= 2) {
      refuse(socket, TAKEN)
      return
    }
    this.#waiting.set(destination, [...waiting, { socket, leave: ignoreInput(socket) }])
    socket.once('close', () => {
      const left = this.#waiting.get(destination)?.filter((each) => each.socket !== socket) ?? []
      if (left.length > 0) this.#waiting.set(destination, left)
      else this.#waiting.delete(destination)
    })
    socket.write(answer)
  }
}

/** @returns what stops ignoring, and pauses the socket */
function ignoreInput(socket: Socket): () => void {
  let bytes = 0
  const ignore = (chunk: Buffer): void => {
    bytes += chunk.length
    if (bytes > MAX_IGNORED_BYTES) socket.destroy()
  }
  const end = (): void => void socket.destroy()
  socket.on('data', ignore)
  socket.on('end', end)
  return () => {
    socket.pause()
    socket.off('data', ignore)
    socket.off('end', end)
  }
}

function refuse(socket: Socket, answer: Buffer | undefined): void {
  if (answer) socket.end(answer, () => socket.destroy())
  else socket.destroy()
}
