/** The load: processes pinned beside the server, made to do one work at the same time. */

import { type ChildProcess, fork } from 'node:child_process'
import { join } from 'node:path'
import type { Assignment, FromLoad, LoadReport, Task, ToLoad } from './load/task.ts'
import { now } from './load/window.ts'

const MAIN = join(import.meta.dirname, 'load', 'main.ts')
/** From the word to the first request, so that all begin together. */
const LEAD_MS = 50

export interface FleetReport {
  /** Operations in the window, of all processes. */
  readonly count: number
  readonly latencies: readonly number[]
  /** The busiest process's part of its core: near 1 the load, not the server, is what was measured. */
  readonly load: number
  readonly spans: readonly (readonly [sent: number, acknowledged: number])[]
  /** From the word to the last report. */
  readonly tookMs: number
}

export class Fleet {
  readonly #members: readonly ChildProcess[]

  constructor(size: number, cores: string) {
    this.#members = Array.from({ length: size }, () =>
      // taskset becomes the program; the channel stays open across that.
      fork(MAIN, [], { execPath: 'taskset', execArgv: ['-c', cores, process.execPath], serialization: 'json' }),
    )
  }

  /** Opens sessions; `go` then runs the work. */
  async prepare(task: Task, common: Omit<Assignment, 'task' | 'index' | 'of'>): Promise<void> {
    const ready = this.#each('ready')
    for (const [index, member] of this.#members.entries()) {
      send(member, { kind: 'prepare', assignment: { ...common, task, index, of: this.#members.length } })
    }
    await ready
  }

  /**
   * @param warmMs     before the window
   * @param measureMs  of the window; left out: until the work is done
   * @param during     told when the window begins
   */
  async go(warmMs: number, measureMs?: number, during?: (from: number, to: number) => void): Promise<FleetReport> {
    const from = now() + LEAD_MS + warmMs
    const to = measureMs === undefined ? undefined : from + measureMs
    const done = this.#each('done')
    if (to !== undefined) during?.(from, to)
    for (const member of this.#members) send(member, { kind: 'go', from, ...(to !== undefined && { to }) })
    const reports = (await done).map((message) => (message as Extract<FromLoad, { kind: 'done' }>).report)
    return { ...together(reports), tookMs: now() - from }
  }

  close(): void {
    for (const member of this.#members) member.disconnect()
  }

  /** Every member's message of this kind; what they say to each other meanwhile is passed on. */
  #each(kind: 'ready' | 'done'): Promise<FromLoad[]> {
    const [first] = this.#members
    return Promise.all(
      this.#members.map(
        (member) =>
          new Promise<FromLoad>((resolve, reject) => {
            const settle = (act: () => void): void => {
              member.off('message', onMessage)
              member.off('exit', onExit)
              act()
            }
            const onExit = (code: number | null): void =>
              settle(() => reject(new Error(`a load process ended with ${code}`)))
            const onMessage = (message: FromLoad): void => {
              if (message.kind === 'failed') settle(() => reject(new Error(message.error)))
              else if (message.kind === 'arrived' && first) send(first, message)
              else if (message.kind === kind) {
                // The first one knows when a work that they share is over.
                if (kind === 'done' && member === first)
                  for (const other of this.#members) send(other, { kind: 'finish' })
                settle(() => resolve(message))
              }
            }
            member.on('message', onMessage)
            member.on('exit', onExit)
          }),
      ),
    )
  }
}

function together(reports: readonly LoadReport[]): Omit<FleetReport, 'tookMs'> {
  const latencies = (reports[0]?.latencies ?? []).map((_, bucket) =>
    reports.reduce((sum, report) => sum + (report.latencies[bucket] ?? 0), 0),
  )
  return {
    count: reports.reduce((sum, report) => sum + report.count, 0),
    latencies,
    load: Math.max(...reports.map((report) => report.load)),
    spans: reports.flatMap((report) => report.spans ?? []),
  }
}

function send(member: ChildProcess, message: ToLoad): void {
  if (member.connected) member.send(message)
}
