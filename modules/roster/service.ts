/**
 * Carries out what the operations decide: keeps the replica, pushes, delivers stanzas, shows and hides presence; and
 * answers from memory who sees whom. RFC 6121 §2, §3.
 */

import type {
  ModuleContext,
  PresenceAuthority,
  PresenceRoad,
  SessionHandle,
  SubscriptionStanza,
  SubscriptionType,
} from '../../server/module/api.ts'
import { type Jid, parseJid } from '../../server/stanza/jid.ts'
import { readdressed } from '../../server/stanza/stanza.ts'
import { attr, type Element, el } from '../../server/xml/element.ts'
import { NS_CLIENT } from '../../server/xml/namespaces.ts'
import { serialize } from '../../server/xml/serialize.ts'
import type { Relation, Rosters } from './api.ts'
import type { RosterConfig } from './config.ts'
import { asRosterError, rosterError } from './errors.ts'
import { Pushes } from './pushes.ts'
import type { Replica } from './replica.ts'
import { isFrom, isTo } from './rules.ts'
import { type SharedRoster, sharedItem } from './shared.ts'
import type { Party, RosterForgotten, RosterItem, RosterStore, Step } from './store.ts'
import { type RosterSet, renderItem, renderRoster } from './xml.ts'

export interface RosterParts {
  readonly ctx: Pick<
    ModuleContext<RosterConfig>,
    'domain' | 'storage' | 'accounts' | 'sessions' | 'config' | 'clock' | 'emit'
  >
  readonly store: RosterStore
  readonly replica: Replica
  readonly shared: SharedRoster | undefined
}

export class RosterService implements PresenceAuthority, Rosters {
  readonly #parts: RosterParts
  readonly #pushes: Pushes
  #road: PresenceRoad | undefined

  constructor(parts: RosterParts) {
    this.#parts = parts
    this.#pushes = new Pushes(parts.ctx.sessions)
  }

  // --- what the router asks ---

  connect(road: PresenceRoad): void {
    this.#road = road
  }

  get guardsIqs(): boolean {
    return this.#parts.ctx.config().strangerIqs === 'refuse'
  }

  ready(bareJid: string): Promise<void> | undefined {
    return this.#parts.replica.ready(bareJid, this.#parts.ctx.sessions.of(bareJid).length > 0)
  }

  *subscribers(bareJid: string): Iterable<string> {
    yield* this.#related(bareJid, isFrom)
  }

  *subscriptions(bareJid: string): Iterable<string> {
    yield* this.#related(bareJid, isTo)
  }

