/**
 * `npm run bench`: our server and the peers on the same work, on the same machine, in the same run. Every server runs
 * alone, pinned to its core, the load on the others; what is counted is checked. `--help` lists the options.
 */

import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Durability, traceSyncs } from './durability.ts'
import { Fleet } from './fleet.ts'
import { describeMachine, shareCores } from './machine.ts'
import { measure, type Place, publishOneByOne, within } from './measure.ts'
import { readOptions } from './options.ts'
import type { ServerKind } from './servers/server.ts'
import { type Measurement, type Results, renderTable } from './table.ts'
import { accountsFor, FULL, QUICK, STOCK, type WorkKind, worksOf } from './works.ts'

const PASSWORD = 'bench-password'

const options = readOptions()
/** For one work on one server, whatever happens. */
const LONGEST_MS = (options.fillSeconds + 3 * options.seconds + 60) * 1000
// Whoever stops the bench stops its servers too: see `launch`.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))
const scale = options.quick ? QUICK : FULL
const works = worksOf(scale).filter(
  (work) =>
    (options.works.length === 0 || options.works.some((name) => work.name.startsWith(name))) &&
    (work.isLong !== true || options.long),
)
if (works.length === 0) throw new Error('no such work: see --help')
const servers = options.servers.filter((server) => {
  const missing = server.missing()
  if (missing !== undefined) note(`without ${server.name}, since this is missing: ${missing}`)
  return missing === undefined
})
const accounts = { count: accountsFor(scale, works), password: PASSWORD }
const shortWorks = works.filter(({ isLong }) => !isLong)
const longWorks = works.filter(({ isLong }) => isLong)
const cores = shareCores(options.serverCores)
const processes = options.processes ?? Math.min(3, cores.loadCount)
const folder = mkdtempSync(join(options.folder ?? tmpdir(), 'sacm-bench-'))
process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
const measurements: Measurement[] = []
const durability: Record<string, Durability | undefined> = {}
const failures: string[] = []

try {
  for (const server of servers) {
    note(`${server.name}: making ${accounts.count} accounts`)
    mkdirSync(join(folder, server.name))
    await server.prepare(join(folder, server.name), accounts)
    if (longWorks.length === 0) continue
    cpSync(join(folder, server.name), stockedFolder(server), { recursive: true })
    note(`${server.name}: ${server.fill ? 'filling its database' : 'has no way to fill its database at once'}`)
    server.fill?.(stockedFolder(server), STOCK)
  }
  for (let run = 1; run <= options.runs; run++) {
    // Interleaved: what the machine does besides falls on all of them.
    for (const server of servers) {
      if (shortWorks.length > 0) await runOn(server, run, shortWorks, join(folder, server.name), [])
      const hasStock = 'fill' in server
      const possible = longWorks.filter(({ needsStock }) => !needsStock || hasStock)
      if (possible.length > 0) await runOn(server, run, possible, stockedFolder(server), hasStock ? STOCK.nodes : [])
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 })
}
const results: Results = {
  ...describeMachine(options.folder ?? tmpdir()),
  at: new Date().toISOString().slice(0, 10),
  command: ['npm run bench --', ...process.argv.slice(2)].join(' '),
  cores: { server: cores.server, load: cores.load, processes },
  runs: options.runs,
  secondsPerWork: options.seconds,
  measurements,
  durability,
  failures,
}
process.stdout.write(
  options.json
    ? `${JSON.stringify(results, undefined, 2)}\n`
    : `${renderTable(
        results,
        works,
        servers.map(({ name }) => name),
      )}\n`,
)
if (failures.length > 0) process.exitCode = 1

function stockedFolder({ name }: ServerKind): string {
  return join(folder, `${name}-stocked`)
}

/** @param ready  nodes that are there, with all they need */
async function runOn(
  kind: ServerKind,
  run: number,
  works: readonly WorkKind[],
  from: string,
  ready: readonly string[],
): Promise<void> {
  const copy = join(folder, `${kind.name}-${run}`)
  cpSync(from, copy, { recursive: true })
  const server = await kind.start(copy, cores.server)
  const place: Place = {
    kind,
    server,
    fleet: new Fleet(processes, cores.load),
    accounts,
    options,
    cores: options.serverCores,
    nodes: new Map(ready.map((id) => [id, 'ready'])),
    run,
  }
  try {
    for (const work of works) {
      if (work.needsPages && kind.hasNoPages) continue
      const measured = await attempt(`${kind.name}, ${work.name}, run ${run}`, () =>
        within(LONGEST_MS, measure(place, work), 'it never ended'),
      )
      if (!measured) {
        place.fleet.close()
        place.fleet = new Fleet(processes, cores.load)
        continue
      }
      measurements.push(measured)
      note(`run ${run}, ${kind.name}, ${work.name}: ${measured.value.toFixed(1)} ${work.unit}`)
    }
    if (run === 1 && works.some(({ name }) => name === 'publish')) {
      durability[kind.name] = await attempt(`${kind.name}, trace`, () =>
        traceSyncs(server.pid, copy, () => publishOneByOne(place)),
      )
    }
  } finally {
    place.fleet.close()
    await server.stop()
    rmSync(copy, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 })
  }
}

async function attempt<T>(what: string, act: () => Promise<T>): Promise<T | undefined> {
  try {
    return await act()
  } catch (error) {
    const text = error instanceof Error ? (options.verbose ? error.stack : error.message) : String(error)
    failures.push(`${what}: ${text}`)
    note(`failed: ${what}: ${text}`)
    return undefined
  }
}

function note(text: string): void {
  process.stderr.write(`${text}\n`)
}
