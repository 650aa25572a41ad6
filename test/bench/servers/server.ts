/** What the conductor needs of a server under test, ours or a peer, and how one is started on its core. */

import { type ChildProcess, spawn } from 'node:child_process'
import { createWriteStream, existsSync, readFileSync } from 'node:fs'
import { connect as connectTcp, createServer } from 'node:net'
import { delimiter, join } from 'node:path'
import type { Target } from '../load/client.ts'
import type { Stock } from '../works.ts'

/** How many accounts there are, named `u0`, `u1`, …; the first is an administrator and may create nodes. */
export interface Accounts {
  readonly count: number
  readonly password: string
}

export interface ServerKind {
  readonly name: string
  /** Programs it needs that are not there, with how to get them. */
  missing(): string | undefined
  /** Makes a folder with accounts, configuration and certificates; done once, copied for every run. */
  prepare(folder: string, accounts: Accounts): Promise<void>
  /** Puts a stock into such a folder, faster than by publishing. Left out: it cannot be done. */
  fill?(folder: string, stock: Stock): void
  /** Starts it on a copy of that folder, on these cores; resolves when it accepts connections. */
  start(folder: string, cores: string): Promise<RunningServer>
  /** What it answers after a publish; told from its documentation, checked by the trace. */
  readonly acknowledges: string
  /** Has a service without pages (XEP-0059) on items. */
  readonly hasNoPages?: boolean
  /** The node's configuration, as far as its names differ: how much it keeps. */
  readonly maxItems: string
}

export interface RunningServer {
  readonly target: Target
  readonly pubsub: string
  readonly pid: number
  /** From the start of the process to the first accepted connection. */
  readonly startMs: number
  stop(): Promise<void>
}

export const DOMAIN = 'localhost'
export const PUBSUB = `pubsub.${DOMAIN}`
const START_TIMEOUT_MS = 60_000
const STOP_TIMEOUT_MS = 30_000
const POLL_MS = 1

/** The program's path, or undefined. */
export function findProgram(name: string): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin']
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path))
}

/** A port that was free a moment ago. */
export function freePort(): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  const server = createServer().once('error', reject)
  server.listen(0, '127.0.0.1', () => {
    const address = server.address()
    server.close(() => (typeof address === 'object' && address ? resolve(address.port) : reject(new Error('no port'))))
  })
  return promise
}

interface Launch {
  readonly command: string
  readonly args: readonly string[]
  readonly env?: NodeJS.ProcessEnv
  readonly cwd?: string
  /** Where what it prints goes. */
  readonly log: string
  readonly cores: string
  /** Accepts connections when it is ready. */
  readonly port: number
  readonly ca: string
}

/** Starts a server's process on its cores and waits until its port accepts. */
export async function launch({ command, args, env, cwd, log, cores, port, ca }: Launch): Promise<RunningServer> {
  const from = performance.now()
  const child = spawn('taskset', ['-c', cores, command, ...args], {
    env: { ...process.env, ...env },
    ...(cwd !== undefined && { cwd }),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const kill = (): void => void child.kill('SIGKILL')
  process.once('exit', kill)
  child.once('exit', () => process.off('exit', kill))
  const output = createWriteStream(log, { flags: 'a' })
  child.stdout.pipe(output, { end: false })
  child.stderr.pipe(output, { end: false })
  await untilAccepting(child, port, log)
  const startMs = performance.now() - from
  // taskset becomes the program: the process is the server's own.
  const pid = child.pid
  if (pid === undefined) throw new Error(`${command} has no process`)
  return {
    target: { host: '127.0.0.1', port, domain: DOMAIN, ca: readFileSync(ca, 'utf8') },
    pubsub: PUBSUB,
    pid,
    startMs,
    stop: () => stop(child),
  }
}

async function untilAccepting(child: ChildProcess, port: number, log: string): Promise<void> {
  const deadline = performance.now() + START_TIMEOUT_MS
  while (!(await accepts(port))) {
    const hasEnded = child.exitCode !== null || child.signalCode !== null
    if (hasEnded || performance.now() > deadline) {
      await stop(child)
      throw new Error(`the server did not start:\n${readFileSync(log, 'utf8').slice(-3000)}`)
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connectTcp({ host: '127.0.0.1', port })
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

/** Asks it to end, and ends it. */
export async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS)
  await ended
  clearTimeout(timer)
}
