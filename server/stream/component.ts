/**
 * The stream of an external component: a header that names it, a handshake that proves a shared secret, then stanzas
 * both ways. XEP-0114 §3, with the streams of RFC 6120 §4.
 *
 *   wait-open ──▶ handshake ──▶ open
 *   any ──▶ closing ──▶ closed          one stream error at most, then the closing tag
 *
 * The content namespace on the wire is jabber:component:accept; the house knows jabber:client only, so elements are
 * moved there as they come, and what is written without xmlns fits both.
 */

import { createHash, timingSafeEqual } from 'node:crypto'
import type { Logger } from '../log.ts'
import type { Transport, TransportHandler } from '../net/transport.ts'
import { StreamError } from '../stanza/errors.ts'
import { tryParseJid } from '../stanza/jid.ts'
import { stanzaName } from '../stanza/stanza.ts'
import { attr, childElements, type Element, el, isElement, textOf } from '../xml/element.ts'
import { NS_CLIENT, NS_COMPONENT, NS_STREAM } from '../xml/namespaces.ts'
import type { ParserLimits } from '../xml/parser.ts'
import { escapeAttribute, serialize } from '../xml/serialize.ts'
import { HOLD_RATE, type StreamHandle } from './context.ts'
import { tcpFraming } from './framing.ts'
import { checkStreamName, headerAttributes, languageOf, streamId } from './header.ts'
import { Input } from './input.ts'
import { Rate, type RateLimits } from './rate.ts'
import type { ReaderEvents } from './reader.ts'
import { streamError } from './refusal.ts'

type State = 'wait-open' | 'handshake' | 'open' | 'closing' | 'closed'

/** What uses an open stream: the component as the router knows it. */
export interface ComponentUser {
  /** A stanza with both addresses stated. A promise holds the next one back. @throws StreamError */
  receive(stanza: Element): void | Promise<void>
  onDrain(): void
  /** The stream has ended, or will send nothing more. Called once. */
  onEnded(): void
}

/** What all component streams share. */
export interface ComponentContext {
  /** The server's own domain, which answers a header that names no component. */
  readonly domain: string
  /**
   * The secret of a component that may connect now.
   * @throws StreamError host-unknown, conflict
   */
  readonly secretOf: (name: string) => string
  /** The handshake held. @throws StreamError conflict, host-unknown */
  readonly open: (stream: ComponentStream, name: string) => ComponentUser
  readonly onClosed: (stream: ComponentStream) => void
  readonly limits: {
    /** Until the handshake. */
    readonly anonymous: ParserLimits
    readonly authenticated: ParserLimits
    /** After the handshake. */
    readonly rate: RateLimits
  }
  readonly timeouts: {
    /** From the connection to the handshake. */
    readonly authMs: number
    /** For the peer to close its side after us. */
    readonly closeMs: number
  }
  readonly log: Logger
}

/** A stanza of this component is being handled: the one reason of this stream itself to hold input back. */
const HOLD_BUSY = 1 << 8

