/**
 * The components as the main thread knows them: a copy fed by committed results, and `/inventory`, which tells of each
 * change in the same order. SACM-XMPP §2.
 */

import type { ModuleContext, Operation } from '../../server/module/api.ts'
import type { Pubsub } from '../pubsub/api.ts'
import { renderInventoryItem } from './onboarding-xml.ts'
import { type Actor, NODE_INVENTORY } from './rules.ts'
import { loadComponents } from './store.sqlite.ts'
import type { Component } from './store.ts'

type Ctx = Pick<ModuleContext, 'accounts' | 'log' | 'storage'>

export class Roster {
  readonly #ctx: Ctx
  readonly #pubsub: Pick<Pubsub, 'publish' | 'retract'>
  readonly #byId = new Map<string, Component>()
  readonly #idOf = new Map<string, string>()

  constructor(ctx: Ctx, pubsub: Pick<Pubsub, 'publish' | 'retract'>) {
    this.#ctx = ctx
    this.#pubsub = pubsub
  }

  async load(): Promise<void> {
    for (const component of await this.#ctx.storage.run(loadComponents, undefined)) this.#put(component)
  }

  get(id: string): Component | undefined {
    return this.#byId.get(id)
  }

  ofAccount(bareJid: string): Component | undefined {
    const id = this.#idOf.get(bareJid)
    return id === undefined ? undefined : this.#byId.get(id)
  }

  all(): Iterable<Component> {
    return this.#byId.values()
  }

  actor(bareJid: string): Actor {
    return { bareJid, roles: this.#ctx.accounts.roles(bareJid), component: this.#idOf.get(bareJid) }
  }

  /** Runs an operation that changes a component; once committed, the copy and the inventory follow. */
  change<A>(operation: Operation<A, Component>, args: NoInfer<A>): Promise<Component> {
    return this.#ctx.storage.run(operation, args, (component) => {
      this.#put(component)
      this.announce(component)
    })
  }

  /** Shows a component in the inventory as it is now. */
  announce(component: Component): void {
    this.#tell(this.#pubsub.publish(NODE_INVENTORY, component.component, renderInventoryItem(component)))
  }

  /** @param id  of the component that was the account's; undefined: none */
  removed(bareJid: string, id: string | undefined): void {
    if (id === undefined) return
    this.#byId.delete(id)
    this.#idOf.delete(bareJid)
    this.#tell(this.#pubsub.retract(NODE_INVENTORY, id))
  }

  #put(component: Component): void {
    this.#byId.set(component.component, component)
    this.#idOf.set(component.bareJid, component.component)
  }

  /** The inventory is told again at the next start, so a failure costs an event and no truth. */
  #tell(published: Promise<unknown>): void {
    published.catch((error: unknown) => this.#ctx.log.warn({ what: 'inventory_not_told', error: String(error) }))
  }
}
