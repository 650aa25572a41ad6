/** One client connection as the stream above sees it, whether TCP or WebSocket carries it. */

import type { TLSSocket } from 'node:tls'

/** A peer that vanished is found by the kernel's probes; an idle one is left alone. RFC 6120 §4.6.1. */
export const KEEP_ALIVE_MS = 60_000

export interface TransportHandler {
  /** Bytes of a TCP stream in the order they came, or the text of one whole WebSocket message. */
  onData(chunk: Buffer): void
  /** The peer showed that it is there, and said nothing: a WebSocket ping or pong. */
  onAlive?(): void
  /** TLS, asked for with `startTls`, is in force. */
  onSecure(): void
  /** The socket took what it had been given: `outputBytes` has fallen. */
  onDrain(): void
  /** The connection is gone. Called once, and nothing after it. */
  onClosed(cause: Error | undefined): void
}

export interface Transport {
  readonly kind: 'tcp' | 'websocket'
  readonly remoteAddress: string
  /** The TLS socket, once TLS is in force: certificates, and keys for channel bindings. */
  readonly tls: TLSSocket | undefined
  /** Output not yet taken by the operating system: own buffer and the socket's, in UTF-16 units. */
  readonly outputBytes: number
  /** Names who is told: at once on acceptance, before the loop turns. */
  attach(handler: TransportHandler): void
  /** Queues one stream header, element or closing tag; sent with all others at the end of this turn of the loop. */
  write(text: string): void
  /** Sends what is queued now. */
  flush(): void
  pause(): void
  resume(): void
  /**
   * Sends `lastWords` in the clear and hands the connection over to TLS. RFC 6120 §5.4.2.3.
   * @returns false when plaintext is waiting that came before the handshake: an attack; nothing was sent or handed over
   */
  startTls(lastWords: string): boolean
  /** Sends what is queued, closes our side, and ends the connection when the peer closes its own or after `graceMs`. */
  end(graceMs: number): void
  destroy(): void
}

/** What a listener does with each connection it accepts. */
export type Accept = (transport: Transport) => void
