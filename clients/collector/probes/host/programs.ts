/** Runs one of the host's own programs: by absolute path, without a shell, bounded in time and output. */

import { execFile } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { decode, type Outcome } from './files.ts'

const TIMEOUT_MS = 10_000
const MAX_OUTPUT_BYTES = 32 << 20
/** All that a program is told of our environment: nothing of it. */
const ENVIRONMENT = { LC_ALL: 'C', PATH: '/usr/sbin:/usr/bin:/sbin:/bin' }

export interface Run {
  readonly program: string
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

/** The first of these paths that may be executed. */
export function findProgram(paths: readonly string[]): string | undefined {
  return paths.find((path) => {
    try {
      accessSync(path, constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

/**
 * Programs know only the host that they run on, so under another root than `/` nothing is run.
 * Any exit code is an answer; no start, a time-out, a signal and too much output are failures.
 */
export function runProgram(
  root: string,
  program: string,
  args: readonly string[],
  signal: AbortSignal,
): Promise<Outcome<Run>> {
  if (root !== '/') return Promise.resolve(refused(`${program}: not run, since ${root} is not the running host`))
  return new Promise((resolve) => {
    const child = execFile(
      program,
      args,
      {
        cwd: '/',
        env: ENVIRONMENT,
        encoding: 'buffer',
        timeout: TIMEOUT_MS,
        killSignal: 'SIGKILL',
        maxBuffer: MAX_OUTPUT_BYTES,
        signal,
      },
      (error, stdout, stderr) => {
        const run = { program, stdout: decode(stdout), stderr: decode(stderr) }
        if (!error) resolve({ ok: true, value: { ...run, exitCode: 0 } })
        else if (typeof error.code === 'number') resolve({ ok: true, value: { ...run, exitCode: error.code } })
        else if (error.killed && !error.code)
          resolve(refused(`${program}: no answer in ${TIMEOUT_MS / 1000} s, killed`))
        else resolve(refused(`${program}: ${error.signal ? `killed by ${error.signal}` : error.message}`))
      },
    )
    child.stdin?.end()
  })
}

/** The last line of what it complained, or its exit code: what a person needs to see. */
export function complaint(run: Run): string {
  const lines = run.stderr.split('\n').filter((line) => line.trim() !== '')
  return `${run.program}: ${lines.slice(0, 3).join('; ') || 'no message'} (exit code ${run.exitCode})`
}

function refused(reason: string): { ok: false; code: string; reason: string } {
  return { ok: false, code: 'ERUN', reason }
}
