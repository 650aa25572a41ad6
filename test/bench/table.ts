/** The results as a Markdown table: medians, spread, ratios against our server, and what the load and the server used. */

import type { Durability } from './durability.ts'
import type { WorkKind } from './works.ts'

/** One work on one server in one run. */
export interface Measurement {
  readonly work: string
  readonly server: string
  readonly value: number
  /** Milliseconds; undefined where no operation has a latency. */
  readonly p50?: number
  readonly p99?: number
  /** Of the server's cores and of the busiest load process's, 0 to 1. */
  readonly serverLoad?: number
  readonly clientLoad?: number
  /** CPU of the server per operation. */
  readonly cpuMicros?: number
}

export interface Results {
  readonly commit: string
  readonly machine: string
  readonly at: string
  readonly command: string
  readonly cores: { readonly server: string; readonly load: string; readonly processes: number }
  readonly runs: number
  readonly secondsPerWork: number
  readonly measurements: readonly Measurement[]
  readonly durability: Readonly<Record<string, Durability | undefined>>
  /** What did not work, by server and work. */
  readonly failures: readonly string[]
}

/** A load process this busy may be what was measured. */
const SATURATED = 0.95
const OURS = 'sacm'

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? Number.NaN)) / 2
}

export function renderTable(results: Results, works: readonly WorkKind[], servers: readonly string[]): string {
  const { measurements, cores } = results
  const of = (work: string, server: string): Measurement[] =>
    measurements.filter((each) => each.work === work && each.server === server)
  const peers = servers.filter((server) => server !== OURS)
  const rows = works
    .filter((work) => measurements.some((each) => each.work === work.name))
    .map((work) => {
      const ours = median(of(work.name, OURS).map((each) => each.value))
      const cells = servers.map((server) => cell(of(work.name, server), server === OURS ? undefined : ours, work))
      return [`${work.title} (${work.unit})`, ...cells]
    })
  const detail = works.flatMap((work) => servers.flatMap((server) => detailOf(of(work.name, server), work, server)))
  return [
    `${results.at}, commit ${results.commit}. ${results.machine}.`,
    `Server on core ${cores.server}, ${cores.processes} load processes on ${cores.load}; ${results.runs} interleaved runs of ${results.secondsPerWork} s each; median, (lowest to highest), × how many times ours is better.`,
    '',
    ...markdown(['work', ...[...(servers.includes(OURS) ? [OURS] : []), ...peers]], rows),
    '',
    ...markdown(
      ['server', 'what was seen between a publish and its acknowledgement'],
      Object.entries(results.durability).map(([server, seen]) => [server, describeDurability(seen)]),
    ),
    '',
    ...markdown(['work', 'server', 'p50 ms', 'p99 ms', 'server CPU µs/op', 'server busy', 'load busy'], detail),
    ...(results.failures.length > 0 ? ['', 'Failed:', ...results.failures.map((each) => `- ${each}`)] : []),
    '',
    `Made by \`${results.command}\`.`,
  ].join('\n')
}

function cell(found: readonly Measurement[], ours: number | undefined, work: WorkKind): string {
  if (found.length === 0) return '–'
  const values = found.map((each) => each.value)
  const value = median(values)
  const spread = values.length > 1 ? ` (${round(Math.min(...values))} to ${round(Math.max(...values))})` : ''
  const ratio =
    ours === undefined || Number.isNaN(ours) || value === 0
      ? ''
      : `, ${times(work.isCost ? value / ours : ours / value)}`
  return `${round(value)}${spread}${ratio}`
}

const times = (ratio: number): string => `${ratio < 10 ? ratio.toFixed(1) : Math.round(ratio)} ×`

function detailOf(found: readonly Measurement[], work: WorkKind, server: string): string[][] {
  if (!found.some((each) => each.p50 !== undefined || each.serverLoad !== undefined)) return []
  const middle = (key: 'p50' | 'p99' | 'serverLoad' | 'clientLoad' | 'cpuMicros'): number =>
    median(found.map((each) => each[key] ?? Number.NaN))
  const percent = (share: number): string => `${Math.round(share * 100)} %`
  const clientLoad = middle('clientLoad')
  const latency = (key: 'p50' | 'p99'): string => (Number.isNaN(middle(key)) ? '–' : middle(key).toFixed(2))
  const isSaturated = clientLoad >= SATURATED ? ' (saturated: the server can do more)' : ''
  return [
    [
      work.name,
      server,
      latency('p50'),
      latency('p99'),
      middle('cpuMicros').toFixed(1),
      percent(middle('serverLoad')),
      `${percent(clientLoad)}${isSaturated}`,
    ],
  ]
}

function describeDurability(seen: Durability | undefined): string {
  if (!seen) return 'not traced (strace is not here, or may not attach)'
  const { publishes, synced, syncsPerPublish } = seen
  return `${synced} of ${publishes} were synced before the answer; ${syncsPerPublish.toFixed(1)} syncs each, one publish at a time`
}

function round(value: number): string {
  return (value >= 100 ? Math.round(value) : Number(value.toPrecision(3))).toLocaleString('en')
}

function markdown(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  if (rows.length === 0) return []
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)]
}
