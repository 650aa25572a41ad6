/** What a server's acknowledgement means: was something synced to disk between the request and its answer? By strace. */

import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { FleetReport } from './fleet.ts'
import { findProgram } from './servers/server.ts'

export interface Durability {
  readonly publishes: number
  /** Publishes with a completed sync between request and acknowledgement. */
  readonly synced: number
  readonly syncsPerPublish: number
}

const SYNCS = 'fsync,fdatasync,msync,sync,syncfs,sync_file_range'

/** Traces the process with all its threads while `publish` runs. Undefined: no strace here, or it may not trace. */
export async function traceSyncs(
  pid: number,
  folder: string,
  publish: () => Promise<FleetReport>,
): Promise<Durability | undefined> {
  const strace = findProgram('strace')
  if (strace === undefined) return undefined
  const file = join(folder, 'strace.txt')
  const child = spawn(strace, ['-f', '-ttt', '-T', '-e', `trace=${SYNCS}`, '-o', file, '-p', String(pid)], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const isAttached = await new Promise<boolean>((resolve) => {
    child.stderr.setEncoding('utf8').on('data', (text: string) => text.includes('attached') && resolve(true))
    child.once('error', () => resolve(false))
    child.once('exit', () => resolve(false))
  })
  if (!isAttached) return undefined
  const { spans } = await publish()
  child.kill('SIGINT')
  await ended
  const ends = syncEnds(readFileSync(file, 'utf8'))
  const within = ([from, to]: readonly [number, number]): number =>
    ends.filter((end) => end >= from && end <= to).length
  const perPublish = spans.map(within)
  return {
    publishes: spans.length,
    synced: perPublish.filter((count) => count > 0).length,
    syncsPerPublish: perPublish.reduce((sum, count) => sum + count, 0) / Math.max(1, spans.length),
  }
}

/** When each sync had returned, UTC milliseconds: `PID TIME fdatasync(7) = 0 <0.001234>`, or its resumed second half. */
function syncEnds(text: string): number[] {
  const ends: number[] = []
  const begun = new Map<string, number>()
  for (const line of text.split('\n')) {
    const [, thread = '', time, rest = ''] = /^(\d+) +(\d+\.\d+) (.*)$/.exec(line) ?? []
    if (rest.endsWith('<unfinished ...>')) begun.set(thread, Number(time))
    const took = /= 0 <(\d+\.\d+)>$/.exec(rest)?.[1]
    if (took === undefined) continue
    const start = rest.startsWith('<...') ? (begun.get(thread) ?? Number(time)) : Number(time)
    ends.push((start + Number(took)) * 1000)
  }
  return ends
}
