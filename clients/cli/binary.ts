/** Entry of the bundle and of the single binary, for every command; `sacm serve` has its own. */

import { COMMANDS } from './commands.ts'
import { run } from './run.ts'

run(COMMANDS)
