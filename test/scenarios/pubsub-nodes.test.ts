/** The bound of pubsub's nodes, which the server's own have reached already. */

import { runScenarios } from '../support/scenario.ts'

runScenarios('pubsub-nodes', { set: { 'pubsub.nodesMax': '1' } })
