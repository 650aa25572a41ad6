/** Client connections as a whole: listeners, streams, sessions, put together and taken down. */

import type { AnonymousAccounts } from '../auth/anonymous.ts'
import type { ClientCertificates } from '../auth/certificates.ts'
import { ChannelBindings } from '../auth/channel-binding.ts'
import type { TokenBook } from '../auth/tokens.ts'
import type { Logger } from '../log.ts'
import { FlushTurn } from '../net/flush.ts'
import { TcpListener } from '../net/tcp.ts'
import { TlsAcceptor, type TlsMaterial } from '../net/tls.ts'
import type { Transport } from '../net/transport.ts'
import { type UpgradeSource, WebSocketListener } from '../net/websocket.ts'
import { RenewedMap } from '../renewed-map.ts'
import { StreamError } from '../stanza/errors.ts'
import type { Nonza, StreamContext, StreamHandle } from '../stream/context.ts'
import type { ExtraFeatures } from '../stream/features.ts'
import { type LoginIqParts, LoginIqs } from '../stream/login-iq.ts'
import {
  type Authenticator,
  DEFAULT_MECHANISMS,
  type Mechanism,
  type Throttle,
  UNTHROTTLED,
} from '../stream/mechanisms.ts'
import { Offers } from '../stream/offers.ts'
import { Stream } from '../stream/stream.ts'
import { NS_CLIENT, NS_CSI, NS_SM } from '../xml/namespaces.ts'
import { DEFAULT_LIMITS, type ParserLimits } from '../xml/parser.ts'
import { Addresses } from './addresses.ts'
import { ClientStates } from './client-state.ts'
import { inlineFeatures } from './inline.ts'
import { StreamManagement } from './management.ts'
import { SessionRegistry } from './registry.ts'
import { Session, type SessionEvents, type SessionLimits } from './session.ts'
import type { Trace } from './trace.ts'

export interface C2sLimits {
  /** Bytes of a stanza; also what a WebSocket message may hold. */
  readonly stanzaBytes: number
  /** The same before login. */
  readonly anonymousBytes: number
  /** Depth, attributes and names; its bytes are the two above. */
  readonly xml: ParserLimits
  /** Output waiting for one client at which it is dropped. */
  readonly maxOutputBytes: number
  /** Stanzas of one session that wait for the one being handled. */
  readonly queuedStanzas: number
  /** What one client may leave unacknowledged, in stanzas and in UTF-16 units. XEP-0198. */
  readonly unackedStanzas: number
  readonly unackedBytes: number
  /** Held back from a client that says it is inactive; 0: nothing is. XEP-0352. */
  readonly deferredStanzas: number
  /** TCP connections per listener. */
  readonly maxConnections: number
  /** Of one IPv4 address or IPv6 /64, on all listeners. */
  readonly connectionsPerAddress: number
  /** Of one session; 0: any number. */
  readonly stanzasPerSecond: number
  readonly bytesPerSecond: number
  /** Bound at a time by one account. */
  readonly resourcesPerAccount: number
  /** Failed logins that end a stream. */
  readonly loginAttempts: number
}

const DEFAULT_C2S_LIMITS: C2sLimits = {
  stanzaBytes: 262_144,
  anonymousBytes: 16_384,
  xml: DEFAULT_LIMITS,
  maxOutputBytes: 8_388_608,
  queuedStanzas: 64,
  unackedStanzas: 5_000,
  unackedBytes: 8_388_608,
  deferredStanzas: 500,
  maxConnections: 20_000,
  connectionsPerAddress: 20_000,
  stanzasPerSecond: 0,
  bytesPerSecond: 0,
  resourcesPerAccount: 20,
  loginAttempts: 4,
}

export interface C2sTimeouts {
  /** From the connection to a bound resource. */
  readonly authMs: number
  /** For the peer to close its side after us. */
  readonly closeMs: number
  /** That a client may leave output unread. */
  readonly slowReaderMs: number
  /** That a session waits for a client whose connection broke; 0: not at all. XEP-0198 §5. */
  readonly resumeMs: number
  /** Without any input from a client, before its stream is ended; 0: never. */
  readonly idleMs: number
  /** That a client may press against the limits on stanzas and bytes per second. */
  readonly overRateMs: number
}

const DEFAULT_C2S_TIMEOUTS: C2sTimeouts = {
  authMs: 30_000,
  closeMs: 5_000,
  slowReaderMs: 30_000,
  resumeMs: 300_000,
  idleMs: 600_000,
  overRateMs: 120_000,
}

export interface C2sListenerOptions {
  readonly port: number
  readonly host: string
  /** In order of preference; leaving PLAIN out is the one switch. */
  readonly mechanisms?: readonly Mechanism[]
  /** Sends new clients elsewhere. */
  readonly seeOther?: string | undefined
}

