/** WebSocket connections on an HTTP server that is handed in. RFC 7395 §3.1, §3.2; DESIGN decision 15. */

import type { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'
import { type WebSocket, WebSocketServer } from 'ws'
import type { Logger } from '../log.ts'
import type { FlushTurn } from './flush.ts'
import { type Accept, KEEP_ALIVE_MS, type Transport, type TransportHandler } from './transport.ts'

const SUBPROTOCOL = 'xmpp'
/** RFC 6455 §7.4.1. */
const NORMAL_CLOSURE = 1000
const UNSUPPORTED_DATA = 1003

type OnUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => void

/** Whoever tells of requests for an upgrade, as an HTTP server does. */
export interface UpgradeSource {
  on(event: 'upgrade', listener: OnUpgrade): unknown
  off(event: 'upgrade', listener: OnUpgrade): unknown
  listenerCount(event: 'upgrade'): number
}

export interface WebSocketListenerOptions {
  readonly server: UpgradeSource
  /** `/xmpp-websocket`. */
  readonly path: string
  /** Bytes of one message at most; beyond it the connection is closed with 1009. */
  readonly maxPayload: number
  readonly turn: FlushTurn
  readonly accept: Accept
  readonly log: Logger
}

/** Answers upgrade requests at one path; other paths are left to other listeners, or refused when there are none. */
export class WebSocketListener {
  readonly #options: WebSocketListenerOptions
  #websockets: WebSocketServer | undefined

  constructor(options: WebSocketListenerOptions) {
    this.#options = options
    options.server.on('upgrade', this.#onUpgrade)
  }

  /** Takes no more upgrades; open connections are for their owner to close. */
  close(): void {
    this.#options.server.off('upgrade', this.#onUpgrade)
    this.#websockets?.close()
  }

  readonly #onUpgrade: OnUpgrade = (request, socket, head) => {
    const { server, path, maxPayload, turn, accept, log } = this.#options
    if (pathOf(request) !== path) {
      if (server.listenerCount('upgrade') === 1) refuse(socket, '404 Not Found')
      return
    }
    // RFC 7395 §3.1: the client MUST offer the subprotocol; without it there is no connection to establish.
    if (!offersXmpp(request)) {
      refuse(socket, '400 Bad Request')
      return
    }
    this.#websockets ??= new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload,
      handleProtocols: (offered) => (offered.has(SUBPROTOCOL) ? SUBPROTOCOL : false),
    })
    this.#websockets.handleUpgrade(request, socket, head, (websocket) => {
      if (websocket.protocol !== SUBPROTOCOL) {
        log.warn({ what: 'websocket_refused', reason: 'subprotocol' })
        websocket.terminate()
        return
      }
      if (socket instanceof Socket) socket.setKeepAlive(true, KEEP_ALIVE_MS)
      accept(new WebSocketTransport(websocket, socket, request.socket.remoteAddress ?? '', turn))
    })
  }
}

function pathOf(request: IncomingMessage): string {
  const url = request.url ?? ''
  const query = url.indexOf('?')
  return query < 0 ? url : url.slice(0, query)
}

function offersXmpp(request: IncomingMessage): boolean {
  const offered = request.headers['sec-websocket-protocol'] ?? ''
  return offered.split(',').some((protocol) => protocol.trim() === SUBPROTOCOL)
}

function refuse(socket: Duplex, status: string): void {
  socket.on('error', () => socket.destroy())
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`)
}

class WebSocketTransport implements Transport {
  readonly kind = 'websocket'
  readonly remoteAddress: string
  readonly tls: TLSSocket | undefined
  readonly #websocket: WebSocket
  readonly #socket: Duplex
  readonly #turn: FlushTurn
  #handler: TransportHandler | undefined
  #out: string[] = []
  #outLength = 0
  #dirty = false
  #ended = false
  #closed = false
  #cause: Error | undefined
  #grace: NodeJS.Timeout | undefined

  constructor(websocket: WebSocket, socket: Duplex, remoteAddress: string, turn: FlushTurn) {
    this.remoteAddress = remoteAddress
    this.tls = socket instanceof TLSSocket ? socket : undefined
    this.#websocket = websocket
    this.#socket = socket
    this.#turn = turn
    // Without a fragment to join, ws hands over a text message as one Buffer of valid UTF-8.
    websocket.on('message', (data: Buffer, isBinary: boolean) => this.#onMessage(data, isBinary))
    websocket.on('error', (error: Error) => {
      this.#cause = error
    })
    websocket.on('ping', this.#onAlive)
    websocket.on('pong', this.#onAlive)
    websocket.on('close', () => this.#onClose())
    socket.on('drain', this.#onDrain)
  }

  get outputBytes(): number {
    return this.#outLength + this.#socket.writableLength
  }

  attach(handler: TransportHandler): void {
    this.#handler = handler
  }

  write(text: string): void {
    if (this.#ended || this.#closed) return
    this.#out.push(text)
    this.#outLength += text.length
    if (this.#dirty) return
    this.#dirty = true
    this.#turn.add(this)
  }

  flush(): void {
    this.#dirty = false
    if (this.#outLength === 0 || this.#closed || this.#socket.writableNeedDrain) return
    this.#writeAll()
  }

  pause(): void {
    this.#websocket.pause()
  }

  resume(): void {
    this.#websocket.resume()
  }

  /** RFC 7395 §3.9: TLS is the WebSocket's, never the stream's. */
  startTls(): boolean {
    return false
  }

  end(graceMs: number): void {
    if (this.#ended || this.#closed) return
    this.#writeAll()
    this.#ended = true
    this.#websocket.close(NORMAL_CLOSURE)
    this.#websocket.resume()
    this.#grace = setTimeout(() => this.destroy(), graceMs)
  }

  destroy(): void {
    this.#websocket.terminate()
  }

  /** Every message is a frame of its own (RFC 7395 §3.3.3); corking makes one write of a turn's frames. */
  #writeAll(): void {
    const out = this.#out
    this.#out = []
    this.#outLength = 0
    this.#socket.cork()
    for (const text of out) this.#websocket.send(text)
    this.#socket.uncork()
  }

  #onMessage(data: Buffer, isBinary: boolean): void {
    if (this.#ended) return
    // RFC 7395 §3.2: data frames MUST be of the text type.
    if (isBinary) {
      this.#ended = true
      this.#websocket.close(UNSUPPORTED_DATA)
      this.#grace = setTimeout(() => this.destroy(), BINARY_GRACE_MS)
      return
    }
    this.#handler?.onData(data)
  }

  readonly #onAlive = (): void => {
    this.#handler?.onAlive?.()
  }

  readonly #onDrain = (): void => {
    this.flush()
    this.#handler?.onDrain()
  }

  #onClose(): void {
    if (this.#closed) return
    this.#closed = true
    clearTimeout(this.#grace)
    this.#socket.off('drain', this.#onDrain)
    this.#handler?.onClosed(this.#cause)
  }
}

/** Time for a peer that sent a binary frame to answer the close. */
const BINARY_GRACE_MS = 2_000
