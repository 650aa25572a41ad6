/** What nodes belong to, as the copy in memory has it: who decides with a node, and what is told of it. XEP-0496 */

import type { NodeView } from './node-view.ts'
import { type Relationships, UNRELATED } from './relationship-fields.ts'
import type { Standing, Superior } from './rules.ts'

/** The nodes that decide with this one who may use it, the next one first: a link leads to where its target stands. */
export function parentsOf(node: NodeView): NodeView[] {
  const parents: NodeView[] = []
  for (let { relation } = node; relation; { relation } = relation.to)
    if (relation.kind === 'parent') parents.push(relation.to)
  return parents
}

/** The same for the rules; undefined of most nodes, which belong to none. */
export function superiorsOf(node: NodeView, at: (parent: NodeView) => Standing): readonly Superior[] | undefined {
  if (!node.relation) return undefined
  return parentsOf(node).map((parent) => ({ config: parent.record.config, standing: at(parent) }))
}

/** As forms tell them. */
export function relationshipsOf(node: NodeView): Relationships {
  const { relation } = node
  if (!relation) return UNRELATED
  const link = relation.kind === 'link' ? relation.to.record.nodeId : ''
  return { link, parent: parentsOf(node)[0]?.record.nodeId ?? '' }
}
