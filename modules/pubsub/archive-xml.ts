/** Queries to the archive of a node, and what is answered. XEP-0313 1.1.3 §4, §5; XEP-0442; XEP-0297. */

import { parseForm } from '../../server/stanza/forms.ts'
import { type Jid, tryParseJid } from '../../server/stanza/jid.ts'
import { type Page, parseRsm, type RsmRequest, renderRsm } from '../../server/stanza/rsm.ts'
import { formatDateTime, parseDateTime } from '../../server/stanza/time.ts'
import { attr, childOf, type Element, el } from '../../server/xml/element.ts'
import { NS_CLIENT, NS_DELAY, NS_FORMS } from '../../server/xml/namespaces.ts'
import { escapeAttribute } from '../../server/xml/serialize.ts'
import { type PubsubEvent, renderEvent } from './answer-xml.ts'
import { pubsubError } from './errors.ts'
import { NS_ORDER_BY, type Order, parseOrder } from './order.ts'

export const NS_MAM = 'urn:xmpp:mam:2'
/** XEP-0359 0.7.0 */
const NS_STANZA_ID = 'urn:xmpp:sid:0'
const NS_FORWARD = 'urn:xmpp:forward:0'
const NS_VALIDATE = 'http://jabber.org/protocol/xdata-validate'

/** `urn:xmpp:mam:2#extended`: ids, flipped pages, metadata. XEP-0313 §7; XEP-0413 §5 */
export const ARCHIVE_FEATURES: readonly string[] = [NS_MAM, `${NS_MAM}#extended`, `${NS_ORDER_BY}@${NS_MAM}`]
/** Where events tell their items' ids in the archive. */
export const STANZA_ID_FEATURE = NS_STANZA_ID

/** What is asked for; times in UTC milliseconds, ids as they came. */
export interface ArchiveQuery {
  readonly nodeId: string
  readonly queryId: string | undefined
  readonly page: RsmRequest | undefined
  readonly order: Order
  /** The newest of the page is sent first. */
  readonly isFlipped: boolean
  readonly with: Jid | undefined
  readonly startMs: number | undefined
  readonly endMs: number | undefined
  readonly afterId: string | undefined
  readonly beforeId: string | undefined
  /** Empty: not asked for by ids. */
  readonly ids: readonly string[]
}

/** The node whose archive is meant. @throws StanzaError nodeid-required */
export function archivedNode(payload: Element): string {
  const nodeId = attr(payload, 'node')
  if (nodeId === undefined || nodeId === '') throw pubsubError('nodeIdRequired', 'the archive of which node?')
  return nodeId
}

/** @throws StanzaError bad-request when it is not what XEP-0313 §4 says, feature-not-implemented for an unknown field */
export function parseArchiveQuery(query: Element): ArchiveQuery {
  const fields = fieldsOf(query)
  const one = (name: string): string | undefined => {
    const values = fields.get(name) ?? []
    if (values.length > 1) throw pubsubError('malformed', `${name} takes one value`)
    return values[0]
  }
  const ids = fields.get('ids') ?? []
  if (ids.length > 0 && (fields.size > 2 || (fields.size === 2 && !fields.has('with'))))
    throw pubsubError('malformed', 'ids are asked for by themselves')
  const order = parseOrder(query)
  return {
    nodeId: archivedNode(query),
    queryId: attr(query, 'queryid'),
    page: parseRsm(query),
    order,
    isFlipped: childOf(query, 'flip-page', NS_MAM) !== undefined,
    with: jidOf(one('with')),
    startMs: timeOf(one('start')),
    endMs: timeOf(one('end')),
    afterId: one('after-id'),
    beforeId: one('before-id'),
    ids,
  }
}

const FIELDS = ['with', 'start', 'end', 'before-id', 'after-id', 'ids'] as const

function fieldsOf(query: Element): ReadonlyMap<string, readonly string[]> {
  const x = childOf(query, 'x', NS_FORMS)
  if (!x) return new Map()
  const form = parseForm(x)
  if (form.type !== 'submit' || form.formType !== NS_MAM)
    throw pubsubError('malformed', `a query is a submitted form whose FORM_TYPE is ${NS_MAM}`)
  const unknown = form.fields.find(({ name }) => !FIELDS.some((field) => field === name))
  if (unknown) throw pubsubError('filterUnsupported', `${unknown.name} is no filter here`) // §4.1.5
  return new Map(form.fields.map(({ name, values }) => [name, values]))
}

function timeOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const time = parseDateTime(text)
  if (time === undefined) throw pubsubError('malformed', 'start and end are dates of XEP-0082')
  return time
}

function jidOf(text: string | undefined): Jid | undefined {
  if (text === undefined) return undefined
  const jid = tryParseJid(text)
  if (!jid) throw pubsubError('malformed', 'with is no JID')
  return jid
}

/** What may be filtered by. XEP-0313 §4.1.5: of ids, the form says that they are open, and lists none. */
export function renderArchiveForm(nodeId: string | undefined): Element {
  const types = { with: 'jid-single', ids: 'list-multi' } as const
  const fields = FIELDS.map((name) => {
    const isOpen = name === 'ids'
    const validate = isOpen ? el('validate', { xmlns: NS_VALIDATE, datatype: 'xs:string' }, el('open')) : undefined
    const type = name === 'with' || name === 'ids' ? types[name] : 'text-single'
    return el('field', { type, var: name }, validate)
  })
  const formType = el('field', { type: 'hidden', var: 'FORM_TYPE' }, el('value', {}, NS_MAM))
  return el('query', { xmlns: NS_MAM, node: nodeId }, el('x', { xmlns: NS_FORMS, type: 'form' }, formType, ...fields))
}

/** What tells subscribers an item's id in the archive. XEP-0313 §3.5; XEP-0359 §3. */
export function renderStanzaId(by: string, id: string): string {
  return `<stanza-id xmlns="${NS_STANZA_ID}" by="${escapeAttribute(by)}" id="${id}"/>`
}

/** One item of the archive, in the message that brings it. XEP-0313 §4.2; XEP-0442 §3: as subscribers are told of it. */
export function renderArchived(
  to: string,
  from: string,
  queryId: string | undefined,
  item: { readonly id: string; readonly publishedAt: number; readonly event: PubsubEvent; readonly type?: string },
): Element {
  const { id, publishedAt, event, type } = item
  const forwarded = el(
    'forwarded',
    { xmlns: NS_FORWARD },
    el('delay', { xmlns: NS_DELAY, stamp: formatDateTime(publishedAt) }),
    el('message', { xmlns: NS_CLIENT, from, type }, renderEvent(event)),
  )
  return el('message', { from, to }, el('result', { xmlns: NS_MAM, queryid: queryId, id }, forwarded))
}

/** XEP-0313 §4.3. */
export function renderFin(page: Page<unknown>, isComplete: boolean): Element {
  return el('fin', { xmlns: NS_MAM, complete: isComplete ? 'true' : undefined }, renderRsm(page))
}

/** The two ends of an archive. */
export interface ArchiveEnd {
  readonly id: string
  readonly publishedAt: number
}

/** XEP-0313 §5; empty for an archive that is. */
export function renderMetadata(nodeId: string, start: ArchiveEnd | undefined, end: ArchiveEnd | undefined): Element {
  const element = (name: string, at: ArchiveEnd | undefined) =>
    at && el(name, { id: at.id, timestamp: formatDateTime(at.publishedAt) })
  return el('metadata', { xmlns: NS_MAM, node: nodeId }, element('start', start), element('end', end))
}
