/** Clients that others wrote, each driven by a script of ours as a process of its own. */

import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { TestServer } from './server.ts'

export interface ForeignRun {
  /** Beside what every client gets: the server's authority, and nobody else's, to trust. */
  readonly env?: Readonly<Record<string, string>>
  readonly timeoutMs?: number
}

/** @returns the outcome that the script prints: libraries may log to stdout too, so it is the first line that is JSON */
export async function runForeign(
  server: Pick<TestServer, 'caFile'>,
  command: string,
  args: readonly string[],
  { env, timeoutMs = 50_000 }: ForeignRun = {},
): Promise<unknown> {
  const trust = { NODE_EXTRA_CA_CERTS: server.caFile, SSL_CERT_FILE: server.caFile }
  const { stdout } = await promisify(execFile)(command, args, {
    env: { ...process.env, ...trust, PYTHONWARNINGS: 'ignore', ...env },
    timeout: timeoutMs,
  })
  const outcome = stdout.split('\n').find((line) => line.startsWith('{'))
  if (outcome === undefined) throw new Error(`no outcome in: ${stdout.slice(0, 2000)}`)
  return JSON.parse(outcome)
}
