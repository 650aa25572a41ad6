/** External components as a whole: their listener, their streams, and which of them is connected. XEP-0114. */

import type { Logger } from '../log.ts'
import { FlushTurn } from '../net/flush.ts'
import { TcpListener } from '../net/tcp.ts'
import { StreamError } from '../stanza/errors.ts'
import { type ComponentContext, ComponentStream } from '../stream/component.ts'
import type { ParserLimits } from '../xml/parser.ts'
import { Component, type ComponentEvents, type DeliveredStanza } from './component.ts'
import type { Trace } from './trace.ts'

export interface ComponentsOptions extends ComponentEvents {
  /** The server's own domain. */
  readonly domain: string
  /** The shared secret of a component; undefined: there is none of that name. */
  readonly secretOf: (name: string) => string | undefined
  /** Does the server answer for this domain itself? */
  readonly isOwnDomain: (name: string) => boolean
  readonly limits: {
    /** Depth, attributes and names; its bytes are the two below. */
    readonly xml: ParserLimits
    readonly stanzaBytes: number
    /** The same before the handshake. */
    readonly anonymousBytes: number
    /** Output waiting for one component at which it is dropped. */
    readonly maxOutputBytes: number
    readonly maxConnections: number
    /** Of one component; 0: any number. */
    readonly stanzasPerSecond: number
    readonly bytesPerSecond: number
  }
  readonly timeouts: ComponentContext['timeouts'] & { readonly slowReaderMs: number; readonly overRateMs: number }
  readonly log: Logger
  /** Logs the stanzas of an address; left out: of none. */
  readonly traceOf?: (address: string) => Trace | undefined
}

export class Components {
  readonly #options: ComponentsOptions
  readonly #context: ComponentContext
  readonly #turn = new FlushTurn()
  readonly #streams = new Set<ComponentStream>()
  readonly #connected = new Map<string, Component>()
  #listener: TcpListener | undefined
  /** Set while closing: called when a stream has gone. */
  #onStreamGone: () => void = () => {}

  constructor(options: ComponentsOptions) {
    this.#options = options
    const { domain, limits, timeouts, log } = options
    this.#context = {
      domain,
      timeouts,
      log,
      limits: {
        anonymous: { ...limits.xml, maxStanzaBytes: limits.anonymousBytes },
        authenticated: { ...limits.xml, maxStanzaBytes: limits.stanzaBytes },
        rate: { ...limits, overRateMs: timeouts.overRateMs },
      },
      secretOf: (name) => this.#secretOf(name),
      open: (stream, name) => this.#open(stream, name),
      onClosed: (stream) => {
        this.#streams.delete(stream)
        this.#onStreamGone()
      },
    }
  }

  /** @returns the port it listens on */
  async listen(host: string, port: number): Promise<number> {
    this.#listener = new TcpListener({
      host,
      port,
      security: 'none',
      tls: undefined,
      maxConnections: this.#options.limits.maxConnections,
      turn: this.#turn,
      accept: (transport) => {
        this.#streams.add(new ComponentStream(transport, this.#context))
      },
      log: this.#options.log,
    })
    return await this.#listener.listen()
  }

  /** Is this the domain of a component, connected or not? */
  serves(domain: string): boolean {
    return this.#connected.has(domain) || this.#options.secretOf(domain) !== undefined
  }

  isConnected(domain: string): boolean {
    return this.#connected.has(domain)
  }

  /** Queues a stanza for a component; false when it is not connected. */
  deliver(domain: string, stanza: DeliveredStanza): boolean {
    const component = this.#connected.get(domain)
    component?.send(stanza)
    return component !== undefined
  }

  /** Domains of the components connected now. */
  get connected(): readonly string[] {
    return [...this.#connected.keys()]
  }

  /** Ends a component whose secret is gone or another. */
  end(domain: string, error: StreamError): void {
    this.#connected.get(domain)?.fail(error)
  }

  /** Accepts no more, tells every component, and resolves when they have gone; those that linger are cut off. */
  async close(reason: StreamError = new StreamError('system-shutdown')): Promise<void> {
    const closed = this.#listener?.close()
    for (const stream of [...this.#streams]) stream.fail(reason)
    const { promise, resolve } = Promise.withResolvers<void>()
    const cut = setTimeout(() => {
      for (const stream of this.#streams) stream.destroy()
    }, this.#options.timeouts.closeMs)
    this.#onStreamGone = () => {
      if (this.#streams.size === 0) resolve()
    }
    this.#onStreamGone()
    await promise
    clearTimeout(cut)
    await closed
  }

  /** XEP-0114 §3: which names are served, and that each is served once. */
  #secretOf(name: string): string {
    const secret = this.#options.secretOf(name)
    if (secret === undefined) throw new StreamError('host-unknown', 'no component of this name is known here')
    if (this.#options.isOwnDomain(name)) throw new StreamError('conflict', 'the server answers for this domain itself')
    if (this.#connected.has(name)) throw new StreamError('conflict', 'this component is connected already')
    return secret
  }

  #open(stream: ComponentStream, name: string): Component {
    const { limits, timeouts, log } = this.#options
    const component = new Component({
      name,
      stream,
      events: this.#options,
      trace: this.#options.traceOf?.(name),
      limits: { maxOutputBytes: limits.maxOutputBytes, slowReaderMs: timeouts.slowReaderMs },
      onEnded: () => {
        this.#connected.delete(name)
        this.#options.onEnded(component)
        log.info({ what: 'component_disconnected', component: name })
      },
    })
    this.#connected.set(name, component)
    log.info({ what: 'component_connected', component: name, address: stream.remoteAddress })
    return component
  }
}
