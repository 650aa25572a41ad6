/** What pubsub counts for operators: nothing goes without being counted. */

import type { Metrics } from '../../server/module/api.ts'

/** Since the start of the server. */
export interface Counts {
  published: number
  /** Removed because their node was full. XEP-0060 §7.1.2.5 */
  pruned: number
  /** Removed because their time was over. */
  expired: number
  /** Removed because who published them went offline. */
  orphaned: number
  /** Dropped from the oldest end of their archive, for room or age. XEP-0313 §3.2 */
  unarchived: number
}

export function startCounts(): Counts {
  return { published: 0, pruned: 0, expired: 0, orphaned: 0, unarchived: 0 }
}

export function registerCounts(metrics: Metrics, counts: Counts, nodes: () => number): void {
  const since = (name: keyof Counts, help: string): void =>
    metrics.counterOf(`sacm_pubsub_items_${name}_total`, help, () => counts[name])
  since('published', 'Items published and stored or passed on.')
  since('pruned', 'Items removed because their node was full.')
  since('expired', 'Items removed because their time was over.')
  since('orphaned', 'Items removed because who published them went offline.')
  since('unarchived', 'Past versions of items, and places, dropped from the oldest end of archives, for room or age.')
  metrics.gauge('sacm_pubsub_nodes', 'Nodes there are now, those of accounts too.', nodes)
}
