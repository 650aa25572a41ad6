/** Runs the command line of this process: a CommonJS script, as the bundle's are, knows no top-level await. */

import { type Commands, main } from './main.ts'

export function run(commands: Commands): void {
  main(process.argv.slice(2), commands).then(
    (exitCode) => {
      process.exitCode = exitCode
    },
    (error: unknown) => {
      process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`)
      process.exitCode = 3
    },
  )
}
