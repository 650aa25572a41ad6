/**
 * The rosters of accounts with a session in memory, and of some that had one lately: loaded once, then fed by the
 * steps of committed operations. DESIGN decision 13.
 *
 * The race: what is read may be newer than the last step applied, since the reader sees a commit before this thread
 * hears of it. Each roster counts its changes, so a step that the load already held is known by its number.
 */

import type { Storage } from '../../server/module/api.ts'
import type { RosterItem, RosterRecord, RosterStore, Step } from './store.ts'

export type ChangedStep = Step & { readonly kind: 'changed' }

export interface Roster {
  readonly epoch: string
  readonly sequence: number
  readonly items: ReadonlyMap<string, RosterItem>
}

interface Entry {
  epoch: string
  sequence: number
  readonly items: Map<string, RosterItem>
}

interface Loading {
  readonly promise: Promise<void>
  readonly missed: ChangedStep[]
}

export class Replica {
  readonly #storage: Pick<Storage, 'run'>
  readonly #load: RosterStore['load']
  readonly #maxIdle: number
  readonly #rosters = new Map<string, Entry>()
  readonly #loading = new Map<string, Loading>()
  /** Loaded, and nobody is connected; oldest first. */
  readonly #idle = new Set<string>()

  /** @param maxIdle  rosters kept for accounts without a session */
  constructor(storage: Pick<Storage, 'run'>, load: RosterStore['load'], maxIdle: number) {
    this.#storage = storage
    this.#load = load
    this.#maxIdle = maxIdle
  }

  get(owner: string): Roster | undefined {
    return this.#rosters.get(owner)
  }

  item(owner: string, contact: string): RosterItem | undefined {
    return this.#rosters.get(owner)?.items.get(contact)
  }

  get size(): number {
    return this.#rosters.size
  }

  /** Loads a roster; undefined when it is there. @param isConnected  it stays until `release` */
  ready(owner: string, isConnected: boolean): Promise<void> | undefined {
    if (this.#rosters.has(owner)) {
      if (isConnected) this.#idle.delete(owner)
      return undefined
    }
    const loading = this.#loading.get(owner)
    if (loading) return loading.promise
    const missed: ChangedStep[] = []
    const promise = this.#storage
      .run(this.#load, { owner }, (record) => this.#loaded(owner, record, missed))
      .then(() => {})
      .finally(() => this.#loading.delete(owner))
    // A reader on this thread has answered by now.
    if (this.#rosters.has(owner)) {
      if (!isConnected) this.release(owner)
      return undefined
    }
    this.#loading.set(owner, { promise, missed })
    return promise.then(() => {
      if (!isConnected) this.release(owner)
    })
  }

  /** The account's last session has ended. */
  release(owner: string): void {
    if (!this.#rosters.has(owner)) return
    this.#idle.add(owner)
    for (const oldest of this.#idle) {
      if (this.#idle.size <= this.#maxIdle) break
      this.#idle.delete(oldest)
      this.#rosters.delete(oldest)
    }
  }

  /** The account is going: its roster as it was, until `drop`. */
  hold(owner: string, record: RosterRecord): void {
    this.#loaded(owner, record, [])
  }

  /** The account is gone. */
  drop(owner: string): void {
    this.#rosters.delete(owner)
    this.#idle.delete(owner)
  }

  apply(step: ChangedStep): void {
    const roster = this.#rosters.get(step.owner)
    if (roster) applyTo(roster, step)
    else this.#loading.get(step.owner)?.missed.push(step)
  }

  #loaded(owner: string, { epoch, sequence, items }: RosterRecord, missed: readonly ChangedStep[]): void {
    const roster = { epoch, sequence, items: new Map(items.map((item) => [item.contact, item])) }
    for (const step of missed) applyTo(roster, step)
    this.#rosters.set(owner, roster)
  }
}

function applyTo(roster: Entry, { epoch, sequence, item }: ChangedStep): void {
  // A roster without a change yet has no epoch of its own.
  if (roster.epoch === epoch && sequence <= roster.sequence) return
  roster.epoch = epoch
  roster.sequence = sequence
  if (item.isListed || item.isAsked) roster.items.set(item.contact, item)
  else roster.items.delete(item.contact)
}
