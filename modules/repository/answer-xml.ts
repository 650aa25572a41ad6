/** Repository answers, Element to typed value and back. SACM-XMPP §4, urn:sacm-xmpp:repository:0. */

import { type Page, parseRsmAnswer, renderRsm } from '../../server/stanza/rsm.ts'
import { formatDateTime } from '../../server/stanza/time.ts'
import { childElements, Element, el } from '../../server/xml/element.ts'
import { NS_RSM } from '../../server/xml/namespaces.ts'
import {
  type EndpointRow,
  NS_REPOSITORY,
  type PolicyRow,
  type PostureRow,
  type RepositoryAnswer,
  type ResultRow,
} from './model.ts'
import {
  childPlaces,
  empty,
  onlyAttributes,
  openPayload,
  optional,
  optionalBoolean,
  type Place,
  payloadInvalid,
  required,
  requiredInteger,
  requiredOf,
  requiredTime,
  textContent,
} from './payload.ts'
import { METHODS, parseValue, renderValue } from './report-xml.ts'
import { parseRule, renderRule } from './result-xml.ts'

const SECTION = '§4'

/** @throws StanzaError payload-invalid */
export function parseAnswer(element: Element): RepositoryAnswer {
  const kind = element.getName()
  switch (kind) {
    case 'endpoints':
      return { kind, ...parsePage(element, kind, 'endpoint', parseEndpointRow) }
    case 'posture':
      return { kind, ...parsePage(element, kind, 'attribute', parsePostureRow) }
    case 'policies':
      return { kind, ...parsePage(element, kind, 'policy', parsePolicyRow) }
    case 'results':
      return { kind, ...parsePage(element, kind, 'result', parseResultRow) }
    case 'content': {
      const place = openPayload(element, kind, NS_REPOSITORY, SECTION)
      onlyAttributes(place, [])
      const [content, ...more] = childElements(element)
      if (!content || more.length > 0) throw payloadInvalid(place, '', 'exactly one document is expected')
      return { kind, content }
    }
    default:
      throw payloadInvalid({ path: `/${kind}`, section: SECTION }, '', `there is no answer '${kind}'`)
  }
}

export function renderAnswer(answer: RepositoryAnswer): Element {
  switch (answer.kind) {
    case 'endpoints':
      return renderPage(answer.kind, answer, renderEndpointRow)
    case 'posture':
      return renderPage(answer.kind, answer, renderPostureRow)
    case 'policies':
      return renderPage(answer.kind, answer, renderPolicyRow)
    case 'results':
      return renderPage(answer.kind, answer, renderResultRow)
    case 'content':
      return el('content', { xmlns: NS_REPOSITORY }, answer.content)
  }
}

interface Rows<T> {
  readonly page: Page<T>
  readonly withheld: number
}

function renderPage<T>(kind: string, { page, withheld }: Rows<T>, render: (row: T) => Element): Element {
  return el(kind, { xmlns: NS_REPOSITORY, withheld }, ...page.items.map(render), renderRsm(page))
}

function parsePage<T>(element: Element, kind: string, row: string, parse: (place: Place) => T): Rows<T> {
  const place = openPayload(element, kind, NS_REPOSITORY, SECTION)
  onlyAttributes(place, ['withheld'])
  const rows = new Element(kind)
  rows.children = element.children.filter((child) => !(child instanceof Element && child.getNS() === NS_RSM))
  const items = childPlaces({ ...place, element: rows }, NS_REPOSITORY, [row]).map(parse)
  const bounds = parseRsmAnswer(element) ?? { count: undefined, first: undefined, last: undefined }
  return { page: { items, ...bounds }, withheld: requiredInteger(place, 'withheld', 0, 1e15) }
}