export interface C2sOptions extends SessionEvents {
  /** Logs the stanzas of an address; left out: of none. */
  readonly traceOf?: (address: string) => Trace | undefined
  readonly domain: string
  readonly isLocalDomain: (domain: string) => boolean
  readonly accounts: Authenticator
  /** Left out: who fails to log in is not slowed down. */
  readonly throttle?: Throttle
  /** Left out: no ANONYMOUS. */
  readonly anonymous?: AnonymousAccounts | undefined
  /** Left out: no EXTERNAL. */
  readonly certificates?: ClientCertificates | undefined
  /** Left out: no FAST. */
  readonly tokens?: TokenBook | undefined
  readonly tls: TlsMaterial
  /** `c2s` demands STARTTLS (5222), `tls` begins with it (5223); port 0 takes a free one. Left out: not listened on. */
  readonly listeners: {
    readonly c2s?: C2sListenerOptions
    readonly tls?: C2sListenerOptions
    /** Without TLS, for loopback labs. */
    readonly plaintext?: C2sListenerOptions
    readonly websocket?: Pick<C2sListenerOptions, 'mechanisms' | 'seeOther'> & {
      readonly server: UpgradeSource
      readonly path: string
    }
  }
  readonly limits?: Partial<C2sLimits>
  readonly timeouts?: Partial<C2sTimeouts>
  readonly extraFeatures?: ExtraFeatures
  /** Who answers an IQ of a client that has not logged in; left out: nobody. */
  readonly loginIq?: LoginIqParts['handlerOf']
  readonly log: Logger
}

/** Ports listened on; undefined where there is no such listener. */
export interface C2sPorts {
  readonly c2s: number | undefined
  readonly tls: number | undefined
  readonly plaintext: number | undefined
}

type Security = StreamContext['security']

/** A WebSocket message beyond the stanza's bound is refused by the stream, which can say so; far beyond, by ws. */
const PAYLOAD_SLACK = 65_536

export class C2s {
  readonly registry: SessionRegistry
  readonly #options: C2sOptions
  readonly #limits: C2sLimits
  readonly #timeouts: C2sTimeouts
  readonly #sessionLimits: SessionLimits
  readonly #tls: TlsAcceptor
  readonly #bindings: ChannelBindings
  readonly #management: StreamManagement
  readonly #clientStates: ClientStates
  readonly #nonzas: StreamContext['nonzas']
  readonly #addresses: Addresses
  readonly #turn = new FlushTurn()
  readonly #streams = new RenewedMap<StreamHandle, StreamHandle>()
  readonly #tcp: TcpListener[] = []
  #websocket: WebSocketListener | undefined
  #sessionCount = 0
  /** Set while closing: called when a stream has gone. */
  #onStreamGone: () => void = () => {}