  isSubscribed(of: string, by: string): boolean {
    if (this.#parts.shared?.joins(of, by)) return true
    const item = this.#parts.replica.item(of, by)
    return item !== undefined && isFrom(item)
  }

  relation(owner: string, contact: string): Relation {
    const { replica, shared } = this.#parts
    const own = replica.item(owner, contact)
    if (shared?.joins(owner, contact)) return relationOf(sharedItem(contact, own))
    if (own || replica.get(owner)) return relationOf(own)
    // Both sides change in one transaction.
    const other = replica.item(contact, owner)
    return { seesPresence: other !== undefined && isTo(other), groups: [] }
  }

  groups(owner: string): readonly string[] {
    return [...new Set(this.itemsOf(owner).flatMap(({ groups }) => groups))].sort()
  }

  knows(bareJid: string, contact: string): boolean {
    return this.#parts.shared?.joins(bareJid, contact) || this.#parts.replica.item(bareJid, contact)?.isListed === true
  }

  async negotiate({ type, from, to, stanza }: SubscriptionStanza): Promise<void> {
    if (from.bare === to.bare) throw rosterError('readOnly', 'everyone sees their own presence')
    // Mutual and not to be changed: every stanza finds what it asks for, or may not change it.
    if (this.#parts.shared?.joins(from.bare, to.bare)) return
    const { store, ctx } = this.#parts
    const args = {
      from: from.bare,
      to: to.bare,
      type,
      fromIs: this.#partyOf(from),
      toIs: this.#partyOf(to),
      limits: this.#limits(),
      ...(type === 'subscribe' ? { request: this.#requestText(from, to, stanza) } : {}),
    }
    await ctx.storage
      .run(store.negotiate, args, (steps) => this.#perform(steps, { type, from, to, stanza }))
      .catch((error: unknown) => {
        throw asRosterError(error)
      })
  }

  async lastSeen(bareJid: string): Promise<number | undefined> {
    const { storage } = this.#parts.ctx
    // The account may have gone just now.
    await storage.settled(storage.submitted)
    return await storage.run(this.#parts.store.lastSeen, { bareJid })
  }

  // --- rosters ---

  async read(owner: string): Promise<Element> {
    await this.ready(owner)
    return renderRoster(this.itemsOf(owner).map(renderItem), this.versionOf(owner))
  }

  /** All items of a roster that is loaded, the shared ones among them, by address. */
  itemsOf(owner: string): readonly RosterItem[] {
    const { replica, shared } = this.#parts
    const own = [...(replica.get(owner)?.items.values() ?? [])].filter((item) => item.isListed)
    if (!shared?.has(owner)) return own
    const others = [...shared.others(owner)].map((contact) => sharedItem(contact, replica.item(owner, contact)))
    return [...others, ...own.filter(({ contact }) => !shared.joins(owner, contact))]
  }

  /** The version that a roster result or push states: `epoch.sequence`, and what the shared part is. */
  versionOf(owner: string, sequence = this.#parts.replica.get(owner)?.sequence ?? 0): string {
    const { replica, shared } = this.#parts
    const own = `${this.#epochOf(replica.get(owner)?.epoch ?? '0')}.${sequence.toString(36)}`
    return shared?.has(owner) ? `${own}.${shared.version}` : own
  }

  /** What changed since a version, oldest first; undefined when only the whole roster tells. RFC 6121 §2.6.3. */
  changesSince(owner: string, version: string): readonly RosterItem[] | undefined {
    const { replica, shared, store, ctx } = this.#parts
    const roster = replica.get(owner)
    const [epoch = '', text = '', sharedVersion] = version.split('.')
    const sequence = Number.parseInt(text, 36)
    if (!roster || !Number.isSafeInteger(sequence) || epoch !== this.#epochOf(roster.epoch)) return undefined
    if (sharedVersion !== (shared?.has(owner) ? shared.version : undefined)) return undefined
    if (sequence === roster.sequence) return []
    let changes: readonly RosterItem[] | undefined
    // A reader that answers only later leaves it at the whole roster, which is as good an answer.
    ctx.storage
      .run(store.changesSince, { owner, epoch: roster.epoch, version: sequence }, (found) => {
        changes = found
      })
      .catch(() => {})
    return changes?.filter((item) => item.version <= roster.sequence).map((item) => this.#asSeen(owner, item))
  }

  #epochOf(roster: string): string {
    const { epoch } = this.#parts.ctx.storage
    return epoch === 0 ? roster : `${roster}-${epoch.toString(36)}`
  }

  /** From now on the session gets pushes. RFC 6121 §2.2: an interested resource. */
  addInterested(session: SessionHandle): void {
    this.#pushes.add(session)
  }

  pushTo(session: SessionHandle, items: readonly RosterItem[]): void {
    for (const item of items) this.#pushes.send(session, item, this.versionOf(session.bareJid, item.version))
  }

  /** @throws StanzaError of the table (as a rejection) */
  async change(owner: Jid, request: RosterSet): Promise<void> {
    const { store, ctx, shared } = this.#parts
    const { contact } = request
    if (contact === owner.bare) throw rosterError('readOnly', 'nobody is in their own roster')
    if (shared?.joins(owner.bare, contact)) throw rosterError('readOnly', 'the shared roster is read-only')
    const common = { owner: owner.bare, contact, limits: this.#limits() }
    const applied = (steps: readonly Step[]) => this.#perform(steps)
    const pending =
      request.kind === 'set'
        ? ctx.storage.run(store.setItem, { ...common, name: request.name, groups: request.groups }, applied)
        : ctx.storage.run(store.removeItem, { ...common, contactIs: this.#partyOf(parseJid(contact)) }, applied)
    await pending.catch((error: unknown) => {
      throw asRosterError(error)
    })
  }

  // --- the life of sessions and accounts ---

  /** RFC 6121 §3.1.3: open requests, each time a resource becomes available. */
  async sendRequests(session: SessionHandle): Promise<void> {
    const { replica, store, ctx } = this.#parts
    const owner = session.bareJid
    const isAsked = [...(replica.get(owner)?.items.values() ?? [])].some((item) => item.isAsked)
    if (!isAsked) return
    const requests = await ctx.storage.run(store.requestsTo, { owner })
    const to = parseJid(owner)
    for (const xml of requests) ctx.sessions.deliver(session, { name: 'presence', to, type: 'subscribe', xml })
  }

  async noteSeen(session: SessionHandle, isAvailable: boolean): Promise<void> {
    const { store, ctx } = this.#parts
    const { bareJid } = session
    if (ctx.sessions.of(bareJid).some((other) => other !== session && other.presence)) return
    // A removed account's sessions end after it.
    if (!ctx.accounts.exists(bareJid)) return
    await ctx.storage.run(store.noteSeen, { bareJid, at: isAvailable ? undefined : ctx.clock.now() })
  }

  /** Both sides are cleaned: whoever had to do with the account hears that it is over. */
  accountForgotten(bareJid: string, { last, steps }: RosterForgotten): void {
    this.#parts.replica.hold(bareJid, last)
    this.#parts.ctx.emit('roster.ended', { owner: bareJid })
    this.refreshShared(bareJid)
    this.#perform(steps)
    this.#parts.replica.drop(bareJid)
  }

  /** An account's roles changed: it may have come to the shared roster or left it. */
  refreshShared(bareJid: string): void {
    const { shared, ctx, replica } = this.#parts
    if (!shared) return
    const members = [...shared.others(bareJid)]
    const change = shared.refresh(bareJid)
    if (!change) return
    const others = change === 'joined' ? [...shared.others(bareJid)] : members
    for (const other of others) {
      for (const [owner, contact] of [
        [bareJid, other],
        [other, bareJid],
      ] as const) {
        const own = replica.item(owner, contact)
        const before = relationOf(change === 'left' ? sharedItem(contact, own) : own)
        ctx.emit('roster.changed', { owner, contact, before })
        if (ctx.sessions.of(owner).length === 0) continue
        if (change === 'left' && !this.isSubscribed(contact, owner)) this.#road?.hide(contact, owner)
        this.#pushes.toAll(owner, this.#sharedChange(owner, contact), this.versionOf(owner))
        if (change === 'joined') this.#road?.show(contact, owner)
      }
    }
  }

  #sharedChange(owner: string, contact: string): RosterItem {
    const { replica } = this.#parts
    const own = replica.item(owner, contact)
    const asShared = sharedItem(contact, own)
    if (this.#parts.shared?.joins(owner, contact)) return asShared
    return own?.isListed ? own : { ...asShared, isListed: false }
  }

  // --- steps ---

  #perform(steps: readonly Step[], original?: SubscriptionStanza): void {
    for (const step of steps) {
      switch (step.kind) {
        case 'changed': {
          const { owner, item } = step
          const before = this.relation(owner, item.contact)
          this.#parts.replica.apply(step)
          if (step.isPushed)
            this.#pushes.toAll(
              step.owner,
              this.#asSeen(step.owner, step.item),
              this.versionOf(step.owner, step.item.version),
            )
          this.#parts.ctx.emit('roster.changed', { owner, contact: item.contact, before })
          break
        }
        case 'told':
          this.#tell(step.to, step.type, presenceOf(step, original))
          break
        case 'routed':
          this.#road?.toService(parseJid(step.from), presenceOf(step, original))
          break
        case 'shown':
          this.#road?.show(step.of, step.to)
          break
        case 'hidden':
          this.#road?.hide(step.of, step.to)
          break
      }
    }
  }

  /** RFC 6121 §3.1.3: requests to available resources; §3.1.6, §3.2.3, §3.3.3: the others to interested ones. */
  #tell(bareJid: string, type: SubscriptionType, stanza: Element): void {
    const { sessions } = this.#parts.ctx
    for (const session of sessions.of(bareJid)) {
      if (type === 'subscribe' ? session.presence : this.#pushes.isInterested(session))
        sessions.deliver(session, stanza)
    }
  }

  #asSeen(owner: string, item: RosterItem): RosterItem {
    return this.#parts.shared?.joins(owner, item.contact) ? sharedItem(item.contact, item) : item
  }

  *#related(bareJid: string, isRelated: (item: RosterItem) => boolean): Iterable<string> {
    const { replica, shared } = this.#parts
    for (const item of replica.get(bareJid)?.items.values() ?? []) {
      if (isRelated(item) && !shared?.joins(bareJid, item.contact)) yield item.contact
    }
    if (shared) yield* shared.others(bareJid)
  }

  #partyOf({ local, bare, domain }: Jid): Party {
    const { ctx } = this.#parts
    // Services of this server, its components and what they host
    if (local === '' || domain !== ctx.domain) return 'service'
    return ctx.accounts.exists(bare) ? 'account' : 'nobody'
  }

  #limits(): { items: number; requests: number } {
    const { itemsMax, requestsMax } = this.#parts.ctx.config()
    return { items: itemsMax, requests: requestsMax }
  }

  /** RFC 6121 §3.1.3: the complete stanza, within a bound. */
  #requestText(from: Jid, to: Jid, stanza: Element): string {
    const text = serialize(fromTo(stanza, from, to))
    if (text.length <= this.#parts.ctx.config().requestMaxChars) return text
    return serialize(el('presence', { xmlns: NS_CLIENT, type: 'subscribe', from: from.bare, to: to.bare }))
  }
}

const NO_RELATION: Relation = { seesPresence: false, groups: [] }

function relationOf(item: RosterItem | undefined): Relation {
  return item ? { seesPresence: isFrom(item), groups: item.isListed ? item.groups : [] } : NO_RELATION
}

/** The stanza itself where it is the one that goes on, else one of the server's. */
function presenceOf(
  { from, to, type }: { from: string; to: string; type: SubscriptionType },
  original: SubscriptionStanza | undefined,
): Element {
  if (original && original.type === type && original.from.bare === from && original.to.bare === to)
    return fromTo(original.stanza, original.from, original.to)
  const id = original && attr(original.stanza, 'id')
  return el('presence', { xmlns: NS_CLIENT, type, from, to, id })
}

/** RFC 6121 §3.1.2: stamped with bare addresses. */
function fromTo(stanza: Element, from: Jid, to: Jid): Element {
  const copy = readdressed(stanza, to.bare)
  copy.attrs['from'] = from.bare
  return copy
}
