/** The Integration Service's error table. SACM-XMPP §2, §3. */

import { errorTable, type StanzaError } from '../../server/stanza/errors.ts'
import { NS_SACM_ERRORS } from '../repository/xml.ts'

const ROWS = {
  unknownTopic: ['cancel', 'item-not-found', 'unknown-topic'],
  notMade: ['cancel', 'not-allowed', 'unknown-topic'], // SACM-XMPP §2: nobody auto-creates a topic
  roleRequired: ['auth', 'forbidden', 'role-required'],
  notYours: ['auth', 'forbidden'], // another component's topic or id
  capabilityRequired: ['auth', 'forbidden'], // SACM-XMPP §2: collectors and evaluators with the capability
  serverOnly: ['cancel', 'not-allowed'], // SACM-XMPP §2: /inventory
  onlyThroughService: ['auth', 'forbidden'], // SACM-XMPP §2: no topic:0 between other addresses
  handlerOffline: ['wait', 'recipient-unavailable', 'handler-offline'],
  timedOut: ['wait', 'remote-server-timeout'], // RFC 6120 §8.3.3.16
  badAnswer: ['cancel', 'undefined-condition'], // the handler answered what is no answer
  notHandling: ['cancel', 'item-not-found'],
  tooManyHandlers: ['wait', 'resource-constraint'],
  queueUnsupported: ['cancel', 'feature-not-implemented'],
  unsupportedRequest: ['cancel', 'feature-not-implemented', 'unsupported-format'],

  componentUnknown: ['cancel', 'item-not-found'], // SACM-XMPP §3, registration
  boundElsewhere: ['cancel', 'conflict'], // SACM-XMPP §3, registration
  tooManyCapabilities: ['modify', 'not-acceptable', 'too-large'], // SACM-XMPP §2: sacm.capabilities.max
  idMismatch: ['modify', 'bad-request', 'payload-invalid'],

  expired: ['cancel', 'not-acceptable', 'expired'], // SACM-XMPP §2, Jobs
  responseTopicForbidden: ['auth', 'forbidden'], // SACM-XMPP §2, Jobs
  endpointNotGranted: ['auth', 'forbidden', 'endpoint-not-granted'],
} as const

export type SacmErrorKey = keyof typeof ROWS

/** The StanzaError of a row of the table. */
export const sacmError: (
  key: SacmErrorKey,
  text?: string,
  attributes?: Readonly<Record<string, string>>,
) => StanzaError = errorTable(NS_SACM_ERRORS, ROWS)
