/** Stanzas that a client has not acknowledged yet, and their numbers, which run modulo 2^32. XEP-0198 §4. */

/** A stanza as it was written out, and when it was first sent or kept: UTC milliseconds. */
export interface KeptStanza {
  readonly xml: string
  readonly sentAt: number
  /** Of a stanza that a module wrote out, as it gave them: the module contract's RawStanza. */
  readonly group?: string | undefined
  readonly scope?: string | undefined
}

/** The next number. XEP-0198 §4: after 2^32 - 1 comes zero. */
export function increment(count: number): number {
  return (count + 1) >>> 0
}

export class Unacked {
  readonly #stanzas: KeptStanza[] = []
  /** The client's last `h`. */
  #acked: number
  #bytes = 0

  /** @param first  the number of stanzas that count as sent and acknowledged already */
  constructor(first = 0) {
    this.#acked = first >>> 0
  }

  get size(): number {
    return this.#stanzas.length
  }

  /** In UTF-16 units. */
  get bytes(): number {
    return this.#bytes
  }

  /** How many stanzas were ever sent. */
  get sent(): number {
    return (this.#acked + this.size) >>> 0
  }

  push(xml: string, { group, scope }: Pick<KeptStanza, 'group' | 'scope'> = {}): void {
    this.#stanzas.push({ xml, sentAt: Date.now(), group, scope })
    this.#bytes += xml.length
  }

  /** Forgets all up to number `h`; false, and nothing happens, when that is more than was sent, or less than before. */
  acknowledge(h: number): boolean {
    const count = (h - this.#acked) >>> 0
    if (count > this.size) return false
    for (const { xml } of this.#stanzas.splice(0, count)) this.#bytes -= xml.length
    this.#acked = h
    return true
  }

  /** Oldest first. */
  all(): readonly KeptStanza[] {
    return this.#stanzas
  }
}
