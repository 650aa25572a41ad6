/**
 * The XML stream over a socket, seen from the client: headers, one element at a time while negotiating, then a flow of
 * stanzas. RFC 6120 §4.
 *
 * While negotiating the parser stops after each element, so that nothing is read before it is known what comes next:
 * after `<proceed/>` anything left in the clear is an injection.
 */

import type { Socket } from 'node:net'
import { type StreamCondition, StreamError } from '../../server/stanza/errors.ts'
import { attr, childElements, type Element, isElement, textOf } from '../../server/xml/element.ts'
import { NS_CLIENT, NS_STREAM, NS_STREAMS } from '../../server/xml/namespaces.ts'
import { DEFAULT_LIMITS as PARSER_LIMITS, StreamParser } from '../../server/xml/parser.ts'
import { escapeAttribute, serialize } from '../../server/xml/serialize.ts'
import { OfflineError } from './iq.ts'

export interface XmlStreamLimits {
  readonly maxStanzaBytes: number
  readonly maxUnsentBytes: number
}

/** For the server to close its side after us. */
const CLOSE_MS = 2_000

export class XmlStream {
  readonly #domain: string
  readonly #limits: XmlStreamLimits
  readonly #closed = Promise.withResolvers<Error | undefined>()
  #socket: Socket
  #parser: StreamParser
  #waiter: PromiseWithResolvers<Element> | undefined
  #deliver: ((stanza: Element) => void) | undefined
  #isEnded = false
  #isClosing = false
  lastReceived = Date.now()
  /** Of all that the server sent; undefined: nothing yet. */
  firstByte: number | undefined

  constructor(socket: Socket, domain: string, limits: XmlStreamLimits) {
    this.#domain = domain
    this.#limits = limits
    this.#socket = socket
    this.#parser = this.#newParser()
    this.#attach()
  }

  /** Settles when the stream has ended: with the error that ended it, or undefined when it was closed in order. */
  get closed(): Promise<Error | undefined> {
    return this.#closed.promise
  }

  /**
   * Opens the stream, at first and after each restart, and waits for the features.
   * @param from  our bare JID, to be told under TLS only (RFC 6120 §4.7.1)
   */
  async open(from?: string): Promise<Element> {
    this.#parser = this.#newParser()
    const sender = from === undefined ? '' : ` from="${escapeAttribute(from)}"`
    this.#write(
      `<?xml version='1.0'?><stream:stream xmlns="${NS_CLIENT}" xmlns:stream="${NS_STREAM}" version="1.0"` +
        ` to="${escapeAttribute(this.#domain)}"${sender} xml:lang="en">`,
    )
    const features = await this.next()
    if (!isElement(features, 'features', NS_STREAM)) {
      throw new StreamError('unsupported-version', 'the server offers no stream features')
    }
    return features
  }

  /** The next element, while negotiating. @throws StreamError, OfflineError, the socket's error */
  next(): Promise<Element> {
    if (this.#isEnded) return Promise.reject(new OfflineError('the stream has ended'))
    const waiter = Promise.withResolvers<Element>()
    this.#waiter = waiter
    this.#guard(() => this.#parser.resume())
    return waiter.promise
  }

  /** From now on every stanza is handed to `deliver`. */
  flow(deliver: (stanza: Element) => void): void {
    this.#deliver = deliver
    this.#guard(() => this.#parser.resume())
  }

  /** True when the server sent more than it should before TLS. RFC 6120 §5.4.3.3. */
  hasRest(): boolean {
    return this.#parser.hasRest()
  }

  /** The socket, for TLS; the stream goes on over what `reattach` gives. */
  detach(): Socket {
    this.#socket.removeAllListeners()
    return this.#socket
  }

  reattach(socket: Socket): void {
    this.#socket = socket
    this.#attach()
  }

  /** @throws OfflineError when the stream has ended; SerializeError for what has no XML form, which is not sent */
  send(element: Element): void {
    if (this.#isEnded || this.#isClosing) throw new OfflineError('the stream has ended')
    const text = serialize(element)
    this.#write(text)
    if (this.#socket.writableLength > this.#limits.maxUnsentBytes) {
      this.destroy(new OfflineError('the server does not read'))
    }
  }

  /** Says goodbye and waits, not for long, for the server to do the same. RFC 6120 §4.4. */
  async close(): Promise<void> {
    if (!this.#isEnded && !this.#isClosing) {
      this.#isClosing = true
      this.#write('</stream:stream>')
      const timer = setTimeout(() => this.destroy(undefined), CLOSE_MS)
      await this.#closed.promise
      clearTimeout(timer)
    }
    await this.#closed.promise
  }

  /** Ends the connection without a word. */
  destroy(error: Error | undefined): void {
    this.#end(error)
  }

  #attach(): void {
    this.#socket.on('data', (chunk: Buffer) => {
      this.lastReceived = Date.now()
      this.firstByte ??= chunk[0]
      this.#guard(() => this.#parser.write(chunk))
    })
    this.#socket.once('error', (error) => this.#end(error))
    this.#socket.once('close', () => this.#end(new OfflineError('the connection was lost')))
  }

  #newParser(): StreamParser {
    const limits = { ...PARSER_LIMITS, maxStanzaBytes: this.#limits.maxStanzaBytes }
    return new StreamParser(limits, {
      onOpen: (root) => {
        // RFC 6120 §4.8.1, §4.7.5: anything else is not XMPP 1.0.
        if (!isElement(root, 'stream', NS_STREAM)) throw new StreamError('invalid-namespace', 'this is no XMPP server')
        if (!/^0*1\.[0-9]+$/.test(attr(root, 'version') ?? '')) throw new StreamError('unsupported-version')
      },
      onElement: (element) => {
        if (isElement(element, 'error', NS_STREAM)) throw parseStreamError(element)
        if (this.#deliver) {
          this.#deliver(element)
          return
        }
        this.#parser.pause()
        const waiter = this.#waiter
        this.#waiter = undefined
        waiter?.resolve(element)
      },
      onClose: () => {
        if (!this.#isClosing) this.#write('</stream:stream>')
        this.#end(this.#isClosing ? undefined : new OfflineError('the server closed the stream'))
      },
    })
  }

  /** Whatever is wrong with the server's stream ends it. */
  #guard(read: () => void): void {
    try {
      read()
    } catch (error) {
      this.#end(error instanceof Error ? error : new Error(String(error)))
    }
  }

  #write(text: string): void {
    if (!this.#isEnded) this.#socket.write(text)
  }

  #end(error: Error | undefined): void {
    if (this.#isEnded) return
    this.#isEnded = true
    this.#waiter?.reject(error ?? new OfflineError('the stream has ended'))
    this.#waiter = undefined
    // Errors of a socket that is being thrown away interest nobody.
    this.#socket.on('error', () => undefined)
    if (error instanceof OfflineError || error === undefined) this.#socket.end()
    // Half-open otherwise for as long as the other side likes.
    setTimeout(() => this.#socket.destroy(), error === undefined ? 100 : 0)
    this.#closed.resolve(error)
  }
}

/** RFC 6120 §4.9.2. */
function parseStreamError(element: Element): StreamError {
  const parts = childElements(element).filter((part) => part.getNS() === NS_STREAMS)
  const condition = parts.find((part) => part.getName() !== 'text')
  const text = parts.find((part) => part.getName() === 'text')
  // The condition is the server's word; an unknown one is passed on as it stands.
  return new StreamError((condition?.getName() ?? 'undefined-condition') as StreamCondition, text ? textOf(text) : '')
}
