/** The repository's error table. SACM-XMPP §2 to §4. */

import { errorTable, type StanzaError } from '../../server/stanza/errors.ts'
import { NS_SACM_ERRORS } from './payload.ts'

const ROWS = {
  roleRequired: ['auth', 'forbidden', 'role-required'], // SACM-XMPP §1, §2
  serverOnly: ['cancel', 'not-allowed'], // SACM-XMPP §2: /repository/changes
  endpointNotGranted: ['auth', 'forbidden', 'endpoint-not-granted'], // SACM-XMPP §3, Reports
  endpointUnknown: ['cancel', 'item-not-found'],
  itemIdRequired: ['modify', 'bad-request', 'payload-invalid'], // SACM-XMPP §3: the item id is the report's id
  idTaken: ['cancel', 'conflict', 'duplicate'], // SACM-XMPP §3: the same id with other bytes
  versionTaken: ['cancel', 'conflict', 'duplicate'],
  partMismatch: ['modify', 'bad-request', 'payload-invalid'], // SACM-XMPP §3: parts of one report
  tooManySets: ['wait', 'resource-constraint', 'rate-limited'],
  unsupportedFormat: ['cancel', 'feature-not-implemented', 'unsupported-format'],
  cursorUnknown: ['cancel', 'item-not-found'], // XEP-0059 §2.4
  pageByIndex: ['cancel', 'feature-not-implemented'], // XEP-0059 §2.6
  contentUnknown: ['cancel', 'item-not-found'],
} as const

export type RepositoryErrorKey = keyof typeof ROWS

/** The StanzaError of a row of the table. */
export const repositoryError: (
  key: RepositoryErrorKey,
  text?: string,
  attributes?: Readonly<Record<string, string>>,
) => StanzaError = errorTable(NS_SACM_ERRORS, ROWS)
