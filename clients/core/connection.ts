/** From nothing to a bound resource: TCP, TLS, SASL, bind, in this order and no other. RFC 6120 §5 to §7. */

import type { TLSSocket } from 'node:tls'
import { type SaslCondition, SaslError, StanzaError, StreamError } from '../../server/stanza/errors.ts'
import { type Jid, makeJid, parseJid } from '../../server/stanza/jid.ts'
import { opaqueString } from '../../server/stanza/precis.ts'
import {
  attr,
  childElements,
  childOf,
  childrenOf,
  type Element,
  el,
  isElement,
  textOf,
} from '../../server/xml/element.ts'
import { NS_BIND, NS_CLIENT, NS_SASL, NS_SESSION, NS_TLS } from '../../server/xml/namespaces.ts'
import { resolveAddress } from './address.ts'
import type { ClientLimits, ClientOptions } from './options.ts'
import { type ChannelBinding, startSasl } from './sasl.ts'
import { openTcp, secure } from './socket.ts'
import { WrongSecurityError, withoutTls, withTls } from './wrong-security.ts'
import { XmlStream } from './xml-stream.ts'

export { isCertificateError } from './socket.ts'

const NS_LIMITS = 'urn:xmpp:stream-limits:0' // XEP-0478
const NS_CHANNEL_BINDING = 'urn:xmpp:sasl-cb:0' // XEP-0440
/** SACM-XMPP §3, where the server does not advertise one. */
export const DEFAULT_MAX_STANZA_BYTES = 262_144
const DEFAULT_RESOURCE = 'sacm'
const MAX_CHALLENGES = 8

/** A stream bound to a resource. */
export interface Connection {
  readonly jid: Jid
  /** The largest stanza that the server takes. */
  readonly maxStanzaBytes: number
  /** `TLSv1.3`. */
  readonly protocol: string
  readonly mechanism: string
  /** UTC milliseconds of the last sign of life. */
  readonly lastReceived: number
  /** Settles with what ended the connection; undefined when we closed it. */
  readonly closed: Promise<Error | undefined>
  /** @throws OfflineError */
  send(stanza: Element): void
  close(): Promise<void>
  destroy(error: Error): void
}

/**
 * Connects, tries each address of the domain in turn, and negotiates.
 * @param deliver  gets every stanza after the bind
 * @throws SaslError, StreamError, StanzaError (bind refused), WrongSecurityError, a certificate error, the network's
 *         error, or the signal's reason
 */
export async function connect(
  options: ClientOptions,
  limits: ClientLimits,
  deliver: (stanza: Element) => void,
  closing: AbortSignal,
): Promise<Connection> {
  const timeout = AbortSignal.timeout(limits.connectTimeoutMs)
  const signal = AbortSignal.any([closing, timeout])
  const jid = parseJid(options.jid)
  if (jid.local === '') throw new Error(`${options.jid} names no account`)
  const addresses = await resolveAddress(jid.domain, options)
  let failure: unknown
  for (const address of addresses) {
    try {
      const socket = await openTcp(address, signal)
      return await new Negotiation(options, jid, limits, signal).run(socket, deliver)
    } catch (error) {
      failure = timeout.aborted
        ? new Error(`no connection within ${limits.connectTimeoutMs} ms`, { cause: error })
        : error
      // Only an address that does not answer says nothing about the next one.
      if (signal.aborted || !(isNetworkError(error) || isReset(error))) break
    }
  }
  throw failure
}

class Negotiation {
  readonly #options: ClientOptions
  readonly #jid: Jid
  readonly #limits: ClientLimits
  readonly #signal: AbortSignal

  constructor(options: ClientOptions, jid: Jid, limits: ClientLimits, signal: AbortSignal) {
    this.#options = options
    this.#jid = jid
    this.#limits = limits
    this.#signal = signal
  }

