/** Passes a directed request to its handler and brings the answer back. At most once. SACM-XMPP §2, Directed request. */

import type { Endpoint } from '../../server/module/api.ts'
import { StanzaError } from '../../server/stanza/errors.ts'
import { type Element, RawXml } from '../../server/xml/element.ts'
import { serialize } from '../../server/xml/serialize.ts'
import { sacmError } from './errors.ts'
import type { Handlers } from './handlers.ts'
import { type Actor, type DirectedTopic, directedTopicName, type Side } from './rules.ts'
import { parseTopicResponse, renderTopicRequest } from './topic-xml.ts'

export interface ForwardParts {
  readonly handlers: Handlers
  readonly endpoint: Pick<Endpoint, 'request'>
}

export interface Forward {
  readonly topic: DirectedTopic
  readonly to: Side
  readonly sender: Actor
  readonly payload: Element
  readonly timeoutSeconds: number
}

/** @throws StanzaError handler-offline when nobody handles the topic on that side */
export function requireHandler({ handlers }: ForwardParts, topic: DirectedTopic, side: Side): void {
  const name = directedTopicName(topic)
  if (handlers.of(name, side).length === 0) throw sacmError('handlerOffline', `nobody handles ${name} now`)
}

/**
 * Asks the oldest handler, with the sender stamped (DM-008); no second one is tried.
 * @returns the answer's payload
 * @throws StanzaError of the handler, unchanged; handler-offline; remote-server-timeout
 */
export async function forward(parts: ForwardParts, request: Forward): Promise<Element | undefined> {
  requireHandler(parts, request.topic, request.to)
  const topic = directedTopicName(request.topic)
  const [handler] = parts.handlers.of(topic, request.to)
  if (!handler) throw sacmError('handlerOffline', `nobody handles ${topic} now`)
  const { bareJid, component } = request.sender
  const element = renderTopicRequest({
    topic,
    timeoutSeconds: request.timeoutSeconds,
    sender: bareJid,
    ...(component === undefined ? {} : { component }),
    payload: standAlone(request.payload),
  })
  const ended = Promise.withResolvers<never>()
  const onEnd = () => ended.reject(sacmError('handlerOffline', `the handler of ${topic} has gone`))
  handler.closed.addEventListener('abort', onEnd, { once: true })
  try {
    const asked = parts.endpoint.request(handler.fullJid, 'set', element, request.timeoutSeconds * 1000)
    const answer = await Promise.race([asked, ended.promise])
    return answer && readAnswer(answer, topic)
  } catch (error) {
    if (error instanceof StanzaError && error.condition === 'remote-server-timeout') {
      throw sacmError('timedOut', `no answer within ${request.timeoutSeconds} s; it may have been received`)
    }
    throw error
  } finally {
    handler.closed.removeEventListener('abort', onEnd)
  }
}

function readAnswer(answer: Element, topic: string): Element | undefined {
  try {
    const response = parseTopicResponse(answer)
    if (response.topic !== topic) throw sacmError('badAnswer', 'the handler answered for another topic')
    return response.payload
  } catch (error) {
    // What is wrong with the answer is not the asker's fault, so its own words would mislead.
    throw sacmError('badAnswer', `the handler's answer is no response: ${error instanceof Error ? error.message : ''}`)
  }
}

/** The payload with every namespace that it inherited: it goes to another place. */
function standAlone(payload: Element): Element {
  return new RawXml(serialize(payload, ''))
}
