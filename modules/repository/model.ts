/** What the repository keeps and answers, as plain values: reports, results, rows and queries. SACM-XMPP §3, §4. */

import type { Page, RsmRequest } from '../../server/stanza/rsm.ts'
import type { Element } from '../../server/xml/element.ts'

export const NS_POSTURE = 'urn:sacm-xmpp:posture:0'
export const NS_RESULT = 'urn:sacm-xmpp:result:0'
export const NS_REPOSITORY = 'urn:sacm-xmpp:repository:0'

export type AttributeStatus = 'exists' | 'does-not-exist' | 'error' | 'not-collected'
export type DataType = 'string' | 'integer' | 'boolean' | 'float' | 'datetime' | 'version'
export type ReportMethod = 'self' | 'remote' | 'observed' | 'aggregated'
export type ReportScope = 'full' | 'delta' | 'partial'

/** One posture attribute of one endpoint, as reported. */
export interface PostureAttribute {
  /** Dotted, at most 512 characters; items keep their own dots and slashes (`file./etc/shadow.mode`). */
  readonly name: string
  /** Undefined unless the status is `exists`. */
  readonly value: string | undefined
  readonly type: DataType
  readonly status: AttributeStatus
  /** UTC milliseconds; undefined: the report's. */
  readonly collected?: number
  /** Why it is `error` or `not-collected`. */
  readonly reason?: string
}

export interface EndpointIdentifier {
  /** `machine-id`, `serial`, `mac`, `fqdn`, `cert`, or any other. */
  readonly type: string
  readonly value: string
}

export interface PostureReport {
  readonly collected: number
  readonly method: ReportMethod
  readonly scope: ReportScope
  readonly job?: string
  readonly identifiers: readonly EndpointIdentifier[]
  /** Name prefixes that a full report covers completely. */
  readonly covers: readonly string[]
  readonly attributes: readonly PostureAttribute[]
  /** One of several parts, applied together when all are there. */
  readonly part?: { readonly set: string; readonly number: number; readonly of: number }
}

/** XCCDF 1.2 §6.6.4.1's result values that our evaluators give. */
export type Verdict =
  | 'pass'
  | 'fail'
  | 'error'
  | 'unknown'
  | 'notapplicable'
  | 'notchecked'
  | 'notselected'
  | 'informational'

/** One attribute that decided a rule. */
export interface Evidence {
  readonly name: string
  readonly status: AttributeStatus
  readonly value?: string
  /** UTC milliseconds. */
  readonly collected?: number
}
export interface RuleResult {
  readonly id: string
  readonly title?: string
  readonly severity?: string
  readonly verdict: Verdict
  /** Why, in words: the reason of an error or unknown. */
  readonly message?: string
  readonly evidence: readonly Evidence[]
}
export interface EvaluationResult {
  readonly endpoint: string
  readonly policy: string
  readonly policyVersion?: string
  readonly profile?: string
  /** UTC milliseconds. */
  readonly evaluated: number
  readonly job?: string
  /** 0 to 100: passed of passed, failed, error and unknown. */
  readonly score: number
  readonly rules: readonly RuleResult[]
}

export interface EndpointRow {
  readonly id: string
  readonly identifiers: readonly EndpointIdentifier[]
  readonly labels: readonly string[]
  readonly firstSeen: number
  readonly lastSeen: number
  /** Ids of endpoints whose identifiers conflict with this one's. */
  readonly conflicts: readonly string[]
}
export interface PostureRow extends PostureAttribute {
  readonly endpoint: string
  readonly collected: number
  readonly received: number
  readonly lastSeen: number
  readonly collector: string
  readonly method: ReportMethod
  readonly format: string
  readonly stale?: boolean
}
export interface PolicyRow {
  readonly id: string
  readonly version: string
  readonly title: string
  readonly type: string
  readonly rules: number
  readonly published: number
  readonly publisher: string
}
export interface ResultRow {
  readonly id: string
  readonly endpoint: string
  readonly policy: string
  readonly evaluated: number
  readonly evaluator: string
  readonly rule: RuleResult
}

export type RepositoryQuery =
  | {
      readonly kind: 'endpoints'
      readonly id?: string
      readonly label?: string
      readonly seenBefore?: number
      readonly page?: RsmRequest
    }
  | {
      readonly kind: 'posture'
      readonly endpoint?: string
      readonly label?: string
      readonly name?: string
      readonly after?: number
      readonly before?: number
      readonly asOf?: number
      readonly maxAgeSeconds?: number
      /** How long the asker would wait for a new collection; 1 to 60. */
      readonly waitSeconds?: number
      readonly collector?: string
      readonly method?: string
      readonly format?: string
      readonly page?: RsmRequest
    }
  | {
      readonly kind: 'policies'
      readonly type?: string
      readonly platform?: string
      readonly name?: string
      readonly version?: string
      readonly page?: RsmRequest
    }
  | {
      readonly kind: 'results'
      readonly endpoint?: string
      readonly policy?: string
      readonly rule?: string
      readonly verdict?: Verdict
      readonly asOf?: number
      readonly page?: RsmRequest
    }
  /** The latest version of a policy by value. */
  | { readonly kind: 'content'; readonly id: string }

export type RepositoryAnswer =
  | { readonly kind: 'endpoints'; readonly page: Page<EndpointRow>; readonly withheld: number }
  | { readonly kind: 'posture'; readonly page: Page<PostureRow>; readonly withheld: number }
  | { readonly kind: 'policies'; readonly page: Page<PolicyRow>; readonly withheld: number }
  | { readonly kind: 'results'; readonly page: Page<ResultRow>; readonly withheld: number }
  | { readonly kind: 'content'; readonly content: Element }
