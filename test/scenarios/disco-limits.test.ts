/** Bounds of what the server says of itself, set low enough to be reached. */

import { runScenarios } from '../support/scenario.ts'

runScenarios('disco-limits', { set: { 'disco.pageMaxItems': '1' } })
