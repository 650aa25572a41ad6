/**
 * An account as a pubsub service, written down once more and as plainly as can be, as far as the property test drives it:
 * access by its owner's roster, and events for who wants them without having subscribed. XEP-0060 §4.5, §9; XEP-0163.
 */

import { type Affiliation, answerOf, refuse, Told } from './model-outcome.ts'

/** The first owns the account. */
export const ACTORS = ['alice', 'bob', 'carol'] as const
export type Actor = (typeof ACTORS)[number]
export const MODELS = ['open', 'presence', 'roster', 'authorize', 'whitelist'] as const
export type AccessModel = (typeof MODELS)[number]

export interface Config {
  access_model: AccessModel
  publish_model: 'publishers' | 'subscribers' | 'open'
  persist_items: boolean
  max_items: number
  notify_retract: boolean
  send_last_published_item: 'never' | 'on_sub' | 'on_sub_and_presence'
}

export type Request =
  | { readonly kind: 'create'; readonly node: string; readonly config: Config }
  | { readonly kind: 'delete' | 'purge'; readonly node: string }
  | { readonly kind: 'subscribe' | 'unsubscribe' | 'items'; readonly node: string }
  | { readonly kind: 'archive'; readonly node: string }
  | { readonly kind: 'publish' | 'retract'; readonly node: string; readonly id: string }
  | { readonly kind: 'affiliate'; readonly node: string; readonly jid: Actor; readonly affiliation: Affiliation }
  | { readonly kind: 'access'; readonly node: string; readonly model: AccessModel }
  | { readonly kind: 'answer'; readonly node: string; readonly jid: Actor; readonly isAllowed: boolean }
  /** What the owner's roster says of the one who asks. */
  | { readonly kind: 'relate'; readonly seesPresence: boolean; readonly isFriend: boolean }
  /** Does its client want the node's events? */
  | { readonly kind: 'want'; readonly node: string; readonly isWanted: boolean }

interface Node {
  readonly name: string
  readonly config: Config
  readonly affiliations: Map<Actor, Affiliation>
  readonly subscriptions: Map<Actor, 'subscribed' | 'pending'>
  items: Item[]
  /** Each version, in the order of publication; from the first on that no older one was dropped behind. XEP-0442 §3 */
  archive: Item[]
}

interface Item {
  readonly id: string
  readonly publisher: Actor
  isGone: boolean
}

/** pubsub.archiveMaxItems */
const PAST_MAX = 20

/** What a node gets that a publish makes. XEP-0163 §3.5, §5 */
const DEFAULTS: Config = {
  access_model: 'presence',
  publish_model: 'publishers',
  persist_items: true,
  max_items: 1,
  notify_retract: false,
  send_last_published_item: 'on_sub_and_presence',
}

const OWNER: Actor = 'alice'

export class AccountModel {
  readonly #nodes = new Map<string, Node>()
  readonly #sees = new Set<Actor>()
  readonly #friends = new Set<Actor>()
  /** `actor node` */
  readonly #wants = new Set<string>()
  readonly #told = new Told<Actor>()

  /** @returns the answer: `ok`, what was asked for, or the error */
  perform(actor: Actor, request: Request): string {
    return answerOf(() => this.#perform(actor, request))
  }

  takeTold(): Map<Actor, string[]> {
    return this.#told.take()
  }

  #tell(jid: Actor, what: string): void {
    this.#told.tell(jid, what)
  }

  #tellAll(node: Node, what: string): void {
    for (const jid of ACTORS) {
      const isSubscribed = node.subscriptions.get(jid) === 'subscribed' && this.#whyNotRead(node, jid) === undefined
      if (isSubscribed || (this.#isImplied(node, jid) && this.#wants.has(`${jid} ${node.name}`))) this.#tell(jid, what)
    }
  }

  /** XEP-0060 §4.5 */
  #whyNotRead(node: Node, actor: Actor): string | undefined {
    if (actor === OWNER) return undefined
    const kind = node.affiliations.get(actor) ?? 'none'
    if (kind === 'outcast' || kind === 'publish-only') return 'forbidden'
    if (kind !== 'none') return undefined
    const { access_model } = node.config
    if (access_model === 'open' || access_model === 'authorize') return undefined
    if (access_model === 'whitelist') return 'not-allowed/closed-node'
    if (!this.#sees.has(actor)) return 'not-authorized/presence-subscription-required'
    return access_model === 'roster' && !this.#friends.has(actor) ? 'not-authorized/not-in-roster-group' : undefined
  }

  #needsApproval(node: Node, actor: Actor): boolean {
    return node.config.access_model === 'authorize' && actor !== OWNER && !node.affiliations.has(actor)
  }

