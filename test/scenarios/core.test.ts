/** Streams, stanzas and the small services every XMPP server has. RFC 6120; XEP-0030, XEP-0092, XEP-0199, XEP-0202. */

import { runScenarios } from '../support/scenario.ts'

runScenarios('core')
