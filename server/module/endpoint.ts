/** An address of the server: what modules register there, and what others are told of it. */

import type { DataForm } from '../stanza/forms.ts'
import type { Jid } from '../stanza/jid.ts'
import type { Page, RsmRequest } from '../stanza/rsm.ts'
import type { Element, QName } from '../xml/element.ts'
import type { RawStanza, SessionHandle, Token } from './api.ts'

export interface IqRequest {
  readonly type: 'get' | 'set'
  readonly id: string
  readonly from: Jid
  /** The address it was sent to; the bare JID of the sender when it had no `to`. */
  readonly to: Jid
  readonly payload: Element
  /** The whole stanza, for what the payload does not carry (xml:lang). */
  readonly stanza: Element
  /** The sender's session when it is local. */
  readonly session: SessionHandle | undefined
}

/** Returns the result's payload (undefined: an empty result), or throws a StanzaError. */
export type IqHandler = (iq: IqRequest) => Promise<Element | undefined> | Element | undefined

/** A stanza on its way, its addresses prepared. */
export interface InboundStanza {
  readonly from: Jid
  readonly to: Jid
  readonly stanza: Element
  /** The client that sends it just now; none for the server, a service, a component, and what is routed again. */
  readonly session: SessionHandle | undefined
}

/**
 * At an account: asked for errors, for what its own clients send to it, and for what components do; `false` when the
 * message is not for the server, and goes to the account's clients.
 */
export type MessageHandler = (message: InboundStanza & { readonly payload: Element }) => void | false | Promise<void>
export type PresenceHandler = (presence: InboundStanza) => void | Promise<void>

export interface DiscoIdentity {
  readonly category: string
  readonly type: string
  readonly name?: string
}
export interface DiscoInfo {
  readonly identities: readonly DiscoIdentity[]
  readonly features: readonly string[]
  readonly forms?: readonly DataForm[]
}
export interface DiscoItem {
  readonly jid: string
  readonly node?: string
  readonly name?: string
  /** What is told of it right here. */
  readonly form?: DataForm
}
export interface DiscoQuery {
  readonly to: Jid
  readonly asker: Jid
  readonly node: string
}
/** Answers disco#info of a node; undefined: not mine. */
export type DiscoInfoHandler = (query: DiscoQuery) => Promise<DiscoInfo | undefined> | DiscoInfo | undefined
/** What disco#items is asked for; `node` is undefined for the address itself. */
export interface DiscoItemsQuery extends Omit<DiscoQuery, 'node'> {
  readonly node: string | undefined
  readonly page: RsmRequest | undefined
  /** The whole `<query/>`, for what extends it. */
  readonly payload: Element
}
/** Lists disco#items; undefined: not mine. */
export type DiscoItemsHandler = (
  query: DiscoItemsQuery,
) => Promise<Page<DiscoItem> | undefined> | Page<DiscoItem> | undefined

/** One stage of a command: a form to fill in. XEP-0050 §2.4. */
export interface CommandForm {
  readonly form: DataForm
  /** The command ends with this form. */
  readonly isLast: boolean
  /** Takes what was filled in, checked against the form's fields. A StanzaError leaves the session at this stage. */
  submit(filled: DataForm): CommandStep | Promise<CommandStep>
}
/** How a command ended. A failure is an error note, or a StanzaError where the session goes on. XEP-0050 §3.6. */
export interface CommandResult {
  readonly note?: { readonly type: 'info' | 'warn' | 'error'; readonly text: string }
  readonly result?: DataForm
  /** Stands inside the result form, after its fields. */
  readonly inResult?: readonly Element[]
}
export type CommandStep = CommandForm | CommandResult
/** A command that people run from their clients. XEP-0050. */
export interface AdHocCommand {
  /** Unique at its address. */
  readonly node: string
  readonly name: string
  /** Others do not see it, and get forbidden. */
  mayRun(asker: Jid): boolean
  run(request: { readonly asker: Jid; readonly session: SessionHandle | undefined }): CommandStep | Promise<CommandStep>
}

/** Whose requests an account's handler takes: its owner's, those of who sees its presence, or everyone's. */
export type WhoMayAsk = 'self' | 'subscribed' | 'anyone' | 'whether-or-not'

/** An address. Disco is answered from what is registered here and nothing else. */
export interface Endpoint {
  /** `<domain>` for 'server' and 'account', `<name>.<domain>` for a service. */
  readonly address: string
  identity(category: string, type: string, name?: string): void
  feature(...names: string[]): void
  form(form: DataForm | (() => DataForm)): void
  items(list: DiscoItemsHandler): void
  info(answer: DiscoInfoHandler): void
  /**
   * Exactly one handler per (type, payload name). On an account endpoint `from: 'self'` is the default: what anyone
   * may ask must not tell which accounts exist. `whether-or-not`: anyone, and the handler is asked for addresses that
   * are no account's too, so that the same answer can be given.
   */
  onIq(type: 'get' | 'set', payload: QName, handler: IqHandler, who?: { readonly from?: WhoMayAsk }): void
  onMessage(payload: QName, handler: MessageHandler): void
  onPresence(handler: PresenceHandler): void
  /** Registers a command; in `setup`. */
  command(command: AdHocCommand): void
  /** Routes a stanza from this address; `from` is set here. */
  send(stanza: Element | RawStanza): void
  /**
   * Sends an IQ from this address to a client or a service and resolves with its result's payload (undefined when
   * empty). What this server answers itself is asked at once, so that its writes are submitted before this returns.
   * @param account  at an account endpoint: who asks, by its bare JID
   * @throws StanzaError the answer's, or remote-server-timeout (as a rejection)
   */
  request(
    to: Jid,
    type: 'get' | 'set',
    payload: Element,
    timeoutMs: number,
    account?: string,
  ): Promise<Element | undefined>
}

/** What has been registered at an address, for the modules that tell others (disco, caps, the documentation). */
export interface EndpointView extends Endpoint {
  readonly at: 'server' | 'account' | `service:${string}`
  readonly identities: readonly DiscoIdentity[]
  readonly features: readonly string[]
  readonly commands: readonly AdHocCommand[]
  /** Made anew where they were registered as functions. */
  forms(): readonly DataForm[]
  readonly formCount: number
  /** The first registered handler that knows the node answers. */
  infoOf(query: DiscoQuery): Promise<DiscoInfo | undefined>
  itemsOf(query: Parameters<DiscoItemsHandler>[0]): Promise<Page<DiscoItem> | undefined>
}
export interface Endpoints {
  /** Calls `fn` for every address there is, and for each made later. */
  each(fn: (endpoint: EndpointView) => void): void
  /** Domains of the external components connected now. XEP-0114. */
  connected(): readonly string[]
  get(at: EndpointView['at']): EndpointView
}
/** Provided by the host itself. */
export const ENDPOINTS: Token<Endpoints> = { name: 'endpoints' }
