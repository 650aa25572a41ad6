/** TCP connections: STARTTLS, direct TLS or, on a loopback lab port, neither. RFC 6120 §3, §5, XEP-0368. */

import { createServer, type Server, type Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { Logger } from '../log.ts'
import type { FlushTurn } from './flush.ts'
import type { TlsAcceptor } from './tls.ts'
import { type Accept, KEEP_ALIVE_MS, type Transport, type TransportHandler } from './transport.ts'

/** Own buffer beyond which a flush does not wait for the end of the turn: the kernel may start sending. */
const FLUSH_AT = 65_536

export interface TcpListenerOptions {
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
  /** `direct`: TLS from the first byte; `starttls`: on demand; `none`: plaintext only. */
  readonly security: 'direct' | 'starttls' | 'none'
  /** Connections at most; further ones are dropped as they come. */
  readonly maxConnections: number
  /** Undefined: no TLS can be had. */
  readonly tls: TlsAcceptor | undefined
  readonly turn: FlushTurn
  readonly accept: Accept
  readonly log: Logger
}

export class TcpListener {
  readonly #options: TcpListenerOptions
  readonly #server: Server

  constructor(options: TcpListenerOptions) {
    this.#options = options
    // Half-open is ours to end: a peer may close its side while answers are still queued for it.
    this.#server = createServer({
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_MS,
    })
    this.#server.maxConnections = options.maxConnections
    this.#server.on('connection', (socket) => this.#connected(socket))
    this.#server.on('drop', () => options.log.warn({ what: 'connection_dropped', max: options.maxConnections }))
  }

  /** @returns the port it listens on */
  listen(): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>()
    this.#server.once('error', reject)
    this.#server.listen(this.#options.port, this.#options.host, () => {
      this.#server.off('error', reject)
      this.#server.on('error', (error) => this.#options.log.error({ what: 'listener_failed', error: error.message }))
      const address = this.#server.address()
      resolve(typeof address === 'object' && address ? address.port : this.#options.port)
    })
    return promise
  }

  /** Accepts no more; resolves when the last connection has gone, which is for their owner to bring about. */
  close(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#server.close(() => resolve())
    return promise
  }

  #connected(socket: Socket): void {
    const { security, tls, turn, accept } = this.#options
    const transport = new TcpTransport(socket, tls, turn)
    if (security === 'direct') transport.startTls('')
    else transport.listen()
    accept(transport)
  }
}

export class TcpTransport implements Transport {
  readonly kind = 'tcp'
  readonly remoteAddress: string
  readonly #acceptor: TlsAcceptor | undefined
  readonly #turn: FlushTurn
  #socket: Socket
  #tls: TLSSocket | undefined
  #handler: TransportHandler | undefined
  #out = ''
  #dirty = false
  #ended = false
  #closed = false
  #cause: Error | undefined
  #grace: NodeJS.Timeout | undefined

  constructor(socket: Socket, acceptor: TlsAcceptor | undefined, turn: FlushTurn) {
    this.remoteAddress = socket.remoteAddress ?? ''
    this.#acceptor = acceptor
    this.#turn = turn
    this.#socket = socket
    socket.on('error', this.#onError)
    // The raw socket outlives a failed handshake; its end is the connection's end whatever lies on top of it.
    socket.once('close', () => this.#onClose())
  }

  get tls(): TLSSocket | undefined {
    return this.#tls
  }

  get outputBytes(): number {
    return this.#out.length + this.#socket.writableLength
  }

  /** Input counts from now on; over TLS from its first byte it does with the handshake's end. */
  listen(): void {
    const socket = this.#socket
    socket.on('data', this.#onData)
    socket.on('end', this.#onEnd)
    socket.on('drain', this.#onDrain)
  }

  attach(handler: TransportHandler): void {
    this.#handler = handler
  }

  write(text: string): void {
    if (this.#ended || this.#closed) return
    this.#out += text
    if (this.#out.length >= FLUSH_AT) this.flush()
    else if (!this.#dirty) {
      this.#dirty = true
      this.#turn.add(this)
    }
  }

  flush(): void {
    this.#dirty = false
    // A socket that has not drained keeps what it has; the rest waits here, where its size is seen.
    if (this.#out === '' || this.#closed || this.#socket.writableNeedDrain) return
    const out = this.#out
    this.#out = ''
    this.#socket.write(out)
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  startTls(lastWords: string): boolean {
    const acceptor = this.#acceptor
    if (!acceptor) return false
    const raw = this.#socket
    raw.off('data', this.#onData)
    raw.off('end', this.#onEnd)
    raw.off('drain', this.#onDrain)
    raw.pause()
    if (raw.readableLength > 0) return false
    this.#out += lastWords
    this.#writeAll()
    acceptor.take(raw, (secured) => {
      if (this.#closed) return
      this.#tls = secured
      this.#socket = secured
      secured.on('error', this.#onError)
      this.listen()
      this.#handler?.onSecure()
    })
    return true
  }

  end(graceMs: number): void {
    if (this.#ended || this.#closed) return
    this.#writeAll()
    this.#ended = true
    this.#socket.end() // over TLS: close_notify, RFC 6120 §4.4
    this.#grace = setTimeout(() => this.destroy(), graceMs)
    // What still comes is read and forgotten, so that the peer's own end is seen.
    this.#socket.resume()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  #writeAll(): void {
    if (this.#out === '') return
    const out = this.#out
    this.#out = ''
    this.#socket.write(out)
  }

  readonly #onData = (chunk: Buffer): void => {
    if (!this.#ended) this.#handler?.onData(chunk)
  }

  /** The peer closed its side: what it still waits for is sent, then ours is closed too. */
  readonly #onEnd = (): void => {
    this.#writeAll()
    this.#ended = true
    this.#socket.destroySoon()
  }

  readonly #onDrain = (): void => {
    this.flush()
    this.#handler?.onDrain()
  }

  readonly #onError = (error: Error): void => {
    this.#cause = error
  }

  #onClose(): void {
    if (this.#closed) return
    this.#closed = true
    clearTimeout(this.#grace)
    this.#handler?.onClosed(this.#cause)
  }
}
