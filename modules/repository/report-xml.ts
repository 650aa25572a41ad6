/** Posture reports, Element to typed value and back. SACM-XMPP §3, urn:sacm-xmpp:posture:0. */

import { formatDateTime, parseDateTime } from '../../server/stanza/time.ts'
import { type Element, el } from '../../server/xml/element.ts'
import {
  type AttributeStatus,
  type DataType,
  type EndpointIdentifier,
  NS_POSTURE,
  type PostureAttribute,
  type PostureReport,
  type ReportMethod,
  type ReportScope,
} from './model.ts'
import {
  childPlaces,
  defined,
  empty,
  onlyAttributes,
  openPayload,
  optional,
  optionalInteger,
  optionalOf,
  optionalTime,
  type Place,
  payloadInvalid,
  required,
  requiredOf,
  requiredTime,
  textContent,
} from './payload.ts'

export const METHODS: readonly ReportMethod[] = ['self', 'remote', 'observed', 'aggregated']
export const SCOPES: readonly ReportScope[] = ['full', 'delta', 'partial']
export const STATUSES: readonly AttributeStatus[] = ['exists', 'does-not-exist', 'error', 'not-collected']
const DATA_TYPES: readonly DataType[] = ['string', 'integer', 'boolean', 'float', 'datetime', 'version']

/** A set of parts is bounded, or an hour of memory would belong to whoever sends the first part. */
export const MAX_PARTS = 1000
const MAX_NAME = 512
const MAX_REASON = 2048
const SECTION = '§3.5'

/** @throws StanzaError payload-invalid */
export function parseReport(element: Element): PostureReport {
  const place = openPayload(element, 'report', NS_POSTURE, SECTION)
  onlyAttributes(place, ['collected', 'method', 'scope', 'job', 'set', 'part', 'of'])
  const collected = requiredTime(place, 'collected')
  const scope = requiredOf(place, 'scope', SCOPES)
  const identifiers: EndpointIdentifier[] = []
  const covers: string[] = []
  const attributes: PostureAttribute[] = []
  const names = new Set<string>()
  let endpoint: Place | undefined

  for (const child of childPlaces(place, NS_POSTURE, ['endpoint', 'covers', 'attribute'])) {
    switch (child.element.getName()) {
      case 'endpoint':
        if (endpoint) throw payloadInvalid(child, '', 'a report is about one endpoint')
        endpoint = child
        identifiers.push(...parseIdentifiers(child))
        break
      case 'covers':
        onlyAttributes(child, ['prefix'])
        empty(child)
        covers.push(required(child, 'prefix', MAX_NAME))
        break
      default: {
        const attribute = parseAttribute(child)
        if (names.has(attribute.name)) throw payloadInvalid(child, '@name', `'${attribute.name}' stands there twice`)
        names.add(attribute.name)
        attributes.push(attribute)
      }
    }
  }
  if (!endpoint) throw payloadInvalid(place, '', '<endpoint/> is missing')
  if (scope !== 'full' && covers.length > 0) {
    throw payloadInvalid(place, 'covers', 'only a full report covers a prefix')
  }
  return defined({
    collected,
    method: requiredOf(place, 'method', METHODS),
    scope,
    job: optional(place, 'job', 128),
    identifiers,
    covers,
    attributes,
    part: parsePart(place),
  })
}

function parsePart(place: Place): PostureReport['part'] | undefined {
  const set = optional(place, 'set', 128)
  const number = optionalInteger(place, 'part', 1, MAX_PARTS)
  const of = optionalInteger(place, 'of', 1, MAX_PARTS)
  if (set === undefined && number === undefined && of === undefined) return undefined
  if (set === undefined || number === undefined || of === undefined) {
    throw payloadInvalid(place, '', "'set', 'part' and 'of' stand together or not at all")
  }
  if (number > of) throw payloadInvalid(place, '@part', `part ${number} of ${of}`)
  return { set, number, of }
}

