/** The errors of running commands. XEP-0050 §4.4. */

import { errorTable } from '../../server/stanza/errors.ts'
import { NS_COMMANDS } from './xml.ts'

export const commandError = errorTable(NS_COMMANDS, {
  malformedAction: ['modify', 'bad-request', 'malformed-action'],
  badAction: ['modify', 'bad-request', 'bad-action'],
  badPayload: ['modify', 'bad-request', 'bad-payload'],
  badSessionId: ['modify', 'bad-request', 'bad-sessionid'],
  sessionExpired: ['cancel', 'not-allowed', 'session-expired'],
  forbidden: ['cancel', 'forbidden'],
  noSuchCommand: ['cancel', 'item-not-found'],
  tooManySessions: ['wait', 'resource-constraint'],
})
