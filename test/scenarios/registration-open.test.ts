/** Accounts made by strangers, where that is open. XEP-0077. */

import { runScenarios } from '../support/scenario.ts'

runScenarios('registration-open', { set: { 'registration.open': 'true', 'registration.perHourMax': '100' } })
