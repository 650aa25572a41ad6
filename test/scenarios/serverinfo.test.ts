/** A server that tells maps of the network of itself. */

import { runScenarios } from '../support/scenario.ts'

runScenarios('serverinfo', { set: { 'serverinfo.publish': 'true' } })
