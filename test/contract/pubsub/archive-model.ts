/** A small model of one node and its archive. XEP-0442 §3; XEP-0313 §3.2 */

import type { Visible } from '../../../modules/pubsub/reads.ts'
import type { Position } from '../../../modules/pubsub/records.ts'

export interface Version {
  readonly position: Position
  readonly itemId: string
  readonly at: number
  readonly scope: string | undefined
  /** Undefined: only its place is left. */
  payload: string | undefined
  isCurrent: boolean
}

export class ArchiveModel {
  /** All that is kept, in the order of publication. */
  #versions: Version[] = []
  #cut = 0
  max = 0
  maxItems = Number.POSITIVE_INFINITY
  dropped = 0

  /** Before it is published: what it replaces. */
  current(itemId?: string): Version[] {
    return this.#versions.filter((each) => each.isCurrent && (itemId === undefined || each.itemId === itemId))
  }

  archive(visible: Visible): Version[] {
    return this.#versions.filter(({ position, scope }) => position.seq > this.#cut && isSeen(scope, visible))
  }

  items(visible: Visible): Version[] {
    return this.current().filter(({ scope }) => isSeen(scope, visible))
  }

  published(version: Omit<Version, 'isCurrent'>): void {
    this.#leave(this.current(version.itemId))
    this.#versions.push({ ...version, isCurrent: true })
    this.prune()
  }

  prune(): void {
    const current = this.current()
    this.#leave(current.slice(0, Math.max(0, current.length - this.maxItems)))
  }

  /** @returns whether there was something to take */
  retract(itemId: string): boolean {
    const all = this.#versions.filter((each) => each.itemId === itemId && each.payload !== undefined)
    for (const each of all) each.payload = undefined
    this.#leave(this.current(itemId))
    return all.length > 0
  }

  purge(): void {
    for (const each of this.#versions) each.payload = undefined
    this.#leave(this.current())
  }

  expire(before: number): void {
    const isOver = ({ at }: Version) => at <= before
    this.dropped += this.#versions.filter((each) => isOver(each) && !each.isCurrent).length
    this.#versions = this.#versions.filter((each) => !isOver(each))
  }

  trim(): void {
    const past = this.#versions.filter((each) => !each.isCurrent)
    for (const each of past.slice(0, Math.max(0, past.length - this.max))) {
      this.#cut = Math.max(this.#cut, each.position.seq)
      this.dropped += 1
      this.#drop(each)
    }
    if (this.max === 0) this.#cut = 0
  }

  /** They are none of the items any more. */
  #leave(versions: readonly Version[]): void {
    for (const each of versions) {
      each.isCurrent = false
      if (this.max === 0 || each.position.seq <= this.#cut) this.#drop(each)
    }
    if (this.max > 0) this.trim()
  }

  #drop(version: Version): void {
    this.#versions = this.#versions.filter((each) => each !== version)
  }
}

function isSeen(scope: string | undefined, visible: Visible): boolean {
  return visible === 'all' || scope === undefined || visible.includes(scope)
}
