/** What the conductor and its load processes tell each other. */

import type { Target } from './client.ts'
import type { WindowReport } from './window.ts'

/** The works of the table; each is one function in `works.ts`. */
export type Task =
  | { readonly kind: 'ping'; readonly sessions: number; readonly inFlight: number }
  | { readonly kind: 'chat'; readonly pairs: number; readonly inFlight: number }
  | {
      readonly kind: 'publish'
      readonly sessions: number
      readonly inFlight: number
      readonly nodes: readonly string[]
    }
  | {
      readonly kind: 'fill'
      readonly sessions: number
      readonly inFlight: number
      readonly node: string
      readonly items: number
    }
  | { readonly kind: 'fan-out'; readonly subscribers: number; readonly inFlight: number; readonly node: string }
  | {
      readonly kind: 'item'
      readonly sessions: number
      readonly inFlight: number
      readonly node: string
      readonly items: number
    }
  | { readonly kind: 'pages'; readonly sessions: number; readonly node: string; readonly items: number }
  | { readonly kind: 'logins'; readonly inFlight: number }
  | { readonly kind: 'idle'; readonly sessions: number }
  | { readonly kind: 'trickle'; readonly node: string; readonly publishes: number }

export interface Assignment {
  readonly task: Task
  readonly target: Target
  readonly pubsub: string
  /** Accounts are `u0`, `u1`, … with one password. */
  readonly users: number
  readonly password: string
  /** This process among its fellows. */
  readonly index: number
  readonly of: number
  /** Names what is published in this run, so that no two runs publish the same item. */
  readonly run: string
}

export type ToLoad =
  | { readonly kind: 'prepare'; readonly assignment: Assignment }
  /** UTC milliseconds. Without an end the work goes on until it is done. */
  | { readonly kind: 'go'; readonly from: number; readonly to?: number }
  /** A publish has reached every subscriber of the fellow that says so. */
  | { readonly kind: 'arrived'; readonly number: number }
  /** Sessions that only stay may go. */
  | { readonly kind: 'finish' }

export type FromLoad =
  | { readonly kind: 'ready' }
  | { readonly kind: 'arrived'; readonly number: number }
  | { readonly kind: 'done'; readonly report: LoadReport }
  | { readonly kind: 'failed'; readonly error: string }

export interface LoadReport extends WindowReport {
  /** Of one core, in the window. */
  readonly load: number
  /** When each publish of `trickle` was sent and acknowledged, UTC milliseconds. */
  readonly spans?: readonly (readonly [sent: number, acknowledged: number])[]
}
