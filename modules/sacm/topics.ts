/** Directed topics at `sacm.<domain>`: requests, their checks, and who handles them. SACM-XMPP §2. */

import type { IqRequest, SessionHandle } from '../../server/module/api.ts'
import { type Element, isElement } from '../../server/xml/element.ts'
import type { Repository } from '../repository/api.ts'
import { NS_POSTURE, NS_RESULT, parseReport, parseResult } from '../repository/xml.ts'
import { isCollection, readCollection } from './collection.ts'
import { sacmError } from './errors.ts'
import { isEvaluation, readEvaluation } from './evaluation.ts'
import { type Forward, forward } from './forward.ts'
import { checkOrder, type JobParts, reportState, startDirected } from './jobs.ts'
import { NS_CAPABILITY, NS_HEARTBEAT, NS_JOB } from './model.ts'
import { advertise, type OnboardingParts, register } from './onboarding.ts'
import { parseHeartbeat } from './onboarding-xml.ts'
import { type DirectedTopic, directedTopicName, handlerSide, parseDirectedTopic, senderSide } from './rules.ts'
import type { Component } from './store.ts'
import { parseHandle, parseTopicRequest, renderTopicResponse } from './topic-xml.ts'
import { refuseOther } from './unsupported.ts'

export interface TopicParts extends JobParts, OnboardingParts {
  readonly repository: Repository
}

/** Carries out a directed request and gives its `<response/>`. */
export async function request(parts: TopicParts, { from, payload }: IqRequest): Promise<Element> {
  const asked = parseTopicRequest(payload)
  const topic = knownTopic(asked.topic)
  const actor = parts.roster.actor(from.bare)
  const to = senderSide(topic, actor) === 'component' ? 'orchestrator' : 'component'
  const component = topic.kind === 'registration' ? undefined : requireComponent(parts, topic.component)
  if (asked.queue) throw sacmError('queueUnsupported', 'requests are not queued yet (PROTOCOL.md §2.2)')

  const { timeoutSeconds } = asked
  const passed: Forward = { topic, to, sender: actor, payload: asked.payload, timeoutSeconds }
  const answer = component
    ? await toComponent(parts, passed, component)
    : await register(parts, { actor, payload: asked.payload, timeoutSeconds })
  return renderTopicResponse({ topic: asked.topic, payload: answer })
}

function knownTopic(name: string): DirectedTopic {
  const topic = parseDirectedTopic(name)
  if (!topic) throw sacmError('unknownTopic', `there is no directed topic ${name} (PROTOCOL.md §2.1)`)
  return topic
}

function requireComponent({ roster }: TopicParts, id: string): Component {
  const component = roster.get(id)
  if (!component) throw sacmError('unknownTopic', `no component has the id ${id} (PROTOCOL.md §2.1)`)
  return component
}

function toComponent(parts: TopicParts, passed: Forward, component: Component): Promise<Element | undefined> {
  switch (passed.topic.kind) {
    case 'collect':
      return order(parts, passed, component, readCollection(passed.payload))
    case 'evaluate':
      return order(parts, passed, component, readEvaluation(passed.payload))
    case 'response':
      return respond(parts, passed, component)
    default:
      return administer(parts, passed, component)
  }
}

function order(
  parts: TopicParts,
  passed: Forward,
  { component }: Component,
  work: Parameters<typeof checkOrder>[1],
): Promise<Element> {
  checkOrder(parts, work, passed.sender)
  return startDirected(parts, work, { ...passed, component })
}

/** The administrative interface: heartbeat both ways, the handshake upwards, work downwards. ARCH §Administrative Interface. */
function administer(parts: TopicParts, passed: Forward, component: Component): Promise<Element | undefined> {
  const { payload, sender: actor, timeoutSeconds } = passed
  if (payload.getNS() === NS_HEARTBEAT) {
    parseHeartbeat(payload)
    return forward(parts, passed)
  }
  if (passed.to === 'orchestrator') {
    if (isElement(payload, 'advertise', NS_CAPABILITY)) return advertise(parts, { actor, payload, timeoutSeconds })
    return refuseOther(payload, '<advertise/> or <heartbeat/>', '§3.2', false)
  }
  if (isCollection(payload)) return order(parts, passed, component, readCollection(payload))
  if (isEvaluation(payload)) return order(parts, passed, component, readEvaluation(payload))
  return refuseOther(payload, '<heartbeat/>, <collect/> or <evaluate/>', '§3.3', false)
}

/** What a component sends to who asked for it: a job's state, or what it found, if both may read of the endpoint. */
async function respond(parts: TopicParts, passed: Forward, { bareJid }: Component): Promise<Element | undefined> {
  const { payload, sender } = passed
  switch (payload.getNS()) {
    case NS_JOB:
      return reportState(parts, bareJid, passed)
    case NS_POSTURE:
      requireReaders(
        parts,
        [sender.bareJid, bareJid],
        await parts.repository.endpointOf(parseReport(payload).identifiers),
      )
      return forward(parts, passed)
    case NS_RESULT:
      requireReaders(parts, [sender.bareJid, bareJid], parseResult(payload).endpoint)
      return forward(parts, passed)
    default:
      return refuseOther(payload, 'a job state, <report/> or <result/>', '§2.3', false)
  }
}

function requireReaders({ repository }: TopicParts, accounts: readonly string[], endpoint: string | undefined): void {
  // An endpoint that nobody knows yet is only for those who may read any.
  if (accounts.every((account) => repository.mayRead(account, endpoint ?? ''))) return
  throw sacmError('endpointNotGranted', 'no grant covers this endpoint (PROTOCOL.md §2.3)')
}

/** Makes the session a handler of a topic. An orchestrator may handle a component's topic before it is registered. */
export function handle(parts: TopicParts, payload: Element, session: SessionHandle): DirectedTopic {
  const topic = knownTopic(parseHandle(payload))
  const side = handlerSide(topic, parts.roster.actor(session.bareJid))
  parts.handlers.add(directedTopicName(topic), side, session)
  return topic
}

/** @throws StanzaError item-not-found when the session does not handle the topic */
export function unhandle(parts: TopicParts, payload: Element, session: SessionHandle): void {
  const name = directedTopicName(knownTopic(parseHandle(payload)))
  const wasHandling = (['orchestrator', 'component'] as const).filter((side) =>
    parts.handlers.remove(name, side, session),
  )
  if (wasHandling.length === 0) throw sacmError('notHandling', `this session does not handle ${name}`)
}

/** The names of the directed topics that an account may send to or handle, in order. */
export function usableTopics({ roster }: Pick<TopicParts, 'roster'>, bareJid: string): string[] {
  const actor = roster.actor(bareJid)
  const topics: DirectedTopic[] = [{ kind: 'registration' }]
  for (const { component } of roster.all()) {
    for (const kind of ['administration', 'collect', 'evaluate', 'response'] as const) topics.push({ kind, component })
  }
  return topics
    .filter((topic) => may(() => senderSide(topic, actor)) || may(() => handlerSide(topic, actor)))
    .map(directedTopicName)
    .sort()
}

function may(authorize: () => void): boolean {
  try {
    authorize()
    return true
  } catch {
    // Why not is told to who tries.
    return false
  }
}
