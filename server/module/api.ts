/**
 * The contract between the server and a module: everything that a module may touch. STYLE of a module: parse in
 * `xml.ts`, act in `service.ts`, decide in `rules.ts`, write in `store.ts`, register in `index.ts`.
 */

import type { AccountData, Forgotten } from '../auth/account-data.ts'
import type { Grant, Role } from '../auth/roles.ts'
import type { HttpRoutes } from '../http/routes.ts'
import type { Logger } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import type { Option } from '../option.ts'
import type { StreamError } from '../stanza/errors.ts'
import type { Jid } from '../stanza/jid.ts'
import type { Storage } from '../storage/storage.ts'
import type { Element, QName } from '../xml/element.ts'
import type { Endpoint } from './endpoint.ts'

export { type AccountName, isAccountNew, noteRemoval } from '../auth/account-data.ts'
export { type Grant, ROLES, type Role } from '../auth/roles.ts'
export type { HttpHandler, HttpRequest, HttpResponse, HttpRoutes } from '../http/routes.ts'
export type { Logger } from '../log.ts'
export type { Counter, Metrics } from '../metrics.ts'
export {
  commaList,
  integer,
  kind,
  type Option,
  type Options,
  oneOf,
  option,
  type ValuesOf,
  yesNo,
} from '../option.ts'
export type { Call, Db, Operation, Storage, Tx } from '../storage/storage.ts'
export { answerWire, call, Refusal, StorageUnavailable, scanStep, wire } from '../storage/storage.ts'
export {
  type AdHocCommand,
  type CommandForm,
  type CommandResult,
  type CommandStep,
  type DiscoIdentity,
  type DiscoInfo,
  type DiscoInfoHandler,
  type DiscoItem,
  type DiscoItemsHandler,
  type DiscoItemsQuery,
  type DiscoQuery,
  ENDPOINTS,
  type Endpoint,
  type Endpoints,
  type EndpointView,
  type InboundStanza,
  type IqHandler,
  type IqRequest,
  type MessageHandler,
  type PresenceHandler,
  type WhoMayAsk,
} from './endpoint.ts'

/** One specification that a module implements; `sacm version --specs` and the README print them all. */
export interface SpecRef {
  /** `XEP-0060`, `RFC 6120`, `SACM-XMPP`. */
  readonly doc: string
  readonly version: string
  readonly status: 'complete' | 'partial'
  /** For a partial one: the sections left out and why, in a few words. */
  readonly omits?: string
}

/** A module's options: each has a default, a unit in its name or beside it, bounds and a description. */
export type OptionsOf<C> = { readonly [K in keyof C]: Option<C[K]> }

/** Options that do not go together; the server does not start with them. The hint is the way out. */
export class ConfigRefused extends Error {
  override readonly name = 'ConfigRefused'
  readonly hint: string
  constructor(text: string, hint: string) {
    super(text)
    this.hint = hint
  }
}

export interface Module<C = unknown> {
  /** Also its file or folder name, and its table in `sacm.toml`. */
  readonly name: string
  readonly specs: readonly SpecRef[]
  /** Names of modules that are set up before this one, and whose tokens and hooks it uses. */
  readonly requires?: readonly string[]
  readonly config?: OptionsOf<C>
  readonly accountData?: AccountData
  /** Registers; does no I/O. What must be loaded first goes to `ctx.starting`. */
  setup(ctx: ModuleContext<C>): void
}

/** Keeps the type of a module's configuration where it is declared, and forgets it where modules are listed. */
export function defineModule<C>(module: Module<C>): Module {
  // The host parses the configuration with the module's own schema, so the type it hands back is C by construction.
  return module as Module
}

export interface Clock {
  /** UTC milliseconds. */
  now(): number
}

/** One bound client session. */
export interface SessionHandle {
  readonly fullJid: Jid
  readonly bareJid: string
  /** Unique for the life of the process; for logs. */
  readonly id: string
  readonly transport: 'tcp' | 'websocket'
  readonly remoteAddress: string
  /** UTC milliseconds; a resumed session was bound when it began. */
  readonly boundAt: number
  /** Its last broadcast presence; undefined while unavailable. RFC 6121 §4.2. */
  readonly presence: Element | undefined
  readonly priority: number
  /** Aborts when the session ends. */
  readonly closed: AbortSignal
}

export interface SessionView {
  /** Bound sessions of an account, oldest first. */
  of(bareJid: string): readonly SessionHandle[]
  get(fullJid: string): SessionHandle | undefined
  all(): Iterable<SessionHandle>
  readonly size: number
  /** Queues a stanza on this session; false when it has ended. */
  deliver(session: SessionHandle, stanza: Element | RawStanza): boolean
  /** All for this session waits from now on behind what the caller delivers, until it is done, or too much waits. */
  catchUp(session: SessionHandle): CatchUp
  close(session: SessionHandle, error: StreamError): void
}

export interface CatchUp {
  /** As `deliver`. */
  deliver(stanza: Element | RawStanza): boolean
  /** What waited goes now. */
  done(): void
}

