/** A program that runs beside a test, which waits for what it prints. */

import { spawn } from 'node:child_process'

const WAIT_MS = 20_000

export interface Program {
  /** Waits until all that it printed, on stdout and stderr, matches. @throws Error when it ends first or prints no such thing */
  until(pattern: RegExp): Promise<void>
  write(text: string): void
  endInput(): void
  /** Its exit code, once it has ended by itself. */
  ended(): Promise<number | null>
  /** Ends it, when it runs. */
  stop(): Promise<void>
}

export function startProgram(command: string, args: readonly string[], env: NodeJS.ProcessEnv): Program {
  const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: 'pipe' })
  let output = ''
  let look = (): void => {}
  let isOver = false
  const over = new Promise<number | null>((resolve) => {
    child.once('error', (error) => {
      output += String(error)
      resolve(null)
    })
    child.once('close', resolve)
  }).finally(() => {
    isOver = true
    look()
  })
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
      look()
    })
  }
  child.stdin.on('error', () => {}) // it has ended: seen above
  const within = async <T>(what: string, promise: Promise<T>): Promise<T> => {
    const { promise: late, reject } = Promise.withResolvers<never>()
    const timer = setTimeout(
      () => reject(new Error(`${command}: no ${what} within ${WAIT_MS} ms:\n${output}`)),
      WAIT_MS,
    )
    try {
      return await Promise.race([promise, late])
    } finally {
      clearTimeout(timer)
    }
  }
  return {
    until: (pattern) => {
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      look = () => {
        if (pattern.test(output)) resolve()
        else if (isOver) reject(new Error(`${command} ended without ${pattern}:\n${output}`))
      }
      look()
      return within(String(pattern), promise)
    },
    write: (text) => void child.stdin.write(text),
    endInput: () => void child.stdin.end(),
    ended: () => within('end', over),
    stop: async () => {
      if (!isOver) child.kill('SIGTERM')
      const timer = setTimeout(() => child.kill('SIGKILL'), 5_000)
      await over
      clearTimeout(timer)
    },
  }
}
