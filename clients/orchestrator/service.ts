/**
 * The orchestrator's service: registers components, answers their capability handshakes, keeps the inventory, asks for
 * signs of life. SACM-XMPP §2, §3; ARCH §Orchestrator.
 */

import {
  type InventoryItem,
  parseAdvertise,
  parseInventoryItem,
  renderCapabilities,
  renderHeartbeat,
  type TopicRequest,
} from '../../modules/sacm/xml.ts'
import { StanzaError } from '../../server/stanza/errors.ts'
import { tryParseJid } from '../../server/stanza/jid.ts'
import { attr, type Element } from '../../server/xml/element.ts'
import { wait } from '../core/backoff.ts'
import { CapsWatch } from '../core/caps-watch.ts'
import { EventRoutes, itemsPage, type PubsubItem, subscribe } from '../core/pubsub.ts'
import { pages } from '../core/rsm.ts'
import { answerCapabilities } from './capabilities.ts'
import { hasCapability, Inventory, type InventoryChange } from './inventory.ts'
import { registerComponent, type Session, TOPIC_REGISTRATION } from './session.ts'

export const TOPIC_INVENTORY = '/inventory'
const CAPABILITY_URN = /^urn:sacm-xmpp:capability:[a-z]/
const ITEMS_PER_PAGE = 100
const MAX_EARLY = 10_000
/** Heartbeats under way at one time. */
const MAX_BEATS = 16

export type ServiceEvent =
  | ({ readonly kind: 'inventory' } & InventoryChange)
  | { readonly kind: 'registration'; readonly component: string; readonly sender: string | undefined }
  | {
      readonly kind: 'handshake'
      readonly component: string
      readonly accepted: readonly string[]
      readonly refused: readonly string[]
    }

export interface ServiceOptions {
  readonly heartbeatMs: number
  readonly onEvent: (event: ServiceEvent) => void
  readonly onFault: (error: Error) => void
}

export class OrchestratorService {
  readonly inventory: Inventory
  readonly #session: Session
  readonly #options: ServiceOptions
  readonly #events = new EventRoutes()
  readonly #caps: CapsWatch
  /** Presences of accounts that the inventory does not know yet: theirs comes before the item that names them. */
  readonly #early = new Map<string, Element>()
  /** Components whose topic is handled on this connection. */
  readonly #handled = new Map<string, Promise<void>>()

  constructor(session: Session, options: ServiceOptions) {
    this.#session = session
    this.#options = options
    this.inventory = new Inventory((change) => options.onEvent({ kind: 'inventory', ...change }))
    this.#caps = new CapsWatch(session.client)
    session.client.onMessage((message) => this.#events.dispatch(message))
    session.client.onPresence((presence) => void this.#onPresence(presence))
  }

  /** To be called on each connection, when the services are known. */
  async begin(signal: AbortSignal): Promise<void> {
    this.#handled.clear()
    this.#early.clear()
    const handle = () =>
      this.#session.topics.handle(TOPIC_REGISTRATION, (request) => this.#register(request, signal), signal)
    await this.#session.step('the registration topic', signal, handle)
  }

  /** To be called on each connection, when our own id is known. */
  async watch(signal: AbortSignal): Promise<void> {
    const session = this.#session
    const { pubsub } = session.services
    this.#events.add(pubsub, TOPIC_INVENTORY, (event) => {
      for (const item of event.items) this.#takeItem(item, signal)
      for (const component of event.retracted) this.inventory.remove(component)
    })
    // Subscribed before the read, so that nothing falls in between; `since` tells which is newer.
    await session.step('the inventory', signal, async () => {
      await subscribe(session.client, pubsub, TOPIC_INVENTORY, session.bareJid, { signal })
      const read = pages((page) => itemsPage(session.client, pubsub, TOPIC_INVENTORY, page, { signal }), ITEMS_PER_PAGE)
      for await (const page of read) for (const item of page.items) this.#takeItem(item, signal)
    })
    await Promise.allSettled(this.#handled.values())
    void this.#beatForever(signal)
  }

  #takeItem(item: PubsubItem, signal: AbortSignal): void {
    if (!item.payload) return
    let entry: InventoryItem
    try {
      entry = parseInventoryItem(item.payload)
    } catch (cause) {
      this.#options.onFault(new Error(`the inventory item ${item.id} is not understood`, { cause }))
      return
    }
    const before = this.inventory.get(entry.component)
    this.inventory.take(entry)
    const early = this.#early.get(entry.bareJid)
    this.#early.delete(entry.bareJid)
    if (early) void this.#onPresence(early)
    if (entry.component === this.#session.knownId) return
    void this.#handleComponent(entry.component, signal)
    // It came, or came back: see at once whether it hears us, which also shows it whom to send its presence.
    if (entry.state !== 'gone' && before?.since !== entry.since) void this.#beat(entry.component, signal)
  }

  /** Our side of the new component's topic stands before it knows its id, so that its handshake finds us. */
  async #register(request: TopicRequest, signal: AbortSignal): Promise<Element> {
    const known = request.sender === undefined ? undefined : this.inventory.ofAccount(request.sender)?.component
    const { id, answer } = registerComponent(request, known)
    this.#options.onEvent({ kind: 'registration', component: id, sender: request.sender })
    await this.#handleComponent(id, signal)
    return answer
  }

