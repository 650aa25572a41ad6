/**
 * What an account tells an entity that it has nothing to do with: of a node that is closed to it, one that is not
 * there, and an account that does not exist, the same. XEP-0060 §6.1.3.2, XEP-0163.
 */

import { isKept } from './attachment-names.ts'
import { targetView } from './attachment-targets.ts'
import type { Asker, PubsubParts } from './context.ts'
import { pubsubError } from './errors.ts'
import { isPublicList } from './public-names.ts'
import { mayPublish, maySee } from './rules.ts'

/** Does it see the presence of the account, or is it that? Then it knows that there is one. */
export function knowsAccount({ actor: { bareJid, relation }, service }: Asker): boolean {
  return bareJid === service || relation?.seesPresence === true
}

/** @throws StanzaError presence-subscription-required: what the node is, and what it is not, is not for this entity. */
export function refuseStranger(parts: PubsubParts, asker: Asker, nodeId: string): void {
  if (isStranger(parts, asker, nodeId)) throw pubsubError('presenceSubscriptionRequired') // XEP-0060 §6.1.3.2
}

/** Has it nothing to do with the account, nor with the node? */
export function isStranger(parts: PubsubParts, asker: Asker, nodeId: string): boolean {
  if (knowsAccount(asker)) return false
  // XEP-0465 §8: what public-lists.ts does not tell everybody is for who knows the account, followed already or not.
  if (isPublicList(nodeId)) return true
  const ref = { service: asker.service, nodeId }
  // XEP-0470: whether or not anything is attached
  const node = isKept(nodeId) ? targetView(parts, ref) : parts.replica.get(ref)
  if (!node) return true
  const standing = parts.replica.standing(node, asker.actor)
  const hasStanding = standing.affiliation !== 'none' || standing.isSubscribed
  const { config } = node.record
  return !hasStanding && !maySee(config, standing) && mayPublish(config, standing) !== undefined
}
