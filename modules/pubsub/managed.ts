/**
 * An account's server keeps its subscriptions: its clients ask here instead of at the service, hear of each change, by
 * whatever road it came, and get the list. XEP-0376.
 *
 * The list is no second copy: what is at this server's services is read from the subscriptions themselves.
 */

import type { Endpoint, IqRequest, SessionHandle, SessionView } from '../../server/module/api.ts'
import { StanzaError } from '../../server/stanza/errors.ts'
import { attr, type Element, el } from '../../server/xml/element.ts'
import { NS_CLIENT } from '../../server/xml/namespaces.ts'
import type { ClientCapabilities } from '../caps/index.ts'
import type { PubsubParts } from './context.ts'
import { pubsubError } from './errors.ts'
import { type ManagedChange, ManagedVersions, type Step } from './managed-versions.ts'
import {
  type ManagedRequest,
  type ManagedSubscription,
  NS_PAM,
  parseManaged,
  renderManaged,
  renderNotice,
} from './managed-xml.ts'
import type { SubscriptionChanged } from './replica.ts'
import type { SubscriptionRecord } from './store.ts'

export interface ManagedParts {
  readonly parts: PubsubParts
  readonly account: Pick<Endpoint, 'request'>
  readonly sessions: SessionView
  readonly clients: ClientCapabilities
}

export class Managed {
  readonly #parts: PubsubParts
  readonly #road: Omit<ManagedParts, 'parts'>
  readonly #versions: ManagedVersions
  /** Sessions that asked for anything of this. */
  readonly #asked = new WeakSet<SessionHandle>()
  /** Requests that wait for an answer, by account. */
  readonly #waiting = new Map<string, number>()

  constructor({ parts, ...road }: ManagedParts) {
    this.#parts = parts
    this.#road = road
    this.#versions = new ManagedVersions(() => parts.config())
  }

  /** `<pam/>`: asks the service as the account. Its clients are told by `changed` before this is done. §3.2, §3.3 */
  async ask(iq: IqRequest): Promise<undefined> {
    const account = this.#accountOf(iq)
    if (iq.session) this.#asked.add(iq.session)
    const request = byUs(account, () => parseManaged(iq.payload, account))
    const waiting = this.#waiting.get(account) ?? 0
    const { managedRequestsMax } = this.#parts.config()
    if (waiting >= managedRequestsMax)
      throw by(account, pubsubError('tooManyRequests', `${managedRequestsMax} requests wait for an answer already`))
    this.#waiting.set(account, waiting + 1)
    try {
      await this.#send(account, request)
    } finally {
      const left = (this.#waiting.get(account) ?? 1) - 1
      if (left > 0) this.#waiting.set(account, left)
      else this.#waiting.delete(account)
    }
  }

  async #send(account: string, { service, pubsub }: ManagedRequest): Promise<Element | undefined> {
    const timeoutMs = this.#parts.config().managedTimeoutSeconds * 1000
    try {
      return await this.#road.account.request(service, 'set', pubsub, timeoutMs, account)
    } catch (error) {
      // §3.2: the service's error, and that it is the service's
      throw error instanceof StanzaError ? by(error.by ?? service.full, error) : error
    }
  }

  /** The list, or what changed in it since the version that the client knows. §3.4 */
  list(iq: IqRequest): Element | undefined {
    const account = this.#accountOf(iq)
    if (iq.session) this.#asked.add(iq.session)
    const list = this.#listOf(account)
    const version = this.#versions.of(account, list)
    const known = attr(iq.payload, 'ver')
    const steps = known && this.#versions.since(account, known)
    if (!steps) return renderManaged(version, list)
    if (iq.session) for (const step of steps) this.#notify(iq.session, step)
    return undefined
  }

  /** A subscription changed, for whatever reason; that of a resource is its own business. */
  changed({ before, after }: SubscriptionChanged): void {
    const one = after ?? before
    if (!one || one.jid !== one.bareJid) return
    const [was, is] = [before && managed(before), after && managed(after)]
    if (was && is && isSame(was, is)) return
    const hasMoved = was !== undefined && was.service !== is?.service
    this.#tell(one.bareJid, [
      ...(hasMoved ? [{ subscription: was, isEnded: true }] : []),
      ...(is ? [{ subscription: is, isEnded: false }] : []),
    ])
  }

  /** An account is no more. */
  forget(account: string): void {
    this.#versions.forget(account)
  }

  #tell(account: string, changes: readonly ManagedChange[]): void {
    const interested = this.#road.sessions.of(account).filter((session) => this.#isInterested(session))
    if (interested.length === 0 && !this.#versions.has(account)) return
    const version = this.#versions.changed(account, this.#listOf(account), changes)
    for (const session of interested) this.#notify(session, { version, changes })
  }

  /** §3.1.1: a client says by its capabilities that it wants to hear; one that asks wants to as well. */
  #isInterested(session: SessionHandle): boolean {
    return this.#asked.has(session) || this.#road.clients.of(session)?.features.has(NS_PAM) === true
  }

  #notify(session: SessionHandle, { version, changes }: Step): void {
    for (const { subscription, isEnded } of changes) {
      const notice = renderNotice(version, subscription, isEnded)
      const addresses = { from: session.bareJid, to: session.fullJid.full }
      this.#road.sessions.deliver(session, el('message', { xmlns: NS_CLIENT, ...addresses }, notice))
    }
  }

  #listOf(account: string): ManagedSubscription[] {
    return [...this.#parts.replica.ownSubscriptions(account)].map(managed)
  }

  /** @throws StanzaError service-unavailable for who has no account here: a component that asks the domain */
  #accountOf({ from }: IqRequest): string {
    if (!this.#parts.accounts.exists(from.bare)) throw new StanzaError('cancel', 'service-unavailable')
    return from.bare
  }
}

function managed({ address, nodeId, jid, subid, state, isPublic }: SubscriptionRecord): ManagedSubscription {
  return { service: address, nodeId, jid, subid, state, isPublic }
}

function isSame(a: ManagedSubscription, b: ManagedSubscription): boolean {
  return a.service === b.service && a.state === b.state && a.isPublic === b.isPublic
}

function by(who: string, { type, condition, message, application, content, payload }: StanzaError): StanzaError {
  return new StanzaError(type, condition, message, { application, content, payload, by: who })
}

/** §3.2: what the account's server refuses bears its name. */
function byUs<T>(account: string, act: () => T): T {
  try {
    return act()
  } catch (error) {
    throw error instanceof StanzaError ? by(account, error) : error
  }
}
