/** The collections above a node, however far up. XEP-0248 */

import type { Ancestor, NodeView } from './node-view.ts'

export class Ancestry {
  /** Found when they are asked for, and anew when the graph has changed. */
  #known = new WeakMap<NodeView, readonly Ancestor[]>()
  readonly #rootOf: (service: string) => NodeView | undefined

  constructor(rootOf: (service: string) => NodeView | undefined) {
    this.#rootOf = rootOf
  }

  /** Nearest first; by the shortest way where there are several. */
  of(node: NodeView): readonly Ancestor[] {
    const known = this.#known.get(node)
    if (known) return known
    const distances = new Map<NodeView, number>([[node, 0]])
    // A map is walked to its end, what is added on the way too.
    for (const [each, distance] of distances)
      for (const parent of this.#above(each)) if (!distances.has(parent)) distances.set(parent, distance + 1)
    distances.delete(node)
    const found = [...distances].map(([each, distance]) => ({ node: each, distance }))
    this.#known.set(node, found)
    return found
  }

  graphChanged(): void {
    this.#known = new WeakMap()
  }

  #above(node: NodeView): Iterable<NodeView> {
    if (node.parents.size > 0) return node.parents
    if (node.target) return []
    const root = this.#rootOf(node.record.service)
    return root && node !== root ? [root] : []
  }
}
