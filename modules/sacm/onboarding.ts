/**
 * Component registration and the capability handshake, as they pass through to the orchestrator.
 * SACM-XMPP §3; ARCH §Component Registration, §Capability Advertisement Handshake.
 */

import { Refusal } from '../../server/module/api.ts'
import { type Element, isElement } from '../../server/xml/element.ts'
import type { Pubsub } from '../pubsub/api.ts'
import { payloadInvalid } from '../repository/xml.ts'
import { sacmError } from './errors.ts'
import { type ForwardParts, forward } from './forward.ts'
import { type Advertise, type Capability, type CapabilityAnswer, NS_REGISTRATION, type Register } from './model.ts'
import {
  parseAdvertise,
  parseCapabilities,
  parseRegister,
  parseRegistered,
  renderCapabilities,
  renderRegistered,
} from './onboarding-xml.ts'
import type { Roster } from './roster.ts'
import { type Actor, CAPABILITY_ROLE, capabilityTopic } from './rules.ts'
import { registerComponent, setCapabilities } from './store.sqlite.ts'
import type { Component } from './store.ts'

export interface OnboardingParts extends ForwardParts {
  readonly roster: Roster
  readonly pubsub: Pick<Pubsub, 'ensureNode' | 'hasNode'>
  readonly maxCapabilities: () => number
  /** Called when an account has become a component. */
  readonly onRegistered: (component: Component) => void
}

interface Asked {
  readonly actor: Actor
  readonly payload: Element
  readonly timeoutSeconds: number
}

/**
 * Registers a component. The orchestrator makes the id; the server binds it to the account as the answer passes.
 * @throws StanzaError forbidden or item-not-found for an id that is another's or nobody's, conflict for one bound elsewhere
 */
export async function register(parts: OnboardingParts, { actor, payload, timeoutSeconds }: Asked): Promise<Element> {
  if (!isElement(payload, 'register', NS_REGISTRATION)) {
    throw payloadInvalid({ path: `/${payload.getName()}`, section: '§3.1' }, '', 'only <register/> is taken here')
  }
  const request = parseRegister(payload)
  const known = parts.roster.ofAccount(actor.bareJid)
  if (request.kind === 'again') checkOwnId(parts.roster, request.id, actor)
  else if (known) {
    // The account has its id already. The server keeps it, so that an orchestrator that lost its own is no obstacle.
    await bind(parts, actor.bareJid, known.component, request)
    return renderRegistered(known.component)
  }
  const answer = await forward(parts, {
    topic: { kind: 'registration' },
    to: 'orchestrator',
    sender: actor,
    payload,
    timeoutSeconds,
  })
  const id = readAnswer(answer, parseRegistered)
  if (request.kind === 'again') {
    if (id !== request.id) throw sacmError('boundElsewhere', `the orchestrator answered ${id} for ${request.id}`)
    return renderRegistered(id)
  }
  parts.onRegistered(await bind(parts, actor.bareJid, id, request))
  return renderRegistered(id)
}

function checkOwnId(roster: Roster, id: string, actor: Actor): void {
  const holder = roster.get(id)
  if (!holder) throw sacmError('componentUnknown', `no component has the id ${id}`)
  if (holder.bareJid !== actor.bareJid) throw sacmError('notYours', `${id} is another account's (PROTOCOL.md §3.1)`)
}

async function bind(
  { roster }: OnboardingParts,
  bareJid: string,
  id: string,
  { type, name, description }: Extract<Register, { kind: 'new' }>,
): Promise<Component> {
  try {
    const described = description === undefined ? {} : { description }
    return await roster.change(registerComponent, { id, bareJid, type, name, ...described })
  } catch (error) {
    if (error instanceof Refusal && error.key === 'boundElsewhere') {
      throw sacmError('boundElsewhere', `${id} is bound to another account, or this account to another id`)
    }
    throw error
  }
}

/**
 * The capability handshake. The orchestrator may refuse a capability; what the role forbids fails whatever it says,
 * and the topics are the server's to name and to make.
 */
export async function advertise(parts: OnboardingParts, { actor, payload, timeoutSeconds }: Asked): Promise<Element> {
  const offered = parseAdvertise(payload)
  const { component } = actor
  if (component === undefined || offered.id !== component) {
    throw sacmError('idMismatch', `'id' is not the component of this topic (PROTOCOL.md §3.2)`, {
      path: '/advertise/@id',
    })
  }
  const limit = parts.maxCapabilities()
  if (offered.capabilities.length > limit) {
    throw sacmError('tooManyCapabilities', `a component has at most ${limit} capabilities`, { limit: String(limit) })
  }
  const answer = await forward(parts, {
    topic: { kind: 'administration', component },
    to: 'orchestrator',
    sender: actor,
    payload,
    timeoutSeconds,
  })
  const said = new Map(readAnswer(answer, parseCapabilities).map((each) => [each.urn, each]))
  const answers = offered.capabilities.map((capability) => decide(capability, actor, said.get(capability.urn)))
  await keep(parts, offered, answers)
  return renderCapabilities(answers)
}

function decide(capability: Capability, actor: Actor, said: CapabilityAnswer | undefined): CapabilityAnswer {
  const { urn, kind } = capability
  const failure = (...messages: string[]): CapabilityAnswer => ({ urn, status: 'failure', messages })
  const role = CAPABILITY_ROLE[kind]
  if (!actor.roles.has(role)) return failure(`${kind} needs the role ${role}`)
  const topic = capabilityTopic(capability)
  if (topic === undefined) return failure(`${urn} is no capability of kind ${kind}`)
  if (!said) return failure('the orchestrator did not answer for it')
  if (said.status === 'failure') return failure(...said.messages)
  return { urn, status: 'success', topic, messages: said.messages }
}

async function keep(parts: OnboardingParts, offered: Advertise, answers: readonly CapabilityAnswer[]): Promise<void> {
  const topics = new Map(answers.filter(({ status }) => status === 'success').map(({ urn, topic }) => [urn, topic]))
  for (const topic of topics.values()) {
    if (topic !== undefined && !parts.pubsub.hasNode(topic)) {
      await parts.pubsub.ensureNode(topic, { persistItems: false, maxItems: 1 })
    }
  }
  const capabilities = offered.capabilities.filter(({ urn }) => topics.has(urn))
  await parts.roster.change(setCapabilities, { id: offered.id, capabilities })
}

/** @throws StanzaError undefined-condition when the orchestrator's answer is not what it should be */
function readAnswer<T>(answer: Element | undefined, parse: (element: Element) => T): T {
  let cause: unknown = 'nothing'
  if (answer) {
    try {
      return parse(answer)
    } catch (error) {
      cause = error instanceof Error ? error.message : error
    }
  }
  throw sacmError('badAnswer', `the orchestrator's answer is not understood: ${String(cause)}`)
}