/** `<endpoint><identifier type value/>…</endpoint>`, at least one, no pair twice. */
function parseIdentifiers(place: Place): EndpointIdentifier[] {
  onlyAttributes(place, [])
  const identifiers = childPlaces(place, NS_POSTURE, ['identifier']).map((child) => {
    onlyAttributes(child, ['type', 'value'])
    empty(child)
    return { type: required(child, 'type', 64), value: required(child, 'value', 1024) }
  })
  if (identifiers.length === 0) throw payloadInvalid(place, '', 'an endpoint has at least one <identifier/>')
  if (new Set(identifiers.map(({ type, value }) => `${type} ${value}`)).size < identifiers.length) {
    throw payloadInvalid(place, 'identifier', 'an identifier stands there twice')
  }
  return identifiers
}

function parseAttribute(place: Place): PostureAttribute {
  onlyAttributes(place, ['name', 'type', 'collected', 'status', 'reason'])
  const collected = optionalTime(place, 'collected')
  return { ...parseValue(place), ...(collected === undefined ? {} : { collected }) }
}

/** Name, type, status, reason and value, which a reported attribute and a stored row have alike. */
export function parseValue(place: Place): Omit<PostureAttribute, 'collected'> {
  const name = required(place, 'name', MAX_NAME)
  const type = optionalOf(place, 'type', DATA_TYPES) ?? 'string'
  const status = optionalOf(place, 'status', STATUSES) ?? 'exists'
  const reason = optional(place, 'reason', MAX_REASON)
  if (reason !== undefined && status !== 'error' && status !== 'not-collected') {
    throw payloadInvalid(place, '@reason', `'reason' does not go with status '${status}'`)
  }
  const text = textContent(place)
  if (status !== 'exists') {
    if (text !== '') throw payloadInvalid(place, 'text()', `a value does not go with status '${status}'`)
    return { name, value: undefined, type, status, ...(reason === undefined ? {} : { reason }) }
  }
  if (!isOfType(type, text)) throw payloadInvalid(place, 'text()', `the value is no ${type}`)
  return { name, value: text, type, status }
}

function isOfType(type: DataType, text: string): boolean {
  switch (type) {
    case 'string':
      return true
    case 'integer':
      return /^-?\d+$/.test(text)
    case 'boolean':
      return text === 'true' || text === 'false'
    case 'float':
      return /^-?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(text)
    case 'datetime':
      return parseDateTime(text) !== undefined
    case 'version':
      return text !== ''
  }
}

/**
 * What XML cannot carry would end the sender's stream, so such an attribute becomes an error that says so, and the
 * value is not altered in silence. XML 1.0 §2.2.
 */
export function renderReport(report: PostureReport): Element {
  const element = el('report', {
    xmlns: NS_POSTURE,
    collected: formatDateTime(report.collected),
    method: report.method,
    scope: report.scope,
    job: report.job,
    set: report.part?.set,
    part: report.part?.number,
    of: report.part?.of,
  })
  element.cnode(el('endpoint', {}, ...report.identifiers.map(({ type, value }) => el('identifier', { type, value }))))
  for (const prefix of report.covers) element.cnode(el('covers', { prefix }))
  for (const attribute of report.attributes) {
    element.cnode(
      renderValue(attribute, {
        collected:
          attribute.collected === undefined || attribute.collected === report.collected
            ? undefined
            : formatDateTime(attribute.collected),
      }),
    )
  }
  return element
}

/** `<attribute/>`, defaults left out. */
export function renderValue(
  attribute: Omit<PostureAttribute, 'collected'>,
  more: Readonly<Record<string, string | undefined>>,
): Element {
  if (attribute.value !== undefined && !isXmlText(attribute.value)) {
    const reason = 'the value holds characters that XML cannot carry'
    return renderValue({ name: attribute.name, value: undefined, type: attribute.type, status: 'error', reason }, more)
  }
  return el(
    'attribute',
    {
      name: attribute.name,
      type: attribute.type === 'string' ? undefined : attribute.type,
      status: attribute.status === 'exists' ? undefined : attribute.status,
      reason: attribute.reason,
      ...more,
    },
    attribute.value,
  )
}

/** Only characters of XML 1.0 §2.2's Char; a lone surrogate is none. */
function isXmlText(text: string): boolean {
  if (!text.isWellFormed() || /[\ufffe\uffff]/.test(text)) return false
  const controls = text.match(/\p{Cc}/gu) ?? []
  return controls.every((character) => character >= '\x7f' || '\t\n\r'.includes(character))
}
