/** Deletions of nodes on their way to the disk. RFC 6120 §10.1; XEP-0060 §7.1.4; DESIGN decision 13. */

/**
 * Until a deletion is committed the copy in memory has the node, while what is submitted next finds it gone: a publish
 * that makes the node it lacks has to be ready for that. With a node others may go, so services are counted, not nodes.
 */
export class Deletions {
  readonly #underWay = new Map<string, number>()

  /** @param act  submits the deletion before it waits for anything */
  async during<T>(service: string, act: () => Promise<T>): Promise<T> {
    this.#count(service, 1)
    try {
      return await act()
    } finally {
      this.#count(service, -1)
    }
  }

  isUnderWay(service: string): boolean {
    return this.#underWay.has(service)
  }

  #count(service: string, by: number): void {
    const count = (this.#underWay.get(service) ?? 0) + by
    if (count === 0) this.#underWay.delete(service)
    else this.#underWay.set(service, count)
  }
}
