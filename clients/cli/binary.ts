/** Entry of the bundle and of the single binary: their main script is CommonJS, which knows no top-level await. */

import { main } from './main.ts'

main(process.argv.slice(2)).then(
  (exitCode) => {
    process.exitCode = exitCode
  },
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`)
    process.exitCode = 3
  },
)
