/** The options of `npm run bench`. */

import { resolve } from 'node:path'
import { Command, InvalidArgumentError } from 'commander'
import { bare } from './servers/bare.ts'
import { ejabberd } from './servers/ejabberd.ts'
import { prosody } from './servers/prosody.ts'
import { sacm } from './servers/sacm.ts'
import type { ServerKind } from './servers/server.ts'
import { FULL, worksOf } from './works.ts'

export interface BenchOptions {
  readonly works: readonly string[]
  readonly servers: readonly ServerKind[]
  readonly runs: number
  /** Measured per work, after a third of it to warm up. */
  readonly seconds: number
  readonly serverCores: number
  /** In which a node must have been filled. */
  readonly fillSeconds: number
  readonly processes: number | undefined
  readonly folder: string | undefined
  readonly quick: boolean
  readonly long: boolean
  readonly json: boolean
  readonly verbose: boolean
}

export function readOptions(): BenchOptions {
  const command = new Command('bench')
    .description('our server, Prosody and ejabberd on the same work, one after the other')
    .option('--work <names>', 'works, or beginnings of their names, by comma', list, [])
    .option('--servers <names>', 'servers by comma', list, [])
    .option('--runs <n>', 'interleaved runs; default 3, with --quick 1', whole)
    .option('--seconds <n>', 'measured per work; default 6, with --quick 2', whole)
    .option('--server-cores <n>', 'cores for each server', whole, 1)
    .option('--fill-seconds <n>', 'time to publish the items that are read; default 120, with --quick 20', whole)
    .option('--processes <n>', 'load processes; default one per core left, at most 3', whole)
    .option('--folder <path>', 'where the databases lie: the disk that is measured; default the temporary folder')
    .option('--bundle <path>', 'our server', 'dist/sacm.js')
    .option('--node-option <option...>', 'given to the Node of our server, for profiles', [])
    .option('--quick', 'fewer sessions and items, short windows: to see that all works', false)
    .option('--long', 'works on 100,000 nodes, 1,000,000 items and 5,000 subscribers too', false)
    .option('--json', 'every single measurement', false)
    .option('--verbose', 'where a failure came from', false)
    .addHelpText(
      'after',
      () =>
        `\nservers: sacm, prosody, prosody-sqlite, ejabberd, ejabberd-sqlite; only when named: bare (no server, but what none that
stands on Node's TLS and on SQLite is faster than)\n\nworks: ${worksOf(FULL)
          .map(({ name }) => name)
          .join(', ')}`,
    )
    .parse()
  const given = command.opts<{
    work: string[]
    servers: string[]
    runs?: number
    seconds?: number
    serverCores: number
    fillSeconds?: number
    processes?: number
    folder?: string
    bundle: string
    nodeOption: string[]
    quick: boolean
    long: boolean
    json: boolean
    verbose: boolean
  }>()
  const known = [
    sacm(resolve(given.bundle), given.nodeOption),
    prosody('internal'),
    prosody('sqlite'),
    ejabberd('mnesia'),
    ejabberd('sqlite'),
  ]
  const all = [...known, bare]
  const unknown = given.servers.filter((name) => !all.some((server) => server.name === name))
  if (unknown.length > 0) {
    command.error(`no such server: ${unknown.join(', ')}; there are ${all.map(({ name }) => name).join(', ')}`)
  }
  return {
    works: given.work,
    servers: given.servers.length === 0 ? known : all.filter(({ name }) => given.servers.includes(name)),
    runs: given.runs ?? (given.quick ? 1 : 3),
    seconds: given.seconds ?? (given.quick ? 2 : 6),
    serverCores: given.serverCores,
    fillSeconds: given.fillSeconds ?? (given.quick ? 20 : 120),
    processes: given.processes,
    folder: given.folder,
    quick: given.quick,
    long: given.long,
    json: given.json,
    verbose: given.verbose,
  }
}

function list(text: string): string[] {
  return text.split(',').map((part) => part.trim())
}

function whole(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('a whole number from 1 on')
  return value
}
