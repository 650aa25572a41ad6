/** The works of the table: what each needs beforehand, what is measured, and in which unit. */

import type { Task } from './load/task.ts'

export interface WorkKind {
  readonly name: string
  readonly title: string
  readonly unit: string
  /** The better one is the smaller. */
  readonly isCost?: boolean
  /** A node that must exist, and how many items it holds; `maxItems`: and how many at most. */
  readonly node?: { readonly id: string; readonly items: number; readonly maxItems?: number }
  /** Needs pages of items (XEP-0059). */
  readonly needsPages?: boolean
  /** What the load processes do; the others are measured on the process itself. */
  readonly task?: Task
  /** Only with --long, on a server of its own with all of STOCK. */
  readonly isLong?: boolean
  /** Where there is no STOCK, there is nothing to measure. */
  readonly needsStock?: boolean
}

/** What a database holds before the long works begin. */
export interface Stock {
  readonly nodes: readonly string[]
  /** Named `i0`, `i1`, …, at one of the nodes. */
  readonly itemsAt: string
  readonly items: number
}

export interface Scale {
  readonly subscribers: number
  readonly items: number
  readonly idle: number
}

export const FULL: Scale = { subscribers: 1_000, items: 10_000, idle: 1_000 }
export const QUICK: Scale = { subscribers: 300, items: 1_000, idle: 300 }
const MILLION = 1_000_000
const MANY_NODES = Array.from({ length: 100_000 }, (_, number) => `many-${number}`)
const LARGE = 'large'
export const STOCK: Stock = { nodes: [LARGE, ...MANY_NODES], itemsAt: LARGE, items: MILLION }

const MANY_SUBSCRIBERS = 5_000

/** Accounts that the works need: one per session, and a publisher. */
export function accountsFor(scale: Scale, works: readonly WorkKind[]): number {
  const subscribers = works.map(({ task }) => (task?.kind === 'fan-out' ? task.subscribers : 0))
  return Math.max(500, scale.idle, ...subscribers) + 1
}

export function worksOf(scale: Scale): readonly WorkKind[] {
  const { subscribers, items, idle } = scale
  const ask = { sessions: 10, inFlight: 10 }
  const pages = (id: string, count: number): WorkKind => ({
    name: `pages-${count}`,
    title: `pages of 50 out of ${count.toLocaleString('en')} items, 10 clients`,
    unit: 'pages/s',
    node: { id, items: count },
    needsPages: true,
    task: { kind: 'pages', sessions: 10, node: id, items: count },
  })
  const item = (id: string, count: number): WorkKind => ({
    name: `item-${count}`,
    title: `one item by id out of ${count.toLocaleString('en')}, 10 clients × 10 in flight`,
    unit: 'items/s',
    node: { id, items: count },
    task: { kind: 'item', ...ask, node: id, items: count },
  })
  const fanOut = (inFlight: number, to = subscribers): WorkKind => ({
    name: `fan-out-${to}x${inFlight}`,
    title: `fan-out 1 → ${to.toLocaleString('en')}, ${inFlight} in flight`,
    unit: 'notifications/s',
    node: { id: `fan-out-${to}-${inFlight}`, items: 0 },
    task: { kind: 'fan-out', subscribers: to, inFlight, node: `fan-out-${to}-${inFlight}` },
  })
  return [
    { name: 'start', title: 'start-up to first accept', unit: 'ms', isCost: true },
    {
      name: 'memory',
      title: `memory per idle TLS session, ${idle} sessions`,
      unit: 'KiB',
      isCost: true,
      task: { kind: 'idle', sessions: idle },
    },
    {
      name: 'ping-50x10',
      title: 'ping, 50 sessions × 10 in flight',
      unit: 'pings/s',
      task: { kind: 'ping', sessions: 50, inFlight: 10 },
    },
    {
      name: 'ping-500x1',
      title: 'ping, 500 sessions × 1',
      unit: 'pings/s',
      task: { kind: 'ping', sessions: 500, inFlight: 1 },
    },
    {
      name: 'chat-50x5',
      title: 'chat, 50 pairs × 5 each way, 100 bytes',
      unit: 'messages/s',
      task: { kind: 'chat', pairs: 50, inFlight: 5 },
    },
    {
      name: 'chat-250x1',
      title: 'chat, 250 pairs × 1 each way, 100 bytes',
      unit: 'messages/s',
      task: { kind: 'chat', pairs: 250, inFlight: 1 },
    },
    {
      name: 'logins',
      title: 'logins: new TLS session, SCRAM-SHA-1, bind',
      unit: 'logins/s',
      task: { kind: 'logins', inFlight: 8 },
    },
    fanOut(2),
    fanOut(1),
    fanOut(1, 10),
    item('kept', items),
    pages('kept', items),
    {
      name: 'publish',
      title: 'publish, acknowledged, 10 publishers × 10 in flight, one node, 1 KiB',
      unit: 'publishes/s',
      node: { id: 'busy', items: 0 },
      task: { kind: 'publish', ...ask, nodes: ['busy'] },
    },
    {
      name: 'publish-full',
      title: 'publish, as above, to a node that keeps 10 items and is full',
      unit: 'publishes/s',
      node: { id: 'full', items: 0, maxItems: 10 },
      task: { kind: 'publish', ...ask, nodes: ['full'] },
    },
    ...longWorks(item(LARGE, MILLION), pages(LARGE, MILLION), fanOut(1, MANY_SUBSCRIBERS)),
  ]
}

/** Cost must stay flat: what the works above cost, with much more there. */
function longWorks(...works: readonly WorkKind[]): WorkKind[] {
  const ask = { sessions: 10, inFlight: 10 }
  const publish = (name: string, where: string, nodes: readonly string[]): WorkKind => ({
    name: `publish-${name}`,
    title: `publish, as above, ${where}`,
    unit: 'publishes/s',
    needsStock: true,
    task: { kind: 'publish', ...ask, nodes },
  })
  const long: readonly WorkKind[] = [
    { name: 'start-100000', title: 'start-up with 100,000 nodes', unit: 'ms', isCost: true, needsStock: true },
    publish('10-nodes', '10 nodes of 100,000', MANY_NODES.slice(0, 10)),
    publish('100000-nodes', '100,000 nodes in turn', MANY_NODES),
    publish('10-items', 'a node with few items', MANY_NODES.slice(-1)),
    ...works,
    // After the works that read there.
    publish(`${MILLION}-items`, 'a node with 1,000,000 items', [LARGE]),
  ]
  return long.map((work) => ({ ...work, isLong: true }))
}
