/**
 * What collector and evaluator have in common: connect, find the services, register, handle their topics, advertise
 * capabilities, subscribe to the topics answered; all again on each connection. SACM-XMPP §1 to §3; ARCH §Component
 * Registration, §Capability Advertisement Handshake.
 */

import {
  type Capability,
  type CapabilityAnswer,
  type ComponentType,
  type JobState,
  NS_HEARTBEAT,
  parseCapabilities,
  parseHeartbeat,
  parseRegistered,
  type Register,
  renderAdvertise,
  renderAlive,
  renderRegister,
  type TopicRequest,
} from '../../modules/sacm/xml.ts'
import { StanzaError } from '../../server/stanza/errors.ts'
import { parseJid } from '../../server/stanza/jid.ts'
import { type Element, isElement } from '../../server/xml/element.ts'
import { retry } from './backoff.ts'
import { Client, type ClientEvent } from './client.ts'
import { discover } from './discover.ts'
import { OfflineError, TimeoutError } from './iq.ts'
import { Member } from './member.ts'
import type { ClientOptions } from './options.ts'
import { sacmProfile } from './profile.ts'
import { EventRoutes, type PubsubEvent, subscribe } from './pubsub.ts'
import { sacmCondition } from './topics.ts'

export interface ComponentOptions extends ClientOptions {
  readonly name?: string | undefined
  readonly onEvent?: ((event: ComponentEvent) => void) | undefined
}

export type ComponentEvent =
  | ClientEvent
  /** A step of the onboarding is tried again: most often no orchestrator is there yet. */
  | { readonly kind: 'waiting'; readonly step: string; readonly error: Error; readonly retryMs: number }
  | { readonly kind: 'registered'; readonly component: string }
  | { readonly kind: 'onboarded'; readonly component: string; readonly capabilities: readonly CapabilityAnswer[] }
  | { readonly kind: 'job'; readonly requester: string; readonly state: JobState }

/** What makes a component the one it is. */
export interface ComponentKind {
  readonly type: ComponentType
  readonly name: string
  readonly description: string
  readonly capabilities: readonly Capability[]
  /** Last part of the directed topic that brings its work. */
  readonly work: 'collect' | 'evaluate'
  onDirected(request: TopicRequest): Element | undefined
  onBroadcast(event: PubsubEvent): void
  /** The id that an earlier run had. */
  readonly knownId: string | undefined
  /** Keeps the id for the next run. */
  saveId(component: string): Promise<void>
}

/** Waits between tries of an onboarding step; they go on as long as the connection. */
const STEP_WAITS = { baseMs: 250, maxMs: 15_000, attempts: Number.POSITIVE_INFINITY }
/** Tries of one piece of work over lost connections: some minutes. */
const PERSIST_WAITS = { baseMs: 250, maxMs: 10_000, attempts: 60 }

export class Component extends Member {
  readonly #options: ComponentOptions
  readonly #kind: ComponentKind
  readonly #events = new EventRoutes()
  #handshake: Promise<unknown> | undefined

  constructor(options: ComponentOptions, kind: ComponentKind) {
    const client = new Client(options, sacmProfile(kind), (event) => options.onEvent?.(event))
    super('component', options.jid, client, kind.knownId)
    this.#options = options
    this.#kind = kind
    client.onMessage((message) => this.#events.dispatch(message))
    client.onReady((connection) => this.#onboard(AbortSignal.any([connection, this.closing])))
  }

  event(event: ComponentEvent): void {
    this.#options.onEvent?.(event)
  }

  /** Sends a directed request. @throws StanzaError, TimeoutError, OfflineError */
  tell(topic: string, payload: Element, signal = this.closing): Promise<Element | undefined> {
    return this.topics.request(topic, payload, { signal })
  }

  /**
   * Runs what needs the connection until it succeeds, over lost connections and time-outs: it must be harmless to run
   * twice.
   * @throws what the server refused for good, the last error after too many tries, or the signal's reason
   */
  persist<T>(task: () => Promise<T>, signal: AbortSignal, mayRetry = isPassing): Promise<T> {
    const online = async () => {
      await this.client.online(signal)
      return task()
    }
    return retry(online, { ...PERSIST_WAITS, signal, mayRetry })
  }

  async #onboard(signal: AbortSignal): Promise<void> {
    const { domain } = parseJid(this.bareJid)
    this.discovered(await this.#step('discovery', signal, () => discover(this.client, domain, { signal })))
    // A known component is of use at once, even while no orchestrator is there to register with; if the server does
    // not know it after all, the registration will tell.
    if (this.knownId !== undefined) await this.#handleTopics(this.knownId, signal).catch(() => undefined)
    const id = await this.#step('registration', signal, () => this.#register(signal))
    this.registered(id)
    await this.#kind.saveId(id)
    this.event({ kind: 'registered', component: id })
    await this.#step('handling its topics', signal, () => this.#handleTopics(id, signal))
    const capabilities = await this.#advertise(id, signal)
    this.event({ kind: 'onboarded', component: id, capabilities })
    this.completed()
  }

  /** Tries until it succeeds or the connection ends: roles may be granted and orchestrators started meanwhile. */
  #step<T>(step: string, signal: AbortSignal, task: () => Promise<T>): Promise<T> {
    return retry(task, {
      ...STEP_WAITS,
      signal,
      mayRetry: () => true,
      onRetry: (cause, retryMs) => {
        const error = cause instanceof Error ? cause : new Error(String(cause))
        this.event({ kind: 'waiting', step, error, retryMs })
      },
    })
  }

  async #register(signal: AbortSignal): Promise<string> {
    if (this.knownId !== undefined) {
      try {
        return await this.#askId({ kind: 'again', id: this.knownId }, signal)
      } catch (error) {
        // The id is another's, or unknown because the server's data was replaced: begin anew.
        if (!(error instanceof StanzaError) || !isIdRefused(error)) throw error
      }
    }
    const { type, description } = this.#kind
    return this.#askId({ kind: 'new', type, name: this.#options.name ?? this.#kind.name, description }, signal)
  }

