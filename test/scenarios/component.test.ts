/** Clients over TCP and WebSocket, and external components. XEP-0114, RFC 6121 §3, §4. */

import { runScenarios } from '../support/scenario.ts'

runScenarios('component', {
  set: {
    'component.port': '0',
    'pubsub.managedRequestsMax': '1',
    'pubsub.managedTimeoutSeconds': '1',
    'pubsub.subscriptionsPerAccountMax': '3',
  },
})
