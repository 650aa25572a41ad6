/** The roster that all SACM components share, and IQs between strangers where they are let through. */

import { runScenarios } from '../support/scenario.ts'

runScenarios('im-shared', { set: { 'roster.shared': 'components', 'roster.strangerIqs': 'deliver' } })