/**
 * A stanza already written out, for fan-out: `<message from='…' to='…'>…</message>` without an xmlns for
 * jabber:client, every other prefix and namespace declared inside. DESIGN decision 5.
 */
export interface RawStanza {
  readonly name: 'message' | 'presence' | 'iq'
  readonly to: Jid
  readonly type: string | undefined
  readonly xml: string
  /** What is bounded together when it is kept for an absent account: the node of a notification. Default: the sender. */
  readonly group?: string | undefined
  /** Given back to the sender's module before a kept one is delivered: what the right to see it depends on. */
  readonly scope?: string | undefined
}

export interface AccountView {
  exists(bareJid: string): boolean
  /** Roles of a local account, from memory; empty for anyone else. */
  roles(bareJid: string): ReadonlySet<Role>
  /** What the account's roles reach. See Grant. */
  grants(bareJid: string): readonly Grant[]
  /** Binds a `self` grant to the endpoint first reported for; resolves with the grants after it. */
  bindSelf(bareJid: string, endpointId: string): Promise<readonly Grant[]>
  /** Every local account's bare JID. */
  bareJids(): Iterable<string>
  /**
   * May `by` see the presence of `of`? Own resources always; else what the rosters in memory say, which are those of
   * accounts with a session. RFC 6121 §3, §4.
   */
  maySeePresence(of: string, by: string): boolean
}

/** An IQ of a client that has not logged in. */
export interface LoginIq {
  readonly type: 'get' | 'set'
  readonly payload: Element
  /** Who may be taken for one client: an IPv4 address, or the /64 of an IPv6 address. */
  readonly network: string
}
/** Returns the result's payload (undefined: an empty result), or throws a StanzaError. */
export type LoginIqHandler = (iq: LoginIq) => Promise<Element | undefined> | Element | undefined

/** What a module adds to `<stream:features/>`, and serves of a stream before login. */
export interface StreamFeature {
  /**
   * Undefined: not in this state. `bind` is after authentication, `login` before it (and inside TLS). Each is written
   * once: one that changes is another element.
   */
  advertise(state: 'login' | 'bind'): Element | undefined
  /** Answers IQs of clients that have not logged in. Exactly one handler per payload name. */
  readonly loginIq?: { readonly payload: QName; readonly handler: LoginIqHandler }
}

export interface ListedAccount {
  readonly bareJid: string
  readonly isDisabled: boolean
}
/**
 * What administrators do with the server, and users with their own account. What changes an account resolves when it is
 * on disk, and ends the account's sessions, `except` this one; what is removed resolves with what is to be known of that, a
 * sentence each. @throws StanzaError item-not-found for no such account
 */
export interface Administration {
  /** By address. */
  accounts(): readonly ListedAccount[]
  exists(bareJid: string): boolean
  /** @throws StanzaError conflict when it exists; not-acceptable for a password that cannot be one */
  add(account: Jid, password: string): Promise<void>
  remove(bareJid: string, except?: SessionHandle): Promise<readonly string[]>
  /** @throws StanzaError not-acceptable for a password that cannot be one */
  setPassword(bareJid: string, password: string, except?: SessionHandle): Promise<void>
  /** A disabled account cannot log in; nothing of it is lost. */
  setDisabled(bareJid: string, isDisabled: boolean): Promise<void>
  /** As `sacm user add --role` takes them. */
  roles(bareJid: string): readonly string[]
  /** @throws StanzaError not-acceptable for a text that names no role */
  setRoles(bareJid: string, roles: readonly string[], except?: SessionHandle): Promise<void>
  /** Ends the program; `restart` with the exit code that asks for it to be started again. */
  stop(how: 'shutdown' | 'restart'): void
}
/** Provided by the host itself. */
export const ADMINISTRATION: Token<Administration> = { name: 'administration' }

export type SubscriptionType = 'subscribe' | 'subscribed' | 'unsubscribe' | 'unsubscribed'

/** One presence stanza that negotiates a subscription. RFC 6121 §3. */
export interface SubscriptionStanza {
  readonly type: SubscriptionType
  /** Both without resource. */
  readonly from: Jid
  readonly to: Jid
  /** As it came. */
  readonly stanza: Element
}

/** How the keeper of subscriptions reaches the road; given by the router. */
export interface PresenceRoad {
  /** Sends the presence of every available resource of an account to an entity that may now see it. RFC 6121 §3.1.5. */
  show(of: string, to: string): void
  /** Sends unavailable presence from every available resource to an entity that may no longer see it. §3.2.2, §3.3.3. */
  hide(of: string, to: string): void
  /** Hands a presence to a service of this server. */
  toService(from: Jid, stanza: Element): void
}

