/** Passwords and accounts by their owners, with registration closed as it is by default. XEP-0077. */

import { runScenarios } from '../support/scenario.ts'

runScenarios('registration')
