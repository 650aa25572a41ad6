/** What rosters ask of storage: arguments and results of its operations, plain data. */

import type { AccountName, Operation, SubscriptionType } from '../../server/module/api.ts'
import type { State } from './rules.ts'

export interface RosterItem extends State {
  /** Bare JID. */
  readonly contact: string
  readonly name: string
  readonly groups: readonly string[]
  /** In the roster as its owner sees it. */
  readonly isListed: boolean
  /** The sequence of the last change that its owner saw; 0: never. */
  readonly version: number
}

/** A roster with whoever asks to be in it. */
export interface RosterRecord {
  readonly epoch: string
  readonly sequence: number
  readonly items: readonly RosterItem[]
}

/** Bounds that are kept where the decision falls. */
export interface RosterLimits {
  readonly items: number
  /** Open requests to one account. */
  readonly requests: number
}

/** What the other side is: an account has a roster of its own, a service is handed the stanza, nobody hears nothing. */
export type Party = 'account' | 'service' | 'nobody'

export interface SetItem {
  readonly owner: string
  readonly contact: string
  readonly name: string
  readonly groups: readonly string[]
  readonly limits: RosterLimits
}

export interface RemoveItem {
  readonly owner: string
  readonly contact: string
  readonly contactIs: Party
  readonly limits: RosterLimits
}

export interface Negotiate {
  /** Bare JIDs. */
  readonly from: string
  readonly to: string
  readonly type: SubscriptionType
  readonly fromIs: Party
  readonly toIs: Party
  /** The stanza as text, of a request. */
  readonly request?: string
  readonly limits: RosterLimits
}

/** What came of an operation, in the order in which it is to be told. */
export type Step =
  | {
      readonly kind: 'changed'
      readonly owner: string
      readonly epoch: string
      readonly sequence: number
      readonly item: RosterItem
      /** Something its owner sees has changed. */
      readonly isPushed: boolean
    }
  | { readonly kind: 'told'; readonly to: string; readonly from: string; readonly type: SubscriptionType }
  /** The same, to a service. */
  | { readonly kind: 'routed'; readonly to: string; readonly from: string; readonly type: SubscriptionType }
  /** `to` may now see the presence of `of`; or may no longer. */
  | { readonly kind: 'shown' | 'hidden'; readonly of: string; readonly to: string }

export interface RosterForgotten {
  /** The account's own, as it was. */
  readonly last: RosterRecord
  readonly steps: readonly Step[]
}

export interface RosterStore {
  readonly load: Operation<{ readonly owner: string }, RosterRecord>
  /** Listed and removed items after a version of this epoch, oldest first; undefined when that cannot be told. */
  readonly changesSince: Operation<
    { readonly owner: string; readonly epoch: string; readonly version: number },
    readonly RosterItem[] | undefined
  >
  /** Open requests to an account, as the stanzas they came in. */
  readonly requestsTo: Operation<{ readonly owner: string }, readonly string[]>
  /** @throws Refusal rosterFull */
  readonly setItem: Operation<SetItem, readonly Step[]>
  /** @throws Refusal itemUnknown */
  readonly removeItem: Operation<RemoveItem, readonly Step[]>
  /** @throws Refusal rosterFull, requestsFull */
  readonly negotiate: Operation<Negotiate, readonly Step[]>
  /** Takes an account out of its own roster and everyone else's. */
  readonly forgetAccount: Operation<AccountName, RosterForgotten>
  /** Notes that an account came (undefined) or when it went. */
  readonly noteSeen: Operation<{ readonly bareJid: string; readonly at: number | undefined }, undefined>
  readonly lastSeen: Operation<{ readonly bareJid: string }, number | undefined>
}
