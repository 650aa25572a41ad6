/** Starts a real server process on free ports and a folder of its own, and makes accounts in it. */

import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { callControl } from '../../server/control.ts'

/** The program as a checkout runs it. */
export const SACM_SOURCE = join(import.meta.dirname, '../../clients/cli/sacm.mjs')
/** The program under test: the bundle that build.ts beside made, or the source when a script starts without it. */
export const SACM = process.env['SACM_TEST_PROGRAM'] ?? SACM_SOURCE
const READY_TIMEOUT_MS = 60_000
const STOP_TIMEOUT_MS = 20_000

export interface TestServerOptions {
  /** Default: a new folder, removed by `stop`. A folder given is kept. */
  readonly dataDir?: string
  readonly domain?: string
  /** `--set` options. */
  readonly set?: Readonly<Record<string, string>>
  /** Beside this process's own environment. */
  readonly env?: Readonly<Record<string, string>>
  /** stderr goes straight there, as under a supervisor that logs to files. */
  readonly logFile?: string
}

export interface TestServer {
  readonly domain: string
  readonly host: string
  readonly ports: {
    readonly c2s: number
    readonly tls: number
    readonly https: number
    /** With `component.port` set. */
    readonly component?: number
    /** With `plaintext.port` set. */
    readonly plaintext?: number
  }
  readonly dataDir: string
  /** PEM of the CA that signed the server's certificate. */
  readonly caFile: string
  readonly pid: number
  /** Through the control socket, as `sacm user add` does. */
  addUser(jid: string, password: string, roles?: readonly string[]): Promise<void>
  /** Through the control socket, as `sacm component add` does. */
  addComponent(domain: string, secret: string): Promise<void>
  /** What the server wrote to stderr so far. */
  log(): string
  /** SIGTERM, waits for the end, removes a folder that was made here. @returns the exit code */
  stop(): Promise<number | null>
  /** SIGKILL, waits for the end, keeps the folder. */
  kill(): Promise<void>
}

interface Ready {
  readonly ready: true
  readonly pid: number
  readonly domain: string
  readonly c2s: number
  readonly tls: number
  readonly https: number
  readonly component?: number
  readonly plaintext?: number
}

export async function startServer(options: TestServerOptions = {}): Promise<TestServer> {
  const dataDir = options.dataDir ?? mkdtempSync(join(tmpdir(), 'sacm-test-'))
  const domain = options.domain ?? 'localhost'
  const host = '127.0.0.1'
  const set = { 'scram.iterations': '4096', ...options.set }
  const logFd = options.logFile === undefined ? undefined : openSync(options.logFile, 'a')
  const child = spawn(
    process.execPath,
    [
      SACM,
      'serve',
      '--data-dir',
      dataDir,
      '--domain',
      domain,
      '--host',
      host,
      '--c2s-port',
      '0',
      '--tls-port',
      '0',
      '--https-port',
      '0',
      ...Object.entries(set).flatMap(([key, value]) => ['--set', `${key}=${value}`]),
    ],
    { stdio: ['ignore', 'pipe', logFd ?? 'pipe'], env: { ...process.env, ...options.env } },
  )
  if (logFd !== undefined) closeSync(logFd)
  let log = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    log += text
  })
  const readLog = (): string => (options.logFile === undefined ? log : readFileSync(options.logFile, 'utf8'))
  const ended = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)))
  const ready = await firstLine(child, ended, readLog)
  const end = async (signal: NodeJS.Signals): Promise<number | null> => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal)
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS)
    const code = await ended
    clearTimeout(timer)
    return code
  }
  return {
    domain,
    host,
    ports: {
      c2s: ready.c2s,
      tls: ready.tls,
      https: ready.https,
      ...(ready.component !== undefined && { component: ready.component }),
      ...(ready.plaintext !== undefined && { plaintext: ready.plaintext }),
    },
    dataDir,
    caFile: join(dataDir, 'certs', 'ca.crt'),
    pid: ready.pid,
    addUser: async (jid, password, roles = []) => {
      await callControl(dataDir, 'user.add', { jid, password, roles })
    },
    addComponent: async (domain, secret) => {
      await callControl(dataDir, 'component.add', { domain, secret })
    },
    log: readLog,
    stop: async () => {
      const code = await end('SIGTERM')
      if (options.dataDir === undefined) rmSync(dataDir, { recursive: true, force: true })
      return code
    },
    kill: async () => {
      await end('SIGKILL')
    },
  }
}

/** Runs one `sacm` command to its end; rejects with its stderr when the exit code is not 0. */
export async function runSacm(
  args: readonly string[],
  options: { readonly env?: NodeJS.ProcessEnv } = {},
): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [SACM, ...args], {
    env: { ...process.env, ...options.env },
    maxBuffer: 64 * 1024 * 1024,
  })
  return stdout
}

function firstLine(child: ChildProcess, ended: Promise<number | null>, log: () => string): Promise<Ready> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill('SIGKILL')
      reject(new Error(`the server was not ready within ${READY_TIMEOUT_MS} ms:\n${log()}`))
    }, READY_TIMEOUT_MS)
    let out = ''
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      out += text
      const end = out.indexOf('\n')
      if (end < 0) return
      clearTimeout(timer)
      // The line's shape is `sacm serve`'s own promise; a test that reads it wrong fails at once.
      resolve(JSON.parse(out.slice(0, end)) as Ready)
    })
    void ended.then((code) => {
      clearTimeout(timer)
      reject(new Error(`the server ended with ${code} before it was ready:\n${log()}`))
    })
  })
}
