/** A transport without a socket: what is written lies there to be read, what is read is put in by hand. */

import type { Transport, TransportHandler } from '../../../server/net/transport.ts'

export class MemoryTransport implements Transport {
  readonly kind: 'tcp' | 'websocket'
  readonly remoteAddress = 'memory'
  readonly tls = undefined
  /** Each `write` is an entry. */
  readonly written: string[] = []
  outputBytes = 0
  isPaused = false
  isEnded = false
  isDestroyed = false
  /** What `startTls` answers. */
  mayStartTls = true
  #handler: TransportHandler | undefined

  constructor(kind: 'tcp' | 'websocket' = 'tcp') {
    this.kind = kind
  }

  get text(): string {
    return this.written.join('')
  }

  attach(handler: TransportHandler): void {
    this.#handler = handler
  }

  write(text: string): void {
    this.written.push(text)
  }

  flush(): void {}

  pause(): void {
    this.isPaused = true
  }

  resume(): void {
    this.isPaused = false
  }

  startTls(lastWords: string): boolean {
    if (this.mayStartTls) this.written.push(lastWords)
    return this.mayStartTls
  }

  end(): void {
    this.isEnded = true
  }

  destroy(): void {
    if (this.isDestroyed) return
    this.isDestroyed = true
    this.#handler?.onClosed(undefined)
  }

  // --- for the test ---

  receive(text: string): void {
    this.#handler?.onData(Buffer.from(text))
  }

  secured(): void {
    this.#handler?.onSecure()
  }

  drain(): void {
    this.outputBytes = 0
    this.#handler?.onDrain()
  }

  lose(): void {
    this.#handler?.onClosed(new Error('connection reset'))
  }
}
