/** The error table of XEP-0060: every way in which a request is refused, by its application condition. */

import { Refusal } from '../../server/module/api.ts'
import { errorTable, StanzaError } from '../../server/stanza/errors.ts'
import type { Element } from '../../server/xml/element.ts'

const NS_PUBSUB_ERRORS = 'http://jabber.org/protocol/pubsub#errors'

const ROWS = {
  malformed: ['modify', 'bad-request'], // XEP-0060 §17.1: not what the schema says
  nodeIdRequired: ['modify', 'bad-request', 'nodeid-required'], // XEP-0060 §7.2.3.3, §8.2.3.3
  nodeNotFound: ['cancel', 'item-not-found'], // XEP-0060 §6.1.3.12, §7.1.3.3, §8.2.3.5
  nodeMoved: ['modify', 'gone'], // XEP-0060 §6.1.3.11
  claimedNode: ['cancel', 'not-allowed'], // SACM-XMPP §2; XEP-0060 §8.2.3.4
  subscribingDisabled: ['cancel', 'feature-not-implemented', 'unsupported'], // XEP-0060 §6.1.3.10
  notPersistent: ['cancel', 'feature-not-implemented', 'unsupported'], // XEP-0060 §6.5.9.4, §7.2.3.5, §8.5.3.3

  invalidJid: ['modify', 'bad-request', 'invalid-jid'], // XEP-0060 §6.1.3.1
  presenceSubscriptionRequired: ['auth', 'not-authorized', 'presence-subscription-required'], // XEP-0060 §6.1.3.2, §6.5.9.6
  notInRosterGroup: ['auth', 'not-authorized', 'not-in-roster-group'], // XEP-0060 §6.1.3.3, §6.5.9.7
  closedNode: ['cancel', 'not-allowed', 'closed-node'], // XEP-0060 §6.1.3.4, §6.5.9.8
  outcast: ['auth', 'forbidden'], // XEP-0060 §6.1.3.8, §6.5.9.10
  publishOnly: ['auth', 'forbidden'], // XEP-0060 §4.1: publish-only neither subscribes nor retrieves
  tooManySubscriptions: ['wait', 'policy-violation', 'too-many-subscriptions'], // XEP-0060 §6.1.3.9
  notSubscribed: ['cancel', 'unexpected-request', 'not-subscribed'], // XEP-0060 §6.2.3.2
  noSuchSubscriber: ['modify', 'unexpected-request', 'not-subscribed'], // XEP-0060 §6.3.4.2
  pendingSubscription: ['auth', 'not-authorized', 'pending-subscription'], // XEP-0060 §6.1.3.7
  jidRequired: ['modify', 'bad-request', 'jid-required'], // XEP-0060 §6.3.4.3
  subidRequired: ['modify', 'bad-request', 'subid-required'], // XEP-0060 §6.2.3.1, §6.3.4.4, §6.5.9.1
  invalidSubid: ['modify', 'not-acceptable', 'invalid-subid'], // XEP-0060 §6.2.3.5, §6.3.4.5, §6.5.9.2
  invalidOptions: ['modify', 'bad-request', 'invalid-options'], // XEP-0060 §6.3.6.2
  noRequest: ['cancel', 'item-not-found'], // XEP-0060 §8.6: answered already, or never made
  notYourSubscription: ['auth', 'forbidden'], // XEP-0060 §6.2.3.3, §6.3.4.1
  subscriptionRequired: ['auth', 'not-authorized', 'not-subscribed'], // XEP-0060 §6.5.9.3
  noItemsHere: ['cancel', 'feature-not-implemented', 'unsupported'], // XEP-0060 §6.5.9.5; XEP-0248 §6.2.3
  tooManyItems: ['modify', 'not-acceptable', 'max-items-exceeded'], // XEP-0060 §17.2
  pageNotFound: ['cancel', 'item-not-found'], // XEP-0059 §2.4
  orderUnsupported: ['cancel', 'feature-not-implemented'], // XEP-0413 §5: an order that was not agreed on
  filterUnsupported: ['cancel', 'feature-not-implemented'], // XEP-0313 §4.1.5: a field that is not in the form
  tooWide: ['modify', 'policy-violation'], // XEP-0499 §3.1: so many nodes without an item are not looked through
  pageByIndex: ['cancel', 'feature-not-implemented'], // XEP-0059 §2.6: farther in than is counted

  noPublishingHere: ['cancel', 'feature-not-implemented', 'unsupported'], // XEP-0060 §7.1.3.2; XEP-0248 §4.1
  mayNotPublish: ['auth', 'forbidden'], // XEP-0060 §7.1.3.1
  itemRequired: ['modify', 'bad-request', 'item-required'], // XEP-0060 §7.1.3.7, §7.2.3.4
  itemForbidden: ['modify', 'bad-request', 'item-forbidden'], // XEP-0060 §7.1.3.7
  payloadRequired: ['modify', 'bad-request', 'payload-required'], // XEP-0060 §7.1.3.7
  nodeFull: ['cancel', 'conflict', 'node-full'], // XEP-0060 §7.1.3.4
  payloadTooBig: ['modify', 'not-acceptable', 'payload-too-big'], // XEP-0060 §7.1.3.5
  invalidPayload: ['modify', 'bad-request', 'invalid-payload'], // XEP-0060 §7.1.3.6
  preconditionNotMet: ['cancel', 'conflict', 'precondition-not-met'], // XEP-0060 §7.1.5
  mayNotRetract: ['auth', 'forbidden'], // XEP-0060 §7.2.3.1
  itemNotFound: ['cancel', 'item-not-found'], // XEP-0060 §7.2.3.2

  subscribedAlready: ['cancel', 'conflict'], // XEP-0248 §6.1.3
  mayNotAssociate: ['auth', 'forbidden'], // XEP-0248 §7.2.3.2, §7.5.3.1, §7.6.3.2
  notACollection: ['cancel', 'not-allowed', 'invalid-options'], // XEP-0248 §7.2.3.1
  nodeTypeFixed: ['cancel', 'not-allowed', 'invalid-options'], // XEP-0248 §7.2.3.4
  cycle: ['cancel', 'not-allowed', 'invalid-options'], // XEP-0248 §7.2.3.5, §7.5.3.3
  tooManyAssociated: ['cancel', 'not-allowed', 'max-nodes-exceeded'], // XEP-0248 §7.2.3.3, §7.5.3.2
  rootFixed: ['cancel', 'not-allowed'], // XEP-0060 §8.4.3.3; XEP-0248 §7.4.3.1
  notAssociated: ['modify', 'bad-request'], // XEP-0248 §7.6.3.1

  mayNotRelate: ['auth', 'forbidden'], // XEP-0496: the target is closed to who would link to it, or not its to fill
  relationshipCycle: ['cancel', 'not-allowed', 'invalid-option'], // XEP-0496 §4.2
  parentFixed: ['cancel', 'not-allowed', 'invalid-option'], // XEP-0496 §4.2
  relationshipsTooDeep: ['cancel', 'not-allowed', 'max-nodes-exceeded'], // as XEP-0248 §7.2.3.3

  tooManyRequests: ['wait', 'resource-constraint'], // XEP-0376 §3.2: by one account, of services that have not answered
  managedNode: ['auth', 'forbidden'], // XEP-0465 §5: the service alone makes such a list and fills it
  keptNode: ['cancel', 'not-allowed'], // XEP-0470 §4.4: the service makes it, and gives it its configuration
  invalidAttachment: ['modify', 'bad-request'], // XEP-0470 §4.5
  tooManyReactions: ['modify', 'not-acceptable'], // XEP-0470 §4.5: a check of the service's own
  reactionTooLong: ['modify', 'not-acceptable'], // XEP-0470 §4.5: a check of the service's own

  mayNotCreate: ['auth', 'forbidden'], // XEP-0060 §8.1.1
  nodeExists: ['cancel', 'conflict'], // XEP-0060 §8.1.1
  tooManyNodes: ['wait', 'resource-constraint', 'max-nodes-exceeded'], // XEP-0060 §17.2
  notOwner: ['auth', 'forbidden'], // XEP-0060 §8.2.3.2, §8.4.3.1, §8.5.3.2, §8.8.1.3.2, §8.9.1.3.2
  unsupportedAccessModel: ['modify', 'not-acceptable', 'unsupported-access-model'], // XEP-0060 §8.1.2
  invalidConfig: ['modify', 'not-acceptable'], // XEP-0060 §8.2.5.2
  modificationsRefused: ['modify', 'not-acceptable'], // XEP-0060 §8.8.2.4, §8.9.2.4
} as const satisfies Parameters<typeof errorTable>[1]

