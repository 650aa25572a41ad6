/** Starts this same program again as child processes, reads their ready line, and ends them: by id, all, always. */

import { type ChildProcess, spawn } from 'node:child_process'
import { createWriteStream, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { CliError, EXIT } from './exit.ts'

export interface Ready {
  readonly ready: true
  readonly pid: number
  readonly [field: string]: unknown
}

const READY_TIMEOUT_MS = 60_000
const STOP_TIMEOUT_MS = 20_000
const LOG_TAIL_LINES = 15

export class Processes {
  readonly #command: readonly string[]
  readonly #logDir: string
  readonly #running = new Map<string, { readonly child: ChildProcess; readonly ended: Promise<void> }>()

  /**
   * @param command  the command line that starts this program
   * @param logDir   each process's stderr goes to a file there, named after it
   */
  constructor(command: readonly string[], logDir: string) {
    this.#command = command
    this.#logDir = logDir
  }

  /** Starts `sacm …args`; resolves with its ready line. @throws CliError with the tail of its log */
  async start(name: string, args: readonly string[]): Promise<Ready> {
    const [program = process.execPath, ...fixed] = this.#command
    const logFile = this.logFile(name)
    const child = spawn(program, [...fixed, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
    child.stderr.pipe(createWriteStream(logFile, { flags: 'a', mode: 0o600 }))
    const ended = new Promise<void>((resolve) => {
      child.once('exit', () => resolve())
      child.once('error', () => resolve())
    })
    this.#running.set(name, { child, ended })
    const line = await firstLine(child, ended)
    if (line === undefined) {
      await this.stop(name)
      throw new CliError(EXIT.unreachable, `${name} did not start:\n${tail(logFile)}`, `Its whole log is ${logFile}.`)
    }
    // Every long-running command of this program prints this as its first line.
    return JSON.parse(line) as Ready
  }

  logFile(name: string): string {
    return join(this.#logDir, `${name}.log`)
  }

  /** Ends one process cleanly, or by force after a while. */
  async stop(name: string): Promise<void> {
    const running = this.#running.get(name)
    if (!running) return
    this.#running.delete(name)
    const { child, ended } = running
    child.kill('SIGTERM')
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS)
    await ended
    clearTimeout(timer)
  }

  /** Ends all, last started first. */
  async stopAll(): Promise<void> {
    for (const name of [...this.#running.keys()].reverse()) await this.stop(name)
  }

  /** For an exit that cannot wait. */
  killAll(): void {
    for (const { child } of this.#running.values()) child.kill('SIGKILL')
  }
}

/** The first line of stdout; undefined when the process ends, or the time is up, without one. */
function firstLine(child: ChildProcess, ended: Promise<void>): Promise<string | undefined> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(undefined), READY_TIMEOUT_MS)
    const finish = (line: string | undefined): void => {
      clearTimeout(timer)
      resolve(line)
    }
    let out = ''
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      out += text
      const end = out.indexOf('\n')
      if (end >= 0) finish(out.slice(0, end))
    })
    void ended.then(() => finish(undefined))
  })
}

function tail(file: string): string {
  try {
    return readFileSync(file, 'utf8').trimEnd().split('\n').slice(-LOG_TAIL_LINES).join('\n')
  } catch {
    return '(it wrote nothing)' // the process ended before its log was made
  }
}
