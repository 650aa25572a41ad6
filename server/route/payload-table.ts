/** What is registered for a payload's qualified name, found without putting that name together for every stanza. */

import type { Element, QName } from '../xml/element.ts'

export class PayloadTable<T> {
  readonly #byNamespace = new Map<string, Map<string, T>>()

  /** @returns false when there is one already, which stays */
  add(qname: QName, value: T): boolean {
    const end = qname.lastIndexOf('}')
    const [ns, name] = [qname.slice(1, end), qname.slice(end + 1)]
    const names = this.#byNamespace.get(ns) ?? new Map<string, T>()
    if (names.has(name)) return false
    this.#byNamespace.set(ns, names.set(name, value))
    return true
  }

  of(payload: Element): T | undefined {
    return this.#byNamespace.get(payload.getNS() ?? '')?.get(payload.getName())
  }
}
