/** Connections by the network they come from: nobody takes all of them. RFC 6120 §13.12. */

import { networkOf } from '../auth/throttle.ts'
import { RenewedMap } from '../renewed-map.ts'

export class Addresses {
  readonly #max: number
  readonly #counts = new RenewedMap<string, number>()

  constructor(max: number) {
    this.#max = max
  }

  /** Counts a connection; false when there are too many from there already. Either way it is taken back by `leave`. */
  enter(address: string): boolean {
    const network = networkOf(address)
    const count = (this.#counts.get(network) ?? 0) + 1
    this.#counts.set(network, count)
    return count <= this.#max
  }

  leave(address: string): void {
    const network = networkOf(address)
    const count = (this.#counts.get(network) ?? 0) - 1
    if (count > 0) this.#counts.set(network, count)
    else this.#counts.delete(network)
  }
}
