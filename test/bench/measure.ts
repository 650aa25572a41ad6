/** Measures one work on one running server: what it needs first, then the window, then what process and load used. */

import type { Fleet, FleetReport } from './fleet.ts'
import { LoadSession, request } from './load/client.ts'
import type { Assignment } from './load/task.ts'
import { now, percentile } from './load/window.ts'
import { cpuSeconds, residentBytes } from './machine.ts'
import type { BenchOptions } from './options.ts'
import type { Accounts, RunningServer, ServerKind } from './servers/server.ts'
import type { Measurement } from './table.ts'
import type { WorkKind } from './works.ts'

export interface Place {
  readonly kind: ServerKind
  readonly server: RunningServer
  /** Replaced after a failure: what its sessions still had under way is nobody's any more. */
  fleet: Fleet
  readonly accounts: Accounts
  readonly options: BenchOptions
  /** That the server has. */
  readonly cores: number
  /** Made and filled already, or not to be had. */
  readonly nodes: Map<string, 'ready' | 'failed'>
  readonly run: number
}

const NS_PUBSUB = 'http://jabber.org/protocol/pubsub'
const FILL = { kind: 'fill', sessions: 10, inFlight: 10 } as const
/** After sessions were opened, for what a server puts off. */
const SETTLE_MS = 2_000
const TRICKLE = { kind: 'trickle', node: 'traced', publishes: 50 } as const

export async function measure(place: Place, work: WorkKind): Promise<Measurement> {
  const { kind, server, options } = place
  const measured = { work: work.name, server: kind.name }
  if (!work.task) return { ...measured, value: server.startMs }
  if (work.task.kind === 'idle') return { ...measured, value: await memoryPerSession(place, work.task) }
  if (work.node) await ensureNode(place, work.node)
  await place.fleet.prepare(work.task, common(place, work.name))
  const measureMs = options.seconds * 1000
  const watch = watchCpu(server.pid)
  const report = await place.fleet.go(measureMs / 3, measureMs, watch.during)
  const cpu = await watch.used
  const hasLatency = work.task.kind !== 'fan-out'
  return {
    ...measured,
    value: report.count / options.seconds,
    ...(hasLatency && { p50: percentile(report.latencies, 0.5), p99: percentile(report.latencies, 0.99) }),
    serverLoad: cpu / options.seconds / place.cores,
    clientLoad: report.load,
    cpuMicros: (cpu * 1e6) / report.count,
  }
}

/** For the trace: few publishes, one after the other. */
export async function publishOneByOne(place: Place): Promise<FleetReport> {
  await ensureNode(place, { id: TRICKLE.node, items: 0 })
  await place.fleet.prepare(TRICKLE, common(place, 'trickle'))
  return await place.fleet.go(0)
}

function common({ server, accounts, run }: Place, work: string): Omit<Assignment, 'task' | 'index' | 'of'> {
  return {
    target: server.target,
    pubsub: server.pubsub,
    users: accounts.count,
    password: accounts.password,
    run: `${work}-${run}`,
  }
}

/** What the resident memory grows by, once logins that came and went have brought heap and code to their working size. */
async function memoryPerSession(place: Place, task: Extract<WorkKind['task'], { kind: 'idle' }>): Promise<number> {
  const { fleet, server, options } = place
  await fleet.prepare({ kind: 'logins', inFlight: 8 }, common(place, 'warm-up'))
  await fleet.go(0, options.seconds * 1000)
  await wait(SETTLE_MS)
  const before = residentBytes(server.pid)
  await fleet.prepare(task, common(place, 'idle'))
  await wait(SETTLE_MS)
  const after = residentBytes(server.pid)
  await fleet.go(0)
  return (after - before) / 1024 / task.sessions
}

/** Makes the node and fills it, each once per server. */
async function ensureNode(place: Place, node: NonNullable<WorkKind['node']>): Promise<void> {
  const known = place.nodes.get(node.id)
  if (known === 'ready') return
  if (known === 'failed') throw new Error(`node ${node.id} could not be made`)
  place.nodes.set(node.id, 'failed')
  const { server, kind, accounts } = place
  const session = await LoadSession.open(server.target, 'u0', accounts.password, false)
  const fields = {
    'pubsub#max_items': node.maxItems ?? kind.maxItems,
    'pubsub#persist_items': '1',
    'pubsub#access_model': 'open',
    'pubsub#publish_model': 'open',
    'pubsub#send_last_published_item': 'never',
  }
  const form = [
    `<field var='FORM_TYPE' type='hidden'><value>http://jabber.org/protocol/pubsub#node_config</value></field>`,
    ...Object.entries(fields).map(([name, value]) => `<field var='${name}'><value>${value}</value></field>`),
  ].join('')
  const create = `<pubsub xmlns='${NS_PUBSUB}'><create node='${node.id}'/><configure><x xmlns='jabber:x:data' type='submit'>${form}</x></configure></pubsub>`
  try {
    await request(session, 'create', 'set', server.pubsub, create)
  } finally {
    await session.close()
  }
  if (node.items > 0) await fill(place, node)
  place.nodes.set(node.id, 'ready')
}

async function fill(place: Place, node: NonNullable<WorkKind['node']>): Promise<void> {
  const { fleet } = place
  await fleet.prepare({ ...FILL, node: node.id, items: node.items }, common(place, 'fill'))
  const limitMs = place.options.fillSeconds * 1000
  await within(limitMs, fleet.go(0), `${node.items} items were not published within ${limitMs / 1000} s`)
}

/** The server's CPU seconds in a window that is told later. */
function watchCpu(pid: number): {
  readonly during: (from: number, to: number) => void
  readonly used: Promise<number>
} {
  const { promise, resolve } = Promise.withResolvers<{ readonly from: number; readonly to: number }>()
  const used = async (): Promise<number> => {
    const { from, to } = await promise
    await wait(from - now())
    const before = cpuSeconds(pid)
    await wait(to - now())
    return cpuSeconds(pid) - before
  }
  const pending = used()
  // When the work itself fails, nobody waits for this.
  pending.catch(() => {})
  return { during: (from, to) => resolve({ from, to }), used: pending }
}

/** The act's result. @throws Error with this text when it takes longer */
export async function within<T>(ms: number, act: Promise<T>, otherwise: string): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new Error(otherwise)), ms)
  try {
    return await Promise.race([act, promise])
  } finally {
    clearTimeout(timer)
    // The loser's end is of no interest.
    act.catch(() => {})
  }
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
