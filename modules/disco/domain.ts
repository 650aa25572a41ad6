/**
 * What the domain lists of itself: its services and components, then what modules add there, as one list with pages.
 * Of what modules add only the part that is shown is asked for, so a page costs what is in it. XEP-0030 §4, XEP-0059 §2.
 */

import type { DiscoItem } from '../../server/module/api.ts'
import { StanzaError } from '../../server/stanza/errors.ts'
import type { Page, RsmRequest } from '../../server/stanza/rsm.ts'

/** Listed in one answer. */
const MAX_ITEMS = 500

type Rest = (page: RsmRequest) => Promise<Page<DiscoItem> | undefined>

const NONE: Page<DiscoItem> = { items: [], count: 0, first: undefined, last: undefined }

/**
 * @param heads  what comes first
 * @param rest  a page of the others, by their nodes' names; they are at the domain itself
 * @throws StanzaError item-not-found for a place that is none
 */
export async function domainItems(
  domain: string,
  heads: readonly DiscoItem[],
  rest: Rest,
  request: RsmRequest = { max: undefined },
): Promise<Page<DiscoItem>> {
  const max = Math.min(request.max ?? MAX_ITEMS, MAX_ITEMS)
  const { count: others = 0 } = (await rest({ max: 0 })) ?? NONE
  const count = heads.length + others
  const found = await (request.before === undefined ? forward : backward)({ domain, heads, rest, request, max })
  const ids = found.items.map(({ jid, node = '' }) => `${jid}${node}`)
  const index = ids.length === 0 || found.index === undefined ? {} : { index: found.index }
  return { items: found.items, count, ...index, first: ids[0], last: ids.at(-1) }
}

interface Asked {
  readonly domain: string
  readonly heads: readonly DiscoItem[]
  readonly rest: Rest
  readonly request: RsmRequest
  readonly max: number
}

interface Found {
  readonly items: readonly DiscoItem[]
  /** Of the first. */
  readonly index: number | undefined
}

async function forward({ domain, heads, rest, request, max }: Asked): Promise<Found> {
  const { after, index } = request
  const place = after === undefined ? { head: (index ?? 0) - 1 } : placeOf(domain, heads, after)
  if ('node' in place) return behind(heads, await gather(rest, max, { after: place.node }))
  const start = place.head + 1
  const own = heads.slice(start, start + max)
  const others = await gather(rest, max - own.length, start > heads.length ? { index: start - heads.length } : {})
  return own.length > 0 ? { items: [...own, ...others.items], index: start } : behind(heads, others)
}

async function backward({ domain, heads, rest, request: { before = '' }, max }: Asked): Promise<Found> {
  const place = before === '' ? { node: '' } : placeOf(domain, heads, before)
  const isHead = 'head' in place
  const others = isHead ? { items: [], index: undefined } : await gather(rest, max, { before: place.node })
  const end = isHead ? place.head : heads.length
  const own = heads.slice(Math.max(0, end - (max - others.items.length)), end)
  return own.length > 0 ? { items: [...own, ...others.items], index: end - own.length } : behind(heads, others)
}

function behind(heads: readonly DiscoItem[], { items, index }: Found): Found {
  return { items, index: index === undefined ? undefined : heads.length + index }
}

/** So many of the others, from a place on: modules answer with smaller pages. */
async function gather(rest: Rest, max: number, place: Omit<RsmRequest, 'max'>): Promise<Found> {
  let items: readonly DiscoItem[] = []
  let index: number | undefined
  let next: Omit<RsmRequest, 'max'> = place
  while (items.length < max) {
    const page = (await rest({ max: max - items.length, ...next })) ?? NONE
    const isBackward = next.before !== undefined
    items = isBackward ? [...page.items, ...items] : [...items, ...page.items]
    if (isBackward || index === undefined) index = page.index
    const [first, last] = [page.items[0]?.node, page.items.at(-1)?.node]
    const isEnd = isBackward ? page.index === 0 : (page.index ?? 0) + page.items.length >= (page.count ?? 0)
    if (first === undefined || last === undefined || isEnd) break
    next = isBackward ? { before: first } : { after: last }
  }
  return { items, index }
}

function placeOf(domain: string, heads: readonly DiscoItem[], id: string): { head: number } | { node: string } {
  const head = heads.findIndex(({ jid }) => jid === id)
  if (head >= 0) return { head }
  if (id.startsWith(domain) && id !== domain) return { node: id.slice(domain.length) }
  throw new StanzaError('cancel', 'item-not-found', 'the page would begin at an item that is not there')
}
