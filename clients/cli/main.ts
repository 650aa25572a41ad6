/** The command line: one program, and the one place where errors become exit codes. */

import { Command, CommanderError } from 'commander'
import { VERSION } from '../../server/version.ts'
import { CliError, EXIT } from './exit.ts'

export interface CommandEntry {
  readonly about: string
  /** Adds options, arguments, subcommands and what to do. */
  readonly load: () => Promise<(command: Command, outcome: Outcome) => void>
}

/** By name, in the order of the help text. */
export type Commands = Readonly<Record<string, CommandEntry>>

/** What a command may set when it ends neither well nor with an error: a rule failed, a check is bad. */
export interface Outcome {
  exitCode: number
}

/** Runs one command line. @returns the exit code: 0 done, 1 bad, 2 misuse, 3 could not reach or start, 4 start the server again */
export async function main(argv: readonly string[], commands: Commands): Promise<number> {
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
  await addCommands(program, argv, commands, outcome)
  overrideExit(program)
  try {
    await program.parseAsync([...argv], { from: 'user' })
    return outcome.exitCode
  } catch (error) {
    return fail(error)
  }
}

/** All commands by name, and all of the one that is asked for, or asked about. */
async function addCommands(
  program: Command,
  argv: readonly string[],
  commands: Commands,
  outcome: Outcome,
): Promise<void> {
  const words = argv.filter((word) => !word.startsWith('-'))
  const asked = words[0] === 'help' ? words[1] : words[0]
  for (const [name, { about, load }] of Object.entries(commands)) {
    const command = program.command(name).description(about)
    if (name === asked) (await load())(command, outcome)
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
