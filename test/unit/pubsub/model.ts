/**
 * XEP-0060 as far as the property test drives it, written down once more and as plainly as can be: nodes in a map,
 * lists searched from end to end. It says what each request is answered with, and what each account is told.
 */

import { type Affiliation, answerOf, refuse, Told } from './model-outcome.ts'
import {
  ACTORS,
  type Actor,
  above,
  type Config,
  DEFAULTS,
  type Held,
  type Item,
  isOwner,
  mayCreate,
  mayKnow,
  mayPublish,
  type Node,
  needsApproval,
  type Request,
  rootNode,
  type Subscription,
  standing,
  superiors,
  whyKeptOut,
  whyNotRead,
  whyNotRetrieve,
} from './model-rules.ts'

export class Model {
  readonly #nodes = new Map<string, Node>()
  #digests = 0
  #published = 0
  readonly #told = new Told<Actor>()

  /** @returns the answer: `ok`, what was asked for, or the error */
  perform(actor: Actor, request: Request): string {
    return answerOf(() => {
      const answer = this.#perform(actor, request)
      this.#settle()
      return answer
    })
  }

  /** The service ends and begins again: what digests hold is sent. */
  restart(): void {
    for (const actor of ACTORS) for (const subscription of this.#inOrder(actor)) this.#flush(actor, subscription)
  }

  /** What each account was told by the last request, in order. */
  takeTold(): Map<Actor, string[]> {
    return this.#told.take()
  }

  #tell(jid: Actor, what: string): void {
    this.#told.tell(jid, what)
  }

