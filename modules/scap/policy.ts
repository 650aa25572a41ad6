/** Policies in a small XML form of our own: model, parser with places of faults, writer. Namespace urn:sacm-xmpp:policy:0. */

import type { Element } from '../../server/xml/element.ts'

export const NS_POLICY = 'urn:sacm-xmpp:policy:0'

export type Severity = 'info' | 'low' | 'medium' | 'high' | 'critical'
export type Operation =
  | 'equals'
  | 'not-equal'
  | 'pattern'
  | 'not-pattern'
  | 'greater'
  | 'greater-or-equal'
  | 'less'
  | 'less-or-equal'
  | 'in'
  | 'not-in'
  | 'exists'
  | 'none-exist'

/** A test of every attribute whose name matches `name` (`*` anywhere). */
export interface AttributeTest {
  readonly kind: 'attribute'
  readonly name: string
  readonly operation: Operation
  /** How values compare: as text, number or dotted version. */
  readonly datatype: 'string' | 'integer' | 'version'
  /** One value; several for in and not-in; none for exists and none-exist. */
  readonly values: readonly string[]
  /** Of the matching attributes, how many must satisfy the test. */
  readonly match: 'all' | 'any' | 'none'
}
export type Check =
  | AttributeTest
  | { readonly kind: 'and' | 'or'; readonly checks: readonly Check[] }
  | { readonly kind: 'not'; readonly check: Check }

export interface PolicyRule {
  readonly id: string
  readonly title: string
  readonly severity: Severity
  readonly rationale: string
  readonly remediation: string
  /** At least one: URL or name of the public source. */
  readonly references: readonly { readonly href?: string; readonly text: string }[]
  /** When false, the rule is not applicable. */
  readonly applies?: Check
  readonly check: Check
}
export interface Policy {
  readonly id: string
  readonly version: string
  readonly title: string
  readonly description: string
  readonly rules: readonly PolicyRule[]
}

/** A policy that does not parse, with the place of the fault. */
export class PolicyError extends Error {
  override readonly name = 'PolicyError'
  /** `/policy/rule[3]/check`. */
  readonly path: string
  /** 1-based; undefined when read from an Element. */
  readonly line: number | undefined
  readonly column: number | undefined
  constructor(text: string, place: { readonly path: string; readonly line?: number; readonly column?: number }) {
    super(text)
    this.path = place.path
    this.line = place.line
    this.column = place.column
  }
}

/** @throws PolicyError with line and column */
export declare function parsePolicyText(xml: string): Policy
/** @throws PolicyError with the path */
export declare function parsePolicy(element: Element): Policy
export declare function renderPolicy(policy: Policy): Element
