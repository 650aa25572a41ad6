/** Time-outs and bounds that a lab would not wait for: set low. RFC 6120 §4.6; XEP-0198, XEP-0199. */

import { runScenarios } from '../support/scenario.ts'

runScenarios('reliability', {
  set: { 'timeouts.idleSeconds': '4', 'timeouts.closeSeconds': '1', 'limits.unackedStanzas': '10' },
})
