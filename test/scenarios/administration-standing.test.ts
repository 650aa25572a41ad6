/** Messages that stand for everybody who logs in. XEP-0133 §4.24 to §4.28. */

import { runScenarios } from '../support/scenario.ts'

runScenarios('administration-standing')
