/** The command line: one program, its commands, and the one place where errors become exit codes. */

import { Command, CommanderError } from 'commander'
import { VERSION } from '../../server/version.ts'
import { certCommand } from './cert.ts'
import { collectorCommand } from './collector.ts'
import { componentCommand } from './component.ts'
import { configCommand } from './config.ts'
import { demoCommand } from './demo.ts'
import { evaluatorCommand } from './evaluator.ts'
import { CliError, EXIT } from './exit.ts'
import { orchestratorCommand } from './orchestrator.ts'
import { repoCommand } from './repo.ts'
import { serveCommand } from './serve.ts'
import { roleCommand, userCommand } from './user.ts'
import { versionCommand } from './version.ts'

/** What a command may set when it ends neither well nor with an error: a rule failed, a check is bad. */
export interface Outcome {
  exitCode: number
}

/** In the order of the help text. */
const COMMANDS: readonly ((program: Command, outcome: Outcome) => void)[] = [
  serveCommand,
  demoCommand,
  userCommand,
  roleCommand,
  certCommand,
  componentCommand,
  collectorCommand,
  evaluatorCommand,
  orchestratorCommand,
  repoCommand,
  configCommand,
  versionCommand,
]

/** Runs one command line. @returns the exit code: 0 done, 1 bad, 2 misuse, 3 could not reach or start, 4 start the server again */
export async function main(argv: readonly string[]): Promise<number> {
  const outcome: Outcome = { exitCode: EXIT.done }
  // Whoever reads our output may stop early (`sacm repo posture | head`): that is no fault, and there is no more to do.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
    process.exit(outcome.exitCode)
  })
  const program = new Command('sacm')
    .description('An XMPP server with the SACM repository built in, and the clients of its ecosystem.')
    .version(VERSION, '-V, --version')
    .showHelpAfterError('(run with --help for the options)')
    .showSuggestionAfterError()
    .enablePositionalOptions()
    .addHelpText(
      'after',
      '\nExit codes: 0 done, 1 the thing asked about is bad, 2 misuse, 3 could not reach or start,\n4 the server is to be started again (sacm serve).',
    )
  for (const add of COMMANDS) add(program, outcome)
  overrideExit(program)
  try {
    await program.parseAsync([...argv], { from: 'user' })
    return outcome.exitCode
  } catch (error) {
    return fail(error)
  }
}

/** Commander would end the process itself; only the entry may. */
function overrideExit(command: Command): void {
  command.exitOverride()
  for (const child of command.commands) overrideExit(child)
}

function fail(error: unknown): number {
  if (error instanceof CommanderError) {
    // Help and version have been printed and are no fault; the rest has been printed as one.
    return error.exitCode === 0 ? EXIT.done : EXIT.misuse
  }
  if (error instanceof CliError) {
    process.stderr.write(`sacm: ${error.message}\n${error.hint ? `  ${error.hint}\n` : ''}`)
    return error.exitCode
  }
  process.stderr.write(`sacm: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`)
  return EXIT.unreachable
}
