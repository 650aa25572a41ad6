/** SACM's control payloads as plain values. SACM-XMPP §2, §3. */

import type { Element } from '../../server/xml/element.ts'

export const NS_TOPIC = 'urn:sacm-xmpp:topic:0'
export const NS_REGISTRATION = 'urn:sacm-xmpp:registration:0'
export const NS_CAPABILITY = 'urn:sacm-xmpp:capability:0'
export const NS_HEARTBEAT = 'urn:sacm-xmpp:heartbeat:0'
export const NS_JOB = 'urn:sacm-xmpp:job:0'
export const NS_COLLECTION = 'urn:sacm-xmpp:collection:0'
export const NS_EVALUATION = 'urn:sacm-xmpp:evaluation:0'
export const NS_INVENTORY = 'urn:sacm-xmpp:inventory:0'

/** ARCH §Component Registration; other texts are legal and give no rights. */
export type ComponentType =
  | 'posture-collection-service'
  | 'posture-evaluation-service'
  | 'repository'
  | 'orchestrator'
  | (string & {})

export interface TopicRequest {
  readonly topic: string
  /** 1 to 60, default 5. */
  readonly timeoutSeconds: number
  readonly queue: boolean
  /** Server-stamped on the forwarded copy: bare JID and component id of the sender. */
  readonly sender?: string
  readonly component?: string
  readonly payload: Element
}
export interface TopicResponse {
  readonly topic: string
  readonly payload: Element | undefined
}

export type Register =
  | { readonly kind: 'new'; readonly type: ComponentType; readonly name: string; readonly description?: string }
  | { readonly kind: 'again'; readonly id: string }

export interface Capability {
  readonly urn: string
  readonly kind: 'collection' | 'evaluation' | 'repository'
  /** Endpoint ids it applies to; empty: those of the account's grants. */
  readonly endpoints: readonly string[]
}
export interface Advertise {
  readonly id: string
  readonly type: ComponentType
  readonly capabilities: readonly Capability[]
}
export interface CapabilityAnswer {
  readonly urn: string
  readonly status: 'success' | 'failure'
  readonly topic?: string
  readonly messages: readonly string[]
}

export interface Heartbeat {
  readonly action: 'ping' | 'ping-with-capabilities'
}

export type JobOutcome = 'success' | 'partial' | 'failed' | 'cancelled' | 'expired'
/** A job's state as it travels. SACM-XMPP §2, Jobs. */
export type JobState = { readonly job: string; readonly component: string } & (
  | { readonly state: 'accepted' }
  | { readonly state: 'progress'; readonly done: number; readonly total: number }
  | { readonly state: 'completed'; readonly outcome: JobOutcome; readonly errors: readonly string[] }
)

export interface Collect {
  readonly id: string
  /** UTC milliseconds; default one hour after sending. */
  readonly expires?: number
  readonly responseTopic?: string
  readonly maxAgeSeconds?: number
  /** Attribute name patterns (`*` anywhere); empty: everything the collector can. Names only, never what to run. */
  readonly attributes: readonly string[]
}
export interface Evaluate {
  readonly id: string
  readonly expires?: number
  readonly responseTopic?: string
  readonly maxAgeSeconds?: number
  readonly policy: string
  readonly profile?: string
  readonly endpoints: readonly string[]
}

/** The item that `/inventory` keeps for each component. */
export interface InventoryItem {
  readonly component: string
  readonly bareJid: string
  readonly type: ComponentType
  readonly name: string
  readonly description?: string
  readonly state: 'registered' | 'gone' | 'back'
  /** UTC milliseconds of the last change of state. */
  readonly since: number
  readonly capabilities: readonly Capability[]
}

export type SacmErrorCondition =
  | 'unknown-topic'
  | 'role-required'
  | 'endpoint-not-granted'
  | 'handler-offline'
  | 'expired'
  | 'duplicate'
  | 'schedule-exists'
  | 'unsupported-format'
  | 'payload-invalid'
  | 'too-large'
  | 'rate-limited'
