/** Repository queries, Element to typed value and back. SACM-XMPP §4, urn:sacm-xmpp:repository:0. */

import { parseRsm, renderRsmRequest } from '../../server/stanza/rsm.ts'
import { formatDateTime } from '../../server/stanza/time.ts'
import { type Element, el } from '../../server/xml/element.ts'
import { NS_RSM } from '../../server/xml/namespaces.ts'
import { NS_REPOSITORY, type RepositoryQuery } from './model.ts'
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
  payloadInvalid,
  required,
} from './payload.ts'
import { VERDICTS } from './result-xml.ts'

const SECTION = '§4'
const MAX_AGE_SECONDS = 10 * 366 * 86_400

/** @throws StanzaError payload-invalid; the faults of `<set/>` are XEP-0059's */
export function parseQuery(element: Element): RepositoryQuery {
  const kind = element.getName()
  if (!isKind(kind)) {
    throw payloadInvalid({ path: `/${kind}`, section: SECTION }, '', `there is no query '${kind}'`)
  }
  const place = openPayload(element, kind, NS_REPOSITORY, SECTION)
  const page = parseRsm(element)
  // What is left besides the page is refused: no query has children of its own.
  if (kind === 'content') empty(place)
  else childPlaces(place, NS_RSM, ['set'])
  const paged = page === undefined ? {} : { page }
  onlyAttributes(place, ATTRIBUTES[kind])
  switch (kind) {
    case 'endpoints':
      return {
        kind,
        ...paged,
        ...defined({
          id: optional(place, 'id', 64),
          label: optional(place, 'label', 64),
          seenBefore: optionalTime(place, 'seen-before'),
        }),
      }
    case 'posture':
      return {
        kind,
        ...paged,
        ...defined({
          endpoint: optional(place, 'endpoint', 64),
          label: optional(place, 'label', 64),
          name: optional(place, 'name'),
          after: optionalTime(place, 'after'),
          before: optionalTime(place, 'before'),
          asOf: optionalTime(place, 'as-of'),
          maxAgeSeconds: optionalInteger(place, 'max-age', 0, MAX_AGE_SECONDS),
          waitSeconds: optionalInteger(place, 'wait', 1, 60),
          collector: optional(place, 'collector'),
          method: optional(place, 'method'),
          format: optional(place, 'format'),
        }),
      }
    case 'policies':
      return {
        kind,
        ...paged,
        ...defined({
          type: optional(place, 'type'),
          platform: optional(place, 'platform'),
          name: optional(place, 'name'),
          version: optional(place, 'version'),
        }),
      }
    case 'results':
      return {
        kind,
        ...paged,
        ...defined({
          endpoint: optional(place, 'endpoint', 64),
          policy: optional(place, 'policy'),
          rule: optional(place, 'rule'),
          verdict: optionalOf(place, 'verdict', VERDICTS),
          asOf: optionalTime(place, 'as-of'),
        }),
      }
    case 'content':
      return { kind, id: required(place, 'id') }
  }
}

type Kind = RepositoryQuery['kind']
const ATTRIBUTES: Readonly<Record<Kind, readonly string[]>> = {
  endpoints: ['id', 'label', 'seen-before'],
  posture: [
    ...['endpoint', 'label', 'name', 'after', 'before', 'as-of', 'max-age', 'wait'],
    ...['collector', 'method', 'format'],
  ],
  policies: ['type', 'platform', 'name', 'version'],
  results: ['endpoint', 'policy', 'rule', 'verdict', 'as-of'],
  content: ['id'],
}

/** The names of the queries that the repository answers. */
export const QUERY_KINDS: readonly Kind[] = ['endpoints', 'posture', 'policies', 'results', 'content']

function isKind(text: string): text is Kind {
  return Object.hasOwn(ATTRIBUTES, text)
}

export function renderQuery(query: RepositoryQuery): Element {
  const element = el(query.kind, { xmlns: NS_REPOSITORY, ...queryAttributes(query) })
  if (query.kind !== 'content' && query.page) element.cnode(renderRsmRequest(query.page))
  return element
}

function queryAttributes(query: RepositoryQuery): Record<string, string | number | undefined> {
  switch (query.kind) {
    case 'endpoints':
      return { id: query.id, label: query.label, 'seen-before': dateTime(query.seenBefore) }
    case 'posture':
      return {
        endpoint: query.endpoint,
        label: query.label,
        name: query.name,
        after: dateTime(query.after),
        before: dateTime(query.before),
        'as-of': dateTime(query.asOf),
        'max-age': query.maxAgeSeconds,
        wait: query.waitSeconds,
        collector: query.collector,
        method: query.method,
        format: query.format,
      }
    case 'policies':
      return { type: query.type, platform: query.platform, name: query.name, version: query.version }
    case 'results':
      return {
        endpoint: query.endpoint,
        policy: query.policy,
        rule: query.rule,
        verdict: query.verdict,
        'as-of': dateTime(query.asOf),
      }
    case 'content':
      return { id: query.id }
  }
}

function dateTime(time: number | undefined): string | undefined {
  return time === undefined ? undefined : formatDateTime(time)
}
