/** Directed requests and handlers, Element to typed value and back. SACM-XMPP §2, urn:sacm-xmpp:topic:0. */

import { childElements, type Element, el } from '../../server/xml/element.ts'
import {
  defined,
  empty,
  onlyAttributes,
  openPayload,
  optional,
  optionalBoolean,
  optionalInteger,
  type Place,
  payloadInvalid,
  required,
} from '../repository/xml.ts'
import { NS_TOPIC, type TopicRequest, type TopicResponse } from './model.ts'

const SECTION = '§2.2'
const DEFAULT_TIMEOUT_SECONDS = 5
const MAX_TIMEOUT_SECONDS = 60
const MAX_TOPIC = 1024

/** @throws StanzaError payload-invalid */
export function parseTopicRequest(request: Element): TopicRequest {
  const place = openPayload(request, 'request', NS_TOPIC, SECTION)
  onlyAttributes(place, ['topic', 'timeout', 'queue', 'sender', 'component'])
  const payload = onlyChild(place)
  if (!payload) throw payloadInvalid(place, '', 'a request carries one payload')
  return defined({
    topic: required(place, 'topic', MAX_TOPIC),
    timeoutSeconds: optionalInteger(place, 'timeout', 1, MAX_TIMEOUT_SECONDS) ?? DEFAULT_TIMEOUT_SECONDS,
    queue: optionalBoolean(place, 'queue') ?? false,
    sender: optional(place, 'sender', 3071),
    component: optional(place, 'component', 64),
    payload,
  })
}

function onlyChild(place: Place): Element | undefined {
  const [child, ...more] = childElements(place.element)
  if (more.length > 0) throw payloadInvalid(place, '', 'one payload is expected')
  if (place.element.getText().trim() !== '') throw payloadInvalid(place, 'text()', 'text is not expected here')
  return child
}

export function renderTopicRequest(
  request: Omit<TopicRequest, 'timeoutSeconds' | 'queue'> & { timeoutSeconds?: number; queue?: boolean },
): Element {
  return el(
    'request',
    {
      xmlns: NS_TOPIC,
      topic: request.topic,
      timeout: request.timeoutSeconds,
      queue: request.queue ? 'true' : undefined,
      sender: request.sender,
      component: request.component,
    },
    request.payload,
  )
}

/** @throws StanzaError payload-invalid */
export function parseTopicResponse(response: Element): TopicResponse {
  const place = openPayload(response, 'response', NS_TOPIC, SECTION)
  onlyAttributes(place, ['topic'])
  return { topic: required(place, 'topic', MAX_TOPIC), payload: onlyChild(place) }
}

export function renderTopicResponse(response: TopicResponse): Element {
  return el('response', { xmlns: NS_TOPIC, topic: response.topic }, response.payload)
}

export function renderHandle(topic: string): Element {
  return el('handle', { xmlns: NS_TOPIC, topic })
}

export function renderUnhandle(topic: string): Element {
  return el('unhandle', { xmlns: NS_TOPIC, topic })
}

/**
 * The topic of `<handle/>` or `<unhandle/>`.
 * @throws StanzaError payload-invalid
 */
export function parseHandle(element: Element): string {
  const place = openPayload(element, element.getName() === 'unhandle' ? 'unhandle' : 'handle', NS_TOPIC, SECTION)
  onlyAttributes(place, ['topic'])
  empty(place)
  return required(place, 'topic', MAX_TOPIC)
}
