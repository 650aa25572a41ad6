/** Administration from any client. XEP-0133. */

import { runScenarios } from '../support/scenario.ts'

runScenarios('administration')
