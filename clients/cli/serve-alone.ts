/**
 * Entry of the bundle and of the single binary for `sacm serve`: nothing but the server. What else the program can do
 * would be read at each start, and a text without parts that wait for their use is smaller and sooner evaluated.
 */

import { run } from './run.ts'
import { serveCommand } from './serve.ts'
import { ABOUT_SERVE } from './serve-about.ts'

run({ serve: { about: ABOUT_SERVE, load: () => Promise.resolve(serveCommand) } })
