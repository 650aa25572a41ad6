/** How a command ends: exit codes and the one error class that carries them. */

/** 0 done, 1 the thing asked about is bad, 2 misuse, 3 could not reach or start, 4 the server is to be started again. */
export const EXIT = { done: 0, bad: 1, misuse: 2, unreachable: 3, restart: 4 } as const

export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

/** Ends the command with a text for the user and, where there is one, the way out. */
export class CliError extends Error {
  override readonly name = 'CliError'
  readonly exitCode: ExitCode
  readonly hint: string | undefined
  constructor(exitCode: ExitCode, text: string, hint?: string, options?: { cause?: unknown }) {
    super(text, options)
    this.exitCode = exitCode
    this.hint = hint
  }
}
