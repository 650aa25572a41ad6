/**
 * `npm run bench:idle`: holds thousands of idle TLS sessions, one account each, on our server and on the peers in turn, and prints
 * what each costs in resident memory. `--help` lists the options.
 */

import { mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { Command, InvalidArgumentError } from 'commander'
import { Fleet } from './fleet.ts'
import type { Task } from './load/task.ts'
import { describeMachine, residentBytes, shareCores } from './machine.ts'
import { ejabberd } from './servers/ejabberd.ts'
import { prosody } from './servers/prosody.ts'
import { sacm } from './servers/sacm.ts'
import type { RunningServer, ServerKind } from './servers/server.ts'

const PASSWORD = 'bench-password'
/** Come and gone first, so that what a server loads once is not counted. */
const WARM_UP = 100
/** After sessions were opened, for what a server puts off. */
const SETTLE_MS = 2_000
const LOAD_PROCESSES = 3
const TABLE = ['server', 'sessions held', 'logins', 'memory without', 'with', 'per session']

interface Outcome {
  readonly held: number
  readonly loginSeconds: number
  readonly before: number
  readonly after: number
}

const command = new Command('bench:idle')
  .description('memory of idle TLS sessions on our server, Prosody and ejabberd, one after the other')
  .option('--sessions <n>', 'how many, of as many accounts', whole, 5_000)
  .option('--hold <n>', 'seconds for which they stay', whole, 20)
  .option('--servers <names>', 'servers by comma', (text) => text.split(','), ['sacm', 'prosody', 'ejabberd'])
  .option('--bundle <path>', 'our server', 'dist/sacm.js')
  .option('--node-option <option...>', 'given to the Node of our server', [])
  .parse()
const { sessions, hold, servers, bundle, nodeOption } = command.opts<{
  sessions: number
  hold: number
  servers: string[]
  bundle: string
  nodeOption: string[]
}>()
const kinds = [sacm(resolve(bundle), nodeOption), prosody('internal'), ejabberd('mnesia')].filter(({ name }) =>
  servers.includes(name),
)
const cores = shareCores(1)
const rows: (readonly string[])[] = []
for (const kind of kinds) {
  const missing = kind.missing()
  if (missing !== undefined) {
    note(`without ${kind.name}, since this is missing: ${missing}`)
    continue
  }
  try {
    rows.push(rowOf(kind, await holdOn(kind)))
  } catch (error) {
    // The others are measured all the same.
    note(`failed: ${kind.name}: ${error instanceof Error ? error.message : String(error)}`)
    process.exitCode = 1
  }
}
const { commit, machine } = describeMachine(tmpdir())
const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |\n`
process.stdout.write(
  `${new Date().toISOString().slice(0, 10)}, commit ${commit}. ${machine}. Held for ${hold} s; server on core ${cores.server}.\n\n` +
    [TABLE, TABLE.map(() => '---'), ...rows].map(line).join(''),
)

function rowOf(kind: ServerKind, { held, loginSeconds, before, after }: Outcome): readonly string[] {
  if (held !== sessions) process.exitCode = 1
  return [
    kind.name,
    `${held} of ${sessions}`,
    `${(sessions / loginSeconds).toFixed(0)}/s`,
    `${(before / 2 ** 20).toFixed(1)} MiB`,
    `${(after / 2 ** 20).toFixed(1)} MiB`,
    `${((after - before) / 1024 / sessions).toFixed(1)} KiB`,
  ]
}

async function holdOn(kind: ServerKind): Promise<Outcome> {
  const folder = mkdtempSync(join(tmpdir(), 'sacm-idle-'))
  const place = join(folder, kind.name)
  mkdirSync(place)
  let server: RunningServer | undefined
  let fleet: Fleet | undefined
  try {
    note(`${kind.name}: making ${sessions} accounts`)
    await kind.prepare(place, { count: sessions, password: PASSWORD })
    server = await kind.start(place, cores.server)
    fleet = new Fleet(Math.min(LOAD_PROCESSES, cores.loadCount), cores.load)
    await prepare(fleet, server, Math.min(WARM_UP, sessions))
    await fleet.go(0)
    await wait(SETTLE_MS)
    const before = residentBytes(server.pid)
    const from = performance.now()
    await prepare(fleet, server, sessions)
    const loginSeconds = (performance.now() - from) / 1000
    note(`${kind.name}: ${sessions} sessions after ${loginSeconds.toFixed(1)} s`)
    await wait(SETTLE_MS + hold * 1000)
    const outcome = {
      held: connectionsOf(server),
      loginSeconds,
      before,
      after: residentBytes(server.pid),
    }
    await fleet.go(0)
    return outcome
  } finally {
    fleet?.close()
    await server?.stop()
    rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 })
  }
}

async function prepare(fleet: Fleet, server: RunningServer, count: number): Promise<void> {
  const task: Task = { kind: 'idle', sessions: count }
  const { target, pubsub } = server
  await fleet.prepare(task, { target, pubsub, users: sessions, password: PASSWORD, run: 'idle' })
}

/** The server's own established connections at its port, as the kernel tells: `/proc/net/tcp` and the process's files, proc(5). */
function connectionsOf({ pid, target }: RunningServer): number {
  const local = `:${target.port.toString(16).toUpperCase().padStart(4, '0')}`
  const ESTABLISHED = '01'
  const own = new Set(readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`)))
  const rows = ['/proc/net/tcp', '/proc/net/tcp6'].flatMap((file) => readFileSync(file, 'utf8').split('\n'))
  const held = rows
    .map((row) => row.trim().split(/\s+/))
    .filter(
      ([, address, , state, , , , , , inode]) =>
        address?.endsWith(local) && state === ESTABLISHED && own.has(`socket:[${inode}]`),
    )
    .map(([, , , , , , , , , inode]) => inode)
  // A table that changes while it is read may show a row twice.
  return new Set(held).size
}

function whole(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('a whole number from 1 on')
  return value
}

function note(text: string): void {
  process.stderr.write(`${text}\n`)
}
