/** Result set management: the request's and the answer's `<set/>`, and pages in between. XEP-0059 1.0. */

import { childElements, childOf, type Element, el, textOf } from '../xml/element.ts'
import { NS_RSM } from '../xml/namespaces.ts'
import { StanzaError } from './errors.ts'

/** A parsed `<set/>` request. At most one of after, before and index is set; `before: ''` asks for the last page. */
export interface RsmRequest {
  /** Items at most; 0 asks for the count only. XEP-0059 §2.7. */
  readonly max: number | undefined
  readonly after?: string
  readonly before?: string
  readonly index?: number
}

/** One page of results, in their order, with the ids that stand as its first and last. */
export interface Page<T> {
  readonly items: readonly T[]
  /** All items before paging; undefined when not counted. */
  readonly count: number | undefined
  /** Position of the first item in the whole; undefined when not known. */
  readonly index?: number
  /** The opaque ids of the first and last item; undefined on an empty page. */
  readonly first: string | undefined
  readonly last: string | undefined
  /** There are more than these; undefined: as the count says. */
  readonly hasMore?: boolean
}

/** What an answer's `<set/>` says, read by the requesting side. XEP-0059 §2.2. */
export interface RsmAnswer {
  readonly count: number | undefined
  readonly index?: number
  readonly first: string | undefined
  readonly last: string | undefined
}

/**
 * Reads the `<set/>` request inside `parent`; undefined when there is none.
 * @throws StanzaError bad-request when a number is none, or more than one place to page from is named
 * XEP-0059 §2.1 to §2.7.
 */
export function parseRsm(parent: Element): RsmRequest | undefined {
  const set = childOf(parent, 'set', NS_RSM)
  if (!set) return undefined
  const request: { max: number | undefined; after?: string; before?: string; index?: number } = { max: undefined }
  const seen = new Set<string>()
  for (const part of childElements(set)) {
    if (part.getNS() !== NS_RSM) continue
    const name = part.getName()
    if (name !== 'max' && name !== 'index' && name !== 'after' && name !== 'before') continue
    if (seen.has(name)) throw bad(`<${name}/> twice in a result set request`)
    seen.add(name)
    const text = textOf(part)
    if (name === 'max' || name === 'index') request[name] = count(name, text)
    else if (name === 'before' || text !== '') request[name] = text // an empty <after/> is the first page, §2.2
  }
  const places = [request.after, request.before, request.index].filter((place) => place !== undefined)
  if (places.length > 1) throw bad('more than one of after, before and index in a result set request')
  return request
}

/** Writes the request's `<set/>`. */
export function renderRsmRequest(request: RsmRequest): Element {
  return el(
    'set',
    { xmlns: NS_RSM },
    request.max === undefined ? undefined : el('max', {}, String(request.max)),
    request.after === undefined ? undefined : el('after', {}, request.after),
    request.before === undefined ? undefined : el('before', {}, request.before),
    request.index === undefined ? undefined : el('index', {}, String(request.index)),
  )
}

/**
 * Cuts a page out of a list in memory.
 * @param idOf  the unique text that stands for an item as first and last
 * @param max  items at most where the request names no number, or a larger one
 * @throws StanzaError item-not-found when `after` or `before` names no item
 * XEP-0059 §2.2 to §2.7.
 */
export function pageOf<T>(
  items: readonly T[],
  idOf: (item: T) => string,
  request: RsmRequest | undefined,
  max: number,
): Page<T> {
  const size = Math.min(request?.max ?? max, max)
  return cut(items, idOf, ...bounds(items, idOf, request, size))
}

/**
 * Cuts a page out of a list in memory that is in the order of its ids, by code units. That order tells where a page
 * begins even when the item it was named by is no more: there is no item-not-found here. XEP-0059 §2.2 to §2.7.
 * @param idOf  the unique text that stands for an item as first and last
 */
export function pageOfSorted<T>(
  items: readonly T[],
  idOf: (item: T) => string,
  request: RsmRequest,
  max: number,
): Page<T> {
  const size = Math.min(request.max ?? max, max)
  if (request.before !== undefined) {
    const { before } = request
    const end = before === '' ? items.length : firstNot(items, (item) => idOf(item) < before)
    return cut(items, idOf, Math.max(0, end - size), end)
  }
  const { after } = request
  const start = after === undefined ? (request.index ?? 0) : firstNot(items, (item) => idOf(item) <= after)
  return cut(items, idOf, start, start + size)
}

/** The index of the first item for which it does not hold; it holds for those at the front and for no others. */
export function firstNot<T>(items: readonly T[], holds: (item: T) => boolean): number {
  let [low, high] = [0, items.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    const item = items[middle]
    if (item !== undefined && holds(item)) low = middle + 1
    else high = middle
  }
  return low
}

function cut<T>(items: readonly T[], idOf: (item: T) => string, start: number, end: number): Page<T> {
  const page = items.slice(start, end)
  const [first, last] = [page[0], page.at(-1)]
  return {
    items: page,
    count: items.length,
    ...(page.length === 0 ? {} : { index: start }),
    first: first === undefined ? undefined : idOf(first),
    last: last === undefined ? undefined : idOf(last),
  }
}

function bounds<T>(
  items: readonly T[],
  idOf: (item: T) => string,
  request: RsmRequest | undefined,
  size: number,
): [start: number, end: number] {
  const at = (id: string): number => {
    const index = items.findIndex((item) => idOf(item) === id)
    if (index < 0)
      throw new StanzaError('cancel', 'item-not-found', 'the page would begin at an item that is not there')
    return index
  }
  if (request?.before !== undefined) {
    const end = request.before === '' ? items.length : at(request.before)
    return [Math.max(0, end - size), end]
  }
  const start = request?.after === undefined ? (request?.index ?? 0) : at(request.after) + 1
  return [start, start + size]
}

/** Writes the answer's `<set/>`: first (with its index), last and count, as far as they are known. XEP-0059 §2.2. */
export function renderRsm(page: Page<unknown>): Element {
  // XEP-0059 §2.2: an empty page has neither first nor last.
  const bounds = page.first !== undefined && page.last !== undefined
  return el(
    'set',
    { xmlns: NS_RSM },
    bounds ? el('first', { index: page.index }, page.first) : undefined,
    bounds ? el('last', {}, page.last) : undefined,
    page.count === undefined ? undefined : el('count', {}, String(page.count)),
  )
}

/**
 * Reads the answer's `<set/>` inside `parent`; undefined when there is none.
 * @throws StanzaError bad-request when a number is none
 */
export function parseRsmAnswer(parent: Element): RsmAnswer | undefined {
  const set = childOf(parent, 'set', NS_RSM)
  if (!set) return undefined
  const first = childOf(set, 'first', NS_RSM)
  const last = childOf(set, 'last', NS_RSM)
  const total = childOf(set, 'count', NS_RSM)
  const index: unknown = first?.attrs['index']
  return {
    count: total ? count('count', textOf(total)) : undefined,
    ...(typeof index === 'string' ? { index: count('index', index) } : {}),
    first: first ? textOf(first) : undefined,
    last: last ? textOf(last) : undefined,
  }
}

/** XEP-0059 §5: xs:unsignedInt, but no more than nine digits, so that it is always an exact small number. */
function count(name: string, text: string): number {
  const digits = text.trim()
  if (!/^[0-9]{1,9}$/.test(digits)) throw bad(`<${name}/> of a result set must be a number of at most nine digits`)
  return Number(digits)
}

function bad(text: string): StanzaError {
  return new StanzaError('modify', 'bad-request', text)
}
