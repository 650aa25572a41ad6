/** Directed topics: asking the other side of one, and handling our own side. SACM-XMPP §2, Directed request. */

import { NS_SACM_ERRORS } from '../../modules/repository/xml.ts'
import {
  parseTopicRequest,
  parseTopicResponse,
  renderHandle,
  renderTopicRequest,
  renderTopicResponse,
  renderUnhandle,
  type SacmErrorCondition,
  type TopicRequest,
} from '../../modules/sacm/xml.ts'
import { StanzaError } from '../../server/stanza/errors.ts'
import { type Element, el } from '../../server/xml/element.ts'
import type { IncomingIq } from './client.ts'
import type { IqPort } from './disco.ts'

/** Returns the response's payload, or throws a StanzaError. */
export type TopicHandler = (request: TopicRequest) => Promise<Element | undefined> | Element | undefined

export interface TopicOptions {
  /** How long the server waits for the handler; 1 to 60, default 5. */
  readonly timeoutSeconds?: number
  readonly signal?: AbortSignal
}

/** Beyond the server's own time-out, for the way there and back. */
const GRACE_MS = 5_000

/** The directed topics of one client. The handlers stay when the connection goes; `handle` tells the server again. */
export class Topics {
  readonly #port: IqPort
  readonly #handlers = new Map<string, TopicHandler>()
  /** The Integration Service; requests are taken from no other address. */
  #service: string | undefined

  constructor(port: IqPort) {
    this.#port = port
  }

  /** Sets the address that discovery found. */
  set service(address: string) {
    this.#service = address
  }

  /** @throws StanzaError as the server or the handler refused, TimeoutError, OfflineError */
  async request(topic: string, payload: Element, options: TopicOptions = {}): Promise<Element | undefined> {
    const { timeoutSeconds = 5, signal } = options
    const request = renderTopicRequest({ topic, payload, timeoutSeconds })
    const answer = await this.#port.request('set', this.#address(), request, {
      timeoutMs: timeoutSeconds * 1000 + GRACE_MS,
      ...(signal ? { signal } : {}),
    })
    return answer && parseTopicResponse(answer).payload
  }

  /** Becomes a handler of the topic for as long as the session lasts; to be called again after a reconnect. */
  async handle(topic: string, handler: TopicHandler, signal?: AbortSignal): Promise<void> {
    // Set before the server knows, since the first request may come before its answer does.
    this.#handlers.set(topic, handler)
    await this.#port.request('set', this.#address(), renderHandle(topic), signal ? { signal } : {})
  }

  async unhandle(topic: string, signal?: AbortSignal): Promise<void> {
    await this.#port.request('set', this.#address(), renderUnhandle(topic), signal ? { signal } : {})
    this.#handlers.delete(topic)
  }

  /** Answers a forwarded request. @throws StanzaError */
  async answer(iq: IncomingIq): Promise<Element> {
    // SACM-XMPP §2: topic:0 only from the Integration Service, else anyone could direct us.
    if (this.#service === undefined || iq.from !== this.#service) throw new StanzaError('auth', 'forbidden')
    const request = parseTopicRequest(iq.payload)
    const handler = this.#handlers.get(request.topic)
    if (!handler) throw sacmError('cancel', 'item-not-found', 'unknown-topic', `no handler for ${request.topic}`)
    return renderTopicResponse({ topic: request.topic, payload: await handler(request) })
  }

  #address(): string {
    if (this.#service === undefined) throw new Error('the integration service has not been discovered yet')
    return this.#service
  }
}

/** An error with its SACM condition beside the stanza condition. */
export function sacmError(
  type: StanzaError['type'],
  condition: StanzaError['condition'],
  detail: SacmErrorCondition,
  text: string,
): StanzaError {
  return new StanzaError(type, condition, text, { application: [el(detail, { xmlns: NS_SACM_ERRORS })] })
}

/** The SACM condition in an error, if it has one. */
export function sacmCondition(error: unknown): string | undefined {
  if (!(error instanceof StanzaError)) return undefined
  return error.application.find((element) => element.getNS() === NS_SACM_ERRORS)?.getName()
}