export class ComponentStream
  implements TransportHandler, ReaderEvents, Pick<StreamHandle, 'send' | 'hold' | 'release'>
{
  readonly #context: ComponentContext
  readonly #transport: Transport
  readonly #input: Input
  readonly #id = streamId()
  #state: State = 'wait-open'
  #isHeaderSent = false
  #name = ''
  #lang: string | undefined
  #user: ComponentUser | undefined
  #rate: Rate | undefined
  #rateTimer: NodeJS.Timeout | undefined
  /** The handshake's deadline, then the closing one's. */
  #timer: NodeJS.Timeout

  constructor(transport: Transport, context: ComponentContext) {
    this.#context = context
    this.#transport = transport
    this.#input = new Input(transport, this, context.limits.anonymous, (error) => this.#onError(error))
    this.#timer = setTimeout(
      () => this.fail(new StreamError('connection-timeout', 'no handshake in time')),
      context.timeouts.authMs,
    )
    transport.attach(this)
  }

  get remoteAddress(): string {
    return this.#transport.remoteAddress
  }

  get outputBytes(): number {
    return this.#transport.outputBytes
  }

  /** Sends a stanza written without xmlns; nothing once the stream has ended. */
  send(xml: string): void {
    if (this.#state === 'open') this.#transport.write(xml)
  }

  hold(reason: number): void {
    this.#input.hold(reason)
  }

  release(reason: number): void {
    this.#input.release(reason)
  }

  /** Closes the stream with an error; the first one only. RFC 6120 §4.9.1.1. */
  fail(error: StreamError): void {
    if (this.#state === 'closing' || this.#state === 'closed') return
    const { log } = this.#context
    log.info({ what: 'stream_error', stream: this.#id, condition: error.condition, text: error.message })
    // RFC 6120 §4.9.1.2, XEP-0114 §3: an error about the header follows a header all the same.
    this.#sendHeader()
    this.#transport.write(tcpFraming.error(error))
    this.#close()
  }

  destroy(): void {
    this.#transport.destroy()
  }

  // --- transport ---

  onData(chunk: Buffer): void {
    try {
      this.#spend(0, chunk.length)
    } catch (error) {
      this.#onError(error)
      return
    }
    this.#input.write(chunk)
  }

  onSecure(): void {} // XEP-0114 has no TLS

  onDrain(): void {
    this.#user?.onDrain()
  }

  onClosed(cause: Error | undefined): void {
    this.#context.log.debug({ what: 'connection_closed', stream: this.#id, cause: cause?.message })
    this.#state = 'closed'
    this.#input.close()
    clearTimeout(this.#timer)
    clearTimeout(this.#rateTimer)
    this.#endUser()
    this.#context.onClosed(this)
  }

  // --- reader ---

  onOpen(root: Element): void {
    this.#guard(() => {
      if (this.#state !== 'wait-open') return
      checkStreamName(root, NS_COMPONENT)
      const header = headerAttributes(root)
      const to = tryParseJid(header.to ?? '')
      if (to?.local !== '' || to.resource !== '') {
        throw new StreamError('improper-addressing', "'to' is the component's domain")
      }
      this.#name = to.domain
      this.#lang = languageOf(header)
      this.#context.secretOf(to.domain)
      this.#sendHeader()
      this.#state = 'handshake'
    })
  }

  onElement(element: Element): void {
    this.#guard(() => {
      if (this.#state === 'handshake') this.#onHandshake(element)
      else if (this.#state === 'open') {
        this.#spend(1, 0)
        this.#onStanza(element)
      }
    })
  }

  onClose(): void {
    if (this.#state === 'closing') this.#transport.end(this.#context.timeouts.closeMs)
    else if (this.#state !== 'closed') this.#close()
  }

  // --- steps ---

  #onHandshake(element: Element): void {
    if (!isElement(element, 'handshake', NS_COMPONENT)) throw new StreamError('not-authorized')
    const expected = handshake(this.#id, this.#context.secretOf(this.#name))
    if (!isSameDigest(textOf(element).trim(), expected)) {
      this.#context.log.warn({ what: 'component_refused', component: this.#name, address: this.remoteAddress })
      throw new StreamError('not-authorized', 'the handshake does not match')
    }
    const user = this.#context.open(this, this.#name)
    clearTimeout(this.#timer)
    this.#user = user
    this.#state = 'open'
    this.#input.setLimits(this.#context.limits.authenticated)
    this.#rate = new Rate(this.#context.limits.rate)
    this.#transport.write(serialize(el('handshake', { xmlns: NS_COMPONENT }), NS_COMPONENT))
  }

  #onStanza(element: Element): void {
    const ns = element.getNS() ?? ''
    if (ns === NS_STREAM && element.getName() === 'error') {
      this.#close() // RFC 6120 §4.9.1.1
      return
    }
    if (stanzaName(element) === undefined) throw new StreamError('unsupported-stanza-type')
    // slixmpp and others can be told to use jabber:client here; RFC 6120 §4.8.3 forbids anything else.
    if (ns !== NS_COMPONENT && ns !== NS_CLIENT) throw new StreamError('invalid-namespace')
    if (element.name.includes(':')) throw new StreamError('bad-namespace-prefix')
    toClientNamespace(element)
    element.attrs['xmlns'] = NS_CLIENT
    if (this.#lang !== undefined && attr(element, 'xml:lang') === undefined) element.attrs['xml:lang'] = this.#lang
    const pending = this.#user?.receive(element)
    if (!pending) return
    this.hold(HOLD_BUSY)
    void pending.catch((error: unknown) => this.#onError(error)).finally(() => this.release(HOLD_BUSY))
  }

  #sendHeader(): void {
    if (this.#isHeaderSent) return
    this.#isHeaderSent = true
    const from = escapeAttribute(this.#name || this.#context.domain)
    this.#transport.write(
      `<?xml version='1.0'?><stream:stream xmlns="${NS_COMPONENT}" xmlns:stream="${NS_STREAM}" from="${from}" id="${this.#id}">`,
    )
  }

  #close(): void {
    this.#transport.write(tcpFraming.close)
    this.#state = 'closing'
    clearTimeout(this.#timer)
    this.#transport.end(this.#context.timeouts.closeMs)
    this.#endUser()
  }

  #endUser(): void {
    const user = this.#user
    this.#user = undefined
    user?.onEnded()
  }

  /** Stops reading for as long as the component was too fast. @throws StreamError policy-violation */
  #spend(stanzas: number, bytes: number): void {
    const waitMs = this.#rate?.spend(stanzas, bytes) ?? 0
    if (waitMs === 0 || this.#input.isHeldFor(HOLD_RATE)) return
    this.hold(HOLD_RATE)
    this.#rateTimer = setTimeout(() => this.release(HOLD_RATE), waitMs)
  }

  #guard(run: () => void): void {
    try {
      run()
    } catch (error) {
      this.#onError(error)
    }
  }

  #onError(error: unknown): void {
    this.fail(streamError(error, this.#context.log))
  }
}

/** SHA-1 of stream id and secret, in lower-case hexadecimal. XEP-0114 §3. */
export function handshake(streamId: string, secret: string): string {
  return createHash('sha1').update(`${streamId}${secret}`).digest('hex')
}

/** In constant time for texts of the digest's length; any other length tells nothing. */
function isSameDigest(given: string, expected: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(expected)]
  return a.length === b.length && timingSafeEqual(a, b)
}

/** The explicit declarations inside; what inherits follows its stanza. Depth is bounded by the parser. */
function toClientNamespace(element: Element): void {
  for (const child of childElements(element)) {
    if (attr(child, 'xmlns') === NS_COMPONENT) child.attrs['xmlns'] = NS_CLIENT
    toClientNamespace(child)
  }
}
