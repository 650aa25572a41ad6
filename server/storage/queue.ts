/**
 * First in, first out. Not a Map: one that is filled at one end and emptied at the other makes a new table again and
 * again, and V8 links each table to the next, so that once the first has grown old, all that ever waited stays in memory
 * until the next full collection. Not `Array.shift`, which moves all that is left.
 */

/** Places of what was taken that are kept at least before they are given back. */
const KEPT_PLACES = 1024

export class Queue<T extends object> {
  readonly #places: (T | undefined)[] = []
  #first = 0

  get size(): number {
    return this.#places.length - this.#first
  }

  push(item: T): void {
    this.#places.push(item)
  }

  shift(): T | undefined {
    const item = this.#places[this.#first]
    if (item === undefined) return undefined
    this.#places[this.#first] = undefined
    this.#first += 1
    if (this.#first >= KEPT_PLACES && this.#first * 2 >= this.#places.length) {
      this.#places.splice(0, this.#first)
      this.#first = 0
    }
    return item
  }
}