  async run(tcp: Awaited<ReturnType<typeof openTcp>>, deliver: (stanza: Element) => void): Promise<Connection> {
    const identity = { domain: this.#jid.domain, ca: this.#options.ca }
    const isDirect = this.#options.security === 'tls'
    let socket: TLSSocket | undefined
    if (isDirect) {
      socket = await secure(tcp, identity, this.#signal, ['xmpp-client']).catch((error: unknown) => {
        throw withTls(error)
      })
    }
    const stream = new XmlStream(socket ?? tcp, this.#jid.domain, this.#limits)
    const onAbort = () => stream.destroy(abortReason(this.#signal))
    this.#signal.addEventListener('abort', onAbort, { once: true })
    try {
      if (!socket) {
        await this.#askForTls(stream)
        socket = await secure(stream.detach(), identity, this.#signal)
        stream.reattach(socket)
      }
      const mechanism = await this.#login(stream, socket)
      const { jid, maxStanzaBytes } = await this.#bind(stream)
      stream.flow(deliver)
      return connectionOf(stream, { jid, maxStanzaBytes, mechanism, protocol: socket.getProtocol() ?? 'TLS' })
    } catch (error) {
      stream.destroy(error instanceof Error ? error : new Error(String(error)))
      throw error
    } finally {
      this.#signal.removeEventListener('abort', onAbort)
    }
  }

  /** RFC 6120 §5.4. There is no way on without TLS, whatever the server offers: an offer in the clear can be altered. */
  async #askForTls(stream: XmlStream): Promise<void> {
    const features = await stream.open().catch((error: unknown) => {
      throw this.#signal.aborted ? error : withoutTls(error, stream.firstByte)
    })
    if (!childOf(features, 'starttls', NS_TLS)) {
      throw new StreamError('unsupported-feature', 'the server offers no STARTTLS')
    }
    stream.send(el('starttls', { xmlns: NS_TLS }))
    const answer = await stream.next()
    if (!isElement(answer, 'proceed', NS_TLS))
      throw new StreamError('unsupported-feature', 'the server refuses STARTTLS')
    // RFC 6120 §5.4.3.3: what stands in the clear behind <proceed/> was put there by someone else.
    if (stream.hasRest()) throw new StreamError('policy-violation', 'data in the clear after <proceed/>')
  }

  /** @returns the mechanism's name. RFC 6120 §6.4. */
  async #login(stream: XmlStream, socket: TLSSocket): Promise<string> {
    const features = await stream.open(this.#jid.bare)
    const list = childOf(features, 'mechanisms', NS_SASL)
    const offered = list ? childrenOf(list, 'mechanism', NS_SASL).map((each) => textOf(each).trim()) : []
    const password = opaqueString(this.#options.password)
    if (!password) throw new SaslError('not-authorized', 'the password holds characters that no password may hold')
    const sasl = startSasl(offered, { username: this.#jid.local, password }, channelBinding(socket, features), {
      allowPlain: this.#options.allowPlain ?? false,
    })
    stream.send(el('auth', { xmlns: NS_SASL, mechanism: sasl.mechanism }, encode(sasl.initial()) || '='))
    for (let challenges = 0; challenges <= MAX_CHALLENGES; challenges++) {
      const answer = await stream.next()
      if (answer.getNS() !== NS_SASL) break
      if (answer.getName() === 'success') {
        sasl.finish(decode(answer))
        return sasl.mechanism
      }
      if (answer.getName() === 'failure') throw parseFailure(answer)
      if (answer.getName() !== 'challenge') break
      stream.send(el('response', { xmlns: NS_SASL }, encode(await sasl.respond(decode(answer))) || undefined))
    }
    throw new SaslError('malformed-request', 'the server does not follow SASL')
  }

  /** RFC 6120 §7.6; a session (RFC 3921 §3) only where the server insists. */
  async #bind(stream: XmlStream): Promise<{ jid: Jid; maxStanzaBytes: number }> {
    const features = await stream.open(this.#jid.bare)
    const resource = this.#jid.resource || DEFAULT_RESOURCE
    const bound = await this.#ask(stream, 'bind', el('bind', { xmlns: NS_BIND }, el('resource', {}, resource)))
    const text = bound && childOf(bound, 'jid', NS_BIND)
    const jid = text ? parseJid(textOf(text)) : makeJid(this.#jid.local, this.#jid.domain, resource)
    const session = childOf(features, 'session', NS_SESSION)
    if (session && !childOf(session, 'optional', NS_SESSION)) {
      await this.#ask(stream, 'session', el('session', { xmlns: NS_SESSION }))
    }
    return { jid, maxStanzaBytes: maxStanzaBytesOf(features) }
  }

  /** The payload of the answer. @throws StanzaError */
  async #ask(stream: XmlStream, id: string, payload: Element): Promise<Element | undefined> {
    stream.send(el('iq', { xmlns: NS_CLIENT, type: 'set', id }, payload))
    const answer = await stream.next()
    if (!isElement(answer, 'iq', NS_CLIENT) || attr(answer, 'id') !== id) {
      throw new StreamError('undefined-condition', `the server does not answer the ${id} request`)
    }
    if (attr(answer, 'type') === 'error') throw StanzaError.fromElement(childOf(answer, 'error', NS_CLIENT))
    return childElements(answer)[0]
  }
}

function connectionOf(
  stream: XmlStream,
  facts: Pick<Connection, 'jid' | 'maxStanzaBytes' | 'mechanism' | 'protocol'>,
): Connection {
  return {
    ...facts,
    get lastReceived() {
      return stream.lastReceived
    },
    closed: stream.closed,
    send: (stanza) => stream.send(stanza),
    close: () => stream.close(),
    destroy: (error) => stream.destroy(error),
  }
}

/** RFC 9266: with TLS 1.3 the exporter is unique; before, it is so only with the extended master secret, unseen here. */
function channelBinding(socket: TLSSocket, features: Element): ChannelBinding | undefined {
  if (socket.getProtocol() !== 'TLSv1.3') return undefined
  const list = childOf(features, 'sasl-channel-binding', NS_CHANNEL_BINDING)
  const types = list && childrenOf(list, 'channel-binding', NS_CHANNEL_BINDING).map((each) => attr(each, 'type'))
  if (types && !types.includes('tls-exporter')) return undefined
  return { type: 'tls-exporter', data: socket.exportKeyingMaterial(32, 'EXPORTER-Channel-Binding', Buffer.alloc(0)) }
}

/** XEP-0478 §2. */
function maxStanzaBytesOf(features: Element): number {
  const limits = childOf(features, 'limits', NS_LIMITS)
  const bytes = limits && childOf(limits, 'max-bytes', NS_LIMITS)
  const value = bytes ? Number(textOf(bytes).trim()) : Number.NaN
  return Number.isSafeInteger(value) && value > 0 ? value : DEFAULT_MAX_STANZA_BYTES
}

/** RFC 6120 §6.4.5. */
function parseFailure(failure: Element): SaslError {
  const parts = childElements(failure)
  const condition = parts.find((part) => part.getName() !== 'text')?.getName() ?? 'not-authorized'
  const text = parts.find((part) => part.getName() === 'text')
  // The condition is the server's word; an unknown one is passed on as it stands.
  return new SaslError(condition as SaslCondition, text ? textOf(text) : `the server refuses the login: ${condition}`)
}

/** RFC 6120 §6.4.2: `=` stands for data of no length. */
function decode(element: Element): string {
  const text = textOf(element).trim()
  return text === '=' ? '' : Buffer.from(text, 'base64').toString('utf8')
}

function encode(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64')
}

/** Cut off before it said anything: what it wanted is a guess. */
function isReset(error: unknown): boolean {
  return error instanceof WrongSecurityError && isNetworkError(error.cause)
}

function isNetworkError(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error
}

function abortReason(signal: AbortSignal): Error {
  return signal.reason instanceof Error ? signal.reason : new Error('aborted')
}
