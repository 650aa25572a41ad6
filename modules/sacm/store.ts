/** What the Integration Service asks of storage: arguments and results of its operations, plain data. */

import type { Capability, InventoryItem, JobState } from './model.ts'

/** A component as it is kept; what `/inventory` shows of it. */
export type Component = InventoryItem

export interface RegisterComponent {
  readonly id: string
  readonly bareJid: string
  readonly type: string
  readonly name: string
  readonly description?: string
}

export interface SetCapabilities {
  readonly id: string
  readonly capabilities: readonly Capability[]
}

export interface SetState {
  readonly id: string
  readonly state: Component['state']
}

export interface JobKey {
  /** Bare JID. */
  readonly requester: string
  readonly id: string
  /** Component id, or the topic of a broadcast. */
  readonly component: string
}
export interface UpdateJob {
  readonly key: JobKey
  readonly state: JobState
}
