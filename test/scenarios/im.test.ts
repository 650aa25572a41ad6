/** Rosters, subscriptions, presence, messages and those kept for later. RFC 6121; XEP-0054, XEP-0160, XEP-0203, XEP-0237. */

import { runScenarios } from '../support/scenario.ts'

runScenarios('im', {
  set: {
    'roster.itemsMax': '3',
    'roster.requestsMax': '2',
    'roster.nameMaxChars': '40',
    'roster.groupsMax': '3',
    // Whoever leaves drives out the roster of whoever left before.
    'roster.idleMax': '1',
    'roster.requestMaxChars': '500',
    'offline.messagesMax': '4',
    'offline.perSenderMax': '3',
    'vcard.maxBytes': '2000',
  },
})
