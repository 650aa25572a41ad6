/** What a client that caches a node may count on, in the node's metadata. XEP-0460 §4 to §13. */

import type { FormField } from '../../server/stanza/forms.ts'
import { type NodeConfig, tellsAll } from './node-config.ts'
import { NS_CACHING } from './node-options.ts'

/**
 * @param isWhole  everybody who may read the node sees the same items there
 */
export function cachingHints(config: NodeConfig, isWhole: boolean): FormField[] {
  const flag = (name: string, value: boolean): FormField => ({
    name: `{${NS_CACHING}}${name}`,
    type: 'boolean',
    values: [value ? 'true' : 'false'],
  })
  const persistence = config.persistItems ? 'persistent' : 'transient'
  return [
    { name: 'pubsub#item_expire', type: 'text-single', values: [String(config.itemExpireSeconds)] },
    { name: `{${NS_CACHING}}persistence`, type: 'list-single', values: [persistence] },
    flag('consistent-items', true),
    flag('consistent-set', isWhole),
    flag('stable-items', true),
    flag('always-notify', tellsAll(config)),
    flag('allowed-for-suggestions', config.allowedForSuggestions),
    flag('purge-keep-last-item', false),
  ]
}
