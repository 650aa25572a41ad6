/** The nodes of one service: by NodeID, in the order that lists are paged by, and which of them not everybody is shown. */

import { firstNot } from '../../server/stanza/rsm.ts'
import { isPublicList } from './public-names.ts'
import { type NodeRecord, ROOT_ID } from './records.ts'
import { asksRoster } from './rules.ts'

/** What tells whether everybody is shown a node. */
export interface ListedNode {
  readonly record: NodeRecord
  readonly parents: ReadonlySet<unknown>
  readonly relation: unknown
}

export class ServiceNodes<N extends ListedNode> {
  readonly #byId = new Map<string, N>()
  readonly #restricted = new Set<N>()
  readonly #all = new SortedKeys(({ nodeId }) => nodeId)
  readonly #listed = new SortedKeys(({ nodeId }) => nodeId)
  readonly #byCreation = new SortedKeys(creationKey)

  get size(): number {
    return this.#byId.size
  }

  get(nodeId: string): N | undefined {
    return this.#byId.get(nodeId)
  }

  values(): Iterable<N> {
    return this.#byId.values()
  }

  get sortedIds(): readonly string[] {
    return this.#all.from(() => this.#records())
  }

  /** Without those that are found by the name of what they are about. */
  get listedIds(): readonly string[] {
    return this.#listed.from(() => this.#records().filter(isListed))
  }

  /** The same nodes by `creationKey`. XEP-0413 */
  get listedByCreation(): readonly string[] {
    return this.#byCreation.from(() => this.#records().filter(isListed))
  }

  /** Those listed of which somebody may be shown nothing; all others are shown to whoever is no outcast there. */
  get restricted(): ReadonlySet<N> {
    return this.#restricted
  }

  add(node: N): void {
    const { record } = node
    this.#byId.set(record.nodeId, node)
    this.#all.add(record)
    if (isListed(record)) {
      this.#listed.add(record)
      this.#byCreation.add(record)
    }
    this.review(node)
  }

  remove(node: N): void {
    const { record } = node
    this.#byId.delete(record.nodeId)
    this.#restricted.delete(node)
    this.#all.remove(record)
    if (isListed(record)) {
      this.#listed.remove(record)
      this.#byCreation.remove(record)
    }
  }

  #records(): NodeRecord[] {
    return Array.from(this.#byId.values(), ({ record }) => record)
  }

  /** Its configuration has changed, or its place among the others. */
  review(node: N): void {
    if (!isListed(node.record) || isForAll(node)) this.#restricted.delete(node)
    else this.#restricted.add(node)
  }
}

/** More than any time has: so times compare as text does. */
const TIME_DIGITS = 16

/** Text by which nodes sort as they were made, and which stands for a node's place when it is no more. */
export function creationKey({ createdAt, nodeId }: NodeRecord): string {
  return `${String(createdAt).padStart(TIME_DIGITS, '0')} ${nodeId}`
}

/** The NodeID in such a key. */
export function madeAs(key: string): string {
  return key.slice(TIME_DIGITS + 1)
}

/** In lists of nodes; the others are found by names of what they are about. */
export function isListed({ nodeId, target }: NodeRecord): boolean {
  return nodeId !== ROOT_ID && target === undefined && !isPublicList(nodeId)
}

function isForAll({ record: { creator, config }, parents, relation }: ListedNode): boolean {
  if (config.accessModel === 'whitelist' || asksRoster(config) || parents.size > 0 || relation) return false
  // A node of the server's own is shown to whom its module lets see it.
  return creator.includes('@')
}

/** Keys of nodes in the order of their code units: made and sorted when they are first asked for, and kept so from then on. */
class SortedKeys {
  readonly #keyOf: (record: NodeRecord) => string
  #keys: string[] | undefined

  constructor(keyOf: (record: NodeRecord) => string) {
    this.#keyOf = keyOf
  }

  from(all: () => NodeRecord[]): readonly string[] {
    this.#keys ??= all().map(this.#keyOf).sort()
    return this.#keys
  }

  add(record: NodeRecord): void {
    if (!this.#keys) return
    const key = this.#keyOf(record)
    this.#keys.splice(placeOf(this.#keys, key), 0, key)
  }

  remove(record: NodeRecord): void {
    this.#keys?.splice(placeOf(this.#keys, this.#keyOf(record)), 1)
  }
}

function placeOf(keys: readonly string[], key: string): number {
  return firstNot(keys, (each) => each < key)
}
