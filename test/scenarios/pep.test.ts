/** Every account as a pubsub service. XEP-0060 §9, XEP-0163, XEP-0222, XEP-0223. */

import { runScenarios } from '../support/scenario.ts'

runScenarios('pep', { set: { 'pubsub.accountNodesMax': '5', 'roster.idleMax': '1' } })
