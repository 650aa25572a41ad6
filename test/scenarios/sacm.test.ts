/** The Integration Service and the repository as components meet them. SACM-XMPP §1 to §4. */

import { runScenarios } from '../support/scenario.ts'

runScenarios('sacm', { set: { 'sacm.capabilities.max': '3', 'sacm.maxHandledTopics': '4' } })