function renderEndpointRow(row: EndpointRow): Element {
  return el(
    'endpoint',
    { id: row.id, 'first-seen': formatDateTime(row.firstSeen), 'last-seen': formatDateTime(row.lastSeen) },
    ...row.identifiers.map(({ type, value }) => el('identifier', { type, value })),
    ...row.labels.map((label) => el('label', {}, label)),
    ...row.conflicts.map((id) => el('conflict', { endpoint: id })),
  )
}

function parseEndpointRow(place: Place): EndpointRow {
  onlyAttributes(place, ['id', 'first-seen', 'last-seen'])
  const identifiers: EndpointRow['identifiers'][number][] = []
  const labels: string[] = []
  const conflicts: string[] = []
  for (const child of childPlaces(place, NS_REPOSITORY, ['identifier', 'label', 'conflict'])) {
    const name = child.element.getName()
    if (name === 'identifier') {
      identifiers.push({ type: required(child, 'type', 64), value: required(child, 'value', 1024) })
    } else if (name === 'label') labels.push(textContent(child))
    else conflicts.push(required(child, 'endpoint', 64))
  }
  return {
    id: required(place, 'id', 64),
    identifiers,
    labels,
    firstSeen: requiredTime(place, 'first-seen'),
    lastSeen: requiredTime(place, 'last-seen'),
    conflicts,
  }
}

function renderPostureRow(row: PostureRow): Element {
  return renderValue(row, {
    endpoint: row.endpoint,
    collected: formatDateTime(row.collected),
    received: formatDateTime(row.received),
    'last-seen': formatDateTime(row.lastSeen),
    collector: row.collector,
    method: row.method,
    format: row.format,
    stale: row.stale ? 'true' : undefined,
  })
}

function parsePostureRow(place: Place): PostureRow {
  onlyAttributes(place, [
    ...['name', 'type', 'status', 'reason', 'endpoint', 'collected', 'received', 'last-seen'],
    ...['collector', 'method', 'format', 'stale'],
  ])
  return {
    ...parseValue(place),
    endpoint: required(place, 'endpoint', 64),
    collected: requiredTime(place, 'collected'),
    received: requiredTime(place, 'received'),
    lastSeen: requiredTime(place, 'last-seen'),
    collector: required(place, 'collector', 3071),
    method: requiredOf(place, 'method', METHODS),
    format: required(place, 'format'),
    ...(optionalBoolean(place, 'stale') ? { stale: true } : {}),
  }
}

function renderPolicyRow(row: PolicyRow): Element {
  return el('policy', { ...row, published: formatDateTime(row.published) })
}

function parsePolicyRow(place: Place): PolicyRow {
  onlyAttributes(place, ['id', 'version', 'title', 'type', 'rules', 'published', 'publisher'])
  empty(place)
  return {
    id: required(place, 'id'),
    version: required(place, 'version'),
    title: required(place, 'title', 1024),
    type: required(place, 'type'),
    rules: requiredInteger(place, 'rules', 0, 1e9),
    published: requiredTime(place, 'published'),
    publisher: required(place, 'publisher', 3071),
  }
}

function renderResultRow(row: ResultRow): Element {
  return el(
    'result',
    {
      id: row.id,
      endpoint: row.endpoint,
      policy: row.policy,
      evaluated: formatDateTime(row.evaluated),
      evaluator: row.evaluator,
    },
    renderRule(row.rule),
  )
}

function parseResultRow(place: Place): ResultRow {
  onlyAttributes(place, ['id', 'endpoint', 'policy', 'evaluated', 'evaluator'])
  const [rule, ...more] = childPlaces(place, NS_REPOSITORY, ['rule'])
  if (!rule || more.length > 0) throw payloadInvalid(place, '', 'a row holds one <rule/>')
  return {
    id: required(place, 'id', 1024),
    endpoint: required(place, 'endpoint', 64),
    policy: optional(place, 'policy') ?? '',
    evaluated: requiredTime(place, 'evaluated'),
    evaluator: required(place, 'evaluator', 3071),
    rule: parseRule(rule, NS_REPOSITORY),
  }
}
