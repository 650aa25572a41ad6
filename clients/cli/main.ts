/** The command line: one program, its commands, and the one place where errors become exit codes. */

import { Command, CommanderError } from 'commander'
import { VERSION } from '../../server/version.ts'
import { CliError, EXIT } from './exit.ts'

/** What a command may set when it ends neither well nor with an error: a rule failed, a check is bad. */
export interface Outcome {
  exitCode: number
}

/** Adds options, arguments, subcommands and what to do. */
type Define = (command: Command, outcome: Outcome) => void

interface Entry {
  readonly about: string
  /** A command is loaded when it is asked for: together they are four fifths of the program. */
  readonly load: () => Promise<Define>
}

/** In the order of the help text. */
const COMMANDS: Readonly<Record<string, Entry>> = {
  serve: {
    about: 'Run the server. Prints one JSON line on stdout when it is ready; logs go to stderr.',
    load: async () => (await import('./serve.ts')).serveCommand,
  },
  demo: {
    about: 'Run the whole ecosystem on this machine: collect this host, evaluate it, report, restart, ask again.',
    load: async () => (await import('./demo.ts')).demoCommand,
  },
  user: { about: 'Manage accounts.', load: async () => (await import('./user.ts')).userCommand },
  role: { about: 'Grant and revoke roles.', load: async () => (await import('./user.ts')).roleCommand },
  cert: { about: 'Manage certificates.', load: async () => (await import('./cert.ts')).certCommand },
  component: {
    about: 'Manage external components (XEP-0114).',
    load: async () => (await import('./component.ts')).componentCommand,
  },
  collector: {
    about: 'Run the collector of this host until a signal ends it.',
    load: async () => (await import('./collector.ts')).collectorCommand,
  },
  evaluator: {
    about: 'Run the evaluator until a signal ends it.',
    load: async () => (await import('./evaluator.ts')).evaluatorCommand,
  },
  orchestrator: {
    about: 'Run the orchestrator until a signal ends it: components register with it, and it keeps the inventory.',
    load: async () => (await import('./orchestrator.ts')).orchestratorCommand,
  },
  repo: {
    about: 'Ask the repository for endpoints, posture, results and policies.',
    load: async () => (await import('./repo.ts')).repoCommand,
  },
  backup: {
    about: 'Write the database, keys, certificates and uploads to one file; a running server goes on.',
    load: async () => (await import('./backup.ts')).backupCommand,
  },
  restore: {
    about: 'Put a backup into the data folder, which no server may run on.',
    load: async () => (await import('./backup.ts')).restoreCommand,
  },
  config: {
    about: 'Print every option: its value, where that came from, its unit and bounds.',
    load: async () => (await import('./config.ts')).configCommand,
  },
  version: {
    about: 'Print the version, and with --specs the specifications implemented.',
    load: async () => (await import('./version.ts')).versionCommand,
  },
}

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
  await addCommands(program, argv, outcome)
  overrideExit(program)
  try {
    await program.parseAsync([...argv], { from: 'user' })
    return outcome.exitCode
  } catch (error) {
    return fail(error)
  }
}

/** All commands by name, and all of the one that is asked for, or asked about. */
async function addCommands(program: Command, argv: readonly string[], outcome: Outcome): Promise<void> {
  const words = argv.filter((word) => !word.startsWith('-'))
  const asked = words[0] === 'help' ? words[1] : words[0]
  for (const [name, { about, load }] of Object.entries(COMMANDS)) {
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
