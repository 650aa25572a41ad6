/**
 * A Map for what comes and goes. In V8 the table of a Map that is filled and emptied is replaced again and again, and each
 * links to the next; once one of them has grown old, all that were in any of them stay until the next full collection,
 * and every young collection copies them. Here the Map itself is replaced before that adds up.
 */

/** Entries added to one Map at least: the smallest ones would be copied at every other step. */
const ADDED_AT_LEAST = 32

export class RenewedMap<K, V> {
  #map = new Map<K, V>()
  /** Entries that this Map still takes. */
  #left = ADDED_AT_LEAST

  get size(): number {
    return this.#map.size
  }

  get(key: K): V | undefined {
    return this.#map.get(key)
  }

  set(key: K, value: V): void {
    if (this.#left === 0) {
      this.#map = new Map(this.#map)
      this.#left = Math.max(ADDED_AT_LEAST, this.#map.size)
    }
    this.#left -= 1
    this.#map.set(key, value)
  }

  /** @returns whether it was there */
  delete(key: K): boolean {
    return this.#map.delete(key)
  }

  /** In the order in which they came; what is set meanwhile may be among them or not. */
  values(): IterableIterator<V> {
    return this.#map.values()
  }
}