  /** Subscribed without having asked. XEP-0060 §9.1 */
  #isImplied(node: Node, actor: Actor): boolean {
    if (actor === OWNER) return true
    return this.#sees.has(actor) && this.#whyNotRead(node, actor) === undefined && !this.#needsApproval(node, actor)
  }

  #mayPublish(node: Node, actor: Actor): boolean {
    const kind = node.affiliations.get(actor) ?? 'none'
    if (actor === OWNER || kind === 'publisher' || kind === 'publish-only') return true
    if (kind === 'outcast' || node.config.publish_model === 'publishers') return false
    return node.config.publish_model === 'open' || node.subscriptions.get(actor) === 'subscribed'
  }

  #perform(actor: Actor, request: Request): string {
    switch (request.kind) {
      case 'relate':
        return this.#relate(actor, request.seesPresence, request.isFriend)
      case 'want': {
        const want = `${actor} ${request.node}`
        if (request.isWanted) this.#wants.add(want)
        else this.#wants.delete(want)
        return 'ok'
      }
      case 'create':
        if (actor !== OWNER) refuse('forbidden')
        if (this.#nodes.has(request.node)) refuse('conflict')
        this.#create(request.node, request.config)
        return 'ok'
      default: {
        this.#refuseStranger(actor, request.node)
        if (request.kind === 'publish' && actor === OWNER && !this.#nodes.has(request.node))
          this.#create(request.node, DEFAULTS)
        return this.#atNode(actor, this.#nodes.get(request.node) ?? refuse('item-not-found'), request)
      }
    }
  }

  #create(name: string, config: Config): void {
    const affiliations = new Map<Actor, Affiliation>([[OWNER, 'owner']])
    this.#nodes.set(name, {
      name,
      config: { ...config },
      affiliations,
      subscriptions: new Map(),
      items: [],
      archive: [],
    })
  }

  /** To a stranger a closed node, and one that is not there, are the same. */
  #refuseStranger(actor: Actor, name: string): void {
    if (actor === OWNER || this.#sees.has(actor)) return
    const node = this.#nodes.get(name)
    const mayAsk =
      node &&
      (node.affiliations.has(actor) ||
        node.subscriptions.get(actor) === 'subscribed' ||
        ['open', 'authorize'].includes(node.config.access_model) ||
        this.#mayPublish(node, actor))
    if (!mayAsk) refuse('not-authorized/presence-subscription-required')
  }

  #relate(actor: Actor, seesPresence: boolean, isFriend: boolean): string {
    const nodes = [...this.#nodes.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
    const outside = nodes.filter((node) => !this.#isImplied(node, actor))
    if (seesPresence) this.#sees.add(actor)
    else this.#sees.delete(actor)
    if (isFriend) this.#friends.add(actor)
    else this.#friends.delete(actor)
    for (const node of outside) this.#welcome(node, actor)
    for (const node of nodes) this.#review(node, actor)
    return 'ok'
  }

  /** Who was not subscribed without having asked, and is now, gets the last item. XEP-0060 §12.1 */
  #welcome(node: Node, actor: Actor): void {
    if (!this.#isImplied(node, actor) || !this.#wants.has(`${actor} ${node.name}`)) return
    if (node.subscriptions.get(actor) === 'subscribed') return
    if (node.config.send_last_published_item === 'on_sub_and_presence') this.#tellLast(node, actor)
  }

  #tellLast(node: Node, actor: Actor): void {
    const last = node.items.at(-1)
    if (last && node.config.persist_items) this.#tell(actor, `item ${last.id} by ${last.publisher}`)
  }

  /** Who may no longer read is out. XEP-0060 §12.14 */
  #review(node: Node, actor: Actor): void {
    if (node.subscriptions.get(actor) !== 'subscribed' || this.#whyNotRead(node, actor) === undefined) return
    node.subscriptions.delete(actor)
    this.#tell(actor, 'none')
  }

  /** Requests that nobody need answer any more. */
  #reviewRequest(node: Node, actor: Actor): void {
    if (node.subscriptions.get(actor) !== 'pending') return
    const { access_model } = node.config
    const kind = node.affiliations.get(actor) ?? 'none'
    if (kind === 'none' && access_model === 'authorize') return
    const isLetIn = kind === 'publisher' || kind === 'member' || (kind === 'none' && access_model === 'open')
    if (!isLetIn) {
      node.subscriptions.delete(actor)
      this.#tell(actor, 'none')
      return
    }
    this.#begin(node, actor)
  }

  #begin(node: Node, actor: Actor): void {
    node.subscriptions.set(actor, 'subscribed')
    this.#tell(actor, 'subscribed')
    if (node.config.send_last_published_item !== 'never') this.#tellLast(node, actor)
  }

  #atNode(actor: Actor, node: Node, request: Exclude<Request, { kind: 'create' | 'relate' | 'want' }>): string {
    const { config } = node
    switch (request.kind) {
      case 'publish': {
        if (!this.#mayPublish(node, actor)) refuse('forbidden')
        this.#tellAll(node, `item ${request.id} by ${actor}`)
        if (!config.persist_items) return 'ok'
        const others = node.items.filter(({ id }) => id !== request.id)
        const item = { id: request.id, publisher: actor, isGone: false }
        node.items = [...others, item]
        node.archive.push(item)
        trim(node)
        const gone = node.items.length > config.max_items ? node.items.shift() : undefined
        trim(node)
        if (gone && config.notify_retract) this.#tellAll(node, `retract ${gone.id}`)
        return 'ok'
      }
      case 'retract': {
        if (!config.persist_items) refuse('feature-not-implemented/unsupported')
        const isThere = (each: Item) => each.id === request.id && !each.isGone
        const item = node.items.find(isThere) ?? node.archive.findLast(isThere)
        const isOwn = !item || item.publisher === actor
        if (actor !== OWNER && !(this.#mayPublish(node, actor) && isOwn)) refuse('forbidden')
        if (!item) refuse('item-not-found')
        node.items = node.items.filter((each) => each !== item)
        for (const each of node.archive) if (each.id === request.id) each.isGone = true
        trim(node)
        if (config.notify_retract) this.#tellAll(node, `retract ${request.id}`)
        return 'ok'
      }
      case 'subscribe':
        return this.#subscribe(actor, node)
      case 'unsubscribe':
        if (!node.subscriptions.delete(actor)) refuse('unexpected-request/not-subscribed')
        this.#tell(actor, 'none')
        return 'ok'
      case 'items':
      case 'archive': {
        const refusal = this.#whyNotRead(node, actor)
        if (refusal) refuse(refusal)
        const isRestricted = config.access_model === 'whitelist' || config.access_model === 'authorize'
        const isKnown = actor === OWNER || node.affiliations.get(actor) === 'publisher'
        if (isRestricted && !isKnown && node.subscriptions.get(actor) !== 'subscribed')
          refuse('not-authorized/not-subscribed')
        if (!config.persist_items) refuse('feature-not-implemented/unsupported')
        return (request.kind === 'items' ? node.items : node.archive)
          .map(({ id, publisher, isGone }) => (isGone ? `retract ${id}` : `${id} by ${publisher}`))
          .join()
      }
      default:
        if (actor !== OWNER) refuse('forbidden')
        return this.#atOwnNode(node, request)
    }
  }

  #subscribe(actor: Actor, node: Node): string {
    const refusal = this.#whyNotRead(node, actor)
    if (refusal) refuse(refusal)
    const state = node.subscriptions.get(actor)
    if (state === 'pending') refuse('not-authorized/pending-subscription')
    if (state === 'subscribed') return 'subscribed'
    if (this.#needsApproval(node, actor)) {
      node.subscriptions.set(actor, 'pending')
      this.#tell(OWNER, `ask for ${actor}`)
      return 'pending'
    }
    node.subscriptions.set(actor, 'subscribed')
    if (node.config.send_last_published_item !== 'never') this.#tellLast(node, actor)
    return 'subscribed'
  }

  #atOwnNode(
    node: Node,
    request: Extract<Request, { kind: 'purge' | 'delete' | 'affiliate' | 'access' | 'answer' }>,
  ): string {
    const { config } = node
    switch (request.kind) {
      case 'purge':
        if (!config.persist_items) refuse('feature-not-implemented/unsupported')
        node.items = []
        for (const each of node.archive) each.isGone = true
        trim(node)
        if (config.notify_retract) this.#tellAll(node, 'purge')
        return 'ok'
      case 'delete':
        this.#tellAll(node, 'delete')
        for (const [jid, state] of node.subscriptions) if (state === 'pending') this.#tell(jid, 'delete')
        this.#nodes.delete(node.name)
        return 'ok'
      case 'affiliate': {
        const { jid, affiliation: to } = request
        const from = node.affiliations.get(jid) ?? 'none'
        if ((jid === OWNER) !== (to === 'owner')) refuse('not-acceptable')
        if ((from === 'publisher' || from === 'publish-only') && to === 'member') refuse('not-acceptable')
        if (from === to) return 'ok'
        const wasImplied = this.#isImplied(node, jid)
        if (to === 'none') node.affiliations.delete(jid)
        else node.affiliations.set(jid, to)
        this.#tell(jid, `affiliation ${to}`)
        this.#reviewRequest(node, jid)
        if (!wasImplied) this.#welcome(node, jid)
        this.#review(node, jid)
        return 'ok'
      }
      case 'access': {
        if (config.access_model === request.model) return 'ok'
        const outside = ACTORS.filter((jid) => !this.#isImplied(node, jid))
        config.access_model = request.model
        for (const jid of ACTORS) this.#reviewRequest(node, jid)
        for (const jid of outside) this.#welcome(node, jid)
        for (const jid of ACTORS) this.#review(node, jid)
        return 'ok'
      }
      case 'answer':
        if (node.subscriptions.get(request.jid) !== 'pending') refuse('item-not-found')
        if (request.isAllowed) {
          this.#begin(node, request.jid)
          return 'ok'
        }
        node.subscriptions.delete(request.jid)
        this.#tell(request.jid, 'none')
        return 'ok'
    }
  }
}

/** XEP-0313 §3.2: only the oldest end is dropped, and what is older than that goes with it. */
function trim(node: Node): void {
  const past = node.archive.filter((each) => !node.items.includes(each))
  const last = past.at(-PAST_MAX - 1)
  if (last) node.archive = node.archive.slice(node.archive.indexOf(last) + 1)
}
