/** What a client that caches a node may count on, in the node's metadata. XEP-0460 §4 to §13. */

import type { FormField } from '../../server/stanza/forms.ts'
import type { NodeConfig } from './node-config.ts'

export const NS_CACHING = 'urn:xmpp:pubsub-caching:0'

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
    flag('always-notify', alwaysNotifies(config)),
    // §10: no owner can have said so, and it must not be guessed.
    flag('allowed-for-suggestions', false),
    flag('purge-keep-last-item', false),
  ]
}

/** §8: is every change told to every subscriber, whoever makes it? */
function alwaysNotifies(config: NodeConfig): boolean {
  const { deliverNotifications, notifyConfig, notifyDelete, notifyRetract, presenceBasedDelivery } = config
  const tellsAll = deliverNotifications && notifyConfig && notifyDelete && notifyRetract && !presenceBasedDelivery
  return tellsAll && config.publishNodeFull !== 'discard-oldest'
}
