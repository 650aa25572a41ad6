/**
 * An account's server keeps its subscriptions: its clients ask here instead of at the service, hear of each change, by
 * whatever road it came, and get the list. XEP-0376.
 *
 * The list is no second copy: what is at this server's services is read from the subscriptions themselves. Of those at
 * components there is what they answered, and what they tell since (elsewhere.ts).
 */

import type { Endpoint, IqRequest, SessionHandle, SessionView } from '../../server/module/api.ts'
import { StanzaError } from '../../server/stanza/errors.ts'
import { type Jid, parseJid } from '../../server/stanza/jid.ts'
import { attr, childElements, type Element, el } from '../../server/xml/element.ts'
import { NS_CLIENT } from '../../server/xml/namespaces.ts'
import type { ClientCapabilities } from '../caps/index.ts'
import { type PubsubParts, run } from './context.ts'
import type { ElsewhereChanged } from './elsewhere.ts'
import { pubsubError } from './errors.ts'
import { type ManagedChange, ManagedVersions, type Step } from './managed-versions.ts'
import {
  type ManagedRequest,
  NS_PAM,
  parseManaged,
  readAnswer,
  readEvent,
  renderManaged,
  renderNotice,
  renderUnsubscribe,
} from './managed-xml.ts'
import { publicElsewhereChanged } from './public-changes.ts'
import type { ElsewhereKey, ManagedSubscription, SubscriptionRecord } from './records.ts'
import type { SubscriptionChanged } from './replica.ts'

export interface ManagedParts {
  readonly parts: PubsubParts
  readonly account: Pick<Endpoint, 'request'>
  readonly sessions: SessionView
  readonly clients: ClientCapabilities
  /** Is it one of this server's own services? */
  readonly isOurs: (service: Jid) => boolean
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
    const isOurs = this.#road.isOurs(request.service)
    if (!isOurs) byUs(account, () => this.#checkRoom(account, request))
    if (waiting >= managedRequestsMax)
      throw by(account, pubsubError('tooManyRequests', `${managedRequestsMax} requests wait for an answer already`))
    this.#waiting.set(account, waiting + 1)
    try {
      if (isOurs) await this.#send(account, request)
      else await this.#askElsewhere(account, request)
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

  #checkRoom(account: string, request: ManagedRequest): void {
    const { subscriptionsPerAccountMax } = this.#parts.config()
    const isNew = request.kind === 'subscribe' && this.#parts.elsewhere.at(keyOf(account, request)).length === 0
    if (isNew && this.#parts.elsewhere.count(account) >= subscriptionsPerAccountMax)
      throw pubsubError('tooManySubscriptions')
  }

  /** What the service answers is kept. Whoever is told there that it is not subscribed is not, whatever was kept. */
  async #askElsewhere(account: string, request: ManagedRequest): Promise<void> {
    let answer: Element | undefined
    try {
      answer = await this.#send(account, request)
    } catch (error) {
      if (request.kind === 'unsubscribe' && saysNotThere(error)) await this.#drop(keyOf(account, request))
      throw error
    }
    if (request.kind === 'unsubscribe') await this.#drop(keyOf(account, request))
    else await this.#keep(readAnswer(account, request, answer))
  }

  /** A component's event: that one of these subscriptions is another now, or its node gone. XEP-0060 §8.4.2, §8.8.4 */
  heard(from: Jid, to: Jid, event: Element): void {
    const told = childElements(event).flatMap((each) => readEvent(from.full, to.bare, each) ?? [])
    for (const { key, state } of told)
      for (const known of this.#parts.elsewhere.at(key)) {
        const done = state ? this.#keep({ ...known, state }) : this.#drop({ ...key, subid: known.subid ?? '' })
        done.catch((error: unknown) =>
          this.#parts.log.warn({ what: 'subscription_elsewhere_not_kept', error: String(error) }),
        )
      }
  }

  async #keep(subscription: ManagedSubscription): Promise<void> {
    if (!this.#parts.accounts.exists(subscription.jid)) return
    await run(this.#parts, this.#parts.store.keepElsewhere, subscription, (kept) =>
      this.#changedElsewhere(this.#parts.elsewhere.kept(kept)),
    )
  }

  async #drop(key: ElsewhereKey): Promise<void> {
    if (this.#parts.elsewhere.at(key).length === 0) return
    await run(this.#parts, this.#parts.store.dropElsewhere, key, (dropped) => {
      for (const change of this.#parts.elsewhere.dropped(dropped)) this.#changedElsewhere(change)
    })
  }

  #changedElsewhere(change: ElsewhereChanged): void {
    publicElsewhereChanged(this.#parts, change)
    const { before, after } = change
    if (before && after && isSame(before, after)) return
    const subscription = after ?? before
    if (subscription) this.#tell(subscription.jid, [{ subscription, isEnded: !after }])
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

  /**
   * An account is no more: the services elsewhere are asked to end what it had there, or whoever has its name next would
   * get those events. XEP-0060 §6.2
   */
  forget(account: string): void {
    this.#versions.forget(account)
    for (const subscription of this.#parts.elsewhere.of(account)) this.#leave(account, subscription)
    this.#parts.elsewhere.forget(account)
  }

  #leave(account: string, subscription: ManagedSubscription): void {
    const timeoutMs = this.#parts.config().managedTimeoutSeconds * 1000
    const { service, nodeId } = subscription
    this.#road.account
      .request(parseJid(service), 'set', renderUnsubscribe(subscription), timeoutMs, account)
      .catch((error: unknown) =>
        this.#parts.log.debug({
          what: 'subscription_elsewhere_not_ended',
          service,
          node: nodeId,
          error: String(error),
        }),
      )
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
    return [
      ...[...this.#parts.replica.accounts.ownSubscriptions(account)].map(managed),
      ...this.#parts.elsewhere.of(account),
    ]
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

function keyOf(jid: string, { service, nodeId, subid }: ManagedRequest): ElsewhereKey {
  return { service: service.full, nodeId, jid, subid }
}

/** No such subscription, no such node, or no such service any more. XEP-0060 §6.2.3; RFC 6120 §10.4 */
function saysNotThere(error: unknown): boolean {
  const conditions: readonly string[] = ['unexpected-request', 'item-not-found', 'remote-server-not-found']
  return error instanceof StanzaError && conditions.includes(error.condition)
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
