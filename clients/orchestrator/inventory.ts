/**
 * What the orchestrator knows of each component, from three sources: the server's `/inventory` (registered, gone, back,
 * capabilities), the component's own presence with caps, and heartbeats. SACM-XMPP §1, §2.
 */

import type { Capability, InventoryItem } from '../../modules/sacm/xml.ts'
import { tryParseJid } from '../../server/stanza/jid.ts'

export interface InventoryEntry extends InventoryItem {
  /** Its session is there, as the server or its own presence said last. */
  readonly isOnline: boolean
  /** Capability URNs that its caps name; undefined before its presence was seen. */
  readonly advertised: readonly string[] | undefined
  /** UTC milliseconds of the last heartbeat answered. */
  readonly lastAlive: number | undefined
}

export interface InventoryChange {
  readonly before: InventoryEntry | undefined
  readonly after: InventoryEntry
}

const MAX_COMPONENTS = 100_000

export class Inventory {
  readonly #entries = new Map<string, InventoryEntry>()
  readonly #byAccount = new Map<string, string>()
  readonly #onChange: (change: InventoryChange) => void

  constructor(onChange: (change: InventoryChange) => void) {
    this.#onChange = onChange
  }

  /** All entries, by component id. */
  list(): readonly InventoryEntry[] {
    return [...this.#entries.values()].sort((a, b) => (a.component < b.component ? -1 : 1))
  }

  get(component: string): InventoryEntry | undefined {
    return this.#entries.get(component)
  }

  /** The component that this account is; full and bare addresses alike. */
  ofAccount(jid: string): InventoryEntry | undefined {
    const bare = tryParseJid(jid)?.bare
    const component = bare === undefined ? undefined : this.#byAccount.get(bare)
    return component === undefined ? undefined : this.#entries.get(component)
  }

  /** Takes an item of `/inventory`. */
  take(item: InventoryItem): void {
    const before = this.#entries.get(item.component)
    // A full read may bring what an event has already overtaken.
    if (before && before.since > item.since) return
    if (!before && this.#entries.size >= MAX_COMPONENTS) throw new Error(`more than ${MAX_COMPONENTS} components`)
    const { advertised, lastAlive } = before ?? { advertised: undefined, lastAlive: undefined }
    this.#set({ ...item, isOnline: item.state !== 'gone', advertised, lastAlive })
  }

  /** The component answered a heartbeat, or nobody did. */
  beat(component: string, aliveAt: number | undefined): void {
    const before = this.#entries.get(component)
    if (before) this.#set({ ...before, isOnline: aliveAt !== undefined, lastAlive: aliveAt ?? before.lastAlive })
  }

  /** The component's presence: what its caps name, or undefined when it became unavailable. */
  see(component: string, advertised: readonly string[] | undefined): void {
    const before = this.#entries.get(component)
    if (!before) return
    this.#set({ ...before, isOnline: advertised !== undefined, advertised: advertised ?? before.advertised })
  }

  remove(component: string): void {
    const entry = this.#entries.get(component)
    if (!entry) return
    this.#entries.delete(component)
    this.#byAccount.delete(entry.bareJid)
  }

  #set(after: InventoryEntry): void {
    const before = this.#entries.get(after.component)
    this.#entries.set(after.component, after)
    this.#byAccount.set(after.bareJid, after.component)
    if (!before || isDifferent(before, after)) this.#onChange({ before, after })
  }
}

/** Has the component this capability, by its handshake? */
export function hasCapability(item: { readonly capabilities: readonly Capability[] }, urn: string): boolean {
  return item.capabilities.some((capability) => capability.urn === urn)
}

/** A heartbeat that only confirms is no change. */
function isDifferent(a: InventoryEntry, b: InventoryEntry): boolean {
  const told = (entry: InventoryEntry) => JSON.stringify({ ...entry, lastAlive: undefined })
  return told(a) !== told(b)
}