  async #askId(register: Register, signal: AbortSignal): Promise<string> {
    const answer = await this.topics.request('/orchestrator/registration', renderRegister(register), { signal })
    if (!answer) throw new StanzaError('cancel', 'undefined-condition', 'the registration was answered with nothing')
    return parseRegistered(answer)
  }

  async #handleTopics(id: string, signal: AbortSignal): Promise<void> {
    const { work } = this.#kind
    await this.topics.handle(`/orchestrator/${id}`, (request) => this.#fromOrchestrator(request, signal), signal)
    await this.topics.handle(`/${id}/${work}`, (request) => this.#kind.onDirected(request), signal)
  }

  /** Heartbeat. A ping with capabilities is answered at once; the handshake follows. ARCH §Heartbeat. */
  #fromOrchestrator(request: TopicRequest, signal: AbortSignal): Element {
    if (!isElement(request.payload, 'heartbeat', NS_HEARTBEAT)) {
      throw new StanzaError('cancel', 'feature-not-implemented', 'only a heartbeat is expected here')
    }
    // One handshake at a time, however many ask for it.
    if (parseHeartbeat(request.payload).action === 'ping-with-capabilities' && !this.#handshake) {
      this.#handshake = this.#advertise(this.id, signal)
        .catch(() => undefined)
        .finally(() => {
          this.#handshake = undefined
        })
    }
    return renderAlive()
  }

  /** Tells what we can do, and subscribes to the topics answered: they are the orchestrator's to name. */
  async #advertise(id: string, signal: AbortSignal): Promise<readonly CapabilityAnswer[]> {
    const { type, capabilities } = this.#kind
    const answers = await this.#step('the capability handshake', signal, async () => {
      const advertise = renderAdvertise({ id, type, capabilities })
      const answer = await this.topics.request(`/orchestrator/${id}`, advertise, { signal })
      if (!answer) throw new StanzaError('cancel', 'undefined-condition', 'the handshake was answered with nothing')
      return parseCapabilities(answer)
    })
    const { pubsub } = this.services
    for (const { urn, status, topic } of answers) {
      if (status !== 'success' || topic === undefined || !capabilities.some((own) => own.urn === urn)) continue
      this.#events.add(pubsub, topic, (event) => this.#kind.onBroadcast(event))
      const subscribed = () => subscribe(this.client, pubsub, topic, this.bareJid, { signal })
      await this.#step(`the subscription to ${topic}`, signal, subscribed)
    }
    return answers
  }
}

/** Errors of the way, not of who answers. */
export function isConnectionTrouble(error: unknown): boolean {
  return error instanceof OfflineError || error instanceof TimeoutError
}

/** Errors that go away by themselves. */
function isPassing(error: unknown): boolean {
  return isConnectionTrouble(error) || (error instanceof StanzaError && error.type === 'wait')
}

function isIdRefused(error: StanzaError): boolean {
  // `handler-offline` is also an item-not-found or recipient-unavailable of a kind, but no word about the id.
  if (sacmCondition(error) === 'handler-offline') return false
  return ['item-not-found', 'forbidden', 'conflict'].includes(error.condition)
}