  /** An event of a node, or of its items: to its subscribers, and to those of the collections above it. */
  #tellAll(node: Node, what: string, subject: 'items' | 'nodes' = 'items'): void {
    this.#tellEach(node, what, subject, above(node), true)
  }

  /** XEP-0248 §5.3: once to each, with the collections that it came by. */
  #tellEach(
    node: Node,
    what: string,
    subject: 'items' | 'nodes',
    collections: ReadonlyMap<Node, number>,
    isDirect: boolean,
    own?: Node,
  ): void {
    const isOfItems = /^(item|retract) /.test(what)
    for (const jid of ACTORS) {
      const ways = [...collections].flatMap(([collection, distance]) => {
        const subscription = collection.subscriptions.get(jid)
        if (subscription?.state !== 'subscribed') return []
        const isDeep = subscription.depth === 'all' || subscription.depth >= distance
        const isMeant = isDeep && [subject, 'all'].includes(subscription.what) && mayKnow(node, jid, subject)
        return isMeant ? [{ subscription, via: collection === own ? '' : collection.name }] : []
      })
      const direct = isDirect && !whyKeptOut(node, jid) ? node.subscriptions.get(jid) : undefined
      if (direct?.state === 'subscribed') ways.unshift({ subscription: direct, via: '' })
      if (!isOfItems) for (const { subscription } of ways) this.#flush(jid, subscription)
      const wanting = ways.filter(({ subscription }) => subscription.deliver)
      const atOnce = wanting.filter(({ subscription }) => !isOfItems || !subscription.digest)
      for (const { subscription, via } of wanting)
        if (isOfItems && subscription.digest) this.#hold(subscription, { node, what, via, isOne: ways.length === 1 })
      const names = atOnce.map(({ via }) => via).filter((name) => name !== '')
      if (atOnce.length > 0) this.#tell(jid, names.length > 0 ? `${what} via ${names.sort().join('+')}` : what)
    }
  }

  #hold(subscription: Subscription, held: Held): void {
    if (subscription.held.length === 0) subscription.began = ++this.#digests
    subscription.held.push(held)
  }

  /** The account's digests, in the order in which they began. */
  #inOrder(actor: Actor): Subscription[] {
    const own = [...this.#nodes.values()].flatMap((node) => node.subscriptions.get(actor) ?? [])
    return own.filter(({ held }) => held.length > 0).sort((a, b) => a.began - b.began)
  }

  /** A digest goes: neighbours of one kind, node and way in one message, but what may not be known any more. */
  #flush(jid: Actor, subscription: Subscription): void {
    const messages: Held[] = []
    for (const held of subscription.held) {
      const last = messages.at(-1)
      const isAlike = last?.node === held.node && last.via === held.via && last.isOne === held.isOne
      if (last && isAlike && last.what.split(' ')[0] === held.what.split(' ')[0])
        messages[messages.length - 1] = { ...last, what: `${last.what}+${held.what}` }
      else messages.push(held)
    }
    subscription.held = []
    for (const { node, what, via } of messages) {
      if (whyKeptOut(node, jid)) continue
      if (via === '') this.#tell(jid, what)
      else if (mayKnow(node, jid, 'items')) this.#tell(jid, `${what} via ${via}`)
    }
  }

  /** A subscription ends without its holder's doing, or with it. */
  #end(node: Node, jid: Actor): void {
    const subscription = node.subscriptions.get(jid)
    node.subscriptions.delete(jid)
    if (subscription) this.#flush(jid, subscription)
    this.#tell(jid, 'none')
  }

  /** Whom a parent keeps out is subscribed no more, which may keep others out. XEP-0496 §4.4; XEP-0060 §12.14 */
  #settle(): void {
    for (let isOver = false; !isOver; ) {
      isOver = true
      for (const node of this.#nodes.values())
        for (const jid of ACTORS) {
          if (!node.step || !node.subscriptions.has(jid) || !whyNotRead(node, jid)) continue
          this.#end(node, jid)
          isOver = false
        }
    }
  }

  /** XEP-0248 §5.3.2. */
  #tellLink(parent: Node, child: Node, kind: 'associate' | 'dissociate'): void {
    const collections = new Map([[parent, 1]])
    for (const [collection, distance] of above(parent)) collections.set(collection, distance + 1)
    this.#tellEach(child, `${kind} ${child.name} ${parent.name}`, 'nodes', collections, false, parent)
  }

  #perform(actor: Actor, request: Request): string {
    switch (request.kind) {
      case 'create':
        return this.#create(actor, request.node, request.config)
      case 'subscriptions':
        return this.#list((node) => node.subscriptions.get(actor)?.state)
      case 'affiliations':
        return this.#list((node) => node.affiliations.get(actor))
      case 'publish':
        return this.#publish(actor, request.node, request.id)
      case 'offline':
        for (const subscription of this.#inOrder(actor)) this.#flush(actor, subscription)
        return 'ok'
      default:
        return this.#atNode(actor, this.#named(request.node), request)
    }
  }

  /** The root has no name, and stands in nothing. XEP-0248 §8.1. */
  #named(name: string): Node {
    return name === '' ? rootNode() : (this.#nodes.get(name) ?? refuse('item-not-found'))
  }

  #list(of: (node: Node) => string | undefined): string {
    const names = [...this.#nodes.keys()].sort()
    return names
      .flatMap((name) => {
        const what = of(this.#nodes.get(name) as Node) // its own key
        return what === undefined ? [] : [`${name}=${what}`]
      })
      .join()
  }

  #create(actor: Actor, name: string, config: Config): string {
    if (!mayCreate(actor)) refuse('forbidden')
    if (this.#nodes.has(name)) refuse('conflict')
    const affiliations = new Map<Actor, Affiliation>([[actor, 'owner']])
    const persist_items = config.persist_items && config.node_type === 'leaf'
    const made = { ...config, persist_items }
    const node: Node = {
      name,
      config: made,
      affiliations,
      subscriptions: new Map(),
      parents: new Set(),
      step: undefined,
      items: [],
    }
    if (config.collection !== '') {
      const parent = config.collection === name ? node : this.#nodes.get(config.collection)
      this.#link(actor, parent ?? refuse('item-not-found'), node)
    }
    this.#nodes.set(name, node)
    this.#tellAll(node, `create ${name}`, 'nodes')
    return 'ok'
  }

  /** XEP-0248 §7.2.3, §7.5.3. */
  #link(actor: Actor, parent: Node, child: Node): void {
    if (parent.config.node_type === 'leaf') refuse('not-allowed/invalid-options')
    if (!isOwner(parent, actor) || !isOwner(child, actor)) refuse('forbidden')
    if (parent === child || above(parent).has(child)) refuse('not-allowed/invalid-options')
    child.parents.add(parent)
  }

  #publish(actor: Actor, name: string, id: string): string {
    if (!this.#nodes.has(name)) {
      if (!mayCreate(actor)) refuse('item-not-found')
      this.#create(actor, name, DEFAULTS)
    }
    const node = this.#nodes.get(name) as Node // there by now
    const { config } = node
    if (config.node_type === 'collection') refuse('feature-not-implemented/unsupported')
    if (!mayPublish(node, actor)) refuse('forbidden')
    const others = node.items.filter((item) => item.id !== id)
    const isFull = config.persist_items && others.length >= config.max_items
    if (isFull && config.publish_node_full === 'reject') refuse('conflict/node-full')
    this.#tellAll(node, `item ${id}${config.itemreply === 'publisher' ? ` by ${actor}` : ''}`)
    if (!config.persist_items) return 'ok'
    const gone = isFull ? others.shift() : undefined
    const at = ++this.#published
    const created = node.items.find((item) => item.id === id)?.created ?? at
    node.items = [...others, { id, publisher: actor, at, created }]
    if (gone && config.notify_retract && config.publish_node_full === 'retract-oldest')
      this.#tellAll(node, `retract ${gone.id}`)
    return 'ok'
  }

  #atNode(actor: Actor, node: Node, request: Exclude<Request, { kind: 'create' | 'publish' }>): string {
    switch (request.kind) {
      case 'subscribe':
        return this.#subscribe(actor, node)
      case 'unsubscribe':
        if (!node.subscriptions.has(actor)) refuse('unexpected-request/not-subscribed')
        this.#end(node, actor)
        return 'ok'
      case 'deliver':
      case 'digest': {
        const subscription = node.subscriptions.get(actor) ?? refuse('unexpected-request/not-subscribed')
        subscription[request.kind] = request.isOn
        this.#flush(actor, subscription)
        return 'ok'
      }
      case 'follow': {
        const subscription = node.subscriptions.get(actor) ?? refuse('unexpected-request/not-subscribed')
        if (node.config.node_type === 'leaf') refuse('bad-request/invalid-options')
        subscription.what = request.what
        subscription.depth = request.depth
        this.#flush(actor, subscription)
        return 'ok'
      }
      case 'associate': {
        const child = this.#nodes.get(request.child) ?? refuse('item-not-found')
        if (child.parents.has(node)) return 'ok'
        this.#link(actor, node, child)
        this.#tellLink(node, child, 'associate')
        return 'ok'
      }
      case 'dissociate': {
        const child = this.#nodes.get(request.child) ?? refuse('item-not-found')
        if (!isOwner(node, actor) && !isOwner(child, actor)) refuse('forbidden')
        if (!child.parents.delete(node)) refuse('bad-request')
        this.#tellLink(node, child, 'dissociate')
        return 'ok'
      }
      case 'items':
        return listed(this.#read(actor, node))
      case 'pages': {
        const { by, isDown } = request
        const found = this.#read(actor, node)
        const key = ({ item }: Found) => (by === 'creation' ? item.created : item.at)
        found.sort((a, b) => (isDown ? key(b) - key(a) : key(a) - key(b)))
        return found.map((each) => listed([each])).join()
      }
      case 'retract':
        return this.#retract(actor, node, request.id, request.notify)
      case 'answer':
        return this.#answer(actor, node, request.jid, request.isAllowed)
      case 'affiliate':
        return this.#affiliate(actor, node, request.jid, request.affiliation)
      case 'access':
        if (!isOwner(node, actor)) refuse('forbidden')
        if (node.config.access_model === request.model) return 'ok'
        node.config.access_model = request.model
        this.#review(node, ACTORS)
        return 'ok'
      case 'subscribers': {
        if (!isOwner(node, actor)) refuse('forbidden')
        const subscribed = ACTORS.filter((jid) => node.subscriptions.get(jid)?.state === 'subscribed')
        return subscribed.join()
      }
      case 'affiliates':
        if (!isOwner(node, actor)) refuse('forbidden')
        return ACTORS.flatMap((jid) =>
          node.affiliations.has(jid) ? [`${jid}=${node.affiliations.get(jid)}`] : [],
        ).join()
      case 'purge':
        if (!isOwner(node, actor)) refuse('forbidden')
        if (!node.config.persist_items) refuse('feature-not-implemented/unsupported')
        node.items = []
        if (node.config.notify_retract) this.#tellAll(node, 'purge')
        return 'ok'
      case 'delete':
        if (!isOwner(node, actor)) refuse('forbidden')
        for (const each of this.#branch(node)) this.#delete(each)
        return 'ok'
      case 'relate':
        return this.#relate(actor, node, request)
      default:
        return refuse('no such request')
    }
  }

  #delete(node: Node): void {
    this.#tellAll(node, 'delete', 'nodes')
    for (const [jid, { state }] of node.subscriptions) if (state === 'pending') this.#tell(jid, 'delete')
    this.#nodes.delete(node.name)
    for (const each of this.#nodes.values()) each.parents.delete(node)
  }

  /** The node and all that belong to it, level by level. */
  #branch(node: Node): Node[] {
    const found = [node]
    for (const each of found) found.push(...[...this.#nodes.values()].filter(({ step }) => step?.to === each))
    return found
  }

  /** XEP-0496 §4.2. */
  #relate(actor: Actor, node: Node, asked: Extract<Request, { kind: 'relate' }>): string {
    if (!isOwner(node, actor)) refuse('forbidden')
    const { step } = node
    const named = (name: string) => (name === '' ? undefined : (this.#nodes.get(name) ?? refuse('item-not-found')))
    const link = named(asked.link ?? (step?.kind === 'link' ? step.to.name : ''))
    if (link) {
      const above = superiors(link)[0]?.name ?? ''
      const own = asked.parent ?? (step?.kind === 'parent' ? step.to.name : above)
      const isNew = step?.kind !== 'link' || step.to !== link
      if (own !== above && !(own === '' && isNew)) refuse('not-allowed/invalid-option')
    }
    const parent = link ? undefined : named(asked.parent ?? superiors(node)[0]?.name ?? '')
    const to = link ?? parent
    const kind = link ? 'link' : 'parent'
    if (step?.to === to && (!to || step?.kind === kind)) return 'ok'
    if (to && !(parent && superiors(node)[0] === parent)) {
      const isReader = !whyNotRead(to, actor) && !needsApproval(to, actor)
      if (!isReader || (parent && !mayPublish(to, actor))) refuse('forbidden')
    }
    for (let each = to; each; each = each.step?.to) if (each === node) refuse('not-allowed/invalid-option')
    node.step = to && { kind, to }
    return 'ok'
  }

  #subscribe(actor: Actor, node: Node): string {
    const refusal = whyNotRead(node, actor)
    if (refusal) refuse(refusal)
    const existing = node.subscriptions.get(actor)
    if (existing?.state === 'pending') refuse('not-authorized/pending-subscription')
    if (existing) return 'subscribed'
    const isAsked = needsApproval(node, actor)
    const state = isAsked ? 'pending' : 'subscribed'
    node.subscriptions.set(actor, { state, deliver: true, what: 'nodes', depth: 1, digest: false, held: [], began: 0 })
    if (!isAsked) this.#begin(node, actor)
    else for (const [jid, kind] of node.affiliations) if (kind === 'owner') this.#tell(jid, `ask for ${actor}`)
    return isAsked ? 'pending' : 'subscribed'
  }

  /** XEP-0060 §6.1.7. */
  #begin(node: Node, actor: Actor): void {
    const { config, items } = node
    const last = items.at(-1)
    if (config.send_last_published_item === 'never' || !config.persist_items || !last) return
    if (whyKeptOut(node, actor)) return
    if (!node.subscriptions.get(actor)?.deliver) return
    this.#tell(actor, `item ${last.id}${config.itemreply === 'publisher' ? ` by ${last.publisher}` : ''}`)
  }

  /** In the order of publication. XEP-0060 §6.5; XEP-0248 §6.2: of a collection, of all that is below it. */
  #read(actor: Actor, node: Node): Found[] {
    const refusal = whyNotRetrieve(node, actor)
    if (refusal) refuse(refusal)
    const isCollection = node.config.node_type === 'collection'
    if (!isCollection && !node.config.persist_items) refuse('feature-not-implemented/unsupported')
    const read = isCollection ? this.#below(actor, node) : [node]
    const all = read.flatMap((leaf) => leaf.items.map((item) => ({ node: leaf, item })))
    return all.sort((a, b) => a.item.at - b.item.at)
  }

  /** All that is below a collection, as far as each node on the road lets the account go on. */
  #below(actor: Actor, collection: Node): Node[] {
    const subscription = collection.subscriptions.get(actor)
    const depth = subscription?.state === 'subscribed' ? subscription.depth : 0
    const found = new Set<Node>()
    let level = [collection]
    for (let distance = 1; level.length > 0; distance++) {
      const isFollowed = depth === 'all' || depth >= distance
      level = level.flatMap((each) => this.#inside(each)).filter((node) => !found.has(node))
      level = level.filter((node) => !whyNotRetrieve(node, actor) || (isFollowed && mayKnow(node, actor, 'items')))
      for (const node of level) found.add(node)
    }
    return [...found]
  }

  #inside(collection: Node): Node[] {
    const all = [...this.#nodes.values()]
    return all.filter(({ parents }) => (collection.name === '' ? parents.size === 0 : parents.has(collection)))
  }

  #retract(actor: Actor, node: Node, id: string, notify: boolean): string {
    if (!node.config.persist_items) refuse('feature-not-implemented/unsupported')
    const item = node.items.find((each) => each.id === id)
    const isOwn = !item || item.publisher === actor
    if (!isOwner(node, actor) && !(mayPublish(node, actor) && isOwn)) refuse('forbidden')
    if (!item) refuse('item-not-found')
    node.items = node.items.filter((each) => each.id !== id)
    if (notify || node.config.notify_retract) this.#tellAll(node, `retract ${id}`)
    return 'ok'
  }

  #answer(actor: Actor, node: Node, jid: Actor, isAllowed: boolean): string {
    if (!isOwner(node, actor)) refuse('forbidden')
    const request = node.subscriptions.get(jid)
    if (request?.state !== 'pending') return refuse('item-not-found')
    if (!isAllowed) {
      this.#end(node, jid)
      return 'ok'
    }
    request.state = 'subscribed'
    this.#tell(jid, 'subscribed')
    this.#begin(node, jid)
    return 'ok'
  }

  /** XEP-0060 §4.1, the state chart; §8.9. */
  #affiliate(actor: Actor, node: Node, jid: Actor, to: Affiliation): string {
    if (!isOwner(node, actor)) refuse('forbidden')
    const from = standing(node, jid)
    if (from === to) return 'ok'
    const owners = [...node.affiliations.values()].filter((each) => each === 'owner').length
    if (from === 'owner' && (to !== 'none' || owners === 1)) refuse('not-acceptable')
    if ((from === 'publisher' || from === 'publish-only') && to === 'member') refuse('not-acceptable')
    if (to === 'none') node.affiliations.delete(jid)
    else node.affiliations.set(jid, to)
    this.#tell(jid, `affiliation ${to}`)
    this.#review(node, [jid])
    return 'ok'
  }

  /** Who may no longer read is out, and whom nobody need approve any more is in. XEP-0060 §8.7.4, §12.14. */
  #review(node: Node, jids: readonly Actor[]): void {
    for (const jid of jids) {
      const subscription = node.subscriptions.get(jid)
      if (!subscription) continue
      const kind = standing(node, jid)
      const { access_model } = node.config
      const mayRead =
        kind !== 'outcast' && kind !== 'publish-only' && !(kind === 'none' && access_model === 'whitelist')
      if (!mayRead) {
        this.#end(node, jid)
      } else if (subscription.state === 'pending' && (kind !== 'none' || access_model !== 'authorize')) {
        subscription.state = 'subscribed'
        this.#tell(jid, 'subscribed')
        this.#begin(node, jid)
      }
    }
  }
}

interface Found {
  readonly node: Node
  readonly item: Item
}

/** By node, in the order in which each comes first. */
function listed(found: readonly Found[]): string {
  const nodes = new Set(found.map(({ node }) => node))
  return [...nodes]
    .map((node) => {
      const isNamed = node.config.itemreply === 'publisher'
      const own = found.filter((each) => each.node === node)
      const texts = own.map(({ item: { id, publisher } }) => (isNamed ? `${id} by ${publisher}` : id))
      return `${node.name}: ${texts.join()}`
    })
    .join('; ')
}