export type PubsubErrorKey = keyof typeof ROWS

const fromTable = errorTable(NS_PUBSUB_ERRORS, ROWS)

/** The feature that `<unsupported/>` names where the row alone tells it. */
const FEATURES: { readonly [K in PubsubErrorKey]?: string } = {
  subscribingDisabled: 'subscribe',
  notPersistent: 'persistent-items',
  noItemsHere: 'retrieve-items',
  noPublishingHere: 'publish',
}

/**
 * The StanzaError of one row; operations refuse by the same keys.
 * @param feature  what `<unsupported/>` names, without the namespace
 */
export function pubsubError(key: PubsubErrorKey, text?: string, feature = FEATURES[key]): StanzaError {
  return fromTable(key, text, feature === undefined ? {} : { feature })
}

/** All keys, for the test that reaches every row over the wire. */
export const PUBSUB_ERROR_KEYS: readonly string[] = Object.keys(ROWS)

/** Refusals of this module's operations carry their key behind this, apart from those of other modules. */
export const REFUSAL_PREFIX = 'pubsub.'

/** What a rejected operation means to the peer; anything but a refusal of this module stays what it is. */
export function asPubsubError(error: unknown): unknown {
  if (!(error instanceof Refusal) || !error.key.startsWith(REFUSAL_PREFIX)) return error
  const key = error.key.slice(REFUSAL_PREFIX.length)
  if (!isPubsubErrorKey(key)) return error
  const content = error.detail['uri']
  if (key === 'nodeMoved' && content !== undefined) return new StanzaError('modify', 'gone', '', { content })
  return pubsubError(key, error.message === error.key ? undefined : error.message)
}

/** The error with what was refused beside it. XEP-0060 §8.8.2.4, §8.9.2.4. */
export function withPayload(error: StanzaError, payload: Element): StanzaError {
  const { type, condition, message, application } = error
  return new StanzaError(type, condition, message, { application, payload })
}

function isPubsubErrorKey(key: string): key is PubsubErrorKey {
  return Object.hasOwn(ROWS, key)
}
