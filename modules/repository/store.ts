/** What the repository asks of storage: arguments and results of its operations, plain data. */

import type { EndpointRow, PolicyRow, PostureRow, ResultRow } from './model.ts'
import type { Reach } from './rules.ts'

/** A report whose payload has been parsed. */
export interface SaveReport {
  readonly itemId: string
  /** Of the payload's bytes. */
  readonly hash: string
  /** Bare JID. */
  readonly collector: string
  readonly reach: Reach
  readonly format: string
  /** PostureReport as JSON: one string crosses threads faster than thousands of objects. */
  readonly report: string
}
/** Refusals: reportRepeated, reportIdTaken, endpointNotGranted, partMismatch, tooManySets. */
export interface SavedReport {
  readonly endpoint: string
  /** The endpoint was not known before. */
  readonly isNew: boolean
  /** It is the endpoint to which the collector's `self` grant is bound, by this report or before. */
  readonly isSelf: boolean
  /** A part that waits for the others: nothing has been applied. */
  readonly isWaiting: boolean
  readonly added: number
  readonly changed: number
  readonly same: number
  readonly removed: number
  /** Older than what is known; kept as history only. */
  readonly outdated: number
}

export interface SavePolicy {
  readonly id: string
  readonly version: string
  readonly title: string
  readonly type: string
  readonly rules: number
  readonly publisher: string
  readonly hash: string
  readonly document: string
}

/** A result whose payload has been parsed. */
export interface SaveResult {
  readonly itemId: string
  readonly hash: string
  /** Bare JID. */
  readonly evaluator: string
  readonly reach: Reach
  /** EvaluationResult as JSON. */
  readonly result: string
}

/** Which endpoints the asker may read. */
export type Visible = 'any' | readonly string[]

/** A place to page from. At most one of after and before; `before: null` asks for the last page. */
export interface Paging {
  readonly max: number
  readonly after?: number
  readonly before?: number | null
}

/** Rows in their order with their cursors, the number of all, and how many more the asker may not see. */
export interface Rows<T> {
  readonly rows: readonly T[]
  readonly first: number | undefined
  readonly last: number | undefined
  /** Undefined on a later page of a great many. */
  readonly count: number | undefined
  readonly withheld: number
}

export interface ListEndpoints {
  readonly visible: Visible
  readonly paging: Paging
  readonly id?: string
  readonly label?: string
  readonly seenBefore?: number
}
export interface ListPosture {
  readonly visible: Visible
  readonly paging: Paging
  readonly endpoint?: string
  readonly label?: string
  readonly name?: string
  readonly after?: number
  readonly before?: number
  readonly asOf?: number
  readonly collector?: string
  readonly method?: string
  readonly format?: string
}
export interface ListPolicies {
  readonly paging: Paging
  readonly type?: string
  readonly name?: string
  readonly version?: string
}
export interface ListResults {
  readonly visible: Visible
  readonly paging: Paging
  readonly endpoint?: string
  readonly policy?: string
  readonly rule?: string
  readonly verdict?: string
  readonly asOf?: number
}

/** What the main thread keeps of endpoints: the labels that grants name, and bindings that a crash left untold. */
export interface RepositoryReplica {
  readonly labels: readonly { readonly endpoint: string; readonly label: string }[]
  readonly bindings: readonly { readonly bareJid: string; readonly endpoint: string }[]
}

export type EndpointRows = Rows<EndpointRow>
export type PostureRows = Rows<PostureRow>
export type PolicyRows = Rows<PolicyRow>
export type ResultRows = Rows<ResultRow>
