/** Passwords from where a process list does not show them: a file, stdin, the environment, or a prompt. */

import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'
import type { Command } from 'commander'
import { CliError, EXIT } from './exit.ts'

export interface PasswordFlags {
  readonly password?: string
  readonly passwordFile?: string
  readonly passwordStdin?: true
}

/** Adds `--password-stdin`, `--password-file` and, for labs, `--password`. */
export function withPasswordFlags(command: Command, options: { readonly allowArgument: boolean }): Command {
  command
    .option('--password-stdin', 'read the password from the first line of stdin')
    .option('--password-file <file>', 'read the password from the first line of a file')
  if (options.allowArgument)
    command.option('--password <password>', 'the password itself: for labs, since every process list shows it')
  return command
}

/** @returns undefined when none was given and there is no terminal to ask at */
export async function readPassword(flags: PasswordFlags, prompt: string): Promise<string | undefined> {
  const given = [flags.password, flags.passwordFile, flags.passwordStdin].filter((value) => value !== undefined)
  if (given.length > 1) throw new CliError(EXIT.misuse, 'give the password in one way only')
  if (flags.password !== undefined) return flags.password
  if (flags.passwordFile !== undefined) return firstLine(readPasswordFile(flags.passwordFile), flags.passwordFile)
  if (flags.passwordStdin) return firstLine(readFileSync(0, 'utf8'), 'stdin')
  const fromEnvironment = process.env['SACM_PASSWORD']
  if (fromEnvironment) return fromEnvironment
  return process.stdin.isTTY ? await ask(prompt) : undefined
}

function readPasswordFile(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new CliError(
      EXIT.misuse,
      `the password file cannot be read: ${error instanceof Error ? error.message : String(error)}`,
      undefined,
      { cause: error },
    )
  }
}

function firstLine(text: string, source: string): string {
  const line = text.split(/\r?\n/, 1)[0] ?? ''
  if (line === '') throw new CliError(EXIT.misuse, `${source} holds no password on its first line`)
  return line
}

/** Asks on the terminal, showing nothing of what is typed. */
async function ask(prompt: string): Promise<string> {
  process.stderr.write(prompt)
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() })
  const terminal = createInterface({ input: process.stdin, output: silent, terminal: true })
  try {
    return await terminal.question('')
  } finally {
    terminal.close()
    process.stderr.write('\n')
  }
}