/** Keeps subscriptions and answers from memory who sees whose presence; the module of rosters. RFC 6121 §2, §3. */
export interface PresenceAuthority {
  connect(road: PresenceRoad): void
  /** Loads what an account's other answers come from; undefined when it is there. */
  ready(bareJid: string): Promise<void> | undefined
  /** Bare JIDs that are subscribed to the account's presence, itself left out. */
  subscribers(bareJid: string): Iterable<string>
  /** Bare JIDs to whose presence the account is subscribed, itself left out. */
  subscriptions(bareJid: string): Iterable<string>
  /** Is `by` subscribed to the presence of `of`? */
  isSubscribed(of: string, by: string): boolean
  /** Is `contact` in the account's roster, subscribed or not? */
  knows(bareJid: string, contact: string): boolean
  /** Changes both sides' subscriptions. @throws StanzaError (as a rejection too) */
  negotiate(stanza: SubscriptionStanza): Promise<void>
  /** When the account's last available resource went, in UTC milliseconds; undefined when it is not known. */
  lastSeen(bareJid: string): Promise<number | undefined>
  /** Are IQs refused for which the addressee's presence would be needed? RFC 6121 §8.5.3.1. */
  readonly guardsIqs: boolean
}
/** Provided by at most one module. */
export const PRESENCE_AUTHORITY: Token<PresenceAuthority> = { name: 'presence-authority' }

/** Events that modules may hook; each owner adds its own by declaration merging. */
export interface Hooks {
  /** Before routing; guard may throw a StanzaError. A component has no session. */
  'stanza.received': { readonly session: SessionHandle | undefined; readonly stanza: Element }
  'session.bound': { readonly session: SessionHandle }
  'session.closed': { readonly session: SessionHandle }
  /** A client's available presence, broadcast or directed, before it is kept or sent on: amenders may add to it. */
  'presence.sending': { readonly session: SessionHandle; readonly presence: Element }
  /**
   * Broadcast presence, after it was sent on; undefined when the session became unavailable. Initial: the session was
   * not available before. RFC 6121 §4.2, §4.4, §4.5.
   */
  'presence.updated': {
    readonly session: SessionHandle
    readonly presence: Element | undefined
    readonly isInitial: boolean
  }
  /** Presence that a client sent to one account, after it was sent on; undefined: it took that back, or went. RFC 6121 §4.6. */
  'presence.directed': { readonly session: SessionHandle; readonly to: Jid; readonly presence: Element | undefined }
  /**
   * A message of type normal or chat for an account that exists and has nobody to take it. An amender that keeps it
   * sets `kept`; the sender gets an error when that rejects, or when nobody keeps it. RFC 6121 §8.5.2.2.1.
   */
  'message.undeliverable': {
    readonly from: Jid
    readonly to: Jid
    readonly message: Element | RawStanza
    kept: Promise<void> | undefined
  }
  /** At commit. `forgotten` hands out what a module's `forget` returned. */
  'account.removed': { readonly bareJid: string; readonly forgotten: Forgotten }
  /** Roles or grants of an account changed. */
  'account.changed': { readonly bareJid: string }
}
export type HookPhase = 'guard' | 'amend' | 'observe'
/** Guard and amend are synchronous; observers may be asynchronous and are not awaited. */
export type HookFn<E> = (event: E) => void | Promise<void>

/** Names something one module provides to others, with its type. */
export interface Token<T> {
  readonly name: string
  /** Never set; carries the type. */
  readonly type?: T
}
export function token<T>(name: string): Token<T> {
  return { name }
}

export interface ModuleContext<C = unknown> {
  readonly domain: string
  /** The address that the server listens on, for a module with a port of its own. */
  readonly host: string
  /** A folder for the module's own files in the data folder, not made yet. */
  readonly folder: string
  /** The program's version. */
  readonly version: string
  readonly log: Logger
  readonly clock: Clock
  readonly closing: AbortSignal
  config(): C
  readonly storage: Storage
  readonly accounts: AccountView
  readonly sessions: SessionView
  /** Routes on the HTTPS port; added in `setup`. */
  readonly http: HttpRoutes
  /** What operators watch; registered in `setup`, under names that begin with `sacm_` and the module's. */
  readonly metrics: Metrics
  /** Clients reach the server from this machine alone. */
  readonly isLoopback: boolean
  /** Profiles in force: `arch`, `grid`, `poc`. */
  readonly profiles: ReadonlySet<string>
  endpoint(at: 'server' | 'account' | `service:${string}`): Endpoint
  streamFeature(feature: StreamFeature): void
  /** Lets an entity see presence by something else than a subscription, as the function says of (of, by), bare JIDs. */
  showPresence(maySee: (of: string, by: string) => boolean): void
  on<K extends keyof Hooks>(phase: HookPhase, hook: K, fn: HookFn<Hooks[K]>): void
  emit<K extends keyof Hooks>(hook: K, event: Hooks[K]): Hooks[K]
  provide<T>(token: Token<T>, value: T): void
  use<T>(token: Token<T>): T
  /** Runs after all set-ups and before the first connection is accepted, in module order; loads the replica. */
  starting(task: () => Promise<void>): void
  every(intervalMs: number, task: (signal: AbortSignal) => Promise<void>): void
}