  constructor(options: C2sOptions) {
    this.#options = options
    this.#limits = { ...DEFAULT_C2S_LIMITS, ...options.limits }
    this.#timeouts = { ...DEFAULT_C2S_TIMEOUTS, ...options.timeouts }
    this.#sessionLimits = { ...this.#limits, ...this.#timeouts }
    this.#tls = new TlsAcceptor(options.tls, this.#timeouts.authMs, options.log)
    this.#bindings = new ChannelBindings(certificatesOf(options.tls))
    this.registry = new SessionRegistry(this.#limits.resourcesPerAccount)
    this.#addresses = new Addresses(this.#limits.connectionsPerAddress)
    this.#management = new StreamManagement(this.#timeouts.resumeMs, options.log)
    this.#clientStates = new ClientStates(this.#limits.deferredStanzas)
    this.#nonzas = new Map<string, Nonza>([
      [NS_SM, this.#management],
      [NS_CSI, this.#clientStates],
      [NS_CLIENT, this.#loginIqs(options)],
    ])
  }

  /**
   * Opens the listeners; the WebSocket's server is listened on by whoever made it.
   * @throws Error of the listener that could not be opened; then none is
   */
  async listen(): Promise<C2sPorts> {
    try {
      return await this.#listenAll()
    } catch (error) {
      await this.close()
      throw error
    }
  }

  async #listenAll(): Promise<C2sPorts> {
    const { c2s, tls, plaintext, websocket } = this.#options.listeners
    const ports = {
      c2s: c2s && (await this.#listenTcp('starttls', c2s)),
      tls: tls && (await this.#listenTcp('direct', tls)),
      plaintext: plaintext && (await this.#listenTcp('none', plaintext)),
    }
    this.#tls.prepare()
    if (websocket) {
      const accept = this.#acceptor('none', websocket)
      const { server, path } = websocket
      const maxPayload = this.#limits.stanzaBytes + PAYLOAD_SLACK
      this.#websocket = new WebSocketListener({
        server,
        path,
        maxPayload,
        turn: this.#turn,
        accept,
        log: this.#options.log,
      })
    }
    return ports
  }

  /** New connections get this certificate. */
  reload(tls: TlsMaterial): void {
    this.#tls.reload(tls)
    this.#bindings.reload(certificatesOf(tls))
  }

  /** Accepts no more, tells every client, and resolves when they have gone; those that linger are cut off. */
  async close(reason: StreamError = new StreamError('system-shutdown')): Promise<void> {
    const listeners = this.#tcp.splice(0).map((listener) => listener.close())
    this.#websocket?.close()
    this.#websocket = undefined
    for (const stream of [...this.#streams.values()]) stream.fail(reason)
    for (const session of [...this.registry.all()]) if (session.isLost) session.end()
    await this.#allGone()
    await Promise.all(listeners)
  }

  #allGone(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const cut = setTimeout(() => {
      for (const stream of this.#streams.values()) stream.destroy()
    }, this.#timeouts.closeMs)
    this.#onStreamGone = () => {
      if (this.#streams.size > 0) return
      clearTimeout(cut)
      resolve()
    }
    this.#onStreamGone()
    return promise
  }

  async #listenTcp(security: Security, options: C2sListenerOptions): Promise<number> {
    const listener = new TcpListener({
      host: options.host,
      port: options.port,
      security,
      maxConnections: this.#limits.maxConnections,
      tls: this.#tls,
      turn: this.#turn,
      accept: this.#acceptor(security, options),
      log: this.#options.log,
    })
    const taken = await listener.listen()
    this.#tcp.push(listener)
    return taken
  }

  #acceptor(
    security: Security,
    { mechanisms = DEFAULT_MECHANISMS, seeOther }: Pick<C2sListenerOptions, 'mechanisms' | 'seeOther'>,
  ): (transport: Transport) => void {
    const { domain, isLocalDomain, accounts, extraFeatures, log } = this.#options
    const inline = inlineFeatures(this.#management, this.#clientStates)
    const context: StreamContext = {
      domain,
      isLocalDomain,
      security,
      offers: new Offers({
        mechanisms,
        inline,
        hasTokens: this.#options.tokens !== undefined,
        upgrades: accounts.upgrades,
      }),
      authenticator: accounts,
      throttle: this.#options.throttle ?? UNTHROTTLED,
      extraFeatures: (stage) =>
        [this.#management.feature(stage), this.#clientStates.feature(stage), ...(extraFeatures?.(stage) ?? [])].filter(
          (each) => each !== undefined,
        ),
      inline,
      tokens: this.#options.tokens,
      certificates: this.#options.certificates,
      bindings: this.#bindings,
      anonymous: this.#options.anonymous,
      nonzas: this.#nonzas,
      seeOther,
      limits: {
        anonymous: { ...this.#limits.xml, maxStanzaBytes: this.#limits.anonymousBytes },
        authenticated: { ...this.#limits.xml, maxStanzaBytes: this.#limits.stanzaBytes },
        loginAttempts: this.#limits.loginAttempts,
        rate: { ...this.#limits, overRateMs: this.#timeouts.overRateMs },
      },
      timeouts: this.#timeouts,
      bind: (stream, account, resource) => this.#bind(stream, account, resource),
      onClosed: (stream) => {
        this.#streams.delete(stream)
        this.#addresses.leave(stream.remoteAddress)
        this.#onStreamGone()
      },
      log,
    }
    return (transport) => {
      const stream = new Stream(transport, context)
      this.#streams.set(stream, stream)
      if (this.#addresses.enter(transport.remoteAddress)) return
      log.warn({ what: 'too_many_connections', address: transport.remoteAddress })
      stream.fail(new StreamError('resource-constraint', 'too many connections from this address'))
    }
  }

  #loginIqs({ isLocalDomain, loginIq, log }: C2sOptions): LoginIqs {
    return new LoginIqs({
      isLocalDomain: (name) => name === '' || isLocalDomain(name),
      handlerOf: loginIq ?? (() => undefined),
      log,
    })
  }

  readonly #remove = (ended: Session): void => {
    this.registry.remove(ended)
    this.#management.forget(ended)
  }

  #bind: StreamContext['bind'] = (stream, account, resource) => {
    const fullJid = this.registry.claim(account, resource)
    const session = new Session({
      id: `c2s-${++this.#sessionCount}`,
      domain: this.#options.domain,
      fullJid,
      stream,
      events: this.#options,
      limits: this.#sessionLimits,
      remove: this.#remove,
      log: this.#options.log,
      trace: this.#options.traceOf?.(fullJid.full),
    })
    this.registry.add(session)
    return session
  }
}

/** All that a connection may be shown, here or over HTTPS. */
function certificatesOf({ cert, others = [] }: TlsMaterial): readonly string[] {
  return [cert, ...others.map((other) => other.cert)]
}

export function createC2s(options: C2sOptions): C2s {
  return new C2s(options)
}
