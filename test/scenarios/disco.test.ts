/** What the server says of itself, and learns of its clients. XEP-0012, XEP-0115, XEP-0157, XEP-0390. */

import { runScenarios } from '../support/scenario.ts'

runScenarios('disco', {
  set: { 'contact.abuse': 'mailto:abuse@test.example, xmpp:abuse@test', 'contact.status': 'https://status.example/' },
})
