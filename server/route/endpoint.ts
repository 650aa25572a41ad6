/** One address of the server: what modules registered there, and nothing else. */

import type {
  AdHocCommand,
  DiscoIdentity,
  DiscoInfo,
  DiscoInfoHandler,
  DiscoItem,
  DiscoItemsHandler,
  DiscoQuery,
  EndpointView,
  IqHandler,
  MessageHandler,
  PresenceHandler,
  RawStanza,
  WhoMayAsk,
} from '../module/api.ts'
import type { DataForm } from '../stanza/forms.ts'
import type { Jid } from '../stanza/jid.ts'
import type { Page } from '../stanza/rsm.ts'
import type { Element, QName } from '../xml/element.ts'
import { PayloadTable } from './payload-table.ts'

export interface IqRegistration {
  readonly handler: IqHandler
  readonly from: WhoMayAsk
}

/** How an endpoint puts stanzas on the road; given by the router. */
export interface EndpointRoutes {
  send(from: string, stanza: Element | RawStanza): void
  request(from: string, to: Jid, type: 'get' | 'set', payload: Element, timeoutMs: number): Promise<Element | undefined>
}

export class ServerEndpoint implements EndpointView {
  readonly at: EndpointView['at']
  readonly address: string
  readonly identities: DiscoIdentity[] = []
  readonly features: string[] = []
  readonly commands: AdHocCommand[] = []
  readonly #forms: (() => DataForm)[] = []
  readonly #items: DiscoItemsHandler[] = []
  readonly #info: DiscoInfoHandler[] = []
  readonly #iqs = { get: new PayloadTable<IqRegistration>(), set: new PayloadTable<IqRegistration>() }
  readonly #messages = new PayloadTable<MessageHandler>()
  readonly #presences: PresenceHandler[] = []
  readonly #routes: EndpointRoutes

  constructor(at: EndpointView['at'], address: string, routes: EndpointRoutes) {
    this.at = at
    this.address = address
    this.#routes = routes
  }

  identity(category: string, type: string, name?: string): void {
    this.identities.push(name === undefined ? { category, type } : { category, type, name })
  }

  feature(...names: string[]): void {
    for (const name of names) if (!this.features.includes(name)) this.features.push(name)
  }

  form(form: DataForm | (() => DataForm)): void {
    this.#forms.push(typeof form === 'function' ? form : () => form)
  }

  forms(): readonly DataForm[] {
    return this.#forms.map((form) => form())
  }

  get formCount(): number {
    return this.#forms.length
  }

  items(list: DiscoItemsHandler): void {
    this.#items.push(list)
  }

  info(answer: DiscoInfoHandler): void {
    this.#info.push(answer)
  }

  async infoOf(query: DiscoQuery): Promise<DiscoInfo | undefined> {
    for (const answer of this.#info) {
      const info = await answer(query)
      if (info) return info
    }
    return undefined
  }

  async itemsOf(query: Parameters<DiscoItemsHandler>[0]): Promise<Page<DiscoItem> | undefined> {
    for (const list of this.#items) {
      const page = await list(query)
      if (page) return page
    }
    return undefined
  }

  onIq(type: 'get' | 'set', payload: QName, handler: IqHandler, who: { readonly from?: WhoMayAsk } = {}): void {
    const registration = { handler, from: who.from ?? (this.at === 'account' ? 'self' : 'anyone') }
    if (!this.#iqs[type].add(payload, registration))
      throw new Error(`two handlers for ${type} ${payload} at ${this.at}`)
  }

  onMessage(payload: QName, handler: MessageHandler): void {
    if (!this.#messages.add(payload, handler)) {
      throw new Error(`two message handlers for ${payload} at ${this.at}`)
    }
  }

  onPresence(handler: PresenceHandler): void {
    this.#presences.push(handler)
  }

  command(command: AdHocCommand): void {
    if (this.commands.some(({ node }) => node === command.node))
      throw new Error(`two commands ${command.node} at ${this.at}`)
    this.commands.push(command)
  }

  iqHandler(type: 'get' | 'set', payload: Element): IqRegistration | undefined {
    return this.#iqs[type].of(payload)
  }

  messageHandler(payload: Element): MessageHandler | undefined {
    return this.#messages.of(payload)
  }

  get presenceHandlers(): readonly PresenceHandler[] {
    return this.#presences
  }

  send(stanza: Element | RawStanza): void {
    this.#routes.send(this.address, stanza)
  }

  request(
    to: Jid,
    type: 'get' | 'set',
    payload: Element,
    timeoutMs: number,
    account = this.address,
  ): Promise<Element | undefined> {
    return this.#routes.request(account, to, type, payload, timeoutMs)
  }
}