  /** Our side of `/orchestrator/{component}`, once per connection. */
  #handleComponent(component: string, signal: AbortSignal): Promise<void> {
    const handled = this.#handled.get(component)
    if (handled || signal.aborted) return handled ?? Promise.resolve()
    const topic = `/orchestrator/${component}`
    const handling = this.#session
      .step(`the topic ${topic}`, signal, () =>
        this.#session.topics.handle(topic, (request) => this.#fromComponent(component, request), signal),
      )
      .catch(() => undefined)
    this.#handled.set(component, handling)
    return handling
  }

  #fromComponent(component: string, request: TopicRequest): Element {
    const advertise = parseAdvertise(request.payload)
    // The server stamps the sender; the payload's word is not enough (ARCH-007).
    if (advertise.id !== component || (request.component !== undefined && request.component !== component)) {
      throw new StanzaError('auth', 'forbidden', 'a component advertises for itself alone')
    }
    const answers = answerCapabilities(advertise)
    const urns = (status: string) => answers.filter((answer) => answer.status === status).map((answer) => answer.urn)
    this.#options.onEvent({ kind: 'handshake', component, accepted: urns('success'), refused: urns('failure') })
    return renderCapabilities(answers)
  }

  async #onPresence(presence: Element): Promise<void> {
    const from = attr(presence, 'from')
    const type = attr(presence, 'type')
    const entry = from === undefined ? undefined : this.inventory.ofAccount(from)
    if (type !== undefined && type !== 'unavailable') return
    if (!entry) {
      const account = from === undefined ? undefined : tryParseJid(from)?.bare
      if (account !== undefined && this.#early.size < MAX_EARLY) this.#early.set(account, presence)
      return
    }
    if (type === 'unavailable') {
      this.inventory.see(entry.component, undefined)
      return
    }
    try {
      const info = await this.#caps.infoOf(presence, this.#session.closing)
      const urns = (info?.features ?? []).filter((feature) => CAPABILITY_URN.test(feature))
      this.inventory.see(entry.component, urns)
    } catch {
      // It is there, but does not say what it can do.
      this.inventory.see(entry.component, [])
    }
  }

  /** Asks every component in turn, a few at a time, once per interval. */
  async #beatForever(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await wait(this.#options.heartbeatMs, signal).catch(() => undefined)
      const waiting = this.inventory.list().filter(({ component }) => component !== this.#session.knownId)
      const beatOn = async () => {
        for (let next = waiting.pop(); next && !signal.aborted; next = waiting.pop())
          await this.#beat(next.component, signal)
      }
      await Promise.all(Array.from({ length: MAX_BEATS }, beatOn))
    }
  }

  /**
   * One heartbeat. A component whose presence names a capability that its handshake did not is asked for the handshake
   * again.
   */
  async #beat(component: string, signal: AbortSignal): Promise<void> {
    const entry = this.inventory.get(component)
    if (!entry) return
    const isNew = entry.advertised?.some((urn) => !hasCapability(entry, urn)) ?? false
    const heartbeat = renderHeartbeat({ action: isNew ? 'ping-with-capabilities' : 'ping' })
    try {
      await this.#session.topics.request(`/orchestrator/${component}`, heartbeat, { signal })
      this.inventory.beat(component, Date.now())
    } catch {
      if (!signal.aborted) this.inventory.beat(component, undefined)
    }
  }
}
