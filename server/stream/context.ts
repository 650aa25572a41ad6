/** What a stream is given, what it gives its session, and what it asks of it. */

import type { AnonymousAccounts } from '../auth/anonymous.ts'
import type { ClientCertificates } from '../auth/certificates.ts'
import type { ChannelBindings } from '../auth/channel-binding.ts'
import type { TokenBook } from '../auth/tokens.ts'
import type { Logger } from '../log.ts'
import type { StreamError } from '../stanza/errors.ts'
import type { Jid } from '../stanza/jid.ts'
import type { Element } from '../xml/element.ts'
import type { ParserLimits } from '../xml/parser.ts'
import type { Inline } from './bind2.ts'
import type { ExtraFeatures, Stage } from './features.ts'
import type { Authenticator, Throttle } from './mechanisms.ts'
import type { Offers } from './offers.ts'
import type { RateLimits } from './rate.ts'

/** What all streams of one listener share. */
export interface StreamContext {
  readonly domain: string
  readonly isLocalDomain: (domain: string) => boolean
  /** `starttls` demands it first; `direct` has TLS before the stream; `none` has what the transport brings. */
  readonly security: 'starttls' | 'direct' | 'none'
  readonly offers: Offers
  readonly authenticator: Authenticator
  readonly throttle: Throttle
  readonly extraFeatures: ExtraFeatures
  /** Where new clients are sent instead: a host and port, or a WebSocket's URI. RFC 6120 §4.9.3.19, RFC 7395 §3.6.1. */
  readonly seeOther?: string | undefined
  readonly bindings: ChannelBindings
  /** Left out: no ANONYMOUS. */
  readonly anonymous?: AnonymousAccounts | undefined
  /** Left out: no EXTERNAL. */
  readonly certificates?: ClientCertificates | undefined
  /** What can be negotiated inside a SASL2 login. */
  readonly inline: Inline
  /** Left out: no FAST. */
  readonly tokens?: TokenBook | undefined
  /** Who takes first-level elements that are no stanzas, by their namespace. */
  readonly nonzas: ReadonlyMap<string, Nonza>
  readonly limits: {
    /** Until login. */
    readonly anonymous: ParserLimits
    readonly authenticated: ParserLimits
    /** Failed logins that end the stream. RFC 6120 §6.4.5: 2 to 5 retries. */
    readonly loginAttempts: number
    /** Of one bound session; left out: none. */
    readonly rate?: RateLimits
  }
  readonly timeouts: {
    /** From the connection to a bound resource. */
    readonly authMs: number
    /** For the peer to close its side after us. */
    readonly closeMs: number
  }
  /**
   * Gives the stream its session; the caller answers the client, then calls `start`.
   * @param resource  as the client asked; undefined: the server chooses
   * @throws StanzaError which answers the request
   */
  readonly bind: (stream: StreamHandle, account: Jid, resource: string | undefined) => StreamUser
  readonly onClosed: (stream: StreamHandle) => void
  readonly log: Logger
}

/**
 * How a stream ended for its session. `closed`: one side said so, and meant it. `lost`: the connection broke, or the
 * client did not answer any more; a session may outlive that. XEP-0198 §6.
 */
export type StreamEnd = 'closed' | 'lost'

/** What uses a bound stream: the session. */
export interface StreamUser {
  readonly fullJid: Jid
  /** The client knows that it is bound, or bound again. */
  start(): void
  /** @throws StreamError which closes the stream */
  receive(stanza: Element): void
  /** The client closed the stream: works off what came before, then calls `done`. */
  finish(done: () => void): void
  /** The stream took output. */
  onDrain(): void
  /** The stream has ended, or will send nothing more. Called once by each stream. */
  onEnded(how: StreamEnd): void
}

/**
 * Takes the first-level elements of one namespace that are no stanzas, at every stage of a stream: it is for the nonza
 * to refuse what comes too early or too late.
 */
export interface Nonza {
  /**
   * @returns false: no such element; the stream ends with unsupported-stanza-type
   * @throws StreamError which closes the stream
   */
  take(stream: NonzaStream, element: Element): boolean
}

/** The stream as its session sees it. */
export interface StreamHandle {
  readonly kind: 'tcp' | 'websocket'
  readonly remoteAddress: string
  /** Output the client has not taken yet, in UTF-16 units. */
  readonly outputBytes: number
  /** Milliseconds since anything came from the client; 0 while its input is held back. */
  readonly quietMs: number
  /** The default language of the client's stanzas. RFC 6120 §4.7.4. */
  readonly lang: string | undefined
  /** Sends a stanza, written without xmlns; nothing once the stream has ended. */
  send(xml: string): void
  /** Sends a first-level element that is no stanza and declares its own namespace; nothing once the stream has ended. */
  sendNonza(xml: string): void
  /** Stops taking input for one of the HOLD reasons. */
  hold(reason: number): void
  release(reason: number): void
  /** Closes the stream with an error; the first one only. RFC 6120 §4.9.1.1. */
  fail(error: StreamError): void
  /** Fails, and its session is not told: it goes on with another stream. */
  supersede(error: StreamError): void
  /** Ends the connection without a word. */
  destroy(): void
}

/** The stream as what takes nonzas sees it. */
export interface NonzaStream extends StreamHandle {
  readonly stage: Stage | 'bound'
  /** Whose stream it is, once logged in. */
  readonly account: Jid | undefined
  /** The session, once bound. */
  readonly user: StreamUser | undefined
  /** Answers with a first-level element, at any stage. */
  reply(element: Element): void
  /** The stream is bound to a session that exists already, and starts it. */
  adopt(user: StreamUser): void
}

/** Why input is held back; several reasons may hold at once. */
export const HOLD_LOGIN = 1
export const HOLD_QUEUE = 2
export const HOLD_OUTPUT = 4
export const HOLD_RATE = 8
