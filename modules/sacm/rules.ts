/** Topic names, and who may send to and receive from them. SACM-XMPP §2, the table of topics. */

import type { Role } from '../../server/module/api.ts'
import { sacmError } from './errors.ts'
import type { Capability } from './model.ts'
import { CAPABILITY_KINDS, isComponentId } from './onboarding-xml.ts'

export type DirectedTopic =
  | { readonly kind: 'registration' }
  | { readonly kind: 'administration' | 'collect' | 'evaluate' | 'response'; readonly component: string }

/** Which end of a directed topic: the orchestrator's, or that of the component it is named for. */
export type Side = 'orchestrator' | 'component'

/** An account as the rules see it. */
export interface Actor {
  readonly bareJid: string
  readonly roles: ReadonlySet<Role>
  /** Its component id; undefined before its registration. */
  readonly component: string | undefined
}

const WORK_TOPICS = ['collect', 'evaluate', 'response'] as const

/** Undefined: no directed topic has this name. */
export function parseDirectedTopic(name: string): DirectedTopic | undefined {
  if (name === '/orchestrator/registration') return { kind: 'registration' }
  const [empty, first = '', second = '', ...more] = name.split('/')
  if (empty !== '' || more.length > 0) return undefined
  if (first === 'orchestrator') {
    return isComponentId(second) ? { kind: 'administration', component: second } : undefined
  }
  const kind = WORK_TOPICS.find((each) => each === second)
  return kind && isComponentId(first) ? { kind, component: first } : undefined
}

export function directedTopicName(topic: DirectedTopic): string {
  switch (topic.kind) {
    case 'registration':
      return '/orchestrator/registration'
    case 'administration':
      return `/orchestrator/${topic.component}`
    default:
      return `/${topic.component}/${topic.kind}`
  }
}

/**
 * The side from which an account sends to a topic; the other one receives.
 * @throws StanzaError role-required when it may not send there
 */
export function senderSide(topic: DirectedTopic, actor: Actor): Side {
  switch (topic.kind) {
    case 'registration':
      return 'component'
    case 'administration':
      if (actor.component === topic.component) return 'component'
      require(actor, ['orchestrator'])
      return 'orchestrator'
    case 'collect':
      require(actor, ['orchestrator', 'evaluator', 'repository'])
      return 'orchestrator'
    case 'evaluate':
      require(actor, ['orchestrator'])
      return 'orchestrator'
    case 'response':
      require(actor, ['collector', 'evaluator', 'repository'])
      if (actor.component === undefined) throw sacmError('notYours', 'only a registered component answers here')
      return 'orchestrator'
  }
}

/**
 * The side that an account takes when it handles a topic.
 * @throws StanzaError role-required or forbidden when it may not
 */
export function handlerSide(topic: DirectedTopic, actor: Actor): Side {
  switch (topic.kind) {
    case 'registration':
      require(actor, ['orchestrator'])
      return 'orchestrator'
    case 'administration':
      if (actor.component === topic.component) return 'component'
      require(actor, ['orchestrator'])
      return 'orchestrator'
    case 'collect':
    case 'evaluate':
      require(actor, [topic.kind === 'collect' ? 'collector' : 'evaluator'])
      requireOwn(topic.component, actor)
      return 'component'
    case 'response':
      requireOwn(topic.component, actor)
      return 'component'
  }
}

function requireOwn(component: string, actor: Actor): void {
  if (actor.component !== component) throw sacmError('notYours', `${component} is another component (PROTOCOL.md §2.1)`)
}

function require(actor: Actor, roles: readonly Role[]): void {
  if (roles.some((role) => actor.roles.has(role))) return
  throw sacmError('roleRequired', `this needs the role ${roles.join(' or ')} (PROTOCOL.md §2.1)`)
}

export type BroadcastTopic =
  | { readonly kind: Capability['kind']; readonly type: string }
  | { readonly kind: 'inventory' }

export const NODE_INVENTORY = '/inventory'

/** Undefined: the NodeID begins with `/`, and nothing of that name exists. */
export function parseBroadcastTopic(nodeId: string): BroadcastTopic | undefined {
  if (nodeId === NODE_INVENTORY) return { kind: 'inventory' }
  const [empty, first, type = '', ...more] = nodeId.split('/')
  const kind = CAPABILITY_KINDS.find((each) => each === first)
  return empty === '' && kind && type !== '' && more.length === 0 ? { kind, type } : undefined
}

/** Types of our own capabilities; their topics exist from the start. */
export const CAPABILITY_TYPES = ['system', 'oval', 'xccdf', 'swid'] as const

const OWN_URN = /^urn:sacm-xmpp:capability:(collection|evaluation|repository):([a-z0-9-]+)$/

/** The topic of a capability; undefined when its URN says another kind, or a type that is none of ours. */
export function capabilityTopic({ urn, kind }: Capability): string | undefined {
  if (!urn.startsWith('urn:sacm-xmpp:')) return `/${kind}/${encodeURIComponent(urn)}`
  const [, ownKind, type] = OWN_URN.exec(urn) ?? []
  const isKnown = CAPABILITY_TYPES.some((each) => each === type)
  return ownKind === kind && isKnown ? `/${kind}/${type}` : undefined
}

/** The role that a capability's kind needs; a component's own word is not enough (ARCH-007). */
export const CAPABILITY_ROLE: Readonly<Record<Capability['kind'], Role>> = {
  collection: 'collector',
  evaluation: 'evaluator',
  repository: 'repository',
}

/** @throws StanzaError role-required, or forbidden without the capability */
export function authorizeSubscribe(
  topic: BroadcastTopic,
  nodeId: string,
  actor: Actor,
  own: readonly Capability[],
): void {
  if (topic.kind === 'inventory') {
    require(actor, ['orchestrator', 'admin'])
    return
  }
  require(actor, [CAPABILITY_ROLE[topic.kind]])
  if (own.some((capability) => capabilityTopic(capability) === nodeId)) return
  throw sacmError('capabilityRequired', 'advertise the capability first (PROTOCOL.md §3.2)')
}

/** @throws StanzaError role-required, or not-allowed where only the server publishes */
export function authorizePublish(topic: BroadcastTopic, actor: Actor): void {
  switch (topic.kind) {
    case 'inventory':
      throw sacmError('serverOnly', 'only the server publishes here (PROTOCOL.md §2.1)')
    case 'collection':
      require(actor, ['orchestrator', 'evaluator'])
      return
    default:
      require(actor, ['orchestrator'])
  }
}
