/** Ad-hoc commands, by those that administration has. XEP-0050. */

import { runScenarios } from '../support/scenario.ts'

runScenarios('commands', { set: { 'commands.sessionsPerClientMax': '3' } })
