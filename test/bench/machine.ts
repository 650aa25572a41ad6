/** What the machine and the checkout are, and what a server's process uses of it. Linux. */

import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'

const CLOCK_TICKS_PER_SECOND = 100
const PAGE_BYTES = 4096

/** CPU time of the process with all its threads so far, in seconds. */
export function cpuSeconds(pid: number): number {
  const fields = statOf(pid)
  // proc(5): utime and stime are fields 14 and 15; the first two are cut off with the program's name.
  return (Number(fields[11]) + Number(fields[12])) / CLOCK_TICKS_PER_SECOND
}

export function residentBytes(pid: number): number {
  return Number(statOf(pid)[21]) * PAGE_BYTES
}

function statOf(pid: number): string[] {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
  return text.slice(text.lastIndexOf(')') + 2).split(' ')
}

export interface Cores {
  readonly server: string
  readonly load: string
  readonly loadCount: number
}

/**
 * The last of the cores that this process may use for the server, the others for the load: `taskset -c 4-7 npm run
 * bench` leaves the rest of the machine alone. @throws Error when there are too few
 */
export function shareCores(forServer: number): Cores {
  const all = allowedCores()
  if (all.length <= forServer)
    throw new Error(`${forServer} cores for the server and one for the load are more than ${all.length}`)
  const forLoad = all.slice(0, -forServer)
  return { server: all.slice(-forServer).join(','), load: forLoad.join(','), loadCount: forLoad.length }
}

/** proc(5), Cpus_allowed_list: `0-3,6`. */
function allowedCores(): number[] {
  const list = /^Cpus_allowed_list:\s*(\S+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0'
  return list.split(',').flatMap((range) => {
    const [first = 0, last = first] = range.split('-').map(Number)
    return Array.from({ length: last - first + 1 }, (_, at) => first + at)
  })
}

/** For the table's head: a table is worth nothing without them. */
export function describeMachine(folder: string): { readonly commit: string; readonly machine: string } {
  const model = cpus()[0]?.model.trim() ?? 'unknown processor'
  const gibibytes = Math.round(totalmem() / 2 ** 30)
  const disk = run('stat', ['-f', '-c', '%T', folder])
  const isChanged = run('git', ['status', '--porcelain', '--untracked-files=no']) !== ''
  return {
    commit: `${run('git', ['rev-parse', '--short', 'HEAD'])}${isChanged ? ' with changes' : ''}`,
    machine: `${cpus().length} × ${model}, ${gibibytes} GiB, ${disk}, Linux ${run('uname', ['-r'])}, Node ${process.versions.node}`,
  }
}

function run(command: string, args: readonly string[]): string {
  try {
    return execFileSync(command, args, {
      cwd: import.meta.dirname,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim()
  } catch {
    return 'unknown'
  }
}
