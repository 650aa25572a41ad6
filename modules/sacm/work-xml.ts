/**
 * Ad-hoc collection and evaluation and the states of jobs, Element to typed value and back.
 * A request names what to collect, never what to run: children other than these are refused (OP-002).
 * SACM-XMPP §2 (Jobs), §3; ARCH §Ad-Hoc.
 */

import { StanzaError } from '../../server/stanza/errors.ts'
import { formatDateTime } from '../../server/stanza/time.ts'
import { childElements, type Element, el } from '../../server/xml/element.ts'
import {
  childPlaces,
  defined,
  empty,
  NS_SACM_ERRORS,
  onlyAttributes,
  openPayload,
  optional,
  optionalInteger,
  optionalTime,
  type Place,
  payloadInvalid,
  required,
  requiredInteger,
  requiredOf,
  textContent,
} from '../repository/xml.ts'
import {
  type Collect,
  type Evaluate,
  type JobOutcome,
  type JobState,
  NS_COLLECTION,
  NS_EVALUATION,
  NS_JOB,
} from './model.ts'

const JOBS = '§2.3'
const COLLECTION = '§3.4'
const EVALUATION = '§3.7'
const MAX_ID = 128
const MAX_AGE_SECONDS = 10 * 366 * 86_400
const OUTCOMES: readonly JobOutcome[] = ['success', 'partial', 'failed', 'cancelled', 'expired']

/** @throws StanzaError payload-invalid */
export function parseJobState(element: Element): JobState {
  const name = element.getName()
  switch (name) {
    case 'accepted': {
      const place = openPayload(element, name, NS_JOB, JOBS)
      onlyAttributes(place, ['job', 'component'])
      empty(place)
      return { state: name, ...jobKey(place) }
    }
    case 'progress': {
      const place = openPayload(element, name, NS_JOB, JOBS)
      onlyAttributes(place, ['job', 'component', 'done', 'total'])
      empty(place)
      const total = requiredInteger(place, 'total', 0, 1e12)
      return { state: name, ...jobKey(place), done: requiredInteger(place, 'done', 0, total), total }
    }
    case 'completed': {
      const place = openPayload(element, name, NS_JOB, JOBS)
      onlyAttributes(place, ['job', 'component', 'outcome'])
      const errors = childPlaces(place, NS_JOB, ['error']).map((child) => {
        onlyAttributes(child, [])
        return textContent(child)
      })
      return { state: name, ...jobKey(place), outcome: requiredOf(place, 'outcome', OUTCOMES), errors }
    }
    default:
      throw payloadInvalid({ path: `/${name}`, section: JOBS }, '', `'${name}' is no job state`)
  }
}

function jobKey(place: Place): { job: string; component: string } {
  return { job: required(place, 'job', MAX_ID), component: required(place, 'component', 64) }
}

export function renderJobState(state: JobState): Element {
  const key = { xmlns: NS_JOB, job: state.job, component: state.component }
  switch (state.state) {
    case 'accepted':
      return el('accepted', key)
    case 'progress':
      return el('progress', { ...key, done: state.done, total: state.total })
    case 'completed':
      return el('completed', { ...key, outcome: state.outcome }, ...state.errors.map((text) => el('error', {}, text)))
  }
}

/** @throws StanzaError payload-invalid, or unsupported-format for instructions in a language of their own */
export function parseCollect(element: Element): Collect {
  const place = openPayload(element, 'collect', NS_COLLECTION, COLLECTION)
  onlyAttributes(place, ['id', 'expires', 'response-topic', 'max-age'])
  for (const child of childElements(element)) {
    const isReference = child.getName() === 'content' && child.getNS() === NS_COLLECTION
    if (isReference || /^http:\/\/oval\.mitre\.org\//.test(child.getNS() ?? '')) {
      throw new StanzaError(
        'cancel',
        'feature-not-implemented',
        `instructions by reference or in OVAL are not taken (PROTOCOL.md ${COLLECTION})`,
        { application: [el('unsupported-format', { xmlns: NS_SACM_ERRORS })] },
      )
    }
  }
  const attributes = childPlaces(place, NS_COLLECTION, ['attribute']).map((child) => {
    onlyAttributes(child, ['name'])
    empty(child)
    return required(child, 'name')
  })
  return { ...parseOrder(place), attributes }
}

function parseOrder(place: Place): Pick<Collect, 'id' | 'expires' | 'responseTopic' | 'maxAgeSeconds'> {
  return defined({
    id: required(place, 'id', MAX_ID),
    expires: optionalTime(place, 'expires'),
    responseTopic: optional(place, 'response-topic'),
    maxAgeSeconds: optionalInteger(place, 'max-age', 0, MAX_AGE_SECONDS),
  })
}

function orderAttributes(order: Pick<Collect, 'id' | 'expires' | 'responseTopic' | 'maxAgeSeconds'>) {
  return {
    id: order.id,
    expires: order.expires === undefined ? undefined : formatDateTime(order.expires),
    'response-topic': order.responseTopic,
    'max-age': order.maxAgeSeconds,
  }
}

export function renderCollect(collect: Collect): Element {
  return el(
    'collect',
    { xmlns: NS_COLLECTION, ...orderAttributes(collect) },
    ...collect.attributes.map((name) => el('attribute', { name })),
  )
}

/** @throws StanzaError payload-invalid */
export function parseEvaluate(element: Element): Evaluate {
  const place = openPayload(element, 'evaluate', NS_EVALUATION, EVALUATION)
  onlyAttributes(place, ['id', 'expires', 'response-topic', 'max-age', 'policy', 'profile'])
  const endpoints = childPlaces(place, NS_EVALUATION, ['endpoint']).map((child) => {
    onlyAttributes(child, ['id'])
    empty(child)
    return required(child, 'id', 64)
  })
  return {
    ...parseOrder(place),
    policy: required(place, 'policy'),
    ...defined({ profile: optional(place, 'profile') }),
    endpoints,
  }
}

export function renderEvaluate(evaluate: Evaluate): Element {
  return el(
    'evaluate',
    { xmlns: NS_EVALUATION, ...orderAttributes(evaluate), policy: evaluate.policy, profile: evaluate.profile },
    ...evaluate.endpoints.map((id) => el('endpoint', { id })),
  )
}
